//! Loading while the backend is away.
//!
//! Without a generation nobody knows what a load that is under way may have missed. So callers gather for the next one: it
//! departs when the one under way has ended, and whoever came by then shares it. Each of them gets a value whose load
//! began after it asked, exactly as without a cache, and yet a key is loaded by one at a time.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Lookup;
use crate::flight::{Flights, Landing, Lead, Part, Shared};

/// The value of `key` by a load that begins after this call.
pub(crate) async fn load<T, E, F, L>(flights: &Flights, key: &str, load: F) -> (Lookup, Result<T, E>)
where
    T: Serialize + DeserializeOwned + Send,
    F: FnOnce() -> L + Send,
    L: Future<Output = Result<T, E>> + Send,
{
    loop {
        match flights.join(format!("{key}@next")) {
            Part::Lead(mut lead) => {
                // Held to the end of the load, so that the next to gather wait for it.
                let _runway = runway(flights, key).await;
                lead.close();
                let result = load().await;
                lead.land(Landing::of(&result, key));
                return (Lookup::Loaded, result);
            }
            Part::Follow(follow) => match follow.landing().await.shared() {
                Shared::Value(value) => return (Lookup::Shared, Ok(value)),
                Shared::Nothing => return (Lookup::Loaded, load().await),
                Shared::TryAgain => {}
            },
        }
    }
}

/// The right to load this key, when whoever holds it has let it go. Only who leads the next flight asks for it.
async fn runway(flights: &Flights, key: &str) -> Lead {
    loop {
        match flights.join(format!("{key}@runway")) {
            Part::Lead(lead) => return lead,
            Part::Follow(follow) => {
                follow.landing().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;

    /// Loads the number of the load, once `gate` lets it.
    fn caller(flights: &Flights, loads: &Arc<AtomicU32>, gate: &Arc<Semaphore>) -> JoinHandle<(Lookup, u32)> {
        let (flights, loads, gate) = (flights.clone(), Arc::clone(loads), Arc::clone(gate));
        tokio::spawn(async move {
            let work = || async {
                let number = loads.fetch_add(1, Ordering::SeqCst) + 1;
                gate.acquire().await.unwrap().forget();
                Ok::<_, Infallible>(number)
            };
            let (lookup, Ok(value)) = load(&flights, "key", work).await;
            (lookup, value)
        })
    }

    async fn settle() {
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn callers_share_the_next_load_and_never_the_one_under_way() {
        let (flights, loads, gate) = (Flights::default(), Arc::default(), Arc::new(Semaphore::new(0)));
        let first = caller(&flights, &loads, &gate);
        settle().await;
        let later: Vec<_> = (0..1_000).map(|_| caller(&flights, &loads, &gate)).collect();
        settle().await;
        assert_eq!(loads.load(Ordering::SeqCst), 1, "the next load waits for the one under way");
        gate.add_permits(2);

        assert_eq!(first.await.unwrap(), (Lookup::Loaded, 1));
        let mut shared = 0;
        for caller in later {
            let (lookup, value) = caller.await.unwrap();
            assert_eq!(value, 2, "who came during the first load gets one that began later");
            shared += u32::from(lookup == Lookup::Shared);
        }
        assert_eq!((shared, loads.load(Ordering::SeqCst)), (999, 2));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_nobody_waiting() {
        let (flights, loads, gate) = (Flights::default(), Arc::default(), Arc::new(Semaphore::new(0)));
        let flying = caller(&flights, &loads, &gate);
        settle().await;
        let gathering = caller(&flights, &loads, &gate);
        settle().await;
        let waiting = caller(&flights, &loads, &gate);
        settle().await;
        gathering.abort();
        flying.abort();
        settle().await;
        gate.add_permits(1);
        assert_eq!(waiting.await.unwrap(), (Lookup::Loaded, 2));
    }
}
