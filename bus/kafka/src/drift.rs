//! Where a topic that exists already differs from what it should be. Kafka keeps whatever it finds and says nothing, so a topic that
//! somebody made by hand would take events for durable that are not, or forget them before they were worked on.

use std::collections::HashMap;

use ecs_bus::BusError;

use crate::Options;
use crate::client::largest_batch;

/// A topic as Kafka tells of it.
pub(crate) struct Found {
    /// Settings by name.
    pub(crate) settings: HashMap<String, String>,
    /// How many partitions it has.
    pub(crate) partitions: usize,
    /// How many brokers keep its least kept partition.
    pub(crate) replicas: usize,
}

/// What a setting has to be, and what would be broken otherwise.
struct Rule {
    name: &'static str,
    wanted: String,
    promise: &'static str,
    holds: Box<dyn Fn(&str) -> bool>,
}

impl Rule {
    fn is(name: &'static str, wanted: &'static str, promise: &'static str) -> Self {
        Self { name, wanted: wanted.to_owned(), promise, holds: Box::new(move |found| found == wanted) }
    }

    fn at_least(name: &'static str, least: i64, promise: &'static str) -> Self {
        let holds = move |found: &str| found.parse::<i64>().is_ok_and(|found| found >= least);
        Self { name, wanted: format!("at least {least}"), promise, holds: Box::new(holds) }
    }
}

/// How a topic is made.
pub(crate) fn wanted(options: &Options) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", "-1".to_owned()),
        ("retention.bytes", "-1".to_owned()),
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("unclean.leader.election.enable", "false".to_owned()),
        ("max.message.bytes", largest_batch(options.max_payload).to_string()),
        ("min.insync.replicas", most(options.replicas).to_string()),
    ];
    if options.replicas <= 1 {
        settings.push(("flush.messages", "1".to_owned()));
    }
    settings
}

/// How many of the copies are most of them.
fn most(replicas: i32) -> i64 {
    i64::from(replicas.max(1)) / 2 + 1
}

fn rules(options: &Options) -> Vec<Rule> {
    let forgets = "events go before they were worked on";
    let largest = i64::try_from(options.max_payload).unwrap_or(i64::MAX);
    let mut rules = vec![
        Rule::is("cleanup.policy", "delete", "one event of a user takes the place of another"),
        Rule::is("retention.ms", "-1", forgets),
        Rule::is("retention.bytes", "-1", forgets),
        Rule::is("message.timestamp.type", "LogAppendTime", "nobody knows when events became durable"),
        Rule::is("unclean.leader.election.enable", "false", "acknowledged events go with their broker"),
        Rule::at_least("max.message.bytes", largest, "large events are refused"),
    ];
    rules.push(if options.replicas <= 1 {
        Rule::is("flush.messages", "1", "a power cut takes acknowledged events")
    } else {
        let least = most(options.replicas);
        Rule::at_least("min.insync.replicas", least, "fewer brokers have what was acknowledged")
    });
    rules
}

/// Holds a topic against what it should be. Differences are logged; those that break a promise are refused, all of them at
/// once, so that nobody has to find them one by one.
pub(crate) fn check(topic: &str, found: &Found, options: &Options) -> Result<(), BusError> {
    let mut broken = Vec::new();
    for Rule { name, wanted, promise, holds } in rules(options) {
        let value = found.settings.get(name).map_or("not told", String::as_str);
        if !holds(value) {
            broken.push(format!("{name} is {value} and must be {wanted}, or {promise}"));
        }
    }
    let replicas = usize::try_from(options.replicas.max(1)).unwrap_or(1);
    if found.replicas < replicas {
        let found = found.replicas;
        broken.push(format!(
            "it is kept by {found} and must be kept by {replicas} brokers, or what was acknowledged goes with them"
        ));
    }
    if usize::try_from(options.partitions()) != Ok(found.partitions) {
        let (wanted, found) = (options.partitions(), found.partitions);
        tracing::warn!(topic, wanted, found, "has another number of partitions than the bus would make");
    }
    if broken.is_empty() {
        return Ok(());
    }
    let broken = broken.join("; ");
    tracing::warn!(topic, broken, "can't be used");
    Err(BusError::Corrupt(format!("the topic {topic} can't be used: {broken}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(options: &Options) -> Found {
        let settings = wanted(options).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Found { settings, partitions: 6, replicas: usize::try_from(options.replicas).unwrap() }
    }

    #[test]
    fn what_we_make_is_what_we_want() {
        for replicas in [1, 2, 3, 5] {
            let options = Options { replicas, ..Options::new("kafka://x") };
            assert!(check("it", &found(&options), &options).is_ok(), "{replicas}");
        }
    }

    #[test]
    fn each_setting_that_breaks_a_promise_is_refused_by_its_name() {
        let check = |replicas: i32, name: &str, value: &str, refused: bool| {
            let options = Options { replicas, ..Options::new("kafka://x") };
            let mut found = found(&options);
            found.settings.insert(name.to_owned(), value.to_owned());
            let verdict = super::check("it", &found, &options);
            let named =
                verdict.as_ref().is_err_and(|error| error.to_string().contains(&format!("{name} is ")));
            assert_eq!(named, refused, "{name}: {verdict:?}");
        };
        check(1, "flush.messages", "9223372036854775807", true);
        check(3, "flush.messages", "9223372036854775807", false);
        check(3, "min.insync.replicas", "1", true);
        check(1, "min.insync.replicas", "1", false);
        check(5, "min.insync.replicas", "2", true);
        check(1, "retention.ms", "604800000", true);
        check(1, "retention.bytes", "1000", true);
        check(1, "cleanup.policy", "compact,delete", true);
        check(1, "message.timestamp.type", "CreateTime", true);
        check(3, "unclean.leader.election.enable", "true", true);
        check(1, "max.message.bytes", "1000", true);
        check(1, "compression.type", "zstd", false);
    }

    #[test]
    fn fewer_copies_than_durable_means_are_refused() {
        let options = Options { replicas: 3, ..Options::new("kafka://x") };
        let verdict = check("it", &Found { replicas: 2, ..found(&options) }, &options);
        assert!(verdict.is_err_and(|error| error.to_string().contains("kept by 2")));
    }
}
