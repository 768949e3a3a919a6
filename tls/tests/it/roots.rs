//! Who is believed.

use std::fs;
use std::sync::Arc;

use ecs_servers::Authority;
use ecs_tls::{Certificate, Roots};

use crate::support::{der, files, put, shown, trusting};

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_its_name() {
    let (authority, foreign) = (Authority::new().unwrap(), Authority::new().unwrap());
    let folder = tempfile::tempdir().unwrap();
    put(&authority.issue(&["ecs", "127.0.0.1", "::1"]).unwrap(), folder.path());
    let (certificate, _) = Certificate::read(files(folder.path())).unwrap();
    let check = async |roots: &str, name: &str, expect: bool| {
        let client = trusting(folder.path(), roots);
        assert_eq!(shown(&certificate, &client, name).await.is_ok(), expect, "{name}");
    };
    check(authority.certificate(), "ecs", true).await;
    check(authority.certificate(), "127.0.0.1", true).await;
    check(authority.certificate(), "::1", true).await;
    check(authority.certificate(), "other", false).await;
    check(authority.certificate(), "127.0.0.2", false).await;
    check(foreign.certificate(), "ecs", false).await;
    check(&[foreign.certificate(), authority.certificate()].concat(), "ecs", true).await;
}

#[tokio::test]
async fn an_own_certificate_is_believed_whatever_its_name_and_no_other_is() {
    let (authority, foreign) = (Authority::new().unwrap(), Authority::new().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let own = authority.issue(&["ecs"]).unwrap();
    put(&own, folder.path());
    let at = files(folder.path());
    let (certificate, mut follower) = Certificate::read(at.clone()).unwrap();
    let roots = Roots::load(None).unwrap().or_oneself(&at.certificate).unwrap();
    let client = Arc::new(roots.client_config().unwrap());
    assert_eq!(shown(&certificate, &client, "127.0.0.1").await.unwrap(), der(&own.certificate));
    put(&foreign.issue(&["127.0.0.1"]).unwrap(), folder.path());
    follower.look().await;
    follower.look().await;
    assert!(shown(&certificate, &client, "127.0.0.1").await.is_err());
}

#[test]
fn a_file_of_roots_is_used_as_a_whole_or_refused_by_its_name() {
    let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("roots.pem");
    let check = |text: Option<&str>, expect: &str| {
        let _ = text.map(|text| fs::write(&file, text).unwrap());
        let told = Roots::load(Some(&file)).err().unwrap().to_string();
        assert!(told.contains(expect) && told.contains("roots.pem"), "{told}");
    };
    check(None, "can't be read");
    check(Some("nothing"), "no certificate");
    let damaged = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    check(Some(&[authority.certificate(), damaged].concat()), "can't be used");
}

#[test]
fn what_is_handed_on_as_text_holds_the_file() {
    let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("roots.pem");
    fs::write(&file, authority.certificate()).unwrap();
    let text = Roots::load(Some(&file)).unwrap().pem();
    let flat = |text: &str| text.lines().collect::<String>();
    assert!(flat(&text).ends_with(&flat(authority.certificate())), "the system's come first");
    fs::write(&file, &text).unwrap();
    assert!(Roots::load(Some(&file)).unwrap().client_config().is_ok());
}
