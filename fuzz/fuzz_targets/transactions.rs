//! What customers send to the intake of transactions.
#![no_main]

use std::sync::LazyLock;

use axum::body::Body;
use ecs_bus::payload::TransactionPayload;
use ecs_fuzz::{Intake, Still, auth, bearer, somebody};
use ecs_transaction_ingestion::{Deps, TransactionIngestion};
use http::Request;
use libfuzzer_sys::fuzz_target;

static INTAKE: LazyLock<(Intake, String)> = LazyLock::new(|| {
    let auth = auth();
    let bearer = bearer(&auth);
    let base_currency = "BRL".parse().expect("a currency");
    let clock = std::sync::Arc::new(Still);
    (
        Intake::new(|bus| TransactionIngestion::create(Deps { auth, bus, clock, base_currency }).routes()),
        bearer,
    )
});

fuzz_target!(|data: &[u8]| {
    let (intake, bearer) = &*INTAKE;
    let request = Request::post("/v1/transactions").header("authorization", bearer);
    let request = request.header("content-type", "application/json").body(Body::from(data.to_vec()));
    let (status, answer, events) = intake.send(request.expect("it is a request"));
    let accepted = match status.as_u16() {
        202 => 1,
        400 | 403 | 413 | 422 => 0,
        other => panic!("{other}: {answer}"),
    };
    assert_eq!(events.len(), accepted, "what is accepted is on the bus, and nothing else: {answer}");
    for event in &events {
        let transaction =
            TransactionPayload::decode(event).expect("workers understand what the intake takes");
        assert_eq!((transaction.user, event.key), (somebody(), somebody()));
    }
});
