//! The models that are in charge, and how they are followed: the file that names them, and the artefacts that it names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ecs_metrics::Metrics;
use ecs_models::{Lineup, LineupError, Plan, PlanError, Random, Registry, shipped_name};
use ecs_tls::looks::{Found, Looks};
use ecs_work::{OnFailure, OnStop, Supervisor};

/// How often the files are looked at. What is new is in charge after two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Where the models are, and which may decide.
#[derive(Debug, Clone)]
pub struct Places {
    /// Says which models decide; those that are built in where there is none.
    pub file: Option<PathBuf>,
    /// Artefacts besides those in the binary.
    pub folder: Option<PathBuf>,
    /// Whether a mock may decide.
    pub random: Random,
}

/// Why the models that are named are not put in charge.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The file that names them can't be read.
    #[error("{path} can't be read: {error}")]
    Unreadable {
        /// Where it should be.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It isn't one.
    #[error("{path}: {error}")]
    Malformed {
        /// Where it is.
        path: String,
        /// Why.
        error: PlanError,
    },
    /// What it names can't be put in charge.
    #[error(transparent)]
    Refused(#[from] LineupError),
}

/// The models that are in charge. A request keeps to those that it began with.
pub(crate) struct InCharge {
    lineup: RwLock<Arc<Lineup>>,
    places: Places,
    /// What was seen before they were read for the first time.
    begun: Option<Seen>,
    metrics: Metrics,
}

/// What a look found: whether anything in it changed is all that it is for.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    plan: Result<String, String>,
    artefacts: Vec<Option<String>>,
}

impl InCharge {
    /// Puts in charge what the files name.
    pub(crate) fn read(places: Places, metrics: Metrics) -> Result<Arc<Self>, ModelsError> {
        let begun = places.file.as_deref().map(|file| look(file, &Registry::new(places.folder.clone())));
        let lineup = gather(&places)?;
        tell(None, &lineup, &metrics);
        Ok(Arc::new(Self { lineup: RwLock::new(Arc::new(lineup)), places, begun, metrics }))
    }

    pub(crate) fn now(&self) -> Arc<Lineup> {
        Arc::clone(&self.lineup.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the files until the process stops. Without a file that names models there is nothing to follow.
    pub(crate) fn follow(self: &Arc<Self>, supervisor: &Supervisor) {
        let (Some(file), Some(begun)) = (self.places.file.clone(), self.begun.clone()) else { return };
        let (this, stop) = (Arc::clone(self), supervisor.token());
        let following = async move {
            stop.run_until_cancelled(this.watch(&file, begun)).await;
            Ok::<(), std::convert::Infallible>(())
        };
        supervisor.spawn("models", OnFailure::StopProcess, OnStop::Wait, following);
    }

    async fn watch(self: Arc<Self>, file: &Path, begun: Seen) {
        let registry = Registry::new(self.places.folder.clone());
        let mut looks = Looks::new(begun);
        loop {
            tokio::time::sleep(EVERY).await;
            if looks.found(look(file, &registry)) != Found::New {
                continue;
            }
            let this = Arc::clone(&self);
            // A model computes all of its golden rows before it is taken.
            if tokio::task::spawn_blocking(move || this.replace()).await.is_err() {
                tracing::error!("the models could not be read anew, and stay what they were");
            }
        }
    }

    /// Takes what the files name now, or says why not. It is said once: the next look finds the same.
    fn replace(&self) {
        match gather(&self.places) {
            Ok(lineup) => {
                tell(Some(&self.now()), &lineup, &self.metrics);
                *self.lineup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lineup);
                self.metrics.models_changed("taken");
            }
            Err(error) => {
                tracing::error!(%error, "the models stay what they were");
                self.metrics.models_changed("refused");
            }
        }
    }
}

fn gather(places: &Places) -> Result<Lineup, ModelsError> {
    let registry = Registry::new(places.folder.clone());
    let plan = match &places.file {
        None => Plan::default(),
        Some(file) => {
            let path = file.display().to_string();
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| ModelsError::Unreadable { path: path.clone(), error })?;
            Plan::parse(&text).map_err(|error| ModelsError::Malformed { path, error })?
        }
    };
    Ok(Lineup::gather(&plan, &registry, places.random)?)
}

/// A file that can't be read is told from one that can by why it can't.
fn look(file: &Path, registry: &Registry) -> Seen {
    let plan = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let named = plan.as_deref().ok().and_then(|text| Plan::parse(text).ok());
    let artefacts = named.iter().flat_map(Plan::names).map(|version| registry.fingerprint(version));
    Seen { artefacts: artefacts.collect(), plan }
}

/// Says which models are in charge from now on, as far as that is new.
fn tell(before: Option<&Lineup>, lineup: &Lineup, metrics: &Metrics) {
    for (seat, place, model) in before.iter().flat_map(|before| before.models()) {
        metrics.model_in_charge(seat, place, word(model.version()), false);
    }
    for (seat, place, model) in lineup.models() {
        metrics.model_in_charge(seat, place, word(model.version()), true);
        let known = before.is_some_and(|before| before.models().any(|other| other == (seat, place, model)));
        if !known {
            let (version, digest) = (model.version(), model.digest());
            tracing::info!(
                seat,
                place,
                version,
                digest,
                kind = model.kind().as_str(),
                "a model is in charge"
            );
        }
    }
}

/// Labels are words of the program: a version that it wasn't built with is none.
fn word(version: &str) -> &'static str {
    shipped_name(version).unwrap_or("other")
}
