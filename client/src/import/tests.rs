//! Imports into a stub of the platform.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::Silent;
use crate::stub::{Stub, Trouble};

/// In the layout of `cdnow_master.txt`, with made-up numbers: two lines that look alike, one amount of 0, one date that
/// is none, Windows line ends and a blank line.
const SAMPLE: &str = " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n 00002 19970112  1   12.00\r\n 00002 19970112  1   12.00\r\n\r\n 00003 19970102  2    0.00\r\n 00003 19971302  2    1.00\r\n 00004 19980630  3   20.23\r\n";

fn sample(text: &str) -> (TempDir, Import) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sample.txt");
    fs::write(&file, text).unwrap();
    let state = Some(folder.path().join("sample.state"));
    let mapping = Mapping::preset("cdnow").unwrap();
    (folder, Import { state, patience: Duration::from_secs(5), ..Import::new(file, mapping) })
}

async fn run(import: &Import, stub: &Stub) -> Report {
    import.run(&stub.client, &Silent, &CancellationToken::new()).await.unwrap()
}

fn lines_of(report: &Report) -> Vec<u64> {
    report.refused.iter().map(|row| row.line).collect()
}

#[tokio::test]
async fn a_file_ends_in_counts_that_match_it() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    let report = run(&import, &stub).await;
    assert!(report.is_complete());
    assert_eq!((report.rows, report.accepted, report.customers, report.new_customers), (6, 4, 4, 4));
    assert_eq!((report.amount.to_string().as_str(), report.quantity), ("56.00", 6));
    assert_eq!(lines_of(&report), [6, 7]);
    assert_eq!(report.refused[0].reason, "the amount is 0");
    assert!(report.refused[1].reason.contains("date"));
    assert_eq!(report.first_date.unwrap().to_string(), "1997-01-01");
    assert_eq!(report.last_date.unwrap().to_string(), "1998-06-30");

    let memory = stub.memory.lock().unwrap();
    assert_eq!(memory.events.len(), 4, "two purchases that look alike are two");
    assert!(memory.users.contains_key("cdnow:00002"));
    let dated = memory.events.values().filter(|body| body["occurredAt"] == "1997-01-12T12:00:00Z").count();
    assert_eq!(dated, 2, "each row goes under its own date, at noon in UTC");
}

#[tokio::test]
async fn a_second_run_sends_nothing_and_says_the_same() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    let first = run(&import, &stub).await;
    let second = run(&import, &stub).await;
    assert_eq!(stub.memory.lock().unwrap().requests, 4);
    assert_eq!((second.accepted, second.accepted_before, second.new_customers), (4, 4, 0));
    assert_eq!((second.rows, second.amount, second.refused), (first.rows, first.amount, first.refused));
}

#[tokio::test]
async fn without_a_state_a_second_run_sends_again_and_doubles_nothing() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    let import = Import { state: None, ..import };
    run(&import, &stub).await;
    let second = run(&import, &stub).await;
    assert_eq!((second.accepted, second.accepted_before), (4, 0));
    let memory = stub.memory.lock().unwrap();
    assert_eq!((memory.requests, memory.events.len()), (8, 4));
}

#[tokio::test]
async fn an_interrupted_import_goes_on_where_it_was() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    let hasty = Import { patience: Duration::ZERO, in_flight: 1, ..import.clone() };
    // The second request is taken and its answer lost; nothing else is sent in this run.
    run_with_first_customer_known(&stub).await;
    stub.trouble([Trouble::TakenButBroken]);
    let first = run(&hasty, &stub).await;
    assert!(first.interrupted.as_deref().unwrap().starts_with("line 2:"), "{:?}", first.interrupted);
    assert_eq!(first.accepted, 0);

    let second = run(&import, &stub).await;
    assert!(second.is_complete());
    assert_eq!((second.rows, second.accepted, second.amount.to_string().as_str()), (6, 4, "56.00"));
    assert_eq!(stub.memory.lock().unwrap().events.len(), 4, "the row whose answer was lost counts once");
}

/// The platform knows customer 00001 from elsewhere, which must not matter.
async fn run_with_first_customer_known(stub: &Stub) {
    stub.client.provision(Some("cdnow:00001"), None).await.unwrap();
}

#[tokio::test]
async fn refusals_of_the_platform_are_remembered_across_runs() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    let import = Import { in_flight: 1, ..import };
    stub.trouble([Trouble::Status(422), Trouble::Busy(0), Trouble::TakenButBroken]);
    let first = run(&import, &stub).await;
    assert_eq!(lines_of(&first), [2, 6, 7]);
    assert!(first.refused[0].reason.contains("amount is odd"), "{:?}", first.refused[0]);
    assert_eq!((first.accepted, stub.memory.lock().unwrap().events.len()), (3, 3));
    let second = run(&import, &stub).await;
    assert_eq!((second.refused, second.accepted), (first.refused, 3));
}

#[tokio::test]
async fn without_permission_an_import_stops_at_once() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    let stranger = Stub { client: stub.client.with_token("someone").unwrap(), memory: stub.memory.clone() };
    let report = run(&import, &stranger).await;
    assert!(report.interrupted.unwrap().contains("401"));
    assert_eq!(stub.memory.lock().unwrap().events.len(), 0);
}

#[tokio::test]
async fn a_platform_that_was_set_up_anew_gets_every_row() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    run(&import, &stub).await;
    *stub.memory.lock().unwrap() = crate::stub::Memory::default();
    let report = run(&import, &stub).await;
    assert_eq!((report.accepted, report.accepted_before), (4, 0));
    assert_eq!(stub.memory.lock().unwrap().events.len(), 4);
}

#[tokio::test]
async fn a_stopped_import_says_so() {
    let stub = Stub::start().await;
    let (_folder, import) = sample(SAMPLE);
    let stop = CancellationToken::new();
    stop.cancel();
    let report = import.run(&stub.client, &Silent, &stop).await.unwrap();
    assert_eq!(report.interrupted.as_deref(), Some("it was stopped"));
    assert!(run(&import, &stub).await.is_complete());
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let stub = Stub::start().await;
    let (folder, mut import) = sample(SAMPLE);
    import.file = folder.path().join("nothing.txt");
    let error = import.run(&stub.client, &Silent, &CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("nothing.txt"), "{error}");
}

#[tokio::test]
async fn the_real_file_is_read_to_its_last_row_where_it_is_at_hand() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cdnow_master.txt");
    if !path.exists() {
        println!(
            "SKIPPED: there is no cdnow_master.txt beside the repository, and this test can't show anything"
        );
        return;
    }
    let stub = Stub::start().await;
    let import = Import::new(path, Mapping::preset("cdnow").unwrap());
    let report = run(&import, &stub).await;
    assert_eq!((report.rows, report.accepted, report.refused.len()), (69_659, 69_579, 80));
    assert!(report.refused.iter().all(|row| row.reason == "the amount is 0"));
    assert_eq!((report.customers, report.amount.to_string().as_str()), (23_570, "2500315.63"));
    assert_eq!(stub.memory.lock().unwrap().events.len(), 69_579);
}
