//! A row of `decisions` as every engine writes and reads it: what is told of a person is sealed under their key.
//!
//! What isn't in a column of its own is in `record`. Decisions from before there was one have none: what can be told of them is made of
//! the other columns.

use ecs_domain::decision::{Decision, Denial, Outcome};
use ecs_domain::offer::Offer;
use ecs_domain::policy::Facts;
use ecs_domain::reason::Reason;
use ecs_domain::scorecard::{Assessment, Contribution, Second};
use ecs_domain::{DecisionId, Money, Timestamp, UserId};
use ecs_vault::{PersonKey, is_sealed};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::chain::{Digest, Hasher};
use crate::decision_text::{
    Exact, contributions_text, features_text, parse_contributions, parse_features, unreadable,
};
use crate::sealed::{column, open, seal};

/// The texts of a new row that stand sealed.
#[derive(Debug, Clone)]
pub struct SealedDecision {
    /// The column `features`.
    pub features: String,
    /// The column `contributions`.
    pub contributions: String,
    /// The column `record`.
    pub record: String,
    /// The column `reason`: of a denial.
    pub reason: Option<String>,
}

impl SealedDecision {
    /// Seals what is told of the person in a decision.
    pub fn seal(decision: &Decision, key: &PersonKey) -> Result<Self, StoreError> {
        let contributions = contributions_text(&decision.assessment.contributions)?;
        let reason = match &decision.outcome {
            Outcome::Denied(denial) => Some(seal(key, column::REASON, &denial.text)?),
            Outcome::Approved(_) => None,
        };
        Ok(Self {
            features: seal(key, column::FEATURES, &features_text(&decision.features)?)?,
            contributions: seal(key, column::CONTRIBUTIONS, &contributions)?,
            record: seal(key, column::RECORD, &record_text(decision)?)?,
            reason,
        })
    }
}

/// The texts of a row that was written before they were sealed, all or some of them.
#[derive(Clone)]
pub struct PlainDecision {
    /// The column `features`.
    pub features: String,
    /// The column `contributions`.
    pub contributions: String,
    /// The column `reason`.
    pub reason: Option<String>,
}

ecs_domain::redacted!(PlainDecision => "PlainDecision");

impl PlainDecision {
    /// The same with everything sealed.
    pub fn seal(self, key: &PersonKey) -> Result<Self, StoreError> {
        let Self { features, contributions, reason } = self;
        let sealed =
            |column, text: String| if is_sealed(&text) { Ok(text) } else { seal(key, column, &text) };
        Ok(Self {
            features: sealed(column::FEATURES, features)?,
            contributions: sealed(column::CONTRIBUTIONS, contributions)?,
            reason: reason.map(|reason| sealed(column::REASON, reason)).transpose()?,
        })
    }
}

/// A row of `decisions` as it stands in the table, with its offer.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// Its id.
    pub id: DecisionId,
    /// About whom.
    pub user: UserId,
    /// When it was made.
    pub decided_at: Timestamp,
    /// The answer in a word.
    pub outcome: String,
    /// Of an approval.
    pub offer: Option<Offer>,
    /// Of a denial, sealed.
    pub reason: Option<String>,
    /// The model's score.
    pub risk_score: f64,
    /// The model's version.
    pub model_version: String,
    /// The model's digest.
    pub model_digest: String,
    /// The policy's version.
    pub policy_version: String,
    /// The policy's digest.
    pub policy_digest: String,
    /// Sealed.
    pub features: String,
    /// Sealed.
    pub contributions: String,
    /// Sealed; none in a decision from before there were records.
    pub record: Option<String>,
}

impl DecisionRow {
    /// The row that a decision makes.
    #[must_use]
    pub fn of(decision: &Decision, sealed: &SealedDecision) -> Self {
        let SealedDecision { features, contributions, record, reason } = sealed.clone();
        Self {
            id: decision.id,
            user: decision.user,
            decided_at: decision.decided_at,
            outcome: decision.outcome.as_str().to_owned(),
            offer: decision.offer().cloned(),
            reason,
            risk_score: decision.assessment.risk_score,
            model_version: decision.assessment.model_version.clone(),
            model_digest: decision.assessment.model_digest.clone(),
            policy_version: decision.policy_version.clone(),
            policy_digest: decision.policy_digest.clone(),
            features,
            contributions,
            record: Some(record),
        }
    }

    /// The digest of everything in the row that never changes, as it stands there: of what is sealed the ciphertext, of the offer its
    /// terms. The log keeps it, so what it is made of stays as it is.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::labelled(b"ecs/decision/1");
        hasher.fixed(self.id.uuid().as_bytes());
        hasher.fixed(self.user.uuid().as_bytes());
        hasher.fixed(&self.decided_at.as_microsecond().to_be_bytes());
        hasher.fixed(&self.risk_score.to_bits().to_be_bytes());
        let artefacts = [&self.model_version, &self.model_digest, &self.policy_version, &self.policy_digest];
        for text in artefacts.into_iter().chain([&self.outcome, &self.features, &self.contributions]) {
            hasher.text(text);
        }
        hasher.maybe(self.reason.as_ref());
        hasher.maybe(self.record.as_ref());
        hasher.maybe(self.offer.as_ref().map(terms_of));
        hasher.finish()
    }

    /// The decision that stands there. What was written before there were keys is read without one.
    pub fn open(self, key: Option<&PersonKey>) -> Result<Decision, StoreError> {
        let contributions = parse_contributions(&open(key, column::CONTRIBUTIONS, self.contributions)?)?;
        let record = match self.record {
            Some(sealed) => Record::parse(&open(key, column::RECORD, sealed)?)?,
            None => Record::missing(self.risk_score, &contributions),
        };
        let reason = self.reason.map(|reason| open(key, column::REASON, reason)).transpose()?;
        let outcome = match (self.offer, reason) {
            (Some(offer), _) => Outcome::Approved(offer),
            (None, Some(text)) => Outcome::Denied(Denial { reasons: record.reasons()?, text }),
            (None, None) => return Err(StoreError::Corrupt("an approval without an offer".to_owned())),
        };
        Ok(Decision {
            id: self.id,
            user: self.user,
            decided_at: self.decided_at,
            features: parse_features(&open(key, column::FEATURES, self.features)?)?,
            facts: Facts { exposure: record.facts.exposure, last_denied_at: record.facts.last_denied_at },
            policy_version: self.policy_version,
            policy_digest: self.policy_digest,
            outcome,
            approved_without_emotions: record.approved_without_emotions,
            catalogue_version: record.catalogue_version,
            assessment: Assessment {
                risk_score: self.risk_score,
                model_version: self.model_version,
                model_digest: self.model_digest,
                base_log_odds: record.base_log_odds.0,
                contributions,
                without_emotions: record.without_emotions.map(Into::into),
                challenger: record.challenger.map(Into::into),
            },
        })
    }
}

