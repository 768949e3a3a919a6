//! Where models are found: in the binary, and in a folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ecs_domain::model::Model;

use crate::artefact::{CARD, Files, GOLDEN, MODEL, ONNX, read};
use crate::card::{is_version, model_file_of, version_of};
use crate::error::Refused;
use crate::{digest, onnx, scorecard_file};

macro_rules! shipped {
    ($version:literal) => {
        (
            $version,
            Files {
                card: include_bytes!(concat!("../", $version, "/card.toml")),
                model: include_bytes!(concat!("../", $version, "/model.json")),
                golden: include_bytes!(concat!("../", $version, "/golden.json")),
            },
        )
    };
}

/// No file of an artefact is larger.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The artefacts that are in the binary. One that has ever decided is never taken out: its decisions could not be made again.
pub const SHIPPED: &[(&str, Files<'static>)] = &[
    shipped!("financial-1"),
    shipped!("empathic-1"),
    shipped!("financial-trees-1"),
    shipped!("empathic-trees-1"),
];

/// The scorecard, which has a file of its own form.
const SCORECARD: &str = "scorecard-1";

/// The models that are in the binary, and those of a folder.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    folder: Option<PathBuf>,
}

/// What the files of an artefact hold, read from a folder.
struct Bytes {
    card: Vec<u8>,
    model: Vec<u8>,
    golden: Vec<u8>,
}

/// A version as a word of the program, if it is one: what is in the binary.
#[must_use]
pub fn shipped_name(version: &str) -> Option<&'static str> {
    let artefacts = SHIPPED.iter().map(|(version, _)| *version);
    artefacts.chain([SCORECARD]).find(|shipped| *shipped == version)
}

impl Registry {
    /// The models that are in the binary, and the artefacts in the folders of this one.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The model of this version or digest, checked anew.
    pub fn find(&self, name: &str) -> Result<Model, Refused> {
        match shipped(name)? {
            Some(model) => {
                self.refuse_twofold(&model)?;
                Ok(model)
            }
            None if is_digest(name) => self.by_digest(name),
            None => self.by_version(name),
        }
    }

    /// What tells whether an artefact of the folder may have changed. `None` for one that can't change, or isn't there.
    #[must_use]
    pub fn fingerprint(&self, version: &str) -> Option<String> {
        if shipped_name(version).is_some() {
            return None;
        }
        let place = self.place(version)?;
        let card = fs::read(place.join(CARD)).ok()?;
        // The card knows what the others must be, so it is enough to see that somebody wrote them.
        let seen = [MODEL, ONNX, GOLDEN].map(|file| {
            fs::metadata(place.join(file)).ok().map(|found| (found.len(), found.modified().ok()))
        });
        Some(format!("{} {seen:?}", digest(&card)))
    }

    fn place(&self, version: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref().filter(|_| is_version(version))?;
        Some(folder.join(version))
    }

    /// A version is a name for one thing: another model under the name of one that is in the binary is refused.
    fn refuse_twofold(&self, model: &Model) -> Result<(), Refused> {
        let Some(place) = self.place(model.version()) else { return Ok(()) };
        match file(&place, CARD) {
            Ok(card) if digest(&card) != model.digest() => Err(Refused::Twofold(model.version().to_owned())),
            _ => Ok(()),
        }
    }

    fn by_version(&self, version: &str) -> Result<Model, Refused> {
        let unknown = || Refused::Unknown(version.to_owned());
        let place = self.place(version).filter(|place| place.is_dir()).ok_or_else(unknown)?;
        let bytes = Bytes::read(&place)?;
        let (model, _) = read(bytes.files())?;
        if model.version() != version {
            let found = model.version().to_owned();
            return Err(Refused::OtherVersion { found, expected: version.to_owned() });
        }
        Ok(model)
    }

    /// Looks at every card in the folder.
    fn by_digest(&self, wanted: &str) -> Result<Model, Refused> {
        let unknown = || Refused::Unknown(wanted.to_owned());
        let entries =
            self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok()).ok_or_else(unknown)?;
        for entry in entries.flatten() {
            let Ok(card) = file(&entry.path(), CARD) else { continue };
            if digest(&card) == wanted
                && let Some(version) = version_of(&card)
            {
                return self.by_version(&version);
            }
        }
        Err(unknown())
    }
}

impl Bytes {
    fn read(place: &Path) -> Result<Self, Refused> {
        let card = file(place, CARD)?;
        let model = file(place, model_file_of(&card)?)?;
        Ok(Self { card, model, golden: file(place, GOLDEN)? })
    }

    fn files(&self) -> Files<'_> {
        Files { card: &self.card, model: &self.model, golden: &self.golden }
    }
}

/// The model of this version or digest among those that are in the binary.
fn shipped(name: &str) -> Result<Option<Model>, Refused> {
    if name == SCORECARD || name == scorecard_file::digest_of_built_in() {
        return Ok(Some(Model::Scorecard(scorecard_file::built_in()?)));
    }
    let found = SHIPPED.iter().find(|(version, files)| *version == name || digest(files.card) == name);
    found.map(|(_, files)| Ok(read(*files)?.0)).transpose()
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn file(place: &Path, file: &'static str) -> Result<Vec<u8>, Refused> {
    let path = place.join(file);
    let unreadable = |error: io::Error| Refused::Unreadable { file, error };
    let found = fs::metadata(&path).map_err(unreadable)?;
    let most = if file == ONNX { onnx::MOST_BYTES } else { MOST_BYTES };
    if found.len() > most {
        return Err(Refused::TooLarge { file, most });
    }
    if !found.is_file() {
        return Err(unreadable(ErrorKind::IsADirectory.into()));
    }
    fs::read(path).map_err(unreadable)
}
