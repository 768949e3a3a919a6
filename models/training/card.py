"""The three files of an artefact: the model, its golden vectors, and the card that names both by their digests."""

import hashlib
import json

from .features import names

MODEL, GOLDEN, CARD = "model.json", "golden.json", "card.toml"
# The model of a network.
ONNX = "model.onnx"


def write(folder, model, golden, about, features, data, metrics):
    """Writes the files into `folder`, the card last, and returns the model's digest: the card's SHA-256."""
    files = {MODEL: _json(model), GOLDEN: _json(golden)}
    return _write(folder, files, model["kind"], about, features, data, metrics, {})


def write_network(folder, model, golden, about, features, data, metrics, output):
    """The same of a network: `model` are the bytes of its file, and `output` says what comes out of it."""
    files = {ONNX: model, GOLDEN: _json(golden)}
    return _write(folder, files, "onnx", about, features, data, metrics, output)


def golden_rows(folder):
    """The rows of an artefact's golden.json."""
    return json.loads((folder / GOLDEN).read_text())["rows"]


def _write(folder, files, kind, about, features, data, metrics, output):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: _digest(content) for name, content in files.items()}
    text = _card(kind, about, features, data, metrics, output, digests).encode()
    (folder / CARD).write_bytes(text)
    return _digest(text)


def _json(content):
    return (json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n").encode()


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _card(kind, about, features, data, metrics, output, digests):
    lines = [
        "# Made by models/training; a change of anything is another version.",
        *_pairs({"format": 1, "version": about.version, "kind": kind, "purpose": about.purpose}),
        *_pairs({"uses_emotions": any(name.startswith("avg_stress") for name in names(features))}),
        f"trained_at = {about.trained_at}",
        "limits = [",
        *[f"    {_value(limit)}," for limit in about.limits],
        "]",
        "",
        "[data]",
        *_pairs(data),
    ]
    for feature in features:
        lines += ["", "[[features]]", *_pairs(vars(feature))]
    lines += ["", "[metrics]", *_pairs({name: round(value, 6) for name, value in metrics.items()})]
    if output:
        lines += ["", "[onnx]", *_pairs(output)]
    lines += ["", "[files]", *[f'"{name}" = "{digest}"' for name, digest in digests.items()]]
    return "\n".join(lines) + "\n"


def _pairs(values):
    return [f"{name} = {_value(value)}" for name, value in values.items()]


def _value(value):
    # JSON's texts, numbers and booleans are TOML's, too.
    return json.dumps(value, ensure_ascii=False)
