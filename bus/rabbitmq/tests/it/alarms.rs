//! A server that runs out of memory or disk takes nothing, and that is said before anything is accepted.

use std::time::{Duration, Instant};

use ecs_bus::{Bus, BusError, Group, PublishError};
use ecs_bus_conformance::kit::{SUBJECT, event, events, publish, within};

use crate::support::{ack, join, open, options_at, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_refuses_before_anything_is_accepted_and_members_go_on() {
    let Some(server) = server("alarms").await else { return };
    let options = options_at(server.url());
    let bus = open(&options).await;
    let mut member = join(&bus, "worker", 10).await;
    for (number, (alarm, calm)) in (100_u128..).step_by(100).zip([
        (
            ["set_vm_memory_high_watermark", "absolute", "1MB"],
            ["set_vm_memory_high_watermark", "absolute", "2GB"],
        ),
        (["set_disk_free_limit", "mem_relative", "1000"], ["set_disk_free_limit", "mem_relative", "0.0001"]),
    ]) {
        publish(&bus, events(number..number + 20)).await;
        server.control(&alarm).await.unwrap();
        // The server tells of its alarm when something comes.
        let is_full = |results: &[Result<(), PublishError>]| matches!(results, [Err(PublishError::WindowFull { retry_after })] if *retry_after >= Duration::from_secs(1));
        within(async { while !is_full(&bus.publish(vec![event(number + 50)]).await) {} }).await;
        let started = Instant::now();
        assert!(is_full(&bus.publish(vec![event(number + 51)]).await));
        assert!(started.elapsed() < options.publish_timeout, "after {:?}", started.elapsed());
        assert!(matches!(within(bus.ping()).await, Err(BusError::Unavailable(_))));

        let mut seen = 0;
        while seen < 20 {
            let batch = within(member.next()).await.unwrap();
            ack(&mut member, &batch).await;
            seen += batch.len();
        }
        server.control(&calm).await.unwrap();
        within(async { while bus.publish(vec![event(number + 52)]).await != [Ok(())] {} }).await;
        within(async { while bus.ping().await.is_err() {} }).await;
        // What was refused at once is nowhere; what was on its way when the alarm came may have been taken.
        within(async {
            while bus.backlog(SUBJECT, Group("worker")).await.unwrap().pending > 0 {
                let Ok(batch) = tokio::time::timeout(Duration::from_millis(200), member.next()).await else {
                    continue;
                };
                let batch = batch.unwrap();
                assert!(batch.iter().all(|delivery| delivery.event.id != event(number + 51).id));
                ack(&mut member, &batch).await;
            }
        })
        .await;
    }
}
