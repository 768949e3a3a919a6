//! Customers who write and read in turn, hold the store to what it answered, and keep a ledger of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ecs_domain::notification::Notification;
use ecs_domain::offer::OfferStatus;
use ecs_domain::{Money, Rate};
use ecs_store::{AcceptResult, Credit, Notifications, StoreError, Users};
use ecs_store_conformance::fixtures::{
    after, approval, first_page, message, new_decision, new_user, now, offer_id, user,
};
use ecs_store_postgres::PostgresStore;
use tokio::task::JoinSet;

/// How far the store has gone along with a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Registered,
    Offered,
    Accepted,
    Notified,
}

/// Customers who come one after the other, as many at a time as there are loops.
#[derive(Default)]
pub(crate) struct Customers {
    next: AtomicU64,
    stop: AtomicBool,
    ledger: Mutex<Vec<(u128, Reached)>>,
    refused: AtomicU64,
    slowest: Mutex<Duration>,
}

impl Customers {
    /// Serves four customers at a time. What comes back ends behind [`Customers::stop`].
    pub(crate) fn serve_many(
        self: &Arc<Self>,
        store: &Arc<PostgresStore>,
    ) -> impl Future<Output = ()> + use<> {
        let mut loops = JoinSet::new();
        for _ in 0..4 {
            let (customers, store) = (Arc::clone(self), Arc::clone(store));
            loops.spawn(async move { customers.serve(&store).await });
        }
        async move { drop(loops.join_all().await) }
    }

    /// Serves customers until [`Customers::stop`].
    async fn serve(&self, store: &PostgresStore) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = u128::from(self.next.fetch_add(1, Ordering::Relaxed));
            match self.customer(store, number).await {
                Ok(()) => {}
                Err(StoreError::Unavailable(_)) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    // An open breaker refuses in no time; others want to run, too.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(other) => panic!("customer {number}: {other}"),
            }
        }
    }

    /// Lets the loops end after the customer in hand.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How many customers were served to the end.
    pub(crate) fn served(&self) -> usize {
        self.ledger.lock().unwrap().iter().filter(|(_, reached)| *reached == Reached::Notified).count()
    }

    /// How many were told to come back later.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The longest that anybody waited for one answer since this was last asked.
    pub(crate) fn take_slowest(&self) -> Duration {
        std::mem::take(&mut self.slowest.lock().unwrap())
    }

    /// Registers, applies, accepts and is notified; after each answer the lists must show it.
    async fn customer(&self, store: &PostgresStore, number: u128) -> Result<(), StoreError> {
        let who = user(number);
        let new = new_user(number, &format!("user{number}@example.com"));
        self.timed(store.register(new, None)).await?;
        self.note(number, Reached::Registered);

        let decision = new_decision(approval(number, number, now()));
        assert!(!self.timed(store.record_decision(decision, None)).await?.repeated);
        self.note(number, Reached::Offered);
        let listed = self.timed(store.offers(who, first_page())).await?;
        assert_eq!(listed.total, 1, "customer {number} doesn't see the offer");

        let accepted = store.accept_offer(who, offer_id(number), after(1), message(number, number), None);
        assert!(matches!(self.timed(accepted).await?, AcceptResult::Accepted(_)));
        self.note(number, Reached::Accepted);
        let listed = self.timed(store.offers(who, first_page())).await?;
        assert_eq!(listed.items[0].status, OfferStatus::Accepted, "customer {number} doesn't see the accept");

        assert_eq!(self.timed(store.add_notifications(&[notification(number)], after(2))).await?, [true]);
        self.note(number, Reached::Notified);
        let told = self.timed(store.notifications(who, first_page())).await?;
        assert_eq!(told.total, 1, "customer {number} doesn't see the notification");
        Ok(())
    }

    async fn timed<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let begun = Instant::now();
        let result = call.await;
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = begun.elapsed().max(*slowest);
        result
    }

    fn note(&self, number: u128, reached: Reached) {
        self.ledger.lock().unwrap().push((number, reached));
    }

    /// Everything that was answered with `Ok` must be there.
    pub(crate) async fn audit(&self, store: &PostgresStore) {
        let ledger = self.ledger.lock().unwrap().clone();
        for (number, reached) in ledger {
            let there = match reached {
                Reached::Registered => store.user(user(number)).await.unwrap().is_some(),
                Reached::Offered => store.offer(user(number), offer_id(number)).await.unwrap().is_some(),
                Reached::Accepted => {
                    let offer = store.offer(user(number), offer_id(number)).await.unwrap().unwrap();
                    offer.status == OfferStatus::Accepted
                }
                Reached::Notified => store.last_sequences(&[user(number)]).await.unwrap() == [1],
            };
            assert!(there, "customer {number} was promised to be {reached:?}");
        }
    }
}

/// What a customer is told in the end.
pub(crate) fn notification(number: u128) -> Notification {
    let (limit, rate) = (Money::from_minor_units(500_001), Rate::from_basis_points(1_425));
    Notification::of_activation(user(number), offer_id(number), limit, rate, after(2))
}

/// Waits until `condition` holds, for a minute at most.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
