//! `manifest.json`: what the archive is, what each of its files holds, and what is not in it.

use ecs_domain::{ExportId, Timestamp, UserId};
use ecs_store::ExportHold;
use ecs_store::personal_data::LEFT_OUT;
use serde::Serialize;

use super::archive::File;

/// The version of what the archive is made of: it rises when a file or a column goes, or means something else.
const FORMAT: &str = "ecs/export/1";
/// How the rows of different moments go together.
const CONSISTENCY: &str = "Rows were read in pages between begun_at and finished_at. A row that was there throughout is in \
    both files of its section exactly once; of what came, went or changed meanwhile, some may be there and some not. \
    The .csv of a section holds exactly the rows of its .json.";
/// What is in no table of ours about the person, or must not leave.
const NEVER: [(&str, &str); 5] = [
    ("the password", "only a hash of it is kept, which would help to guess it"),
    ("secrets of webhooks and of sessions", "who has them can act in the person's name"),
    ("answers kept for repeated requests", "they hold what the other files do; that they are kept is told"),
    (
        "what was there before and after of an act on somebody else",
        "it is about that person, who finds it in an archive of their own",
    ),
    ("events on their way", "they are here once they are worked on, which takes seconds"),
];

/// What an archive says about itself.
pub(super) struct Told {
    pub(super) hold: ExportHold,
    pub(super) begun_at: Timestamp,
    pub(super) finished_at: Timestamp,
}

#[derive(Serialize)]
struct Manifest<'a> {
    format: &'static str,
    export_id: ExportId,
    user_id: UserId,
    requested_at: Timestamp,
    begun_at: Timestamp,
    finished_at: Timestamp,
    consistency: &'static str,
    files: Vec<Holding<'a>>,
    left_out: Vec<Missing>,
}

#[derive(Serialize)]
struct Holding<'a> {
    name: &'a str,
    holds: &'static str,
    rows: u64,
    columns: &'static [&'static str],
    bytes: u64,
    sha256: &'a str,
}

#[derive(Serialize)]
struct Missing {
    what: &'static str,
    why: &'static str,
}

/// The manifest of an archive with these files besides it.
pub(super) fn of(told: &Told, files: &[File]) -> Result<String, serde_json::Error> {
    let files = files.iter().map(|file| Holding {
        name: &file.name,
        holds: file.section.map_or("What the archive is, for people.", |section| section.about()),
        rows: file.rows,
        columns: file.section.map_or(&[], |section| section.columns()),
        bytes: file.bytes,
        sha256: &file.sha256,
    });
    let left_out = NEVER.into_iter().chain(LEFT_OUT).map(|(what, why)| Missing { what, why });
    let manifest = Manifest {
        format: FORMAT,
        export_id: told.hold.id,
        user_id: told.hold.user,
        requested_at: told.hold.requested_at,
        begun_at: told.begun_at,
        finished_at: told.finished_at,
        consistency: CONSISTENCY,
        files: files.collect(),
        left_out: left_out.collect(),
    };
    serde_json::to_string_pretty(&manifest).map(|text| text + "\n")
}
