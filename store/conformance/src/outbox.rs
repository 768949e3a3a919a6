//! The outbox.

use std::collections::BTreeSet;
use std::time::Duration;

use ecs_store::{OutboxRow, Store};
use futures::future::join_all;

use crate::Harness;
use crate::fixtures::{after, make_offer, message, now, offer_id, register, user};

const LEASE: Duration = Duration::from_secs(30);

/// Eight relays that claim at the same time share the rows, and bring the messages as they were put in.
pub async fn claims_do_not_overlap<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    fill(&*store, 20).await;
    let claims = join_all((0..8).map(|_| store.claim_outbox(5, now(), LEASE))).await;
    let rows: Vec<OutboxRow> = claims.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(rows.len(), 20);
    assert_eq!(rows.iter().map(|row| row.row).collect::<BTreeSet<_>>().len(), 20);
    for row in rows {
        let expect =
            (0..20).map(|number| message(number, number)).find(|message| message.id == row.id).unwrap();
        assert_eq!(
            (row.subject.as_str(), row.key, row.payload),
            (expect.subject, expect.key, expect.payload)
        );
        assert_eq!((row.request_id, row.traceparent), (expect.request_id, expect.traceparent));
        assert_eq!(row.schema_version, expect.schema_version);
    }
    assert_eq!(store.outbox_depth().await.unwrap(), 20);
}

/// What its holder didn't finish in time is free again.
pub async fn a_claim_runs_out<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    fill(&*store, 1).await;
    let first = store.claim_outbox(5, now(), LEASE).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(store.claim_outbox(5, after(29), LEASE).await.unwrap(), []);
    assert_eq!(store.claim_outbox(5, after(30), LEASE).await.unwrap(), first);
    assert_eq!(store.claim_outbox(5, after(59), LEASE).await.unwrap(), []);
}

/// A claim of the future is no claim: whoever made it had another clock.
pub async fn a_claim_runs_out_though_the_clock_was_set_back<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    fill(&*store, 1).await;
    let first = store.claim_outbox(5, after(3_600), LEASE).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(store.claim_outbox(5, now(), LEASE).await.unwrap(), first);
    assert_eq!(store.claim_outbox(5, after(29), LEASE).await.unwrap(), []);
    assert_eq!(store.claim_outbox(5, after(-20), LEASE).await.unwrap(), [], "clocks that differ a little");
}

/// A finished row never comes back, and finishing it twice does no harm.
pub async fn what_is_finished_is_gone<H: Harness>() {
    let harness = H::start().await;
    let store = harness.store();
    fill(&*store, 3).await;
    let claimed = store.claim_outbox(2, now(), LEASE).await.unwrap();
    for _ in 0..2 {
        store.finish_outbox(&claimed).await.unwrap();
        assert_eq!(store.outbox_depth().await.unwrap(), 1);
    }
    let rest = store.claim_outbox(5, after(60), LEASE).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert!(!claimed.contains(&rest[0]));
}

/// Each message gets into the outbox the only way there is: with a write.
async fn fill(store: &dyn Store, number: u128) {
    register(store, 0..number).await;
    for number in 0..number {
        make_offer(store, number, number, now()).await;
        store
            .accept_offer(user(number), offer_id(number), now(), message(number, number), None)
            .await
            .unwrap();
    }
}
