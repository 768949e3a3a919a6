"""The three files of an artefact: the model, its golden vectors, and the card that names both by their digests."""

import hashlib
import json

from .features import names

MODEL, GOLDEN, CARD = "model.json", "golden.json", "card.toml"


def write(folder, model, golden, about, features, data, metrics):
    """Writes the files into `folder`, the card last, and returns the model's digest: the card's SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name, content in ((MODEL, model), (GOLDEN, golden)):
        text = json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"
        (folder / name).write_text(text)
        digests[name] = _digest(text)
    text = _card(model, about, features, data, metrics, digests)
    (folder / CARD).write_text(text)
    return _digest(text)


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def _card(model, about, features, data, metrics, digests):
    lines = [
        "# Made by models/training; a change of anything is another version.",
        *_pairs({"format": 1, "version": about.version, "kind": model["kind"], "purpose": about.purpose}),
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
    lines += ["", "[files]", *[f'"{name}" = "{digest}"' for name, digest in digests.items()]]
    return "\n".join(lines) + "\n"


def _pairs(values):
    return [f"{name} = {_value(value)}" for name, value in values.items()]


def _value(value):
    # JSON's texts, numbers and booleans are TOML's, too.
    return json.dumps(value, ensure_ascii=False)
