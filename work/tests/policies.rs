//! Policies that two people made active, as processes follow them.
#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use ecs_domain::{Timestamp, UserId};
use ecs_store::{
    Compared, Maintenance as _, PolicyChange, PolicyChanged, PolicyDraft, PolicyVersions as _, StoreError,
};
use ecs_store_sqlite::{Options, SqliteStore};
use ecs_vault::Keyring;
use ecs_work::policies::{PoliciesError, Written, built_in, default_policy, parse};
use ecs_work::{Policies, Supervisor};
use tempfile::TempDir;
use uuid::Uuid;

struct Scene {
    store: Arc<SqliteStore>,
    _folder: TempDir,
}

impl Scene {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store =
            SqliteStore::open(folder.path().join("store.db"), Keyring::in_memory(), Options::default());
        Self { store: Arc::new(store.unwrap()), _folder: folder }
    }

    fn policies(&self) -> Arc<Policies> {
        Arc::new(Policies::new(Arc::clone(&self.store) as _, None).unwrap())
    }

    /// Drafts a text under its version. Returns its digest.
    async fn draft(&self, version: &str, text: &str) -> String {
        let digest = parse(text).map_or_else(|_| version.to_owned(), |policy| policy.digest);
        let draft = PolicyDraft {
            version: version.to_owned(),
            digest: digest.clone(),
            text: text.to_owned(),
            author: user(1),
            active_from: at(0),
            compared: compared(),
            now: at(0),
        };
        assert!(matches!(self.store.draft_policy(draft).await.unwrap(), PolicyChanged::Done(_)));
        digest
    }

    /// The instant from which on it is active.
    async fn approve(&self, version: &str, second: i64) -> Timestamp {
        let change =
            PolicyChange { version: version.to_owned(), by: user(2), compared: compared(), now: at(second) };
        let PolicyChanged::Done(policy) = self.store.approve_policy(change).await.unwrap() else {
            panic!("another person approves it");
        };
        policy.active_from
    }
}

fn user(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(number))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn compared() -> Compared {
    Compared { against: "policy-1".to_owned(), diff: Vec::new() }
}

fn text(version: &str) -> String {
    format!(
        "version = \"{version}\"\ncut_off = 0.5\n[[bands]]\nmax_risk = 0.5\ncredit_limit = \"900.10\"\n\
         interest_rate = \"14.25\"\ncredit_type = \"SHORT_TERM\"\n"
    )
}

async fn version_at(policies: &Policies, now: Timestamp) -> String {
    policies.at(now).await.unwrap().policy.version.clone()
}

#[tokio::test]
async fn every_process_changes_over_at_the_same_instant() {
    let scene = Scene::set();
    let supervisor = Supervisor::new();
    let processes = [scene.policies(), scene.policies()];
    for process in &processes {
        process.follow(&supervisor);
        assert_eq!(version_at(process, at(1_000)).await, "policy-3");
    }
    scene.draft("policy-7", &text("policy-7")).await;
    scene.draft("policy-8", &text("policy-8")).await;
    let seventh = scene.approve("policy-7", 100).await;
    let eighth = scene.approve("policy-8", 200).await;
    assert_eq!((seventh, eighth), (at(110), at(210)));
    let microsecond = Duration::from_micros(1);
    for process in &processes {
        let heard = async {
            while version_at(process, eighth).await != "policy-8" {
                tokio::task::yield_now().await;
            }
        };
        // Nobody tells them: they ask each second, and believe their list for five.
        tokio::time::timeout(Duration::from_secs(4), heard).await.expect("they hear of it within seconds");
        for (now, expect) in [
            (at(0), "policy-3"),
            (seventh - microsecond, "policy-3"),
            (seventh, "policy-7"),
            (eighth - microsecond, "policy-7"),
            (eighth, "policy-8"),
            (at(1_000_000), "policy-8"),
        ] {
            assert_eq!(version_at(process, now).await, expect, "{now}");
        }
    }
    assert!(supervisor.drain(Duration::from_secs(10)).await.is_clean());
}

#[tokio::test]
async fn a_list_that_is_too_old_is_asked_for_again() {
    let scene = Scene::set();
    let policies = scene.policies();
    assert_eq!(version_at(&policies, at(1_000)).await, "policy-3");
    scene.draft("policy-7", &text("policy-7")).await;
    scene.approve("policy-7", 0).await;
    assert_eq!(version_at(&policies, at(1_000)).await, "policy-3", "it is in the lead of the policy");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    assert_eq!(version_at(&policies, at(1_000)).await, "policy-7");
    scene.store.close().await.unwrap();
    assert_eq!(version_at(&policies, at(1_000)).await, "policy-7", "the list is new");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    let lost = policies.at(at(1_000)).await;
    assert!(matches!(lost, Err(PoliciesError::Store(StoreError::Unavailable(_)))), "{lost:?}");
}