/// The text of the column `record`, with nothing sealed in it.
pub(crate) fn record_text(decision: &Decision) -> Result<String, StoreError> {
    Record::of(decision).text()
}

/// What of an offer never changes, as bytes.
pub(crate) fn terms_of(offer: &Offer) -> Vec<u8> {
    let Offer { id, user, status: _, terms, created_at, expires_at, accepted_at: _, activated_at: _ } = offer;
    let numbers = [
        terms.credit_limit.minor_units(),
        i64::from(terms.interest_rate.basis_points()),
        created_at.as_microsecond(),
        expires_at.as_microsecond(),
    ];
    let mut bytes = [id.uuid().into_bytes(), user.uuid().into_bytes()].concat();
    bytes.extend(numbers.into_iter().flat_map(i64::to_be_bytes));
    bytes.extend(terms.credit_type.as_str().bytes());
    bytes
}

/// From when on a denial counts for the next application: its own time or, where it was denied for nothing but an earlier one, that
/// one's. Else whoever asks again and again would never be heard. `record` is the column of that name.
pub fn denied_since(
    decided_at: Timestamp,
    record: Option<String>,
    key: Option<&PersonKey>,
) -> Result<Timestamp, StoreError> {
    let Some(sealed) = record else { return Ok(decided_at) };
    let record = Record::parse(&open(key, column::RECORD, sealed)?)?;
    let of_earlier = record.reasons()? == [Reason::DeniedRecently];
    Ok(record.facts.last_denied_at.filter(|_| of_earlier).unwrap_or(decided_at))
}

/// The column `record`.
#[derive(Serialize, Deserialize)]
struct Record {
    base_log_odds: Exact,
    without_emotions: Option<SecondRecord>,
    approved_without_emotions: Option<bool>,
    challenger: Option<SecondRecord>,
    facts: FactsRecord,
    /// Of a denial, by their codes.
    reasons: Vec<String>,
    /// In which version of the catalogue they are told.
    #[serde(default)]
    catalogue_version: u32,
}

#[derive(Serialize, Deserialize)]
struct SecondRecord {
    risk_score: Exact,
    model_version: String,
    model_digest: String,
}

#[derive(Serialize, Deserialize)]
struct FactsRecord {
    exposure: Money,
    last_denied_at: Option<Timestamp>,
}

impl Record {
    fn of(decision: &Decision) -> Self {
        let Decision { assessment, facts, outcome, approved_without_emotions, .. } = decision;
        let reasons = match outcome {
            Outcome::Denied(denial) => denial.reasons.iter().map(|reason| reason.code().to_owned()).collect(),
            Outcome::Approved(_) => Vec::new(),
        };
        Self {
            base_log_odds: Exact(assessment.base_log_odds),
            without_emotions: assessment.without_emotions.as_ref().map(Into::into),
            approved_without_emotions: *approved_without_emotions,
            challenger: assessment.challenger.as_ref().map(Into::into),
            facts: FactsRecord { exposure: facts.exposure, last_denied_at: facts.last_denied_at },
            reasons,
            catalogue_version: decision.catalogue_version,
        }
    }

    /// Of a decision that has none: where its score started is what its contributions leave of it.
    fn missing(risk_score: f64, contributions: &[Contribution]) -> Self {
        let log_odds = (risk_score / (1.0 - risk_score)).ln();
        let added: f64 = contributions.iter().map(|contribution| contribution.log_odds).sum();
        Self {
            base_log_odds: Exact(log_odds - added),
            without_emotions: None,
            approved_without_emotions: None,
            challenger: None,
            facts: FactsRecord { exposure: Money::ZERO, last_denied_at: None },
            reasons: Vec::new(),
            catalogue_version: 0,
        }
    }

    fn text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| unreadable(&error))
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|error| unreadable(&error))
    }

    fn reasons(&self) -> Result<Vec<Reason>, StoreError> {
        let unknown = |()| StoreError::Corrupt("a decision names an unknown reason".to_owned());
        self.reasons.iter().map(|code| code.parse().map_err(unknown)).collect()
    }
}

impl From<&Second> for SecondRecord {
    fn from(second: &Second) -> Self {
        let Second { risk_score, model_version, model_digest } = second.clone();
        Self { risk_score: Exact(risk_score), model_version, model_digest }
    }
}

impl From<SecondRecord> for Second {
    fn from(record: SecondRecord) -> Self {
        let SecondRecord { risk_score: Exact(risk_score), model_version, model_digest } = record;
        Self { risk_score, model_version, model_digest }
    }
}
