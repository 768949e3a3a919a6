//! Brokers start, die, hang and come back as tests of others rely on.

use std::net::SocketAddr;
use std::time::Duration;

use ecs_servers::{Engine, Kafka, KafkaOptions, did_not_run, unavailable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NO_ANSWER: Duration = Duration::from_millis(300);

/// Asks for the versions of the protocol, which a broker tells everybody, and returns the number of the answer.
async fn ask(address: SocketAddr) -> std::io::Result<u32> {
    let mut stream = TcpStream::connect(address).await?;
    // Length, API 18, version 0, the request's number, and no client's name.
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]).await?;
    stream.read_u32().await?;
    stream.read_u32().await
}

#[tokio::test]
async fn a_cluster_loses_a_broker_and_gets_it_back_under_the_same_address() {
    if let Some(reason) = unavailable(Engine::Kafka) {
        return did_not_run(module_path!(), &reason);
    }
    let cluster = Kafka::start(KafkaOptions { brokers: 3, ..KafkaOptions::default() }).await.unwrap();
    for broker in 0..3 {
        assert_eq!(ask(cluster.address(broker).unwrap()).await.unwrap(), 7);
        assert!(cluster.data_dir(broker).unwrap().is_dir());
        assert!(cluster.url().contains(&cluster.address(broker).unwrap().to_string()));
    }
    let address = cluster.address(1).unwrap();
    cluster.kill(1).await.unwrap();
    assert!(ask(address).await.is_err());
    cluster.restart(1).await.unwrap();
    assert_eq!(ask(address).await.unwrap(), 7);
    cluster.pause(1).await.unwrap();
    assert!(tokio::time::timeout(NO_ANSWER, ask(address)).await.is_err(), "a paused broker answers");
    cluster.resume(1).unwrap();
    assert_eq!(ask(address).await.unwrap(), 7);
    assert!(cluster.kill(3).await.is_err(), "there is no fourth broker");
}
