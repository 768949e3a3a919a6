//! How many attempts are under way at each host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts attempts by host. Clones count into the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<BTreeMap<String, usize>>>);

/// One attempt at a host; it counts until it is dropped, however the attempt ends.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    host: String,
}

impl Places {
    /// Counts one more.
    pub(crate) fn take(&self, host: &str) -> Place {
        self.change(host, |count| count + 1);
        Place { places: self.clone(), host: host.to_owned() }
    }

    /// The hosts with more attempts than `most`.
    pub(crate) fn with_more_than(&self, most: usize) -> Vec<String> {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().filter(|(_, count)| **count > most).map(|(host, _)| host.clone()).collect()
    }

    fn change(&self, host: &str, change: impl Fn(usize) -> usize) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = change(hosts.get(host).copied().unwrap_or_default());
        if count == 0 {
            hosts.remove(host);
        } else {
            hosts.insert(host.to_owned(), count);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.change(&self.host, |count| count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_until_it_is_dropped() {
        let places = Places::default();
        let held = [places.take("a"), places.take("a"), places.take("b")];
        assert_eq!(places.with_more_than(0), ["a", "b"]);
        assert_eq!(places.with_more_than(1), ["a"]);
        drop(held);
        assert_eq!(places.with_more_than(0), [""; 0]);
    }
}
