//! A network that can be cut, held up and healed.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::net::SocketAddr;
use std::time::Duration;

use ecs_servers::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const NO_ANSWER: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(10);

/// A server that answers every byte with `answer`.
async fn server(answer: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while stream.read_u8().await.is_ok() {
                    stream.write_u8(answer).await.unwrap();
                }
            });
        }
    });
    address
}

async fn ask(stream: &mut TcpStream) -> std::io::Result<u8> {
    stream.write_u8(b'?').await?;
    timeout(SOON, stream.read_u8()).await.unwrap()
}

#[tokio::test]
async fn a_cut_ends_connections_and_refuses_new_ones_until_it_heals() {
    let proxy = Proxy::start(server(b'a').await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream).await.unwrap(), b'a');
    proxy.cut().await;
    assert!(ask(&mut stream).await.is_err());
    assert!(TcpStream::connect(proxy.address()).await.is_err());
    proxy.heal().await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream).await.unwrap(), b'a');
}

#[tokio::test]
async fn a_pause_holds_bytes_of_old_and_new_connections() {
    let proxy = Proxy::start(server(b'a').await).await.unwrap();
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut old).await.unwrap(), b'a');
    proxy.pause();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    for stream in [&mut old, &mut new] {
        stream.write_u8(b'?').await.unwrap();
        assert!(timeout(NO_ANSWER, stream.read_u8()).await.is_err(), "a byte came through");
    }
    proxy.heal().await.unwrap();
    for stream in [&mut old, &mut new] {
        assert_eq!(timeout(SOON, stream.read_u8()).await.unwrap().unwrap(), b'a');
    }
}

#[tokio::test]
async fn another_target_ends_the_connections_to_the_old_one() {
    let proxy = Proxy::start(server(b'a').await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream).await.unwrap(), b'a');
    proxy.retarget(server(b'b').await).await.unwrap();
    assert!(ask(&mut stream).await.is_err());
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream).await.unwrap(), b'b');
}

#[tokio::test]
async fn the_end_of_one_side_reaches_the_other() {
    let proxy = Proxy::start(server(b'a').await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream).await.unwrap(), b'a');
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn connections_go_to_one_server_after_the_other_and_past_those_that_refuse() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], ecs_servers::free_port().unwrap()));
    let proxy = Proxy::balance(vec![server(b'a').await, nobody, server(b'b').await]).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(ask(&mut TcpStream::connect(proxy.address()).await.unwrap()).await.unwrap());
    }
    assert_eq!(answers, *b"abbabb");
}
