//! The address of a Kafka, as it stands in `BUS_URL`.

use ecs_bus::BusError;

/// Where Kafka listens unless the address says otherwise.
const PORT: &str = "9092";

/// What an address says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Hosts with their ports, separated by commas.
    pub(crate) hosts: String,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    /// Whether connections are encrypted.
    pub(crate) tls: bool,
}

impl Address {
    /// Errors repeat nothing of the address: a password may stand in it.
    pub(crate) fn parse(url: &str) -> Result<Self, BusError> {
        Self::read(url)
            .ok_or_else(|| BusError::Unavailable("the address of Kafka can't be understood".to_owned()))
    }

    fn read(url: &str) -> Option<Self> {
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
        let hosts: Vec<String> =
            hosts.split(',').map(|host| with_port(host.trim())).collect::<Option<_>>()?;
        Some(Self { hosts: hosts.join(","), login, tls })
    }
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
    }
}
