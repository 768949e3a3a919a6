//! The folder that `ecs-servers authority` makes, as a developer meets it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn authority(folder: &Path, names: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-servers"));
    command.arg("authority").arg(folder).args(names).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_authority_stays_and_certificates_are_renewed() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/folder");
    let made = authority(&folder, &["credit.internal", "10.0.0.7"]);
    assert!(made.status.success(), "{}", text(&made));
    for setting in ["ECS_TLS_ROOTS", "ECS_TLS_CERTIFICATE", "ECS_TLS_KEY"] {
        assert!(text(&made).contains(&format!("export {setting}='/")), "{}", text(&made));
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let rights = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    let names = ["localhost", "credit.internal", "10.0.0.7"];
    let before = names.map(|name| read(&format!("{name}.pem")));
    let root = read("authority.pem");
    for name in names.iter().chain(&["authority"]) {
        assert_eq!(rights(&format!("{name}-key.pem")), 0o600, "{name}");
    }
    assert!(authority(&folder, &["credit.internal", "10.0.0.7"]).status.success());
    assert_eq!(read("authority.pem"), root);
    for (name, before) in names.iter().zip(before) {
        assert_ne!(read(&format!("{name}.pem")), before, "{name}");
    }
    assert!(fs::read_dir(&folder).unwrap().all(|file| file.unwrap().path().extension().unwrap() == "pem"));
}

#[test]
fn what_is_no_name_is_refused_before_anything_is_written() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("folder");
    for name in ["../elsewhere", "", ".hidden", "two words"] {
        let refused = authority(&folder, &["good", name]);
        assert!(
            !refused.status.success() && text(&refused).contains("neither the name"),
            "{}",
            text(&refused)
        );
    }
    assert!(!folder.exists());
}
