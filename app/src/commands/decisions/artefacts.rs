//! The models and policies that decisions name by their digests: one place where both are looked up.

use anyhow::Context as _;
use ecs_domain::features::Features;
use ecs_domain::policy::Policy;
use ecs_domain::scorecard::{Assessment, Scorecard};

use crate::settings::Settings;

/// A model, as far as a replay needs it.
pub(super) trait Model {
    /// What it says of these features: score, base and contributions.
    fn assess(&self, features: &Features) -> Assessment;
}

impl Model for Scorecard {
    fn assess(&self, features: &Features) -> Assessment {
        Self::assess(self, features)
    }
}

/// Every artefact that this binary has or was given.
pub(super) struct Artefacts {
    models: Vec<Scorecard>,
    policies: Vec<Policy>,
}

impl Artefacts {
    /// Those that are built in, and the policy that the settings name.
    pub(super) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let model = ecs_credit_analysis::built_in().context("the built-in scorecard")?;
        let mut policies = vec![ecs_user_and_credit::built_in().context("the built-in policy")?];
        if let Some(path) = &settings.policy_file {
            let named = || format!("ECS_POLICY_FILE {}", path.display());
            let text = std::fs::read_to_string(path).with_context(named)?;
            policies.push(ecs_user_and_credit::parse(&text).with_context(named)?);
        }
        Ok(Self { models: vec![model], policies })
    }

    /// The model whose artefact has this digest.
    pub(super) fn model(&self, digest: &str) -> Option<&dyn Model> {
        let found = self.models.iter().find(|model| model.digest == digest);
        found.map(|model| model as &dyn Model)
    }

    /// The policy whose file has this digest.
    pub(super) fn policy(&self, digest: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.digest == digest)
    }
}
