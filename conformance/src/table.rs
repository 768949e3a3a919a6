//! The record of a run as Markdown tables, one per contract.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What became of a behaviour over a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell<'a> {
    Passed,
    NotClaimed(&'a str),
    Failed,
    DidNotRun,
}

impl<'a> Cell<'a> {
    /// From what was recorded last. A test that began and recorded no end has panicked, or was ended with its process.
    fn of(state: &'a str) -> Self {
        match state.strip_prefix("not claimed: ") {
            Some(what) => Self::NotClaimed(what),
            None if state == "passed" => Self::Passed,
            None if state == "began" => Self::Failed,
            None => Self::DidNotRun,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::NotClaimed(what) => format!("not claimed: {what}"),
            Self::Failed => "FAILED".to_owned(),
            Self::DidNotRun => "DID NOT RUN".to_owned(),
        }
    }
}

/// What was recorded, and what is expected.
pub(crate) struct Table<'a> {
    contracts: &'a [(&'a str, &'a [&'a str])],
    /// Per contract, the behaviours in the kit's order.
    behaviours: BTreeMap<&'a str, Vec<&'a str>>,
    /// Per contract, backend and behaviour, the last word.
    states: BTreeMap<(&'a str, &'a str, &'a str), &'a str>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(contracts: &'a [(&'a str, &'a [&'a str])], record: &'a str) -> Self {
        let (mut behaviours, mut states) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
        for line in record.lines() {
            let mut parts = line.splitn(4, '\t').map(str::trim);
            let (Some(contract), Some(backend), Some(behaviour), Some(state)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let rows = behaviours.entry(contract).or_default();
            if !rows.contains(&behaviour) {
                rows.push(behaviour);
            }
            states.insert((contract, backend, behaviour), state);
        }
        Self { contracts, behaviours, states }
    }

    fn rows(&self, contract: &str) -> &[&'a str] {
        self.behaviours.get(contract).map_or(&[], Vec::as_slice)
    }

    fn cell(&self, contract: &'a str, backend: &'a str, behaviour: &'a str) -> Cell<'a> {
        self.states.get(&(contract, backend, behaviour)).map_or(Cell::DidNotRun, |state| Cell::of(state))
    }

    fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        self.contracts.iter().flat_map(move |(contract, backends)| {
            let rows = self.rows(contract).iter();
            rows.flat_map(move |row| backends.iter().map(move |backend| self.cell(contract, backend, row)))
        })
    }

    /// The contracts of which nobody showed anything, so that not even their rows are known.
    fn unknown(&self) -> impl Iterator<Item = &'a str> {
        self.contracts.iter().map(|(contract, _)| *contract).filter(|contract| self.rows(contract).is_empty())
    }

    /// The backends that were tested and have no column.
    fn unlisted(&self) -> Vec<String> {
        let is_listed = |contract: &str, backend: &str| {
            self.contracts.iter().any(|(name, backends)| *name == contract && backends.contains(&backend))
        };
        let tested = self.states.keys().filter(|(contract, backend, _)| !is_listed(contract, backend));
        let mut names: Vec<_> =
            tested.map(|(contract, backend, _)| format!("{contract} over {backend}")).collect();
        names.dedup();
        names
    }

    /// Whether the run may be called good; `complete` when everything must have run.
    pub(crate) fn holds(&self, complete: bool) -> bool {
        let is_bad = |cell| cell == Cell::Failed || (complete && cell == Cell::DidNotRun);
        let is_known = !complete || self.unknown().next().is_none();
        is_known && self.unlisted().is_empty() && !self.cells().any(is_bad)
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for (contract, backends) in self.contracts {
            let header = std::iter::once(*contract).chain(backends.iter().copied()).map(str::to_owned);
            let rows = self.rows(contract).iter().map(|row| {
                let name = row.replace("::", ": ").replace('_', " ");
                let cells = backends.iter().map(|backend| self.cell(contract, backend, row).text());
                std::iter::once(name).chain(cells).collect()
            });
            if !self.rows(contract).is_empty() {
                text.push_str(&markdown(&std::iter::once(header.collect()).chain(rows).collect::<Vec<_>>()));
            }
        }
        for contract in self.unknown() {
            let _ = writeln!(text, "{contract}: NOTHING RAN");
        }
        for name in self.unlisted() {
            let _ = writeln!(text, "{name} was tested and has no column: list it in conformance/src/main.rs");
        }
        let count = |wanted: fn(&Cell<'_>) -> bool| self.cells().filter(wanted).count();
        let _ = writeln!(
            text,
            "conformance: {} passed, {} not claimed, {} failed, {} did not run",
            count(|cell| matches!(cell, Cell::Passed)),
            count(|cell| matches!(cell, Cell::NotClaimed(_))),
            count(|cell| matches!(cell, Cell::Failed)),
            count(|cell| matches!(cell, Cell::DidNotRun)),
        );
        text
    }
}

/// Lines of equally many cells, the first of them the header, in columns as wide as they need to be.
fn markdown(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("| {cell:<width$} "));
        let _ = writeln!(text, "{}|", cells.collect::<String>());
        if number == 0 {
            let dashes = widths.iter().map(|width| format!("|{}", "-".repeat(width + 2)));
            let _ = writeln!(text, "{}|", dashes.collect::<String>());
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &[&str]); 2] = [("bus", &["one", "two"]), ("cache", &["none"])];

    const RECORD: &str = "bus\tone\tlog::it_is_read\tplanned\nbus\tone\tgroups::they_compete\tplanned\n\
        bus\tone\tlog::it_is_read\tbegan\nbus\tone\tlog::it_is_read\tnot claimed: a log\n\
        bus\tone\tgroups::they_compete\tbegan\nbus\tone\tgroups::they_compete\tpassed\n\
        bus\ttwo\tlog::it_is_read\tbegan\n";

    #[test]
    fn what_did_not_pass_never_looks_as_if_it_had() {
        let shown = Table::new(&ALL, RECORD).render();
        let expect = "\
| bus                  | one                | two         |
|----------------------|--------------------|-------------|
| log: it is read      | not claimed: a log | FAILED      |
| groups: they compete | passed             | DID NOT RUN |

cache: NOTHING RAN
conformance: 1 passed, 1 not claimed, 1 failed, 1 did not run
";
        assert_eq!(shown, expect);
    }

    #[test]
    fn a_run_holds_when_nothing_failed_and_in_ci_when_all_of_it_ran() {
        let check = |contracts, record: &str, expect: [bool; 2]| {
            let table = Table::new(contracts, record);
            assert_eq!([table.holds(false), table.holds(true)], expect, "{record}");
        };
        let bus: [(&str, &[&str]); 1] = [("bus", &["one"])];
        let (began, passed) = ("bus\tone\ta::b\tbegan\n", "bus\tone\ta::b\tpassed\n");
        check(&bus, passed, [true, true]);
        check(&bus, "bus\tone\ta::b\tnot claimed: c\n", [true, true]);
        check(&bus, began, [false, false]);
        check(&bus, "bus\tone\ta::b\tplanned\n", [true, false]);
        check(&bus, "", [true, false]);
        check(&bus, &format!("{passed}bus\tother\ta::b\tpassed\n"), [false, false]);
        check(&[("bus", &["one", "two"])], passed, [true, false]);
        check(&[("bus", &["one"]), ("cache", &["none"])], passed, [true, false]);
    }
}
