//! Alive and ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ecs_web::health::Health;
use tokio_util::sync::CancellationToken;

use crate::support::{call, get};

#[tokio::test]
async fn ready_only_while_every_check_succeeds() {
    let (up, draining) = (Arc::new(AtomicBool::new(true)), CancellationToken::new());
    let store = Arc::clone(&up);
    let routes = Health::new(draining.clone())
        .check("bus", async || Ok(()))
        .check("store", move || {
            let up = store.load(Ordering::SeqCst);
            async move { if up { Ok(()) } else { Err("disk s3cret is gone".to_owned()) } }
        })
        .routes();
    assert_eq!(call(routes.clone(), get("/readyz")).await.status, 200);

    up.store(false, Ordering::SeqCst);
    let answer = call(routes.clone(), get("/readyz")).await;
    assert_eq!((answer.status.as_u16(), &answer.json["detail"]), (503, &"down: store".into()));
    assert!(answer.headers.contains_key("retry-after"));

    up.store(true, Ordering::SeqCst);
    assert_eq!(call(routes.clone(), get("/readyz")).await.status, 200);
    draining.cancel();
    assert_eq!(call(routes.clone(), get("/readyz")).await.status, 503);
    assert_eq!(call(routes, get("/healthz")).await.status, 200);
}
