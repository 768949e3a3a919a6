//! Where a webhook goes: an address that a customer gave, read and judged.

use std::borrow::Cow;
use std::net::IpAddr;

use url::{Host, Url};

use super::guard::{Guard, Reach};

/// The longest address.
const MAX_BYTES: usize = 2_048;

/// An address that may be called, as far as it tells by itself. What its name resolves to is judged at each attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    url: Url,
    host: Host,
}

impl Target {
    /// Reads an address. It is parsed as browsers do it, so that another way of writing `127.0.0.1` is no other host.
    pub(crate) fn parse(text: &str, guard: &Guard) -> Result<Self, Cow<'static, str>> {
        if text.len() > MAX_BYTES {
            return Err("must have at most 2048 bytes".into());
        }
        let url = Url::parse(text).map_err(|_| "must be an address such as https://example.com/hooks")?;
        match (url.scheme(), guard.reach) {
            ("https", _) | ("http", Reach::Anywhere) => {}
            _ => return Err("must begin with https://".into()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user and no password".into());
        }
        if url.fragment().is_some() {
            return Err("must have no fragment".into());
        }
        let host = url.host().map(|host| host.to_owned()).ok_or("must name a host")?;
        if !may_be_called(&host, guard) || url.port() == Some(0) {
            return Err("must name a host of the public internet".into());
        }
        Ok(Self { url, host })
    }

    /// The address as it is kept.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host without brackets, for its certificate and its addresses.
    pub(crate) fn name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The address that the host is, when it is written as one.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// The host and the port where it isn't the scheme's own: the header `Host`, and what shares a limit of attempts at once.
    pub(crate) fn authority(&self) -> String {
        let host = &self.host;
        self.url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
    }

    /// Path and query, as the request has them.
    pub(crate) fn path_and_query(&self) -> String {
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.url.path())
    }
}

/// Whether the host may be called by what is written there.
fn may_be_called(host: &Host, guard: &Guard) -> bool {
    match host {
        Host::Ipv4(address) => guard.allows((*address).into()),
        Host::Ipv6(address) => guard.allows((*address).into()),
        Host::Domain(_) if guard.reach == Reach::Anywhere => true,
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let within = |zone: &str| name.ends_with(zone);
            // A name without a dot is looked up in the zones of our own network.
            name.contains('.') && ![".localhost", ".local", ".internal", ".home.arpa"].into_iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_what_they_say() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let read = Target::parse(text, &Guard::default()).map(|target| target.authority());
            assert_eq!(read.as_deref().map_err(|message| &**message), expect, "{text}");
        };
        check("https://example.com/hooks?a=b", Ok("example.com"));
        check("https://EXAMPLE.com.:8443/", Ok("example.com.:8443"));
        check("https://bücher.example/", Ok("xn--bcher-kva.example"));
        check("https://1.1.1.1", Ok("1.1.1.1"));
        check("https://[2606:4700:4700::1111]/", Ok("[2606:4700:4700::1111]"));
        let scheme = Err("must begin with https://");
        for text in ["http://example.com", "ftp://example.com", "file:///etc/passwd", "data:text/plain,x"] {
            check(text, scheme);
        }
        let form = Err("must be an address such as https://example.com/hooks");
        for text in ["", "example.com", "/hooks", "https://", "https://exa mple.com", "https://256.1.1.1"] {
            check(text, form);
        }
        check("https://ana:hunter2@example.com", Err("must hold no user and no password"));
        check("https://ana@example.com", Err("must hold no user and no password"));
        check("https://example.com@127.0.0.1/", Err("must hold no user and no password"));
        check("https://example.com/#part", Err("must have no fragment"));
        check(&format!("https://example.com/{}", "a".repeat(2_048)), Err("must have at most 2048 bytes"));
    }

    #[test]
    fn whatever_way_a_private_host_is_written_it_is_refused() {
        let inside = "must name a host of the public internet";
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "①②⑦.0.0.1",
            "0",
            "0.0.0.0",
            "10.0.0.7",
            "169.254.169.254",
            "169.254.43518",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[fd00:ec2::254]",
            "localhost",
            "LOCALHOST.",
            "db.localhost",
            "metadata",
            "metadata.google.internal",
            "printer.local.",
            "example.com:0",
        ] {
            let text = format!("https://{host}/hooks");
            let refused = Target::parse(&text, &Guard::default()).map(|target| target.authority());
            assert_eq!(refused.as_deref().map_err(|message| &**message), Err(inside), "{text}");
        }
    }

    #[test]
    fn a_demonstration_may_call_its_own_machine() {
        let anywhere = Guard::new(Reach::Anywhere, &[]);
        let target = Target::parse("http://127.0.0.1:8080/hooks?a=b", &anywhere).unwrap();
        assert!(!target.is_encrypted());
        assert_eq!((target.name().as_str(), target.port()), ("127.0.0.1", 8080));
        assert_eq!(
            (target.authority().as_str(), &*target.path_and_query()),
            ("127.0.0.1:8080", "/hooks?a=b")
        );
        assert!(Target::parse("http://ana@127.0.0.1", &anywhere).is_err());
        assert!(Target::parse("ftp://127.0.0.1", &anywhere).is_err());
    }
}
