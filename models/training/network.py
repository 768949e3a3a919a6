"""A small network as an ONNX file: an example of a model that only listens, for tests and documentation.

It sees what the other models without emotions see. What shapes the values stands in the graph, so the file takes a row as
the platform has it, in the units of the card.
"""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPClassifier

from . import card, data, golden, metrics
from .features import FINANCIAL, names
from .versions import COMMON, RISK, Version

VERSION = "financial-net-1"
# Nothing can be proved of a network, so its card claims no direction.
FEATURES = tuple(replace(feature, direction="either") for feature in FINANCIAL)
ABOUT = Version(
    VERSION,
    None,
    FEATURES,
    f"{RISK}, from transactions and the account's age alone: a network, which can only listen.",
    (*COMMON, "Nothing explains its scores exactly. It is an example, and nothing listens to it by default."),
)
HIDDEN, SEED = 8, 23
OUTPUT = "probability"
# Two evaluators add up single precision in another order.
TOLERANCE = 2e-6
# The newest that every evaluator of ours knows.
OPERATOR_SET, FORMAT = 17, 8


def run(models, folder, simulator, oracle_auc):
    """Trains the network, measures it, and writes its artefact below `models`."""
    train, unseen = (data.load(crowds, folder, simulator) for crowds in (data.TRAINING, data.UNSEEN))
    model = export(*fit(rows_of(train), train["defaulted"].to_numpy(int)))
    scores = predict(model, rows_of(unseen))
    told = {
        "auc": metrics.auc(unseen["defaulted"], scores),
        "oracle_auc": oracle_auc,
        "ece": metrics.expected_calibration_error(unseen["defaulted"], scores),
        "log_loss": metrics.log_loss(unseen["defaulted"], scores),
    }
    facts = {
        "source": f"population-1 and default-process-1 of ecs simulate, {data.HISTORY_DAYS} days each",
        "rows_trained": len(train),
        "rows_evaluated": len(unseen),
        "seed": data.TRAINING[0].seed,
        "positives": int(train["defaulted"].sum()),
    }
    rows = golden.inputs({"kind": "onnx"}, FEATURES, unseen[:20_000], ordinary=200)
    output = {"output": OUTPUT, "column": 0, "tolerance": TOLERANCE}
    digest = card.write_network(models / VERSION, model, vectors(model, rows), ABOUT, FEATURES, facts, told, output)
    print(f"{VERSION}: AUC {told['auc']:.4f}, ECE {told['ece']:.4f}, {len(model)} bytes, digest {digest[:12]}", flush=True)


def rows_of(people):
    """What the network is given of them."""
    return filled(people[names(FEATURES)].to_numpy(float))


def filled(rows):
    """The same rows, with the card's reference where a value is missing, as the platform does it."""
    return np.where(np.isnan(rows), [feature.reference for feature in FEATURES], rows)


def fit(rows, outcomes):
    """Middle and width of each shaped value, and the layers behind them."""
    shaped = np.log1p(rows)
    middle, width = shaped.mean(axis=0), shaped.std(axis=0)
    machine = MLPClassifier(
        (HIDDEN,), activation="tanh", alpha=1e-4, batch_size=500, learning_rate_init=3e-3, max_iter=30, random_state=SEED
    )
    machine.fit((shaped - middle) / width, outcomes)
    return middle, width, machine.coefs_, machine.intercepts_


def export(middle, width, weights, biases):
    """The bytes of the file."""
    constants = {"one": np.ones(1), "middle": middle, "width": width}
    constants |= {f"weights_{place}": layer for place, layer in enumerate(weights)}
    constants |= {f"biases_{place}": layer for place, layer in enumerate(biases)}
    nodes = [
        helper.make_node("Add", ["row", "one"], ["above_one"]),
        helper.make_node("Log", ["above_one"], ["shaped"]),
        helper.make_node("Sub", ["shaped", "middle"], ["centred"]),
        helper.make_node("Div", ["centred", "width"], ["even"]),
        helper.make_node("Gemm", ["even", "weights_0", "biases_0"], ["first"]),
        helper.make_node("Tanh", ["first"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "weights_1", "biases_1"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        VERSION,
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["people", len(FEATURES)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["people", 1])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPERATOR_SET)])
    model.ir_version = FORMAT
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def predict(model, rows):
    """Probabilities by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {"row": filled(rows).astype(np.float32)})[0][:, 0].astype(float)


def vectors(model, rows):
    """The content of golden.json: what onnxruntime says of each row."""
    told = [
        {"inputs": [None if np.isnan(value) else float(value) for value in row], "risk_score": float(score)}
        for row, score in zip(rows, predict(model, rows))
    ]
    return {"format": 1, "rows": told}


def furthest(old, new):
    """How far apart two artefacts' networks are at most on the golden rows of the old one."""
    told = card.golden_rows(old)
    rows = np.array([row["inputs"] for row in told], dtype=float)
    return max(
        np.abs(predict((folder / card.ONNX).read_bytes(), rows) - [row["risk_score"] for row in told]).max()
        for folder in (old, new)
    )
