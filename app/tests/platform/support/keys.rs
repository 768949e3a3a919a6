//! The file of service keys, as operators write it.

use std::path::{Path, PathBuf};

use ecs_domain::permission::Permission;
use ecs_web::auth::service_keys::digest;

/// A list of keys in a folder.
pub(crate) struct KeyList {
    file: PathBuf,
}

impl KeyList {
    pub(crate) fn within(folder: &Path) -> Self {
        Self { file: folder.join("keys.toml") }
    }

    /// What `ECS_SERVICE_KEYS_FILE` names.
    pub(crate) fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// Lists these keys, each for these permissions, and no others. Nobody finds half of it.
    pub(crate) fn write<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = (K, Vec<Permission>)>) {
        let entry = |(key, permissions): (K, Vec<Permission>)| {
            let (key, sha256) = (key.as_ref(), hex::encode(digest(key.as_ref().as_bytes())));
            let permissions: Vec<&str> = permissions.into_iter().map(Permission::as_str).collect();
            format!("[[keys]]\nname = \"{key}\"\nsha256 = \"{sha256}\"\npermissions = {permissions:?}\n")
        };
        self.replace(&keys.into_iter().map(entry).collect::<String>());
    }

    /// Lists these for emotions.
    pub(crate) fn of_emotions(&self, keys: &[&str]) {
        self.write(keys.iter().map(|key| (key, vec![Permission::EmotionsWriteAny])));
    }

    /// Puts any text in the list's place.
    pub(crate) fn replace(&self, text: &str) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(&next, &self.file).unwrap();
    }
}
