//! The file under the bus when the process dies first and the power goes later. `docs/durability.md` has the model.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ecs_bus::Bus as _;
use ecs_bus_conformance::kit::{SystemClock, event, publish, whole_log};
use ecs_bus_embedded::{EmbeddedBus, Options};
use ecs_powerloss::{Disk, Moment, Mount, Trigger, VFS};

fn open(disk: &Arc<Disk>, power_up: u64) -> (EmbeddedBus, Mount) {
    // A folder for each disk: what is left of an earlier owner must not reach the files of a later one.
    let folder = PathBuf::from(format!("/power-loss/bus-{power_up}"));
    let mount = disk.mount(&folder).unwrap();
    let options = Options { vfs: Some(VFS.to_owned()), ..Options::new(Arc::new(SystemClock)) };
    (EmbeddedBus::open(folder.join("bus.db"), options).unwrap(), mount)
}

/// The first process writes an event and dies before it is flushed. The second finds it in the log, and consumers act on it:
/// from then on it must not vanish.
#[tokio::test]
async fn what_a_killed_process_left_unflushed_is_flushed_before_anybody_sees_it() {
    let disk = Disk::blank(Duration::ZERO);
    let (bus, mount) = open(&disk, 100);
    publish(&bus, vec![event(1)]).await;
    disk.arm(Trigger { moment: Some(Moment::CommitSync), nth: 1 });
    assert!(bus.publish(vec![event(2)]).await[0].is_err());
    drop((bus, mount));

    let disk = disk.outlived();
    let (bus, mount) = open(&disk, 101);
    assert_eq!(whole_log(&bus).await.len(), 2);
    disk.cut_now();
    drop((bus, mount));

    for seed in 0..50 {
        let (image, _) = disk.wreck(seed);
        let (bus, _mount) = open(&Disk::restored(image, Duration::ZERO), seed);
        assert_eq!(whole_log(&bus).await.len(), 2, "seed {seed}");
    }
}

/// A sync fails, which the system tells once; the process dies, and its successor finds the commit that was refused. The next
/// sync knows nothing of it, so the successor has to write it anew before anybody sees it.
#[tokio::test]
async fn what_a_failed_sync_left_behind_is_written_anew_before_anybody_sees_it() {
    let folder = 200;
    let disk = Disk::blank(Duration::ZERO);
    let (bus, mount) = open(&disk, folder);
    publish(&bus, vec![event(1)]).await;
    // A reader that stays keeps the log from being put away with the writer's connection.
    assert_eq!(whole_log(&bus).await.len(), 1);
    disk.fail_sync(1);
    assert!(bus.publish(vec![event(2)]).await[0].is_err());
    disk.cut_now();
    drop((bus, mount));

    let disk = disk.outlived();
    let (bus, mount) = open(&disk, folder + 1);
    assert_eq!(whole_log(&bus).await.len(), 2, "the refused event is there to read");
    disk.cut_now();
    drop((bus, mount));

    for seed in 0..50 {
        let (image, _) = disk.wreck(seed);
        let (bus, _mount) = open(&Disk::restored(image, Duration::ZERO), folder + 2 + seed);
        assert_eq!(whole_log(&bus).await.len(), 2, "seed {seed}");
    }
}
