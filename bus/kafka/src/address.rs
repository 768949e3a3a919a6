//! The address of a Kafka, as it stands in `BUS_URL`.

use ecs_bus::BusError;

/// Where Kafka listens unless the address says otherwise.
const PORT: &str = "9092";

/// How a user proves who he is. SCRAM sends no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

impl Mechanism {
    const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// As SASL, Kafka and the address call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    /// Reads `mechanism=PLAIN`.
    fn parse(query: &str) -> Result<Self, BusError> {
        let name = query.strip_prefix("mechanism=").ok_or_else(unclear)?;
        if let Some(known) = Self::ALL.into_iter().find(|known| known.name() == name) {
            return Ok(known);
        }
        // What SASL allows as a name. Anything else may be a part of a password.
        let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let is_name = (1..=20).contains(&name.len()) && name.bytes().all(is_plain);
        let name = if is_name { format!(" {name}") } else { String::new() };
        let all = Self::ALL.map(Self::name).join(", ");
        let told = format!("the SASL mechanism{name} in the address of Kafka is none of {all}");
        Err(BusError::Unavailable(told))
    }
}

/// What an address says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Hosts with their ports, separated by commas.
    pub(crate) hosts: String,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    /// How the user logs in, if there is one.
    pub(crate) mechanism: Mechanism,
    /// Whether connections are encrypted.
    pub(crate) tls: bool,
}

impl Address {
    /// Errors repeat nothing of the address but the name of a mechanism: a password may stand in it.
    pub(crate) fn parse(url: &str) -> Result<Self, BusError> {
        // A password may have a question mark, too.
        let hosts = url.rfind('@').unwrap_or_default();
        let end = url[hosts..].find('?').map(|at| hosts + at);
        let mechanism = end.map(|end| Mechanism::parse(&url[end + 1..])).transpose()?;
        Self::read(&url[..end.unwrap_or(url.len())], mechanism).ok_or_else(unclear)
    }

    fn read(url: &str, mechanism: Option<Mechanism>) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme {
            "kafka" => false,
            "kafkas" => true,
            _ => return None,
        };
        let rest = rest.trim_end_matches('/');
        let (login, hosts) = match rest.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, rest),
        };
        let login = match login.map(|login| login.split_once(':')) {
            Some(Some((user, password))) => Some((decoded(user)?, decoded(password)?)),
            Some(None) => return None,
            None => None,
        };
        if login.is_none() && mechanism.is_some() {
            return None;
        }
        let hosts: Vec<String> =
            hosts.split(',').map(|host| with_port(host.trim())).collect::<Option<_>>()?;
        Some(Self { hosts: hosts.join(","), login, mechanism: mechanism.unwrap_or(Mechanism::Plain), tls })
    }
}

fn unclear() -> BusError {
    BusError::Unavailable("the address of Kafka can't be understood".to_owned())
}

fn with_port(host: &str) -> Option<String> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let is_odd = |letter: char| letter.is_whitespace() || matches!(letter, '/' | '?' | '#' | '@');
    if host.is_empty() || host.contains(is_odd) {
        return None;
    }
    Some(if has_port { host.to_owned() } else { format!("{host}:{PORT}") })
}

/// Takes out `%40` and the like.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_without_being_repeated() {
        type Expected<'a> = (&'a str, Option<(&'a str, &'a str)>, bool);
        let check = |url: &str, expect: Option<Expected<'_>>| {
            let expect = expect.map(|(hosts, login, tls)| Address {
                hosts: hosts.to_owned(),
                login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
                mechanism: Mechanism::Plain,
                tls,
            });
            let read = Address::parse(url);
            assert!(!format!("{:?}", read.as_ref().err()).contains("sesame"));
            assert!(read.ok() == expect, "{url}");
        };
        check("kafka://host", Some(("host:9092", None, false)));
        check("kafka://a:1, b/", Some(("a:1,b:9092", None, false)));
        check("kafkas://u:s%40sesame@a,b:2", Some(("a:9092,b:2", Some(("u", "s@sesame")), true)));
        check("kafka://sesame@host", None);
        check("kafka://", None);
        check("kafka://a,,b", None);
        check("amqp://host", None);
        check("host:9092", None);
        check("kafka://u:sesame%4@host", None);
        check("kafka://u:p@host/sesame", None);
        check("kafka://u:p?sesame@host", Some(("host:9092", Some(("u", "p?sesame")), false)));
    }

    #[test]
    fn the_mechanism_is_chosen_by_its_name_and_an_unknown_one_refused_by_it() {
        let check = |query: &str, expect: Result<Mechanism, &str>| {
            let read = Address::parse(&format!("kafkas://u:sesame@host{query}"));
            match (read, expect) {
                (Ok(address), Ok(mechanism)) => {
                    assert_eq!(address.mechanism, mechanism, "{query}");
                    assert_eq!(address.hosts, "host:9092", "{query}");
                }
                (Err(BusError::Unavailable(told)), Err(part)) => {
                    assert!(told.contains(part) && !told.contains("sesame"), "{query}: {told}");
                }
                (read, _) => panic!("{query}: {:?}", read.err()),
            }
        };
        check("", Ok(Mechanism::Plain));
        check("?mechanism=PLAIN", Ok(Mechanism::Plain));
        check("/?mechanism=SCRAM-SHA-256", Ok(Mechanism::ScramSha256));
        check("?mechanism=SCRAM-SHA-512", Ok(Mechanism::ScramSha512));
        check(
            "?mechanism=GSSAPI",
            Err("mechanism GSSAPI in the address of Kafka is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        );
        check("?mechanism=scram-sha-512", Err("mechanism in the address of Kafka is none of PLAIN,"));
        check("?mechanism=sesame", Err("mechanism in the address of Kafka is none of PLAIN,"));
        check("?mechanism=PLAIN&mechanism=PLAIN", Err("mechanism in the address of Kafka is none of PLAIN,"));
        check("?sesame=PLAIN", Err("can't be understood"));
        check("?", Err("can't be understood"));
        assert!(Address::parse("kafka://host?mechanism=PLAIN").is_err(), "nobody logs in");
    }
}
