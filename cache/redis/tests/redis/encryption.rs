//! What `rediss://` promises, against a server with a certificate that no system knows.

use ecs_cache_redis::{OpenError, client};
use ecs_servers::{Authority, Engine, Redis, RedisOptions, did_not_run, unavailable_privately};

#[tokio::test]
async fn an_encrypted_server_is_believed_by_its_authority_and_its_name() {
    if let Some(reason) = unavailable_privately(Engine::Redis) {
        did_not_run("rediss", &reason);
        return;
    }
    let (authority, foreign) = (Authority::new().unwrap(), Authority::new().unwrap());
    let certificate = Some(authority.issue(&["127.0.0.1"]).unwrap());
    let server = Redis::start(RedisOptions { certificate, ..RedisOptions::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let roots = |name: &str, authority: &Authority| {
        let file = folder.path().join(name);
        std::fs::write(&file, authority.certificate()).unwrap();
        file
    };
    let (good, other) = (roots("roots.pem", &authority), roots("foreign.pem", &foreign));
    let check = async |url: &str, roots: Option<&std::path::Path>, expect: bool| {
        let connected = client(url, roots).unwrap().get_multiplexed_async_connection().await;
        assert_eq!(connected.is_ok(), expect, "{roots:?}: {:?}", connected.err());
    };
    let url = server.encrypted_url().unwrap();
    check(&url, Some(&good), true).await;
    check(&url, Some(&other), false).await;
    check(&url, None, false).await;
    check(&url.replace("127.0.0.1", "localhost"), Some(&good), false).await;
    check(server.url(), Some(&good), true).await;
    let missing = folder.path().join("missing.pem");
    let refused = client(&url, Some(&missing)).err().unwrap();
    assert!(
        matches!(refused, OpenError::Roots(_)) && refused.to_string().contains("missing.pem"),
        "{refused}"
    );
}
