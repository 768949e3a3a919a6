//! The files of the models are followed: what fits is put in charge, and what doesn't leaves in charge who was.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ecs_credit_analysis::{CreditAnalysis, Deps, Places, Random};
use ecs_domain::features::{EmotionFeatures, Features};
use ecs_domain::scorecard::Assessment;
use ecs_domain::{Clock, Timestamp};
use ecs_metrics::Metrics;
use ecs_metrics::read::Exposition;
use ecs_models::testkit::{additive, random, trees};
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, RequestContext, Secret, handles};
use ecs_work::Supervisor;
use tempfile::TempDir;
use tokio::time::Instant;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// A role over a folder of models, and whoever asks it.
struct Followed {
    folder: TempDir,
    handle: Arc<dyn handles::CreditAnalysis>,
    metrics: Metrics,
    supervisor: Supervisor,
}

fn create(file: PathBuf, folder: &Path, random: Random, metrics: &Metrics) -> Result<CreditAnalysis, String> {
    let key = SecretKey::new(Secret::new("a signing key of more than 32 bytes, for tests")).unwrap();
    let auth = Auth::alone(Tokens::new(&key), Secret::new("the key of services"), Arc::new(StoppedClock));
    let models = Places { file: Some(file), folder: Some(folder.to_owned()), random };
    let deps = Deps { auth: Arc::new(auth), models, metrics: metrics.clone() };
    CreditAnalysis::create(deps).map_err(|error| error.to_string())
}

impl Followed {
    fn start(plan: &str) -> Self {
        let (folder, metrics, supervisor) = (tempfile::tempdir().unwrap(), Metrics::new(), Supervisor::new());
        for made in [additive("f-1", false), trees("f-2", false), random("r-1")] {
            made.write(folder.path()).unwrap();
        }
        fs::write(folder.path().join("models.toml"), plan).unwrap();
        let file = folder.path().join("models.toml");
        let role = create(file, folder.path(), Random::Refused, &metrics).unwrap();
        role.start(&supervisor);
        Self { handle: role.handle(), folder, metrics, supervisor }
    }

    fn write(&self, plan: &str) {
        fs::write(self.folder.path().join("models.toml"), plan).unwrap();
    }

    async fn says(&self) -> Assessment {
        self.handle.assess(&person(), &RequestContext::make()).await.unwrap()
    }

    fn counted(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        Exposition::read(&self.metrics.render()).unwrap().sum(name, labels)
    }

    /// Waits until so many changes have been taken or refused.
    async fn changed(&self, result: &str, times: f64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.counted("ecs_model_changes_total", &[("result", result)]) != Some(times) {
            assert!(Instant::now() < deadline, "{result} {times} times: {}", self.metrics.render());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn person() -> Features {
    let emotions = EmotionFeatures { means_7d: None, stress_events_7d: 0, stress_events_30d: 1 };
    Features {
        transaction_count_30d: 3,
        avg_transaction_value_30d: 80.0,
        days_since_last_transaction: Some(4.0),
        account_age_days: 12.0,
        emotions: Some(emotions),
    }
}

const FIRST: &str = "[financial]\nchampion = \"f-1\"\n[empathic]\nchampion = \"scorecard-1\"\n";

#[tokio::test(start_paused = true)]
async fn another_model_is_put_in_charge_without_a_restart() {
    let followed = Followed::start(FIRST);
    let before = followed.says().await;
    assert_eq!(before.without_emotions.unwrap().model_version, "f-1");
    assert_eq!(before.challenger, None);
    followed.write(
        "[financial]\nchampion = \"f-2\"\n[empathic]\nchampion = \"scorecard-1\"\nchallenger = \"f-1\"",
    );
    followed.changed("taken", 1.0).await;
    let after = followed.says().await;
    assert_eq!(after.without_emotions.unwrap().model_version, "f-2");
    assert_eq!(after.challenger.unwrap().model_version, "f-1");
    assert_eq!((after.model_version.as_str(), after.risk_score), ("scorecard-1", before.risk_score));
    let in_charge = |seat, place, version| {
        followed.counted("ecs_model_in_charge", &[("seat", seat), ("place", place), ("version", version)])
    };
    assert_eq!(in_charge("empathic", "champion", "scorecard-1"), Some(1.0));
    assert_eq!(in_charge("empathic", "challenger", "other"), Some(1.0));
    assert_eq!(in_charge("financial", "champion", "other"), Some(1.0));
    assert!(followed.supervisor.drain(Duration::from_secs(5)).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_refused_leaves_in_charge_who_was() {
    let followed = Followed::start(FIRST);
    let before = followed.says().await;
    let mut refused = 0.0;
    for plan in [
        "[financial]\nchampion = \"gone\"",
        "[financial]\nchampion = \"f-2\"\n[empathic]\nchampion = \"r-1\"",
        "[financial]\nchampion = ",
    ] {
        followed.write(plan);
        refused += 1.0;
        followed.changed("refused", refused).await;
        assert!(followed.says().await == before, "{plan}");
    }
    fs::remove_file(followed.folder.path().join("models.toml")).unwrap();
    followed.changed("refused", refused + 1.0).await;
    assert!(followed.says().await == before, "without a file");
    followed.write("[financial]\nchampion = \"f-2\"");
    followed.changed("taken", 1.0).await;
    assert_eq!(followed.says().await.without_emotions.unwrap().model_version, "f-2");
}

#[tokio::test(start_paused = true)]
async fn an_artefact_that_is_written_over_is_taken_if_it_fits_its_card() {
    let followed = Followed::start(FIRST);
    let before = followed.says().await;
    let model = followed.folder.path().join("f-1/model.json");
    let good = fs::read_to_string(&model).unwrap();
    fs::write(&model, good.replace("-1.25", "-1.5")).unwrap();
    followed.changed("refused", 1.0).await;
    assert!(followed.says().await == before);
    // The same version with another formula, whose card and golden rows know of it.
    trees("f-1", false).write(followed.folder.path()).unwrap();
    followed.changed("taken", 1.0).await;
    let (before, after) = (before.without_emotions.unwrap(), followed.says().await.without_emotions.unwrap());
    assert_eq!(before.model_version, after.model_version);
    assert_ne!(before.model_digest, after.model_digest);
    assert_ne!(before.risk_score, after.risk_score);
}

#[test]
fn a_start_with_what_cant_be_in_charge_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("models.toml");
    random("r-1").write(folder.path()).unwrap();
    let check = |plan: Option<&str>, random: Random, expect: Result<(), &str>| {
        drop(fs::remove_file(&file));
        if let Some(plan) = plan {
            fs::write(&file, plan).unwrap();
        }
        match (create(file.clone(), folder.path(), random, &Metrics::new()), expect) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{plan:?}: {error}"),
            (made, _) => panic!("{plan:?}: {:?}", made.err()),
        }
    };
    check(None, Random::Refused, Err("models.toml can't be read"));
    check(Some(""), Random::Refused, Ok(()));
    check(Some("[financial]"), Random::Refused, Err("models.toml: TOML parse error at line 1"));
    let mock = Some("[financial]\nchampion = \"r-1\"");
    check(mock, Random::Refused, Err("r-1 is of the kind random, which production refuses"));
    check(mock, Random::Allowed, Ok(()));
}
