//! Files that nobody trained: cut off, made up, or out to be expensive. Each is refused with the reason, and nothing panics.

use ecs_models::read;

use super::made::{Made, WEIGHTS, log_odds, logistic, single};
use super::proto::{DOUBLE, FLOAT, Graph, INT64, Message, node, tensor};
use super::refusal;

fn check(graph: &Graph, expect: &str) {
    let refusal = refusal(Made::graph(graph));
    assert!(refusal.starts_with("model.onnx: ") && refusal.contains(expect), "{expect}: {refusal}");
}

/// The regression over an input of another kind or shape.
fn over(input: &str, kind: i64, dims: &[i64]) -> Graph {
    Graph::default()
        .input(input, kind, dims)
        .weights("weights", &[4, 1], &single(&WEIGHTS))
        .node("MatMul", &["row", "weights"], "sum")
        .node("Sigmoid", &["sum"], "p")
        .output("p")
}

/// The regression with something else that is computed of the row.
fn with(weights: &Message, operator: &Message) -> Graph {
    logistic().tensor(weights).raw_node(operator)
}

#[test]
fn what_is_no_network_is_refused() {
    let refusals = |bytes: &[u8]| refusal(Made::of(bytes.to_vec()));
    assert!(refusals(b"").contains("must import the plain operators once"));
    assert!(refusals(b"{\"format\": 1, \"kind\": \"additive\"}").starts_with("model.onnx: "));
    assert!(refusals(&[0xff; 1_000]).starts_with("model.onnx: the library"));
    let set = |version| refusal(Made::of(logistic().file(version)));
    for version in [0, 8, 19, -1, i64::MAX] {
        assert!(set(version).contains("of a version from 9 to 18"), "{version}");
    }
    let twice =
        [logistic().file(17), Message::default().message(8, &Message::default().number(2, 16)).0].concat();
    assert!(refusals(&twice).contains("must import the plain operators once"));
    let without = Message::default().message(8, &Message::default().number(2, 17)).0;
    assert!(refusals(&without).contains("has no graph"));
    let functions = [logistic().file(17), Message::default().message(25, &Message::default()).0].concat();
    assert!(refusals(&functions).contains("has functions"));
    check(
        &Graph::default().input("row", FLOAT, &[-1, 4]).output("p"),
        "has 0 operators, and 1 to 64 are taken",
    );
}

#[test]
fn a_file_beyond_the_limit_is_refused_unread() {
    let padding = Message::default().bytes(6, &vec![b' '; 512 * 1024]).0;
    let refusal = refusal(Made::of([logistic().file(17), padding].concat()));
    assert_eq!(refusal, "model.onnx has more than 524288 bytes");
}

#[test]
fn an_input_that_is_no_row_of_the_card_is_refused() {
    let row = "the input row must be a row of 4 numbers, float";
    for (kind, dims) in [
        (FLOAT, &[-1, 5][..]),
        (FLOAT, &[4]),
        (FLOAT, &[2, 4]),
        (FLOAT, &[-1, -1]),
        (FLOAT, &[-1, 4, 1]),
        (FLOAT, &[1, i64::MAX]),
        (FLOAT, &[1, i64::MIN + 4]),
        (INT64, &[-1, 4]),
        (DOUBLE, &[-1, 4]),
        (99, &[-1, 4]),
    ] {
        check(&over("row", kind, dims), row);
    }
    check(&over("row", FLOAT, &[-1, 4]).input("more", FLOAT, &[1, 4]), "must have one input");
    check(
        &over("other", FLOAT, &[-1, 4]),
        "operator 0 (MatMul): takes row, and nothing before it gives that",
    );
}

#[test]
fn weights_that_are_large_or_not_there_are_refused() {
    let dims = "must have at most two dimensions, each from 1 to 256";
    let here = "must be in the file itself";
    let use_it = node("Add", &["log_odds", "w"], "more");
    let refused = |weights: &Message, expect: &str| check(&with(weights, &use_it), expect);
    for wide in [&[257][..], &[i64::MAX, i64::MAX], &[1, -1], &[0], &[1, 1, 1], &[1_000_000_000_000]] {
        refused(&tensor("w", FLOAT, wide, &[0; 4]), dims);
    }
    refused(&tensor("w", FLOAT, &[256, 256], &[0; 4]), "must be 65536 numbers");
    refused(&tensor("w", FLOAT, &[1], &[0; 5]), "must be 1 numbers");
    refused(&tensor("w", FLOAT, &[1], &[]), "must be 1 numbers");
    refused(&tensor("w", INT64, &[1], &[0; 8]), "must be float");
    refused(&tensor("w", 0, &[1], &[0; 4]), "must be float");
    let elsewhere = Message::default().text(1, "location").text(2, "../../etc/passwd");
    refused(&tensor("w", FLOAT, &[1], &[]).message(13, &elsewhere).number(14, 1), here);
    refused(&tensor("w", FLOAT, &[1], &[0; 4]).number(14, 7), here);
    refused(&tensor("weights", FLOAT, &[1], &[0; 4]), "without a name of their own");
    refused(&tensor("", FLOAT, &[1], &[0; 4]), "without a name of their own");
}

