"""Whether a training came out as the one before: the same bytes, or at least the same predictions."""

import json
from pathlib import Path

import numpy as np

from . import card, model as reference_model
from .versions import VERSIONS

# Libraries pick instructions by the processor, and the order of a sum shows in its last digits.
CLOSE = 1e-9


def run(old, new):
    """Prints what differs; 0 when nothing does but last digits."""
    worst = 0
    for about in VERSIONS:
        verdict, text = versions(Path(old) / about.version, Path(new) / about.version)
        print(f"{about.version}: {text}")
        worst = max(worst, verdict)
    return worst


def versions(old, new):
    """0 and a word when two artefacts are the same, 1 and how far apart they are when not."""
    names = (card.MODEL, card.GOLDEN, card.CARD)
    if all((old / name).read_bytes() == (new / name).read_bytes() for name in names):
        return 0, "the same bytes"
    before, after = (json.loads((folder / card.MODEL).read_text()) for folder in (old, new))
    vectors = json.loads((old / card.GOLDEN).read_text())["rows"]
    rows = np.array([row["inputs"] for row in vectors], dtype=float)
    apart = np.abs(reference_model.log_odds(before, rows) - reference_model.log_odds(after, rows)).max()
    if apart <= CLOSE:
        return 0, f"other bytes, the same predictions to {CLOSE}"
    return 1, f"predictions differ by up to {apart:.3g} in log-odds"
