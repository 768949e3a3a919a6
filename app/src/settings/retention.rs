//! How long things are kept.

use ecs_work::ageing::Lifetimes;

use super::Retention;
use super::reader::Reader;

/// What keeps rows for as long as the account. A 0 is refused: whoever means "no limit" by it would lose everything.
const KEEP: &str = "keep";
/// Some hundred years.
const MOST: u16 = 36_500;
/// Features look back thirty days, and deliveries of a notification are listed as long.
const WINDOW: u16 = 31;

impl Reader<'_> {
    pub(super) fn retention(&mut self) -> Retention {
        let emotion_bus_days = self.number("ECS_EMOTION_BUS_DAYS", 1, 3_650);
        let bus_days: u16 = self.number("ECS_BUS_DAYS", 1, 3_650);
        let raw_emotion_days: u16 = self.number("ECS_RAW_EMOTION_DAYS", 1, 3_650);
        // What the bus may bring again must be known when it comes, a day more for the sweeps of the bus.
        let past_bus = bus_days + 2;
        // A replay could bring back a summary whose raw rows are still to be swept.
        let past_raw = raw_emotion_days + 2;
        let lifetimes = Lifetimes {
            summaries: self.lifetime("ECS_RETENTION_SUMMARY_DAYS", past_raw.max(WINDOW)),
            decisions: self.lifetime("ECS_RETENTION_DECISION_DAYS", 30),
            notifications: self.lifetime("ECS_RETENTION_NOTIFICATION_DAYS", past_bus.max(WINDOW)),
            transactions: self.lifetime("ECS_RETENTION_TRANSACTION_DAYS", past_bus.max(365)),
            waiting_letters: self.lifetime("ECS_RETENTION_DEAD_LETTER_DAYS", 1),
        };
        Retention { emotion_bus_days, bus_days, raw_emotion_days, lifetimes }
    }

    fn lifetime(&mut self, name: &'static str, least: u16) -> Option<u16> {
        let text = self.text(name).unwrap_or_default().to_owned();
        if text == KEEP {
            return None;
        }
        let days = text.parse().ok().filter(|days| (least..=MOST).contains(days));
        if days.is_none() {
            let message = format!(
                "must be keep, or a whole number from {least} (which other settings may raise) to {MOST}, it is {text:?}"
            );
            self.problem(name, message);
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use ecs_work::data_classes::{CLASSES, DataClass, Kept};

    use super::*;
    use crate::settings::catalogue;
    use crate::settings::{Flags, Settings, merge};

    fn lifetimes(set: &[(&str, &str)]) -> Result<Lifetimes, String> {
        let environment = set.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let raw = merge(&environment, &Flags::default()).unwrap();
        Settings::from_raw(&raw)
            .map(|settings| settings.retention.lifetimes)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn lifetimes_have_defaults() {
        assert_eq!(lifetimes(&[]).unwrap(), Lifetimes::DEFAULT);
        let kept = lifetimes(&[("ECS_RETENTION_SUMMARY_DAYS", "keep")]).unwrap();
        assert_eq!(kept, Lifetimes { summaries: None, ..Lifetimes::DEFAULT });
    }

    #[test]
    fn nothing_goes_by_accident() {
        let check = |set: &[(&str, &str)], expect: Option<&str>| match (lifetimes(set), expect) {
            (Ok(_), None) => {}
            (Err(refused), Some(expect)) => assert!(refused.contains(expect), "{set:?}: {refused}"),
            (other, _) => panic!("{set:?}: {other:?}"),
        };
        for class in CLASSES {
            let Kept::Days(setting) = class.kept else { continue };
            check(&[(setting, "0")], Some(setting));
            check(&[(setting, "-1")], Some(setting));
            check(&[(setting, "for ever")], Some(setting));
        }
        check(&[("ECS_RETENTION_SUMMARY_DAYS", "31")], Some("from 32"));
        check(&[("ECS_RETENTION_SUMMARY_DAYS", "32")], None);
        let longer = ("ECS_RAW_EMOTION_DAYS", "100");
        check(&[longer, ("ECS_RETENTION_SUMMARY_DAYS", "101")], Some("from 102"));
        check(&[("ECS_BUS_DAYS", "60"), ("ECS_RETENTION_NOTIFICATION_DAYS", "61")], Some("from 62"));
        check(&[("ECS_RETENTION_TRANSACTION_DAYS", "364")], Some("from 365"));
    }

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
    }

    /// The names behind `CREATE TABLE` in an engine's migrations.
    fn tables(engine: &str) -> BTreeSet<String> {
        let folder = root().join("store").join(engine).join("migrations");
        let files = std::fs::read_dir(folder).unwrap();
        let text: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        let made = text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
        let name = |rest: &str| rest.split([' ', '(']).next().unwrap_or_default().to_owned();
        made.map(name).chain(["schema_migrations".to_owned()]).collect()
    }

    /// A new table belongs to a class, so somebody has decided how long its rows are kept.
    #[test]
    fn every_table_belongs_to_a_class() {
        let classed: BTreeSet<String> =
            CLASSES.iter().flat_map(|class| class.tables).map(|table| (*table).to_owned()).collect();
        let mut made = tables("sqlite");
        made.extend(tables("postgres"));
        assert!(made.len() > 20, "only {made:?} were found");
        assert_eq!(classed, made);
    }

    fn row(class: &DataClass) -> String {
        let kept = match class.kept {
            Kept::For(words) => words.to_owned(),
            Kept::Days(setting) => match catalogue::find(setting).unwrap().default {
                KEEP => format!("as long as the account, unless `{setting}` says otherwise"),
                days => format!("{days} days: `{setting}`"),
            },
        };
        let tables: Vec<_> = class.tables.iter().map(|table| format!("`{table}`")).collect();
        let (tables, sweeper) = (tables.join(", "), class.sweeper.unwrap_or("–"));
        let tables = if tables.is_empty() { "–".to_owned() } else { tables };
        let DataClass { name, about, earlier, .. } = class;
        format!("| {name} | {about} | {tables} | {kept} | {sweeper} | {} |\n", earlier.as_str())
    }

    #[test]
    fn the_document_has_the_table_of_the_code() {
        let head = "| class | what it is | tables | kept for | forgotten by | earlier |\n|---|---|---|---|---|---|\n";
        let table: String = std::iter::once(head.to_owned()).chain(CLASSES.iter().map(row)).collect();
        let written = std::fs::read_to_string(root().join("docs/retention.md")).unwrap_or_default();
        assert!(written.contains(&table), "docs/retention.md must have this table:\n{table}");
    }
}
