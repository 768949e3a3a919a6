//! What is wrong with a value that somebody sent, and where it stands in what they sent.

use std::borrow::Cow;

/// One invalid field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the sender's document: `emotionEvent.metrics.positivity`.
    pub field: Cow<'static, str>,
    /// What was expected, as a sentence fragment: `must be between 0 and 1`.
    pub message: Cow<'static, str>,
}

impl Violation {
    /// A violation of the field at `field`.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Collects the violations of one document, so that its sender hears of all of them at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Nothing wrong so far.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Notes one more.
    pub fn push(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) {
        self.0.push(Violation::new(field, message));
    }

    /// The value of `result`, or `None` after noting its message under `field`.
    pub fn check<T>(&mut self, field: &'static str, result: Result<T, Cow<'static, str>>) -> Option<T> {
        result.map_err(|message| self.push(field, message)).ok()
    }

    /// The value of a field that must be there, or `None` after noting that it is missing.
    pub fn require<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.push(field, "is required");
        }
        value
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The violations in the order they were noted.
    #[must_use]
    pub fn into_vec(self) -> Vec<Violation> {
        self.0
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}