#[test]
fn operators_that_arent_taken_are_refused() {
    let weights = tensor("w", FLOAT, &[1], &[0; 4]);
    let refused = |operator: &Message, expect: &str| check(&with(&weights, operator), expect);
    for operator in
        ["Loop", "If", "Expand", "ConstantOfShape", "Concat", "Reshape", "Gather", "RandomNormal", "Made", ""]
    {
        refused(
            &node(operator, &["row"], "more"),
            &format!("operator 3 ({operator}): isn't taken; there are Add"),
        );
    }
    refused(&node("Add", &["row", "w"], "more").text(7, "ai.onnx.ml"), "operator 3 (Add): isn't taken");
    refused(&node("Add", &["row", "later"], "more"), "takes later, and nothing before it gives that");
    refused(&node("Add", &["row", ""], "more"), "takes , and nothing before it gives that");
    refused(&node("Add", &["more", "row"], "more"), "takes more, and nothing before it gives that");
    refused(&node("Add", &["w", "w"], "more"), "computes nothing of the row");
    refused(&node("Add", &[], "more"), "computes nothing of the row");
    refused(&node("Add", &["row", "w"], "more").text(2, "another"), "must give one value");
    refused(&node("Add", &["row", "w"], "sum"), "must give a value with a name of its own");
    refused(&node("Add", &["row", "w"], "w"), "must give a value with a name of its own");
    refused(&node("Add", &["row", "w"], ""), "must give a value with a name of its own");
    let attribute = Message::default().text(1, "alpha");
    // Text, weights, a graph, whole numbers, and weights and graphs again.
    for (field, held) in [(4, &[1][..]), (5, &[]), (6, &[]), (8, &[1]), (10, &[]), (11, &[])] {
        let held = attribute.clone().bytes(field, held);
        refused(&node("Elu", &["row"], "more").message(5, &held), "alpha must be a number");
    }
}

#[test]
fn a_long_name_makes_no_long_refusal() {
    let refusal = refusal(Made::graph(&logistic().node(&"\u{1b}[2J".repeat(10_000), &["row"], "more")));
    assert!(refusal.starts_with("model.onnx: operator 3 ( [2J"), "{refusal}");
    assert!(refusal.len() < 500, "{} bytes", refusal.len());
}

#[test]
fn too_many_operators_are_refused() {
    let mut graph = log_odds();
    let name = |place: usize| if place == 0 { "log_odds".to_owned() } else { format!("step-{place}") };
    for place in 0..63 {
        graph = graph.node("Neg", &[&name(place)], &name(place + 1));
    }
    check(&graph.output("step-63"), "has 65 operators, and 1 to 64 are taken");
}

#[test]
fn what_doesnt_fit_together_is_refused() {
    let weights = tensor("w", FLOAT, &[3], &[0; 12]);
    for operator in [
        node("Add", &["row", "w"], "more"),
        node("Add", &["row"], "more"),
        node("Sigmoid", &["row", "w"], "more"),
        node("Gemm", &["row"], "more"),
        node("MatMul", &["row", "row"], "more"),
        node("Softmax", &["row"], "more")
            .message(5, &Message::default().text(1, "axis").number(3, 7).number(20, 2)),
        node("Softmax", &["row"], "more")
            .message(5, &Message::default().text(1, "axis").number(3, i64::MIN).number(20, 2)),
    ] {
        let graph = Graph(with(&weights, &operator).0).node("MatMul", &["more", "weights"], "q").output("q");
        let made = Made::graph(&graph).card("output = \"p\"", "output = \"q\"");
        let refusal = refusal(made);
        assert!(refusal.starts_with("model.onnx: ") || refusal.starts_with("golden.json rows"), "{refusal}");
    }
}

/// A row against a column is a table, and tables against tables take long.
#[test]
fn a_row_that_is_made_wider_is_refused() {
    let column = tensor("column", FLOAT, &[256, 1], &[0; 1024]);
    let graph = with(&column, &node("Add", &["row", "column"], "q")).output("q");
    let refusal = refusal(Made::graph(&graph).card("output = \"p\"", "output = \"q\""));
    assert!(refusal.contains("must be one row of at most 256 numbers"), "{refusal}");
}

/// Nothing larger gets as far as this: it is computed, and refused for what it says.
#[test]
fn the_largest_network_is_computed() {
    let square = vec![0; 256 * 256 * 4];
    let into = tensor("into", FLOAT, &[4, 256], &[0; 4 * 256 * 4]);
    let mut graph = Graph::default()
        .input("row", FLOAT, &[-1, 4])
        .tensor(&into)
        .tensor(&tensor("square", FLOAT, &[256, 256], &square))
        .weights("out", &[256, 1], &[0.0; 256])
        .node("MatMul", &["row", "into"], "step-0");
    for place in 0..61 {
        graph = graph.node("MatMul", &[&format!("step-{place}"), "square"], &format!("step-{}", place + 1));
    }
    let graph = graph.node("MatMul", &["step-61", "out"], "sum").node("Sigmoid", &["sum"], "p").output("p");
    let refusal = refusal(Made::graph(&graph));
    assert!(refusal.starts_with("golden.json rows[0].risk_score"), "{refusal}");
}

#[test]
fn a_file_that_was_cut_off_or_damaged_never_panics() {
    let whole = logistic().file(17);
    read(Made::of(whole.clone()).sealed().files()).unwrap();
    for length in 0..whole.len() {
        let made = Made::of(whole[..length].to_vec()).sealed();
        assert!(read(made.files()).is_err(), "{length} of {} bytes", whole.len());
    }
    let mut refused = 0;
    for place in 0..whole.len() {
        for change in [0x01, 0x04, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[place] ^= change;
            refused += usize::from(read(Made::of(damaged).sealed().files()).is_err());
        }
    }
    // Some bytes are names that nobody asks for, or the last bits of weights.
    assert!(refused > 2 * whole.len(), "{refused} of {}", 4 * whole.len());
}
