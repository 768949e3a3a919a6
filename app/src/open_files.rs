//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::{Settings, StoreAt};

/// Descriptors that every process needs besides: the bus, the cache, files, logs, the runtime's own.
const BESIDES: usize = 64;

/// How many descriptors a process with these settings may come to need.
#[must_use]
pub fn needed(settings: &Settings) -> usize {
    let clients = settings.http.max_connections;
    // A request to a role elsewhere holds a connection to that role beside its client's. Without a descriptor for it the call
    // fails as if the role were gone, and its breaker opens.
    let roles = if settings.roles.missing().is_empty() { 0 } else { clients };
    let databases = match &settings.store {
        StoreAt::DataFolder => 0,
        StoreAt::Postgres { replicas, connections, .. } => connections.saturating_mul(1 + replicas.len()),
    };
    clients.saturating_add(roles).saturating_add(databases).saturating_add(BESIDES)
}

/// Many systems start processes with a limit of 1,024 open files that they may raise themselves, for the sake of programs
/// that can't handle more. This one can. Says so in the log when even the most is less than `needed`.
pub fn allow(needed: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = needed as u64;
    let most = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if current.is_some_and(|current| current < most)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })
    {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    if allowed.is_some_and(|allowed| allowed < wanted) {
        tracing::warn!(
            allowed,
            needed,
            "fewer files may be open than so many connections (ECS_MAX_CONNECTIONS) can need"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::{Flags, merge};

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = current.unwrap_or(1024).min(maximum.unwrap_or(u64::MAX)).saturating_sub(100);
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
        allow(usize::try_from(wanted).unwrap() + 100);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(wanted + 100));
    }

    #[test]
    fn whoever_calls_other_processes_needs_twice_as_many() {
        let check = |set: &[(&str, &str)], expect: usize| {
            let environment: BTreeMap<String, String> = [
                ("ECS_MAX_CONNECTIONS", "1000"),
                ("ECS_MODE", "testing"),
                ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
                ("INTERNAL_SERVICE_API_KEY", "0123456789abcdef"),
                ("ECS_MASTER_KEY", "0123456789abcdef0123456789abcdef"),
                ("ECS_VAULT_URL", "postgres://keys/vault"),
            ]
            .iter()
            .chain(set)
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
            let settings = Settings::from_raw(&merge(&environment, &Flags::default()).unwrap()).unwrap();
            assert_eq!(needed(&settings), expect, "{set:?}");
        };
        let shared = [
            ("DATABASE_URL", "postgres://a:b@c/d"),
            ("DATABASE_READ_URLS", "postgres://a:b@e/d,postgres://a:b@f/d"),
            ("NATS_URL", "nats://c"),
            ("ECS_DATABASE_CONNECTIONS", "10"),
        ];
        let role = |roles| [("ECS_ROLES", roles), ("CREDIT_ANALYSIS_SERVICE_URL", "http://model:1")];
        check(&[], 1_064);
        check(&shared, 1_094);
        check(&[&shared[..], &role("credit-analysis")].concat(), 1_094);
        check(&[&shared[..], &role("user-and-credit")].concat(), 2_094);
    }
}