#[tokio::test]
async fn a_policy_is_found_by_its_digest_for_ever() {
    let scene = Scene::set();
    let digest = scene.draft("policy-7", &text("policy-7")).await;
    scene.approve("policy-7", 0).await;
    let file = Written::read(text("of-the-operator")).unwrap();
    let of_file = file.policy.digest.clone();
    let policies = Policies::new(Arc::clone(&scene.store) as _, Some(file)).unwrap();
    let built_in = built_in().unwrap();
    let here = built_in.iter().map(|it| (it.policy.digest.as_str(), it.policy.version.as_str()));
    for (digest, version) in
        here.chain([(digest.as_str(), "policy-7"), (of_file.as_str(), "of-the-operator")])
    {
        for _ in 0..2 {
            let found = policies.find(digest).await.unwrap().expect("it is known");
            assert_eq!((found.policy.version.as_str(), found.policy.digest.as_str()), (version, digest));
        }
    }
    assert_eq!(policies.find("policy-7").await.unwrap(), None);
    assert_eq!(version_at(&policies, at(9)).await, "of-the-operator");
}

/// Deciding by another policy than the one that was agreed on would be worse than not deciding.
#[tokio::test]
async fn a_policy_that_cannot_be_read_decides_nothing() {
    let scene = Scene::set();
    scene.draft("policy-7", &(text("policy-7") + "[of_next_year]\n")).await;
    let active_from = scene.approve("policy-7", 0).await;
    let told = scene.policies().at(active_from).await;
    assert!(matches!(told, Err(PoliciesError::Unreadable { .. })), "{told:?}");
}

/// What the default policy takes for lost of a credit that fails, and what money and work cost in a year: its file says so.
const LOST: f64 = 0.75;
const COSTS: f64 = 0.10;

/// Interest comes of those who pay: it covers what the riskiest people of a band cost, and none of them is worth more than a little more.
#[test]
fn each_rate_of_the_default_policy_covers_the_riskiest_of_its_band() {
    let policy = default_policy().unwrap().policy;
    let mut staked = f64::INFINITY;
    for band in &policy.bands {
        let rate = f64::from(band.interest_rate.basis_points()) / 10_000.0;
        let needed = (band.max_risk * LOST + COSTS) / (1.0 - band.max_risk);
        assert!(
            (needed..needed + 0.001).contains(&rate),
            "{}: {rate}, and {needed} is needed",
            band.max_risk
        );
        let lost = band.max_risk * LOST * band.credit_limit.minor_units() as f64;
        assert!(lost <= staked, "a higher risk stakes no more: {lost} after {staked}");
        staked = lost;
    }
    assert_eq!(policy.bands.last().unwrap().max_risk.to_bits(), policy.cut_off.to_bits());
}

/// What training measured on people it had not met, of the models that decide: the shares that are approved, and that default among them.
#[test]
fn the_default_policy_approves_most_and_halves_the_defaults() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/measured.json");
    let measured: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let policy = default_policy().unwrap().policy;
    for (model, defaults) in [("financial-1", 0.045..0.065), ("empathic-1", 0.045..0.055)] {
        assert!(policy.made_for.iter().any(|version| version == model));
        let cuts = measured["models"][model]["cut_offs"].as_array().unwrap();
        let cut = cuts.iter().find(|cut| cut[0] == policy.cut_off).expect("it is measured at the cut-off");
        let (approved, defaulted) = (cut[1].as_f64().unwrap(), cut[2].as_f64().unwrap());
        assert!((0.75..0.82).contains(&approved), "{model} approves {approved}");
        assert!(defaults.contains(&defaulted), "{model}: {defaulted} default");
    }
}

/// Whoever wrote the scores that a policy is made for has a name in the binary.
#[test]
fn built_in_policies_are_made_for_models_that_are_there() {
    let made_for: Vec<_> = built_in().unwrap().iter().map(|it| it.policy.made_for.len()).collect();
    assert_eq!(made_for, [0, 0, 4], "the first two are from before a policy could say it");
    for model in &default_policy().unwrap().policy.made_for {
        let card = format!("{}/../models/{model}/card.toml", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::exists(&card).unwrap(), "{card}");
    }
}
