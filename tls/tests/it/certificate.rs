//! A certificate's files under a listener that goes on.

use std::fs;
use std::path::Path;

use ecs_servers::Authority;
use ecs_tls::{Certificate, Follower, Look, TlsError};

use crate::support::{der, files, put, shown, trusting};

/// What two looks find: the second is the one that acts.
async fn settle(follower: &mut Follower) -> Look {
    assert_eq!(follower.look().await, Look::Changing);
    follower.look().await
}

#[tokio::test]
async fn a_new_pair_is_shown_and_a_broken_one_is_told_once_and_never_shown() {
    let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
    let (old, new) = (authority.issue(&["ecs"]).unwrap(), authority.issue(&["ecs"]).unwrap());
    put(&old, folder.path());
    let at = files(folder.path());
    let (certificate, mut follower) = Certificate::read(at.clone()).unwrap();
    let client = trusting(folder.path(), authority.certificate());
    let is_shown = async |pem: &str| {
        assert_eq!(shown(&certificate, &client, "ecs").await.unwrap(), der(pem));
    };
    assert_eq!(follower.look().await, Look::Same);
    is_shown(&old.certificate).await;

    // One of two files is replaced first.
    fs::write(&at.certificate, &new.certificate).unwrap();
    let mismatch = TlsError::Mismatch { certificate: at.certificate.clone(), key: at.key.clone() };
    assert_eq!(settle(&mut follower).await, Look::Refused(mismatch));
    assert_eq!(follower.look().await, Look::Same, "it is told once");
    is_shown(&old.certificate).await;
    fs::write(&at.key, &new.key).unwrap();
    assert_eq!(settle(&mut follower).await, Look::Replaced);
    is_shown(&new.certificate).await;

    fs::write(&at.certificate, "-----BEGIN CERT").unwrap();
    assert_eq!(settle(&mut follower).await, Look::Refused(TlsError::BadCertificate(at.certificate.clone())));
    fs::remove_file(&at.certificate).unwrap();
    assert!(matches!(settle(&mut follower).await, Look::Refused(TlsError::Unreadable { .. })));
    assert_eq!(follower.look().await, Look::Same);
    is_shown(&new.certificate).await;
    put(&old, folder.path());
    assert_eq!(settle(&mut follower).await, Look::Replaced);
    is_shown(&old.certificate).await;
}

#[tokio::test]
async fn files_that_change_between_looks_are_left_alone() {
    let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
    put(&authority.issue(&["ecs"]).unwrap(), folder.path());
    let (_, mut follower) = Certificate::read(files(folder.path())).unwrap();
    for _ in 0..3 {
        put(&authority.issue(&["ecs"]).unwrap(), folder.path());
        assert_eq!(follower.look().await, Look::Changing);
    }
    assert_eq!(follower.look().await, Look::Replaced);
}

#[test]
fn a_start_is_refused_with_the_files_name_and_never_what_is_in_it() {
    let (authority, folder) = (Authority::new().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (authority.issue(&["ecs"]).unwrap(), authority.issue(&["ecs"]).unwrap());
    let at = files(folder.path());
    let check = |certificate: Option<&str>, key: Option<&str>, expect: &str, file: &Path| {
        for (path, text) in [(&at.certificate, certificate), (&at.key, key)] {
            let _ = fs::remove_file(path);
            if let Some(text) = text {
                fs::write(path, text).unwrap();
            }
        }
        let told = Certificate::read(at.clone()).err().unwrap().to_string();
        assert!(told.contains(expect) && told.contains(file.to_str().unwrap()), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("MII") && !told.contains("BEGIN"), "{told}");
    };
    let (good, key) = (Some(one.certificate.as_str()), Some(one.key.as_str()));
    let damaged = Some("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n");
    let no_certificate = Some("-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n");
    check(None, key, "can't be read", &at.certificate);
    check(good, None, "can't be read", &at.key);
    check(Some("hunter2"), key, "no certificate", &at.certificate);
    check(no_certificate, key, "certificate that can't be used", &at.certificate);
    check(good, Some("hunter2"), "no private key", &at.key);
    check(good, damaged, "no private key", &at.key);
    check(good, good, "no private key", &at.key);
    check(good, Some(&other.key), "is not that of the first certificate", &at.key);
}
