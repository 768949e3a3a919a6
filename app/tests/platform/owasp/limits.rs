//! Unrestricted resource consumption: what is too large, too deep or too much is refused before it costs anything.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{DEADLINE, INTERNAL_KEY, TestApp};

/// The largest body that is not a stream.
const MAX_BODY: usize = 64 * 1024;

#[tokio::test]
async fn api4_unrestricted_resource_consumption() {
    let app = TestApp::with(&[("ECS_MAX_CONNECTIONS", "2")]).await;
    let ana = app.person("ana").await;
    let key = ("x-internal-key", INTERNAL_KEY);
    let send = async |body: String| {
        let headers = [key, ("content-type", "application/json")];
        app.http.send("POST", "/v1/emotions/stream", &headers, body).await
    };
    send(format!("\"{}\"", "x".repeat(MAX_BODY))).await.expect_problem(413, &[]);
    // What is nested is left before it is gone into.
    send("[".repeat(MAX_BODY)).await.expect_problem(422, &["body"]);
    for field in ["userId", "emotionEvent", "unknown"] {
        let depth = MAX_BODY / 2 - 100;
        let answer = send(format!("{{\"{field}\": {}{}}}", "[".repeat(depth), "]".repeat(depth))).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{field}: {answer:?}");
    }
    for list in ["offers", "notifications"] {
        let page = |size: u64| format!("/v1/users/{}/{list}?page_size={size}", ana.id);
        app.as_person(&ana, "GET", &page(100), None).await.expect_status(200);
        app.as_person(&ana, "GET", &page(101), None).await.expect_problem(422, &["page_size"]);
        app.as_person(&ana, "GET", &page(u64::MAX), None).await.expect_problem(422, &["page_size"]);
    }
    headers_have_a_bound(&app).await;
    connections_have_a_bound(&app).await;
    app.stop().await;
}

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.platform.address()).await.unwrap()
}

/// A client that sends headers without end is cut off. One that sends them slowly is tested in `web`, where its time is short.
async fn headers_have_a_bound(app: &TestApp) {
    let mut stream = connect(app).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let header = format!("x-filler: {}\r\n", "x".repeat(8_000));
    let fill = async {
        // As much as would fill a memory; the server hangs up long before.
        for _ in 0..10_000 {
            if stream.write_all(header.as_bytes()).await.is_err() {
                break;
            }
        }
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let answer = timeout(DEADLINE, fill).await.expect("the server hangs up");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

/// Whoever comes when all places are taken waits, and is served when one is free again.
async fn connections_have_a_bound(app: &TestApp) {
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let (mut taken, mut bytes) = (Vec::new(), [0; 1024]);
    let waiting = loop {
        let mut stream = connect(app).await;
        stream.write_all(ask).await.unwrap();
        let passed_over = match taken.last_mut() {
            Some(served) => is_passed_over(&mut stream, served).await,
            None => {
                assert_ne!(timeout(DEADLINE, stream.read(&mut bytes)).await.unwrap().unwrap(), 0);
                false
            }
        };
        if passed_over {
            break stream;
        }
        taken.push(stream);
        assert!(taken.len() <= 2, "more connections are served than ECS_MAX_CONNECTIONS says");
    };
    drop(taken);
    let mut waiting = waiting;
    let read = timeout(DEADLINE, waiting.read(&mut bytes)).await.expect("its turn comes").unwrap();
    assert!(bytes[..read].starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&bytes[..read]));
}

/// Whether `stream` has no answer after `served` got twenty.
async fn is_passed_over(stream: &mut TcpStream, served: &mut TcpStream) -> bool {
    let mut bytes = [0; 1024];
    for _ in 0..20 {
        served.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let read = timeout(DEADLINE, served.read(&mut bytes)).await.expect("it is served").unwrap();
        assert_ne!(read, 0, "it is served");
    }
    stream.try_read(&mut bytes).is_err()
}
