//! What differs between two texts, line by line.

/// Above this many pairs of lines the texts are told as wholes: finding what they share would take too long.
const MOST_PAIRS: usize = 1_000_000;

/// The lines that are in one text only, in their order: those that go behind `- `, those that come behind `+ `.
#[must_use]
pub fn diff(before: &str, after: &str) -> Vec<String> {
    let (mut old, mut new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    old.drain(..start);
    new.drain(..start);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    old.truncate(old.len() - end);
    new.truncate(new.len() - end);
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        return old.iter().map(|line| gone(line)).chain(new.iter().map(|line| come(line))).collect();
    }
    walk(&old, &new)
}

fn gone(line: &str) -> String {
    format!("- {line}")
}

fn come(line: &str) -> String {
    format!("+ {line}")
}

/// Goes along the longest list of lines that both have.
fn walk(old: &[&str], new: &[&str]) -> Vec<String> {
    let shared = shared(old, new);
    let width = new.len() + 1;
    let longest = |at: usize, to: usize| shared.get(at * width + to).copied().unwrap_or(0);
    let (mut at, mut to, mut lines) = (0, 0, Vec::new());
    while let (Some(left), Some(right)) = (old.get(at), new.get(to)) {
        if left == right {
            (at, to) = (at + 1, to + 1);
        } else if longest(at + 1, to) >= longest(at, to + 1) {
            lines.push(gone(left));
            at += 1;
        } else {
            lines.push(come(right));
            to += 1;
        }
    }
    lines.extend(old.iter().skip(at).map(|line| gone(line)));
    lines.extend(new.iter().skip(to).map(|line| come(line)));
    lines
}

/// How many lines the rests share from each pair of places on, row by row.
fn shared(old: &[&str], new: &[&str]) -> Vec<u32> {
    let width = new.len() + 1;
    let mut rows = vec![vec![0_u32; width]];
    for left in old.iter().rev() {
        let mut row = vec![0_u32; width];
        let below = rows.last().map(Vec::as_slice).unwrap_or_default();
        for (to, right) in new.iter().enumerate().rev() {
            let [here, next] = [below.get(to), below.get(to + 1)].map(|count| count.copied().unwrap_or(0));
            let beside = row.get(to + 1).copied().unwrap_or(0);
            if let Some(cell) = row.get_mut(to) {
                *cell = if left == right { next + 1 } else { here.max(beside) };
            }
        }
        rows.push(row);
    }
    rows.into_iter().rev().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let check = |before: &str, after: &str, expect: &[&str]| {
            assert_eq!(diff(before, after), expect, "{before:?} {after:?}");
        };
        check("", "", &[]);
        check("a\nb", "a\nb\n", &[]);
        check("", "a", &["+ a"]);
        check("a", "", &["- a"]);
        check("a\nb\nc", "a\nx\nc", &["- b", "+ x"]);
        check("a\nb\nc\nd", "b\nd\ne", &["- a", "- c", "+ e"]);
        check("a\na", "a\na\na", &["+ a"]);
        check("one\ntwo\nthree\nfour", "zero\ntwo\nfour\nfive", &["- one", "+ zero", "- three", "+ five"]);
    }

    /// What comes and what stays is the new text.
    #[test]
    fn long_texts_are_told_as_wholes() {
        let text = |from: usize| (from..from + 1_100).map(|n| format!("{n}\n")).collect::<String>();
        let lines = diff(&text(0), &text(1));
        assert_eq!(lines.len(), 2_200);
        assert_eq!((lines[0].as_str(), lines[2_199].as_str()), ("- 0", "+ 1100"));
        assert_eq!(diff(&text(0), &(text(0) + "more")), ["+ more"]);
    }
}
