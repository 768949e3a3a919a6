//! `platform.alerts`.

use ecs_domain::{EventId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use super::{PayloadError, WireTime, read, write};
use crate::{Event, Headers, Subject};

/// The key of every alert. Keys are ids of people elsewhere, and this is nobody's: no id of a person is made like it. All alerts have one
/// key, so a transport that orders by key tells them in their order.
pub const NOBODY: UserId = UserId::new(uuid!("00000000-0000-4000-8000-00000000a1e7"));

/// Something about the platform that somebody should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its id, which serves as the event's. The same alert has the same one, however often it is told.
    pub id: Uuid,
    /// How pressing it is.
    pub severity: Severity,
    /// When it was found.
    pub at: Timestamp,
    /// What it is about.
    pub about: AlertAbout,
}

/// How pressing an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// What an earlier alert told is over.
    Over,
    /// Somebody should look.
    Warning,
    /// Somebody should look soon.
    Critical,
}

/// What an alert is about: its kind, and what is told of that kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "camelCase")]
pub enum AlertAbout {
    /// A model's score or one of its features has drifted, or does so no more.
    Drift(Drift),
    /// A group is approved less than another, or not any more.
    Fairness(Fairness),
}

/// How decisions of a window compare with those before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The model's version.
    pub model: String,
    /// `score`, or the feature.
    pub measure: String,
    /// `calm`, `moderate`, `major` or `too-few`.
    pub verdict: String,
    /// The population stability index.
    pub index: f64,
    /// What the index exceeds by chance alone no more often than the level of the test says.
    pub critical: f64,
    /// Decisions of the window.
    pub window: u64,
    /// Decisions that they are compared with.
    pub reference: u64,
}

/// How the approval of a group compares with that of the largest one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fairness {
    /// `age_band` or `region`.
    pub attribute: String,
    /// The group.
    pub group: String,
    /// `adverse`, `unremarkable` or `too-few`.
    pub finding: String,
    /// The group's approval as a share of the largest group's; null where too few are left to tell.
    pub impact: Option<f64>,
}

/// `{alertId, kind, severity, at, detail}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertPayload {
    alert_id: Uuid,
    #[serde(flatten)]
    about: AlertAbout,
    severity: Severity,
    at: WireTime,
}

impl AlertPayload {
    /// The bus event that carries an alert.
    #[must_use]
    pub fn event(alert: &Alert, headers: Headers) -> Event {
        let Alert { id, severity, at, about } = alert.clone();
        let payload = write(&Self { alert_id: id, about, severity, at });
        Event { id: EventId::new(id), subject: Subject::Alerts, key: NOBODY, payload, headers }
    }

    /// The alert that a bus event carries.
    pub fn decode(event: &Event) -> Result<Alert, PayloadError> {
        let Self { alert_id: id, about, severity, at } = read(event)?;
        Ok(Alert { id, severity, at, about })
    }
}

impl AlertAbout {
    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Drift(_) => "drift",
            Self::Fairness(_) => "fairness",
        }
    }
}

impl Severity {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
