//! Artefacts: what is taken, what is refused and why, and where they are found.

use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
use ecs_domain::model::Kind;
use ecs_domain::scorecard::Assessment;

use crate::testkit::{Made, additive, random, trees};
use crate::*;

fn refusal(made: &Made) -> String {
    read(made.files()).expect_err("it should be refused").to_string()
}

#[test]
fn an_artefact_is_the_model_that_its_card_says() {
    let check = |made: Made, kind: Kind, emotions: bool| {
        let (model, about) = read(made.files()).unwrap();
        assert_eq!((model.kind(), model.version()), (kind, made.version.as_str()));
        assert_eq!(model.needs_emotions(), emotions);
        assert_eq!(model.digest(), digest(made.card.as_bytes()));
        assert_eq!((about.trained_at.as_str(), about.metrics.auc), ("2026-01-31", 0.5));
    };
    check(additive("a-1", false), Kind::Additive, false);
    check(additive("a-2", true), Kind::Additive, true);
    check(trees("t-1", false), Kind::Trees, false);
    check(trees("t-2", true), Kind::Trees, true);
    check(random("r-1"), Kind::Random, false);
}

#[test]
fn files_that_the_card_doesnt_know_are_refused() {
    let good = additive("a-1", false);
    let other = Made { model: good.model.replace("-1.25", "-1.26"), ..good.clone() };
    let expect = format!(
        "model.json has the SHA-256 {}, and its card says {}",
        digest(other.model.as_bytes()),
        digest(good.model.as_bytes())
    );
    assert_eq!(refusal(&other), expect);
    let other = Made { golden: format!("{} ", good.golden), ..good };
    assert!(refusal(&other).starts_with("golden.json has the SHA-256"));
}

#[test]
fn a_model_that_computes_something_else_is_refused() {
    let check = |from: &str, to: &str, expect: &str| {
        let made = additive("a-1", false).with(|made| made.model = made.model.replacen(from, to, 1));
        let refusal = refusal(&made);
        assert!(
            refusal.starts_with("golden.json rows[") && refusal.contains(expect),
            "{from} -> {to}: {refusal}"
        );
    };
    check("-1.25", "-1.25001", "log_odds: ");
    // The same score at the reference and elsewhere another.
    check("0.1,-0.1,0.2", "0.1,-0.1,0.21", "log_odds");
    let made = trees("t-1", false).with(|made| made.model = made.model.replacen("0.75", "0.7500021", 1));
    assert!(refusal(&made).contains("is expected, and"), "{}", refusal(&made));
    let within = trees("t-1", false).with(|made| made.model = made.model.replacen("0.75", "0.7500001", 1));
    read(within.files()).unwrap();
    let golden = additive("a-1", false).with(|made| {
        let mut golden: serde_json::Value = serde_json::from_str(&made.golden).unwrap();
        golden["rows"][17]["contributions"][2] = 7.into();
        made.golden = golden.to_string();
    });
    assert!(refusal(&golden).starts_with("golden.json rows[17].contributions[2]: 7 is expected"));
}

