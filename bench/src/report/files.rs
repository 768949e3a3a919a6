//! Where a report goes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Report, markdown};

/// What the files of a run are called.
fn file(report: &Report, extension: &str) -> String {
    format!("{}.{extension}", report.settings.over.file())
}

/// Where reports, logs and data go: `bench` beside the folder of this binary, on a disk rather than in memory.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary.parent().and_then(Path::parent).context("the binary has no folder")?;
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Writes a run's JSON and its Markdown, `report.json` and `report.md` for example. Returns what the JSON says: a number that was
/// written and read again may differ in its last bit, and whoever makes the Markdown again has only the JSON.
pub(crate) fn save(report: &Report, folder: &Path) -> anyhow::Result<Report> {
    let json = serde_json::to_string_pretty(report)? + "\n";
    std::fs::write(folder.join(file(report, "json")), &json)?;
    let report = Report::parse(&json)?;
    std::fs::write(folder.join(file(&report, "md")), markdown::render(&report))?;
    Ok(report)
}

/// Reads a `report.json`.
pub(crate) fn load(path: &Path) -> anyhow::Result<Report> {
    let json = std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
    Report::parse(&json).with_context(|| format!("{} is no report", path.display()))
}

/// Puts the report's tables between the marks of a document.
pub(crate) fn write_into(report: &Report, document: &Path) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(document).with_context(|| format!("{} can't be read", document.display()))?;
    let place = report.settings.over.marks();
    let text = between_marks(&text, place, &markdown::render(report))
        .with_context(|| format!("{} lacks the marks of {place}", document.display()))?;
    std::fs::write(document, text)?;
    Ok(())
}

fn between_marks(document: &str, place: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {place}:begin -->"), format!("<!-- {place}:end -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = |text: &str| {
            format!(
                "# Title\n<!-- one:begin -->\n{text}\n<!-- one:end -->\n<!-- two:begin -->\n<!-- two:end -->\n"
            )
        };
        assert_eq!(between_marks(&document("old"), "one", "new\n"), Some(document("new")));
        assert_eq!(between_marks(&document("new"), "one", "new\n"), Some(document("new")));
        let other = between_marks(&document("old"), "two", "new\n").unwrap();
        assert_eq!(other, document("old").replace("<!-- two:begin -->\n", "<!-- two:begin -->\nnew\n"));
        assert_eq!(between_marks("# Title\n", "one", "new\n"), None);
        assert_eq!(between_marks("<!-- one:end --> <!-- one:begin -->", "one", "new\n"), None);
    }
}
