//! Takes the files of Swagger UI that the page needs out of the archive that its crate carries.
//!
//! They stay as compressed as they are in there: an entry of a zip and a gzip file hold the same stream between other
//! frames, so nothing is unpacked or packed, no library is needed for it, and the binary carries 440 kB instead of 1.7 MB.

mod zip;

use std::path::Path;
use std::{env, fs};

/// The files of the page, the licence of what they are, and the notice that goes with it.
const FILES: [&str; 5] =
    ["dist/swagger-ui.css", "dist/swagger-ui-bundle.js", "dist/favicon-32x32.png", "LICENSE", "NOTICE"];

#[expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
fn main() -> Result<(), String> {
    let out = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    let archive = utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
    for file in FILES {
        let entry = zip::find(archive, file).ok_or_else(|| format!("Swagger UI comes without {file}"))?;
        let name = file.rsplit('/').next().unwrap_or(file);
        let path = Path::new(&out).join(format!("{name}.gz"));
        fs::write(&path, entry.gzip()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    println!("cargo::rerun-if-changed=build");
    Ok(())
}
