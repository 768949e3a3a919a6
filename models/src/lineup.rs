//! Who decides, and who is only listened to.

use std::sync::Arc;

use ecs_domain::features::Features;
use ecs_domain::model::{Kind, Model};
use ecs_domain::scorecard::{Assessment, Input};

use crate::error::Refused;
use crate::plan::{Names, Plan};
use crate::registry::Registry;

/// The models that are in charge, each read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Lineup {
    /// Where nothing is known of emotions.
    pub financial: Seat,
    /// Where something is.
    pub empathic: Seat,
}

/// A model that decides, and perhaps one that would like to.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// Decides.
    pub champion: Arc<Model>,
    /// Is scored, kept and never used.
    pub challenger: Option<Arc<Model>>,
}

/// Whether a mock may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Random {
    /// In tests.
    Allowed,
    /// About people.
    Refused,
}

/// Why models aren't put in charge.
#[derive(Debug, thiserror::Error)]
pub enum LineupError {
    /// One of them isn't there, or is not what its card says.
    #[error("{version}: {refused}")]
    Refused {
        /// Which.
        version: String,
        /// Why.
        refused: Refused,
    },
    /// It decides about those who haven't consented.
    #[error("{0} looks at emotions, so it can't be a financial model")]
    NeedsEmotions(String),
    /// Whoever is decided about is told why.
    #[error("{0} is an ONNX model, which has no exact explanation: it can only listen")]
    Unexplained(String),
    /// A mock doesn't decide about people.
    #[error("{0} is of the kind random, which production refuses")]
    Mock(String),
}

impl Lineup {
    /// Finds the models that the plan names. All of them are found, or none is put in charge.
    pub fn gather(plan: &Plan, registry: &Registry, random: Random) -> Result<Self, LineupError> {
        let gatherer = Gatherer { registry, random };
        let lineup =
            Self { financial: gatherer.seat(&plan.financial)?, empathic: gatherer.seat(&plan.empathic)? };
        let emotional = lineup.financial.models().find(|model| model.needs_emotions());
        if let Some(model) = emotional {
            return Err(LineupError::NeedsEmotions(model.version().to_owned()));
        }
        Ok(lineup)
    }

    /// What is built in.
    pub fn built_in() -> Result<Self, LineupError> {
        Self::gather(&Plan::default(), &Registry::default(), Random::Refused)
    }

    /// Who decides about these features. Somebody who consents, and of whom nothing is known to be felt, is judged as if they had not
    /// consented: of silence a model with emotions knows less than one without (`docs/models.md`).
    #[must_use]
    pub fn seat(&self, features: &Features) -> &Seat {
        if features.hold_emotions() { &self.empathic } else { &self.financial }
    }

    /// What the champion says, and beside it what would be said without emotions, and what the challenger says. Whoever consents is told
    /// what would be said without; where nothing is known to be felt, that is the same to the bit.
    #[must_use]
    pub fn assess(&self, features: &Features) -> Assessment {
        let seat = self.seat(features);
        let without = features.emotions.map(|_| self.financial.champion.score(&features.without_emotions()));
        let challenger = seat.challenger.as_ref().map(|challenger| challenger.score(features));
        // Nothing may come of a model that is only listened to, and that spoils no decision.
        let challenger = challenger.filter(|said| said.risk_score.is_finite());
        Assessment { without_emotions: without, challenger, ..seat.champion.assess(features) }
    }

    /// What contributions of a champion compare with; 0 where it doesn't look. It is the one that decides where emotions are known, or
    /// where not.
    #[must_use]
    pub fn neutral(&self, emotions: bool, input: Input) -> f64 {
        let seat = if emotions { &self.empathic } else { &self.financial };
        seat.champion.reference(input).unwrap_or_default()
    }

    /// Every model in charge, with its seat and its place in words of the program.
    pub fn models(&self) -> impl Iterator<Item = (&'static str, &'static str, &Model)> {
        self.financial.named("financial").chain(self.empathic.named("empathic"))
    }
}

impl Seat {
    fn named(&self, seat: &'static str) -> impl Iterator<Item = (&'static str, &'static str, &Model)> {
        let challenger = self.challenger.as_deref().map(|model| (seat, "challenger", model));
        std::iter::once((seat, "champion", self.champion.as_ref())).chain(challenger)
    }

    fn models(&self) -> impl Iterator<Item = &Arc<Model>> {
        std::iter::once(&self.champion).chain(&self.challenger)
    }
}

struct Gatherer<'a> {
    registry: &'a Registry,
    random: Random,
}

impl Gatherer<'_> {
    fn seat(&self, names: &Names) -> Result<Seat, LineupError> {
        let challenger = names.challenger.as_deref().map(|name| self.model(name)).transpose()?;
        let champion = self.model(&names.champion)?;
        if champion.kind() == Kind::Onnx {
            return Err(LineupError::Unexplained(names.champion.clone()));
        }
        Ok(Seat { champion, challenger })
    }

    fn model(&self, version: &str) -> Result<Arc<Model>, LineupError> {
        let model = self.registry.find(version);
        let model = model.map_err(|refused| LineupError::Refused { version: version.to_owned(), refused })?;
        if model.kind() == Kind::Random && self.random == Random::Refused {
            return Err(LineupError::Mock(version.to_owned()));
        }
        Ok(Arc::new(model))
    }
}
