//! The file under the store when the process dies first and the power goes later. `docs/durability.md` has the model.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ecs_powerloss::{Disk, Moment, Mount, Trigger, VFS};
use ecs_store::{RightsOfUsers, Users};
use ecs_store_conformance::fixtures::{new_user, user};
use ecs_store_sqlite::{Options, SqliteStore};
use ecs_vault::Keyring;

fn open(disk: &Arc<Disk>, power_up: u64) -> (SqliteStore, Mount) {
    // A folder for each disk: what is left of an earlier owner must not reach the files of a later one.
    let folder = PathBuf::from(format!("/power-loss/store-{power_up}"));
    let mount = disk.mount(&folder).unwrap();
    let options = Options { vfs: Some(VFS.to_owned()), ..Options::default() };
    (SqliteStore::open(folder.join("store.db"), Keyring::in_memory(), options).unwrap(), mount)
}

/// The first process writes and dies before that is flushed. The second finds it, and what it then tells others, the bus
/// above all, rests on it: from then on it must not vanish.
#[tokio::test]
async fn what_a_killed_process_left_unflushed_is_flushed_before_anybody_sees_it() {
    let disk = Disk::blank(Duration::ZERO);
    let (store, mount) = open(&disk, 100);
    disk.arm(Trigger { moment: Some(Moment::CommitSync), nth: 1 });
    assert!(store.register(new_user(1, "ana@example.com"), None).await.is_err());
    drop((store, mount));

    let disk = disk.outlived();
    let (store, mount) = open(&disk, 101);
    assert!(store.rights(user(1)).await.unwrap().is_some());
    disk.cut_now();
    drop((store, mount));

    for seed in 0..50 {
        let (image, _) = disk.wreck(seed);
        let (store, _mount) = open(&Disk::restored(image, Duration::ZERO), seed);
        assert!(store.rights(user(1)).await.unwrap().is_some(), "seed {seed}");
    }
}

/// A sync fails, which the system tells once; the process dies, and its successor finds the commit that was refused. The next
/// sync knows nothing of it, so the successor has to write it anew before anybody sees it.
#[tokio::test]
async fn what_a_failed_sync_left_behind_is_written_anew_before_anybody_sees_it() {
    let folder = 200;
    let disk = Disk::blank(Duration::ZERO);
    let (store, mount) = open(&disk, folder);
    disk.fail_sync(1);
    assert!(store.register(new_user(1, "ana@example.com"), None).await.is_err());
    disk.cut_now();
    drop((store, mount));

    let disk = disk.outlived();
    let (store, mount) = open(&disk, folder + 1);
    assert!(store.rights(user(1)).await.unwrap().is_some(), "the refused write is there to read");
    disk.cut_now();
    drop((store, mount));

    for seed in 0..50 {
        let (image, _) = disk.wreck(seed);
        let (store, _mount) = open(&Disk::restored(image, Duration::ZERO), folder + 2 + seed);
        assert!(store.rights(user(1)).await.unwrap().is_some(), "seed {seed}");
    }
}
