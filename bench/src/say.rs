//! What is said to whoever runs it: the result to standard output, all else to standard error.

use std::io::Write as _;

/// Prints the result.
pub(crate) fn say(text: &str) {
    // A reader that went away is no failure.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Tells how far it is.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says why it ended.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "bench: {text}");
}
