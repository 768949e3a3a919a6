//! A folder with a development authority and the certificates that it signs.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ecs_servers::Authority;

/// What every developer needs: the names by which a machine calls itself.
const LOCAL: (&str, [&str; 3]) = ("localhost", ["localhost", "127.0.0.1", "::1"]);

/// Makes the authority unless the folder has one, and a new certificate for this machine and for each name. Says what to do
/// with them.
pub(crate) fn certify(folder: &Path, names: &[String]) -> Result<String> {
    // A name becomes the name of a file.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':');
    for name in names {
        let told = format!("{name:?} is neither the name of a host nor an address");
        ensure!(!name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain), told);
    }
    std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let folder = std::fs::canonicalize(folder)?;
    let authority = Authority::in_folder(&folder)?;
    let local = authority.issue(&LOCAL.1)?.write(&folder, LOCAL.0)?;
    for name in names {
        authority.issue(&[name, "localhost", "127.0.0.1", "::1"])?.write(&folder, name)?;
    }
    let here = folder.display();
    Ok(format!(
        "export ECS_TLS_ROOTS='{here}/authority.pem'\nexport ECS_TLS_CERTIFICATE='{}'\nexport ECS_TLS_KEY='{}'",
        local.certificate.display(),
        local.key.display()
    ))
}
