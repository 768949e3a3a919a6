//! What the bus forgets, and when.

use std::time::Duration;

use ecs_bus::{Bus as _, Frontier, Settlement, Subject, SubscribeOptions, Verdict};
use ecs_domain::Clock as _;
use ecs_work::retention::{self, EMOTIONS_ON_BUS, Sweeps, Unsettled};
use ecs_work_testkit::platform::{Platform, emotion};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_sweep_spares_what_is_not_settled() -> Result<(), ecs_bus::BusError> {
    let platform = Platform::open();
    let (user, subject) = (platform.user().await, Subject::Emotions);
    platform.publish(vec![emotion(user, "1", platform.clock.now())]).await;
    platform.clock.advance(8 * DAY);
    platform.publish(vec![emotion(user, "2", platform.clock.now())]).await;
    let log = platform.bus.log(subject, &Frontier::default(), 10).await?;
    let published: Vec<_> = log.records.iter().map(|record| record.published_at).collect();

    let now = platform.clock.now();
    let past = retention::before(now, EMOTIONS_ON_BUS);
    let floor = |unsettled| retention::bus_floor(&*platform.bus, subject, unsettled, now, EMOTIONS_ON_BUS);
    assert_eq!(floor(Unsettled::Spare).await?, published[0]);
    assert_eq!(floor(Unsettled::Forget).await?, past);

    let mut member = platform.bus.subscribe(subject, subject.group(), SubscribeOptions::default()).await?;
    let batch = member.next().await?;
    let settlements = batch.iter().map(|delivery| Settlement { tag: delivery.tag, verdict: Verdict::Ack });
    member.settle(settlements.collect()).await?;
    assert_eq!(floor(Unsettled::Spare).await?, past, "what is settled may go at any time");
    Ok(())
}

#[test]
fn the_first_sweep_is_told_from_the_later_ones() {
    let mut sweeps = Sweeps::default();
    let order = [sweeps.begin(), sweeps.begin(), sweeps.begin()];
    assert_eq!(order, [Unsettled::Spare, Unsettled::Forget, Unsettled::Forget]);
}