#[test]
fn too_few_or_short_rows_are_refused() {
    let change = |change: &dyn Fn(&mut Vec<serde_json::Value>)| {
        additive("a-1", false).with(|made| {
            let mut golden: serde_json::Value = serde_json::from_str(&made.golden).unwrap();
            change(golden["rows"].as_array_mut().unwrap());
            made.golden = golden.to_string();
        })
    };
    let few = change(&|rows| rows.truncate(199));
    assert_eq!(refusal(&few), "golden.json has 199 rows, and 200 are needed");
    let short = change(&|rows| drop(rows[3]["inputs"].as_array_mut().unwrap().pop()));
    assert_eq!(refusal(&short), "golden.json: rows[3] must have 4 inputs and contributions");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let good = additive("a-1", true);
    let check = |from: &str, to: &str, expect: &str| {
        let made = good.clone();
        let card = made.card.replacen(from, to, 1);
        let model = made.model.replacen(from, to, 1);
        assert!(card != made.card || model != made.model, "{from} is not there");
        let refusal = refusal(&made.with(|made| (made.card, made.model) = (card, model)));
        assert!(refusal.contains(expect), "{from} -> {to}: {refusal}");
    };
    check("format = 1", "format = 2", "card.toml: format 2 isn't known here, 1 is");
    check("\"a-1\"", "\"../a-1\"", "card.toml line 2: version must be of small letters, digits and hyphens");
    check("\"additive\"\np", "\"oracle\"\np", "card.toml line 3: oracle is no kind");
    check("\"additive\"\np", "\"trees\"\np", "model.json: is of the kind additive, and its card says trees");
    check("uses_emotions = true", "uses_emotions = false", "card.toml line 5: uses_emotions says false");
    check("name = \"avg_stress_7d\"", "name = \"shoe_size\"", "shoe_size is not a feature; there are");
    check(
        "name = \"avg_stress_7d\"",
        "name = \"avg_intensity_7d\"",
        "features[6].name: is there a second time",
    );
    check(
        "direction = \"lowers\"",
        "direction = \"raises\"",
        "the card says that transaction_count_30d raises",
    );
    check("reference = 10.0", "reference = nan", "features[0].reference: must be a finite number");
    check("reference = 10.0", "reference = \"ten\"", "line 18");
    check("auc = 0.5\n", "", "missing field `auc`");
    check("[[features]]", "[[features]", "card.toml: TOML parse error at line 14");
    check(
        "\"edges\":[[5.0,10.0]]",
        "\"edges\":[[5.0,5.0]]",
        "model.json: terms[0].edges[0]: must be finite and rise",
    );
    check("\"edges\":[[5.0,10.0]]", "\"edges\":[[5.0,1e999]]", "1e999 is no number");
    check("\"edges\":[[5.0,10.0]]", "\"edges\":[[5.0]]", "model.json: terms[0].values: there are 4");
    check("\"intercept\"", "\"interzept\"", "model.json: unknown field `interzept`");
    check("\"features\":[0]", "\"features\":[9]", "terms[0].features[0]: the card has 9 features");
}

#[test]
fn each_kind_names_its_file_and_a_network_what_comes_out() {
    let check = |from: &str, to: &str, expect: &str| {
        let mut made = additive("a-1", false);
        assert!(made.card.contains(from), "{from} is not there");
        made.card = made.card.replacen(from, to, 1);
        assert_eq!(refusal(&made), expect, "{from} -> {to}");
    };
    let files = |kind: &str, file: &str| {
        format!("card.toml: [files] of the kind {kind} must name {file} and golden.json")
    };
    check("\"model.json\"", "\"model.onnx\"", &files("additive", "model.json"));
    check("\"golden.json\"", "\"model.onnx\" = \"\"\n\"golden.json\"", &files("additive", "model.json"));
    check("\"additive\"", "\"onnx\"", &files("onnx", "model.onnx"));
    let output = "card.toml line 3: of the kind onnx, and of no other, [onnx] says what comes out";
    check("[files]", "[onnx]\noutput = \"p\"\ntolerance = 1e-6\n[files]", output);
}

/// Whoever builds the program chooses whether it can compute networks.
#[cfg(not(feature = "onnx"))]
#[test]
fn a_network_needs_a_program_that_was_built_for_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let plan =
        Plan::parse("[financial]\nchampion = \"financial-1\"\nchallenger = \"financial-net-1\"").unwrap();
    let gathered = Lineup::gather(&plan, &Registry::new(Some(folder)), Random::Refused);
    let expect = "financial-net-1: an ONNX model, and this program is built without the feature onnx";
    assert_eq!(gathered.unwrap_err().to_string(), expect);
}

