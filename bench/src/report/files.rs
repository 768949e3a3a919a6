//! Where a report goes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Report, markdown};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Where reports, logs and data go: `bench` beside the folder of this binary, on a disk rather than in memory.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary.parent().and_then(Path::parent).context("the binary has no folder")?;
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Writes `report.json` and `report.md`.
pub(crate) fn save(report: &Report, folder: &Path) -> anyhow::Result<()> {
    std::fs::write(folder.join("report.json"), serde_json::to_string_pretty(report)? + "\n")?;
    std::fs::write(folder.join("report.md"), markdown::render(report))?;
    Ok(())
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
    let text = between_marks(&text, &markdown::render(report))
        .with_context(|| format!("{} has no {BEGIN} before an {END}", document.display()))?;
    std::fs::write(document, text)?;
    Ok(())
}

fn between_marks(document: &str, text: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{text}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nthe end\n");
        let expect = format!("# Title\n{BEGIN}\nnew\n{END}\nthe end\n");
        assert_eq!(between_marks(&document, "new\n"), Some(expect.clone()));
        assert_eq!(between_marks(&expect, "new\n"), Some(expect));
        assert_eq!(between_marks("# Title\n", "new\n"), None);
        assert_eq!(between_marks(&format!("{END} {BEGIN}"), "new\n"), None);
    }
}
