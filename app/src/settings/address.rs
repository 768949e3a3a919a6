//! The address of an engine: a secret, of which nothing but its scheme and its hosts may be told.

use std::fmt;

use ecs_web::Secret;

/// An engine's address, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Secret);

impl Address {
    /// Takes the address as it was set.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Secret::new(text.trim()))
    }

    /// The whole of it, for the engine alone. Never hand it to a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What stands before the first colon, when that can be nothing else than a scheme: `postgres`, `nats`.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        let (scheme, _) = self.expose().split_once(':')?;
        let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase());
        is_scheme.then_some(scheme)
    }

    /// The hosts with their ports, for people: `db-1:5432,db-2:5432`. Where it isn't certain which part is a host and which
    /// a password with an unusual letter, it says that the address is hidden.
    #[must_use]
    pub fn hosts(&self) -> String {
        self.try_hosts().unwrap_or_else(|| "a hidden address".to_owned())
    }

    fn try_hosts(&self) -> Option<String> {
        let all = self.expose();
        let with_user = all.contains('@');
        let mut hosts = Vec::new();
        for one in addresses(all) {
            let (_, rest) = one.split_once("://")?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, behind) = rest.split_at(end);
            let host = match authority.rsplit_once('@') {
                Some((_, host)) => host,
                None if with_user => return None,
                None => authority,
            };
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:,[]".contains(&byte);
            if behind.contains('@') || host.is_empty() || !host.bytes().all(plain) {
                return None;
            }
            hosts.push(host.to_owned());
        }
        Some(hosts.join(","))
    }
}

/// The addresses of a list that is separated by commas. A part without a scheme is another host of the address before it.
pub(super) fn addresses(list: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match found.last_mut() {
            Some(last) if !part.contains("://") => last.push_str(&format!(",{part}")),
            Some(_) | None => found.push(part.to_owned()),
        }
    }
    found
}

/// Shows the hosts only.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.hosts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_shown_and_passwords_never() {
        let check = |address: &str, expect: &str| {
            assert_eq!(Address::new(address).hosts(), expect, "{address}");
        };
        check("postgres://ecs:hunter2@db/ecs", "db");
        check("postgres://ecs:hunter2@db-1:5432,db-2:5433/ecs?sslmode=require", "db-1:5432,db-2:5433");
        check("postgres://db:5432/ecs", "db:5432");
        check("nats://ecs:hunter2@a:4222,nats://ecs:hunter2@b:4222", "a:4222,b:4222");
        check("nats://a:4222,b:4222", "a:4222,b:4222");
        check("redis://:hunter2@[::1]:6379/0", "[::1]:6379");
        for unclear in [
            "postgres://ecs:hun/ter2@db/ecs",
            "postgres://ecs:hun?ter2@db/ecs",
            "postgres://db/ecs?password=hunter@2",
            "nats://ecs:hun,nats://ter2@a:4222",
            "hunter2",
            "hunter2@db",
            "postgres://",
            "postgres://hunter 2",
        ] {
            check(unclear, "a hidden address");
        }
    }

    #[test]
    fn a_scheme_is_told_only_when_it_is_one() {
        let check = |address: &str, expect: Option<&str>| {
            assert_eq!(Address::new(address).scheme(), expect, "{address}");
        };
        check("postgres://ecs@db", Some("postgres"));
        check("embedded:", Some("embedded"));
        check("Hunter2:x", None);
        check("hunter", None);
        check("://", None);
    }

    #[test]
    fn a_list_may_name_several_hosts_within_one_address() {
        let check = |list: &str, expect: &[&str]| assert_eq!(addresses(list), expect, "{list}");
        check("", &[]);
        check("postgres://a, postgres://b", &["postgres://a", "postgres://b"]);
        check("postgres://a,b,postgres://c", &["postgres://a,b", "postgres://c"]);
    }
}
