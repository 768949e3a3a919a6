//! What phones send to the intake of emotions: the first byte chooses between one event and lines of them.
#![no_main]

use std::sync::LazyLock;

use axum::body::Body;
use ecs_bus::payload::EmotionPayload;
use ecs_emotion_ingestion::{Deps, EmotionIngestion, StreamLimits};
use ecs_fuzz::{Intake, KEY, Still, auth};
use http::Request;
use libfuzzer_sys::fuzz_target;

static INTAKE: LazyLock<Intake> = LazyLock::new(|| {
    // Small enough for the fuzzer to reach them.
    let limits =
        StreamLimits { max_line: 1_000, chunk_events: 3, listed_rejections: 5, ..StreamLimits::default() };
    Intake::new(|bus| {
        EmotionIngestion::create(Deps { auth: auth(), bus, clock: std::sync::Arc::new(Still), limits })
            .routes()
    })
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let lines = kind % 2 == 1;
    let content_type = if lines { "application/x-ndjson" } else { "application/json" };
    let request = Request::post("/v1/emotions/stream")
        .header("x-internal-key", KEY)
        .header("content-type", content_type);
    let (status, answer, events) =
        INTAKE.send(request.body(Body::from(body.to_vec())).expect("it is a request"));
    let accepted = match (status.as_u16(), lines) {
        (202, true) => answer["accepted"].as_u64().expect("a number"),
        (202, false) => 1,
        (400 | 413 | 422, _) => 0,
        other => panic!("{other:?}: {answer}"),
    };
    assert_eq!(events.len() as u64, accepted, "what is accepted is on the bus, and nothing else: {answer}");
    for event in &events {
        let emotion = EmotionPayload::decode(event).expect("workers understand what the intake takes");
        assert_eq!((emotion.id, emotion.user), (event.id, event.key));
    }
});
