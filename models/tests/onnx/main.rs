//! Networks: what is taken, what is refused and why, and that they only listen. Their files are written here byte by byte, so that every
//! fault is one of the file and not of whoever writes it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "weights of single precision and bytes of numbers are meant to be cut"
)]

use std::path::Path;

use ecs_domain::features::Features;
use ecs_domain::model::{Kind, Model};
use ecs_models::{Lineup, Plan, Random, Registry, read};

mod hostile;
mod made;
mod proto;

use made::{Made, REFERENCES, both_outcomes, log_odds, logistic, regression};
use proto::Graph;

fn person(transactions: u64, days: Option<f64>) -> Features {
    Features {
        transaction_count_30d: transactions,
        avg_transaction_value_30d: 100.0,
        days_since_last_transaction: days,
        account_age_days: 400.0,
        emotions: None,
    }
}

fn refusal(made: Made) -> String {
    read(made.sealed().files()).expect_err("it should be refused").to_string()
}

fn model(made: Made) -> Model {
    read(made.sealed().files()).unwrap().0
}

/// The folder of the network that the training makes.
fn examples() -> Registry {
    Registry::new(Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")))
}

fn lineup(plan: &str, registry: &Registry) -> Result<Lineup, String> {
    Lineup::gather(&Plan::parse(plan).unwrap(), registry, Random::Refused).map_err(|error| error.to_string())
}

#[test]
fn a_network_computes_what_it_was_made_for() {
    let check = |graph: &Graph, column: &str, tolerance: f64| {
        let model = model(Made::graph(graph).card("column = 0", column));
        assert_eq!((model.kind(), model.version(), model.needs_emotions()), (Kind::Onnx, "net-1", false));
        for (transactions, days) in [(0, Some(0.0)), (7, Some(3.5)), (40, None), (1_000, Some(365.0))] {
            let expect = regression(&[Some(transactions as f64), Some(100.0), days, Some(400.0)]);
            let said = model.score(&person(transactions, days)).risk_score;
            assert!((said - expect).abs() <= tolerance, "{transactions}: {said}, and {expect} is right");
            assert_eq!(said.to_bits(), model.score(&person(transactions, days)).risk_score.to_bits());
        }
    };
    check(&logistic(), "column = 0", 1e-6);
    check(&both_outcomes(), "column = 1", 1e-6);
    // Weights may be named among the inputs, too, and outputs that nobody asks for are left out.
    check(&logistic().input("weights", proto::FLOAT, &[4, 1]).output("log_odds"), "column = 0", 1e-6);
}

#[test]
fn a_missing_value_stands_at_its_reference() {
    let model = model(Made::graph(&logistic()));
    let at_reference = person(7, Some(REFERENCES[2]));
    assert_eq!(model.score(&person(7, None)).risk_score, model.score(&at_reference).risk_score);
    assert_ne!(model.score(&person(7, Some(9.0))).risk_score, model.score(&at_reference).risk_score);
}

#[test]
fn a_network_gives_no_reasons() {
    let said = model(Made::graph(&logistic())).assess(&person(7, Some(2.0)));
    assert!(said.contributions.iter().all(|contribution| contribution.log_odds == 0.0));
}

#[test]
fn what_doesnt_fit_its_card_is_refused() {
    let check = |from: &str, to: &str, expect: &str| {
        let refusal = refusal(Made::graph(&logistic()).card(from, to));
        assert!(refusal.contains(expect), "{from} -> {to}: {refusal}");
    };
    check("output = \"p\"", "output = \"q\"", "model.onnx: has no output q; there are p");
    check("column = 0", "column = 1", "model.onnx: the output p has no number in column 1: it has 1");
    check(
        "tolerance = 2e-6",
        "tolerance = 1.1e-4",
        "card.toml line 3: [onnx] tolerance must be above 0 and at most 0.0001",
    );
    check("tolerance = 2e-6", "tolerance = 0.0", "tolerance must be above 0");
    check("tolerance = 2e-6", "tolerance = nan", "tolerance must be above 0");
    check("tolerance = 2e-6", "tolerance = 1e-12", "golden.json rows[0].risk_score: ");
    check("[onnx]", "[other]", "of the kind onnx, and of no other, [onnx] says what comes out");
    check(
        "kind = \"onnx\"",
        "kind = \"additive\"",
        "[files] of the kind additive must name model.json and golden.json",
    );
    check(
        "\"model.onnx\" =",
        "\"model.json\" =",
        "[files] of the kind onnx must name model.onnx and golden.json",
    );
    check("direction = \"either\"", "direction = \"raises\"", "features[0].direction: must be either");
    check("reference = 0.25", "reference = inf", "features[2].reference: must be a finite number");
    check("reference = 0.25", "reference = 0.75", "golden.json rows[");
    let other = Made { model: both_outcomes().file(17), ..Made::graph(&logistic()).sealed() };
    assert!(read(other.files()).unwrap_err().to_string().starts_with("model.onnx has the SHA-256"));
}

#[test]
fn golden_rows_that_are_few_short_or_wrong_are_refused() {
    let check = |change: &dyn Fn(&mut Vec<serde_json::Value>), expect: &str| {
        let mut made = Made::graph(&logistic());
        let mut golden: serde_json::Value = serde_json::from_str(&made.golden).unwrap();
        change(golden["rows"].as_array_mut().unwrap());
        made.golden = golden.to_string();
        let refusal = refusal(made);
        assert!(refusal.starts_with(expect), "{refusal}");
    };
    check(&|rows| rows.truncate(199), "golden.json has 199 rows, and 200 are needed");
    check(
        &|rows| drop(rows[3]["inputs"].as_array_mut().unwrap().pop()),
        "golden.json: rows[3] must have 4 inputs",
    );
    check(&|rows| rows[17]["risk_score"] = 0.99.into(), "golden.json rows[17].risk_score: 0.99 is expected");
    check(&|rows| rows[5]["contributions"] = 1.into(), "golden.json: unknown field `contributions`");
}

#[test]
fn the_example_is_found_and_only_listens() {
    let registry = examples();
    let network = registry.find("financial-net-1").unwrap();
    assert_eq!(registry.find(network.digest()).unwrap(), network);
    let plan = "[financial]\nchampion = \"financial-1\"\nchallenger = \"financial-net-1\"";
    let (with, without) = (lineup(plan, &registry).unwrap(), Lineup::built_in().unwrap());
    let (said, before) = (with.assess(&person(7, None)), without.assess(&person(7, None)));
    assert_eq!(said.challenger, Some(network.score(&person(7, None))));
    assert!(said.makes_sense());
    assert_eq!(
        (said.risk_score.to_bits(), said.contributions),
        (before.risk_score.to_bits(), before.contributions)
    );
    for champion in
        ["[financial]\nchampion = \"financial-net-1\"", "[empathic]\nchampion = \"financial-net-1\""]
    {
        let expect = "financial-net-1 is an ONNX model, which has no exact explanation: it can only listen";
        assert_eq!(lineup(champion, &registry).unwrap_err(), expect);
    }
}

#[test]
fn a_network_that_says_nothing_of_somebody_spoils_no_decision() {
    // The logarithm of what is below 0 is no number, and here that is so beyond 500 transactions.
    let graph = log_odds()
        .weights("limit", &[4, 1], &[-1.0, 0.0, 0.0, 0.0])
        .weights("most", &[1], &[500.0])
        .weights("none", &[1], &[0.0])
        .node("MatMul", &["row", "limit"], "below")
        .node("Add", &["below", "most"], "left")
        .node("Log", &["left"], "shaped")
        .node("Mul", &["shaped", "none"], "nothing")
        .node("Add", &["log_odds", "nothing"], "both")
        .node("Sigmoid", &["both"], "p")
        .output("p");
    let folder = tempfile::tempdir().unwrap();
    Made::graph(&graph).sealed().write(folder.path());
    let registry = Registry::new(Some(folder.path().to_owned()));
    let lineup =
        lineup("[financial]\nchampion = \"financial-1\"\nchallenger = \"net-1\"", &registry).unwrap();
    let heard = lineup.assess(&person(400, Some(1.0)));
    assert_eq!(heard.challenger.as_ref().unwrap().model_version, "net-1");
    let silent = lineup.assess(&person(600, Some(1.0)));
    assert_eq!(silent.challenger, None);
    assert!(heard.makes_sense() && silent.makes_sense());
}

#[test]
fn a_file_that_was_written_over_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made::graph(&logistic()).sealed();
    made.write(folder.path());
    let registry = Registry::new(Some(folder.path().to_owned()));
    let before = registry.fingerprint("net-1");
    std::fs::write(folder.path().join("net-1/model.onnx"), "other").unwrap();
    assert_ne!(before, registry.fingerprint("net-1"));
    assert!(registry.find("net-1").unwrap_err().to_string().starts_with("model.onnx has the SHA-256"));
}
