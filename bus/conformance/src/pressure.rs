//! What a transport refuses.

use bytes::Bytes;
use ecs_bus::{BusError, Event, Needs, PublishError};

use crate::kit::{GROUP, SUBJECT, batches_of, event, events, ids_of, join, publish, take, within};
use crate::{Harness, Settings};

/// A batch larger than the window: what fits is durable, the rest is refused and nowhere to be found, and the window
/// is free again afterwards.
pub async fn a_full_window_refuses_and_writes_nothing<H: Harness>() {
    let harness = H::start(Settings { window_events: 64, ..Settings::default() }).await;
    let bus = harness.bus();
    let results = within(bus.publish(events(0..200))).await;
    assert_eq!(results.len(), 200);
    let is_full = |result: &Result<(), PublishError>| matches!(result, Err(PublishError::WindowFull { .. }));
    assert!(results.iter().all(|result| result.is_ok() || is_full(result)));
    let durable = results.iter().filter(|result| result.is_ok()).count();
    assert!((1..=64).contains(&durable), "{durable} went through a window of 64");

    let mut member = join(&*bus, GROUP, batches_of(1_000)).await;
    let delivered = take(&mut member, durable).await;
    let accepted = events(0..200).into_iter().zip(&results).filter(|(_, result)| result.is_ok());
    assert_eq!(ids_of(&delivered), accepted.map(|(event, _)| event.id).collect());
    let pending = within(bus.backlog(SUBJECT, GROUP)).await.unwrap().pending;
    assert_eq!(pending, durable as u64, "what was refused was not written");
    publish(&*bus, events(200..232)).await;
}

/// One event above the limit is refused for good; its batch-mates are durable.
pub async fn an_event_that_is_too_large_fails_alone<H: Harness>() {
    let harness = H::start(Settings { max_payload: 1_000, ..Settings::default() }).await;
    let bus = harness.bus();
    let large = Event { payload: Bytes::from(vec![b' '; 1_001]), ..event(1) };
    let exact = Event { payload: Bytes::from(vec![b' '; 1_000]), ..event(2) };
    let results = within(bus.publish(vec![event(0), large, exact])).await;
    assert_eq!(results[0], Ok(()));
    assert_eq!(results[1], Err(PublishError::TooLarge { bytes: 1_001, limit: 1_000 }));
    assert_eq!(results[2], Ok(()));
    assert!(results[1].as_ref().is_err_and(|error| !error.is_retryable()));
    let mut member = join(&*bus, GROUP, batches_of(10)).await;
    let delivered = take(&mut member, 2).await;
    assert_eq!(ids_of(&delivered), [event(0).id, event(2).id].into());
}

/// Every capability that is declared can be required, every other one is refused.
pub async fn a_need_that_is_not_met_is_refused_by_name<H: Harness>() {
    let harness = H::start(Settings::default()).await;
    let capabilities = harness.bus().capabilities();
    assert!(capabilities.require(Needs::default()).is_ok());
    let check = |needs: Needs, offered: bool| match capabilities.require(needs) {
        Ok(()) => assert!(offered, "{needs:?} was granted"),
        Err(BusError::Unsupported { transport, .. }) => {
            assert!(!offered, "{needs:?} was refused");
            assert_eq!(transport, capabilities.transport);
        }
        Err(error) => assert!(offered, "{error}"),
    };
    check(Needs { stored_once_per_id: true, ..Needs::default() }, capabilities.stored_once_per_id);
    check(Needs { ordered_per_key: true, ..Needs::default() }, capabilities.ordered_per_key);
    check(Needs { keeps_log: true, ..Needs::default() }, capabilities.keeps_log);
    check(Needs { shared: true, ..Needs::default() }, capabilities.shared);
    if !capabilities.keeps_log {
        assert!(matches!(
            within(harness.bus().log(SUBJECT, &ecs_bus::Frontier::default(), 1)).await,
            Err(BusError::Unsupported { .. })
        ));
    }
}