#[test]
fn a_model_is_found_by_version_and_digest() {
    let folder = tempfile::tempdir().unwrap();
    let made = [additive("a-1", false), trees("t-1", true)];
    made.iter().for_each(|made| made.write(folder.path()).unwrap());
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let registry = Registry::new(Some(folder.path().to_owned()));
    for made in &made {
        let digest = digest(made.card.as_bytes());
        assert_eq!(registry.find(&made.version).unwrap().digest(), digest);
        assert_eq!(registry.find(&digest).unwrap().version(), made.version);
    }
    let scorecard = registry.find("scorecard-1").unwrap();
    assert_eq!(Registry::default().find(scorecard.digest()).unwrap(), scorecard);
    let check = |name: &str, expect: &str| {
        let refusal = registry.find(name).unwrap_err().to_string();
        assert!(refusal.contains(expect), "{name}: {refusal}");
    };
    check("a-2", "a-2 is no model");
    check("", "is no model");
    check("../a-1", "is no model");
    check("empty", "card.toml can't be read");
    check(&"0".repeat(64), "is no model");
    std::fs::rename(folder.path().join("a-1"), folder.path().join("a-3")).unwrap();
    check("a-3", "a-1 stands in the folder of a-3");
}

#[test]
fn whatever_is_in_the_binary_is_a_model_under_its_own_name() {
    for (version, files) in SHIPPED {
        let (model, _) = read(*files).unwrap_or_else(|refused| panic!("{version}: {refused}"));
        assert_eq!((model.version(), shipped_name(version)), (*version, Some(*version)));
        assert_eq!(Registry::default().find(model.digest()).unwrap(), model);
    }
    assert_eq!(shipped_name("scorecard-1"), Some("scorecard-1"));
    assert_eq!(shipped_name("mine-1"), None);
}

#[test]
fn another_model_under_a_name_of_the_binary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    additive("scorecard-1", false).write(folder.path()).unwrap();
    let refused = Registry::new(Some(folder.path().to_owned())).find("scorecard-1").unwrap_err();
    assert!(refused.to_string().contains("scorecard-1 is built in, and another one"), "{refused}");
}

#[test]
fn a_fingerprint_tells_that_files_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let made = additive("a-1", false);
    let registry = Registry::new(Some(folder.path().to_owned()));
    assert_eq!(registry.fingerprint("a-1"), None);
    made.write(folder.path()).unwrap();
    let before = registry.fingerprint("a-1");
    assert_eq!(before, registry.fingerprint("a-1"));
    assert!(before.is_some());
    std::fs::write(folder.path().join("a-1/model.json"), "{}").unwrap();
    assert_ne!(before, registry.fingerprint("a-1"));
    assert_eq!(registry.fingerprint("scorecard-1"), None);
}

const FELT: EmotionFeatures = EmotionFeatures {
    means_7d: Some(EmotionMeans { positivity: 0.4, intensity: 0.6, stress: 0.8 }),
    stress_events_7d: 2,
    stress_events_30d: 5,
};

/// With consent, of somebody of whom nothing is known to be felt.
const SILENCE: EmotionFeatures =
    EmotionFeatures { means_7d: None, stress_events_7d: 0, stress_events_30d: 0 };

fn person(emotions: Option<EmotionFeatures>) -> Features {
    Features {
        transaction_count_30d: 7,
        avg_transaction_value_30d: 120.0,
        days_since_last_transaction: Some(1.5),
        account_age_days: 90.0,
        emotions,
    }
}

#[test]
fn what_is_known_of_emotions_chooses_who_decides_and_what_is_said_besides() {
    let folder = tempfile::tempdir().unwrap();
    for made in [additive("f-1", false), trees("f-2", false), trees("e-1", true), additive("e-2", true)] {
        made.write(folder.path()).unwrap();
    }
    let registry = Registry::new(Some(folder.path().to_owned()));
    let plan = "[financial]\nchampion = \"f-1\"\nchallenger = \"f-2\"\n[empathic]\nchampion = \"e-1\"\nchallenger = \"e-2\"";
    let lineup = Lineup::gather(&Plan::parse(plan).unwrap(), &registry, Random::Refused).unwrap();
    let check = |emotions, champion: &str, challenger: &str, without: Option<&str>| {
        let said = lineup.assess(&person(emotions));
        let find = |version: &str| registry.find(version).unwrap();
        assert_eq!(said.contributions, find(champion).assess(&person(emotions)).contributions);
        assert_eq!(
            (said.model_version.as_str(), said.risk_score),
            (champion, find(champion).score(&person(emotions)).risk_score)
        );
        assert_eq!(said.challenger, Some(find(challenger).score(&person(emotions))));
        assert_eq!(said.without_emotions, without.map(|version| find(version).score(&person(None))));
        assert!(said.makes_sense());
    };
    let month = EmotionFeatures { stress_events_30d: 1, ..SILENCE };
    check(None, "f-1", "f-2", None);
    check(Some(FELT), "e-1", "e-2", Some("f-1"));
    check(
        Some(EmotionFeatures { stress_events_7d: 0, stress_events_30d: 0, ..FELT }),
        "e-1",
        "e-2",
        Some("f-1"),
    );
    check(Some(month), "e-1", "e-2", Some("f-1"));
    check(Some(SILENCE), "f-1", "f-2", Some("f-1"));
}

