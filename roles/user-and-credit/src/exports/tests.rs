//! An archive of much: over many chunks, and in little memory.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Cursor};
use std::time::Duration;

use ecs_domain::{Clock, Timestamp};
use ecs_store::{CHUNK_BYTES, ExportHold, Exports as _, Folds as _, NewExport, Store};
use ecs_store_conformance::biography::export_id;
use ecs_store_conformance::fixtures::{now, register, transaction, user};
use ecs_store_sqlite::{Options, SqliteStore};
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::build::{Stop, build};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        now()
    }
}

/// A store with a user of so many transactions, and a claim on an export of theirs.
async fn store_with(transactions: u128) -> (tempfile::TempDir, SqliteStore, ExportHold) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(
        folder.path().join("store.db"),
        ecs_vault::Keyring::in_memory(),
        Options::default(),
    )
    .unwrap();
    register(&store, [1]).await;
    // With something in each that can't be compressed away.
    let noise = |number: u128| hex::encode(Sha256::digest(number.to_be_bytes()));
    let one = |number| ecs_domain::transaction::Transaction {
        client_id: Some(noise(number)),
        merchant: Some("Padaria ".repeat(60)),
        ..transaction(1, number, "2026-11-20T08:00:00Z", 1_230)
    };
    let made: Vec<_> = (0..transactions).map(one).collect();
    for some in made.chunks(5_000) {
        store.fold_transactions(some, now()).await.unwrap();
    }
    let request = NewExport { id: export_id(1), user: user(1), actor: user(1), keep: 3, now: now() };
    store.request_export(request).await.unwrap();
    let hold = store.claim_export(now(), Duration::from_secs(60)).await.unwrap().unwrap();
    (folder, store, hold)
}

async fn archive(store: &dyn Store) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    while let Some(chunk) = {
        let number = u32::try_from(chunks.len()).unwrap();
        store.export_chunk(user(1), export_id(1), number).await.unwrap()
    } {
        chunks.push(chunk);
    }
    chunks
}

/// The most memory that the process had since this was asked the last time, in bytes; `None` where the system doesn't tell.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(kib * 1024)
}

#[tokio::test]
async fn fifty_thousand_transactions_take_many_chunks_and_little_memory() {
    let (_folder, store, hold) = store_with(50_000).await;
    let (_, before) = (peak(), peak());
    let built = build(&store, &Noon, hold).await.unwrap();
    let most = peak();
    let chunks = archive(&store).await;
    let sizes: Vec<usize> = chunks.iter().map(Vec::len).collect();
    let (last, others) = sizes.split_last().unwrap();
    assert!(others.len() > 1 && others.iter().all(|size| *size == CHUNK_BYTES), "{sizes:?}");
    assert!(*last <= CHUNK_BYTES && sizes.iter().sum::<usize>() as u64 == built.bytes, "{sizes:?}");

    let mut archive = ZipArchive::new(Cursor::new(chunks.concat())).unwrap();
    let mut content = 0;
    for (name, expect) in [("transactions.json", 50_002), ("transactions.csv", 50_001)] {
        let file = archive.by_name(name).unwrap();
        content += file.size();
        let lines: Vec<String> = BufReader::new(file).lines().map(Result::unwrap).collect();
        assert_eq!(lines.len(), expect, "{name}");
        assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), expect, "{name} tells nothing twice");
    }
    // With the account, and the export and its entry in the audit log.
    assert_eq!(built.progress.done, 50_003);
    match before.zip(most) {
        Some((before, most)) => {
            let grew = most.saturating_sub(before);
            assert!(grew < content / 2, "{grew} bytes of memory for {content} of content");
        }
        None => eprintln!("DID NOT MEASURE the memory of an archive: the system doesn't tell"),
    }
}

#[tokio::test]
async fn an_attempt_that_is_another_s_by_now_stops() {
    let (_folder, store, hold) = store_with(10).await;
    let later = now() + jiff::SignedDuration::from_mins(2);
    let other = store.claim_export(later, Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(matches!(build(&store, &Noon, hold).await, Err(Stop::Lost)));
    build(&store, &Noon, other).await.unwrap();
    store.remove_export(user(1), export_id(1)).await.unwrap();
    assert!(matches!(build(&store, &Noon, other).await, Err(Stop::Lost)));
}
