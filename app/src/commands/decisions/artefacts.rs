//! The models and policies that decisions name by their digests: one place where both are looked up.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use ecs_domain::decision::Decision;
use ecs_domain::model::Model;
use ecs_domain::policy::Policy;
use ecs_models::{Refused, Registry};
use ecs_work::policies::Written;

use super::super::policy::draft;
use super::super::reach::Reach;
use crate::settings::Settings;

/// What there is of models and policies: in this binary, in the folder and the file that the settings name, and in the store.
pub(super) struct Artefacts {
    registry: Registry,
    /// By digest; none for what nobody has.
    models: HashMap<String, Option<Model>>,
    /// The same.
    policies: HashMap<String, Option<Arc<Policy>>>,
}

impl Artefacts {
    /// Those that are built in, those of the models' folder, and the policy that the settings name.
    pub(super) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let policies =
            draft::at_hand(settings)?.map(|Written { policy, .. }| (policy.digest.clone(), Some(policy)));
        let registry = Registry::new(settings.models.folder.clone());
        Ok(Self { registry, models: HashMap::new(), policies: policies.collect() })
    }

    /// Looks up what the decision was made by, where it is named for the first time.
    pub(super) async fn learn(&mut self, decision: &Decision, reach: &Reach) -> anyhow::Result<()> {
        self.learn_models(decision)?;
        let (version, digest) = (&decision.policy_version, &decision.policy_digest);
        if !digest.is_empty() && !self.policies.contains_key(digest) {
            let text = text_of(reach, version, digest).await?;
            let read =
                text.map(Written::read).transpose().with_context(|| format!("the policy {version}"))?;
            let found = read.map(|written| written.policy).filter(|policy| policy.digest == *digest);
            self.policies.insert(digest.clone(), found);
        }
        Ok(())
    }

    /// The same of its models alone.
    pub(super) fn learn_models(&mut self, decision: &Decision) -> anyhow::Result<()> {
        let stored = &decision.assessment;
        let seconds =
            stored.without_emotions.iter().chain(&stored.challenger).map(|second| &second.model_digest);
        for digest in seconds.chain([&stored.model_digest]) {
            if !digest.is_empty() && !self.models.contains_key(digest) {
                let found = match self.registry.find(digest) {
                    Ok(model) => Some(model),
                    Err(Refused::Unknown(_)) => None,
                    Err(error) => return Err(error).with_context(|| format!("the model {digest}")),
                };
                self.models.insert(digest.clone(), found);
            }
        }
        Ok(())
    }

    /// The model whose artefact has this digest.
    pub(super) fn model(&self, digest: &str) -> Option<&Model> {
        self.models.get(digest)?.as_ref()
    }

    /// The policy whose file has this digest.
    pub(super) fn policy(&self, digest: &str) -> Option<&Policy> {
        self.policies.get(digest)?.as_deref()
    }
}

/// The file of a policy as the store has it. A running platform is asked by version, for a version has one text for good.
async fn text_of(reach: &Reach, version: &str, digest: &str) -> anyhow::Result<Option<String>> {
    match reach {
        Reach::Running(client) => client.policy_text(version).await.context("can't read a policy"),
        Reach::Data(storage) => Ok(storage.store()?.policy_of_digest(digest).await?.map(|found| found.text)),
    }
}
