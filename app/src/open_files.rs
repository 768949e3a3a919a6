//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the process needs beside its connections: databases, logs, the runtime's own.
const BESIDE_CONNECTIONS: u64 = 64;

/// Many systems start processes with a limit of 1,024 open files that they may raise themselves, for the sake of programs
/// that can't handle more. This one can. Says so in the log when even the most is too little for `connections`.
pub fn allow(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + BESIDE_CONNECTIONS;
    let most = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if current.is_some_and(|current| current < most)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })
    {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    if allowed.is_some_and(|allowed| allowed < wanted) {
        tracing::warn!(allowed, connections, "fewer files may be open than ECS_MAX_CONNECTIONS asks for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = current.unwrap_or(1024).min(maximum.unwrap_or(u64::MAX)).saturating_sub(100);
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
        allow(usize::try_from(wanted).unwrap() + 36);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(wanted + 100));
    }
}