/// Consent alone changes no score, whichever model of the binary decides without emotions.
#[test]
fn silence_is_scored_as_no_consent_is() {
    let versions = SHIPPED.iter().map(|(version, _)| *version).chain(["scorecard-1"]);
    for version in versions.filter(|version| !Registry::default().find(version).unwrap().needs_emotions()) {
        let plan = Plan::parse(&format!("[financial]\nchampion = \"{version}\"")).unwrap();
        let lineup = Lineup::gather(&plan, &Registry::default(), Random::Refused).unwrap();
        let (silent, without) = (lineup.assess(&person(Some(SILENCE))), lineup.assess(&person(None)));
        let second = silent.without_emotions.as_ref().unwrap();
        assert_eq!((second.model_version.as_str(), silent.model_version.as_str()), (version, version));
        for score in [silent.risk_score, second.risk_score] {
            assert_eq!(score.to_bits(), without.risk_score.to_bits(), "{version}");
        }
        let bits = |assessment: &Assessment| -> Vec<_> {
            assessment.contributions.iter().map(|term| (term.input, term.log_odds.to_bits())).collect()
        };
        assert_eq!(bits(&silent), bits(&without), "{version}");
        assert_eq!(without.without_emotions, None);
    }
}

#[test]
fn the_trained_models_decide_and_their_trees_are_listened_to() {
    let lineup = Lineup::built_in().unwrap();
    let told: Vec<_> = lineup.models().map(|(seat, place, model)| (seat, place, model.version())).collect();
    let expect = [
        ("financial", "champion", "financial-1"),
        ("financial", "challenger", "financial-trees-1"),
        ("empathic", "champion", "empathic-1"),
        ("empathic", "challenger", "empathic-trees-1"),
    ];
    assert_eq!(told, expect);
}

#[test]
fn a_plan_that_cant_be_is_refused_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    for made in [additive("f-1", false), additive("e-1", true), random("r-1")] {
        made.write(folder.path()).unwrap();
    }
    let registry = Registry::new(Some(folder.path().to_owned()));
    let check = |plan: &str, random: Random, expect: Result<(), &str>| {
        let gathered = Lineup::gather(&Plan::parse(plan).unwrap(), &registry, random);
        let refusal = gathered.map(drop).map_err(|error| error.to_string());
        assert_eq!(refusal, expect.map_err(str::to_owned), "{plan}");
    };
    check("[empathic]\nchampion = \"e-1\"", Random::Refused, Ok(()));
    check("[financial]\nchampion = \"r-1\"", Random::Allowed, Ok(()));
    check(
        "[financial]\nchampion = \"e-1\"",
        Random::Refused,
        Err("e-1 looks at emotions, so it can't be a financial model"),
    );
    check(
        "[financial]\nchampion = \"f-1\"\nchallenger = \"e-1\"",
        Random::Refused,
        Err("e-1 looks at emotions, so it can't be a financial model"),
    );
    check(
        "[empathic]\nchampion = \"r-1\"",
        Random::Refused,
        Err("r-1 is of the kind random, which production refuses"),
    );
    check(
        "[empathic]\nchampion = \"e-1\"\nchallenger = \"gone\"",
        Random::Refused,
        Err("gone: gone is no model that is built in or in the models' folder"),
    );
}
