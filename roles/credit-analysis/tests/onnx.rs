//! A network listens, and doesn't decide: asked for over the files that name the models, as whoever runs the platform does it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ecs_credit_analysis::{CreditAnalysis, Deps, Places, Random};
use ecs_domain::features::Features;
use ecs_domain::{Clock, Timestamp};
use ecs_metrics::Metrics;
use ecs_metrics::read::Exposition;
use ecs_web::auth::{SecretKey, Tokens};
use ecs_web::{Auth, RequestContext, Secret};
use ecs_work::Supervisor;
use tokio::time::Instant;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn create(file: PathBuf, metrics: &Metrics) -> Result<CreditAnalysis, String> {
    let key = SecretKey::new(Secret::new("a signing key of more than 32 bytes, for tests")).unwrap();
    let auth = Auth::alone(Tokens::new(&key), Secret::new("the key of services"), Arc::new(StoppedClock));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/examples");
    let models = Places { file: Some(file), folder: Some(folder), random: Random::Refused };
    let deps = Deps { auth: Arc::new(auth), models, metrics: metrics.clone() };
    CreditAnalysis::create(deps).map_err(|error| error.to_string())
}

const PERSON: Features = Features {
    transaction_count_30d: 3,
    avg_transaction_value_30d: 80.0,
    days_since_last_transaction: Some(4.0),
    account_age_days: 12.0,
    emotions: None,
};

const LISTENS: &str = "[financial]\nchampion = \"financial-1\"\nchallenger = \"financial-net-1\"";
const DECIDES: &str = "[financial]\nchampion = \"financial-net-1\"";

#[tokio::test(start_paused = true)]
async fn a_network_that_should_decide_is_refused_and_who_was_in_charge_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("models.toml");
    fs::write(&file, LISTENS).unwrap();
    let (metrics, supervisor) = (Metrics::new(), Supervisor::new());
    let role = create(file.clone(), &metrics).unwrap();
    role.start(&supervisor);
    let says = async || role.handle().assess(&PERSON, &RequestContext::make()).await.unwrap();
    let before = says().await;
    assert_eq!(before.model_version, "financial-1");
    assert_eq!(before.challenger.as_ref().unwrap().model_version, "financial-net-1");
    fs::write(&file, DECIDES).unwrap();
    let refused = || {
        Exposition::read(&metrics.render()).unwrap().sum("ecs_model_changes_total", &[("result", "refused")])
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while refused() != Some(1.0) {
        assert!(Instant::now() < deadline, "{}", metrics.render());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(says().await == before);
    assert!(supervisor.drain(Duration::from_secs(5)).await.is_clean());
}

#[test]
fn a_start_with_a_network_in_charge_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("models.toml");
    fs::write(&file, DECIDES).unwrap();
    let refused = create(file, &Metrics::new()).err().unwrap();
    assert_eq!(
        refused,
        "financial-net-1 is an ONNX model, which has no exact explanation: it can only listen"
    );
}
