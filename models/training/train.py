"""From simulated people to artefacts, measurements, pictures and tables."""

import json

from . import card, data, german, golden, measure, metrics, pictures, report, trees
from .features import EMPATHIC, FINANCIAL, names
from .versions import VERSIONS

SETS = {len(FINANCIAL): "the four features without emotions", len(EMPATHIC): "all nine"}


def run(models, docs, folder, simulator, german_file):
    """Trains everything. `models` and `docs` are where the results go, `folder` where the people are kept."""
    train = data.load(data.TRAINING, folder, simulator)
    unseen = data.load(data.UNSEEN, folder, simulator)
    unseen["crowd"] = [number for number, crowd in enumerate(data.UNSEEN) for _ in range(crowd.users)]
    say(f"{len(train)} people to train on, {len(unseen)} to measure on")
    best = measure.oracles(train, unseen)
    say("oracles: " + ", ".join(f"{it['auc']:.4f}" for it in best.values()))
    told, made, scores = _start(train, unseen, best), {}, {}
    for about in VERSIONS:
        made[about.version], scores[about.version] = _make(about, models, train, unseen, best, told)
    told["german"] = german.measure(german_file) if german_file else None
    (models / "measured.json").write_text(json.dumps(told, indent=1) + "\n")
    _draw(docs / "pictures" / "models", train, unseen, best, made, scores)
    page = docs / "models.md"
    page.write_text(report.put(page.read_text(), told))


def say(text):
    """Tells who waits how far it is."""
    print(text, flush=True)


def _start(train, unseen, best):
    return {
        "rows_trained": len(train),
        "rows_evaluated": len(unseen),
        "positives_evaluated": int(unseen["defaulted"].sum()),
        "probability_auc": metrics.auc(unseen["defaulted"], unseen["probability"]),
        "oracles": {SETS[count]: {k: v for k, v in it.items() if k != "scores"} for count, it in best.items()},
        "models": {},
    }


def _make(about, models, train, unseen, best, told):
    features = about.features
    people = data.masked(train) if features == EMPATHIC else train
    fitted = about.library.fit(people[names(features)], people["defaulted"], features)
    model = about.library.artefact(fitted)
    rows = golden.inputs(model, features, unseen[:20_000])
    vectors = golden.vectors(model, features, rows, about.library.predict(fitted, rows))
    measured, scores = measure.of_model(model, features, unseen, best[len(features)])
    source = f"population-1 and default-process-1 of ecs simulate, {data.HISTORY_DAYS} days each"
    facts = {
        "source": source,
        "rows_trained": len(people),
        "rows_evaluated": len(unseen),
        "seed": data.TRAINING[0].seed,
        "positives": int(people["defaulted"].sum()),
    }
    kept = {name: measured[name] for name in ("auc", "oracle_auc", "ece", "log_loss")}
    digest = card.write(models / about.version, model, vectors, about, features, facts, kept)
    told["models"][about.version] = measured | {"bytes": (models / about.version / card.MODEL).stat().st_size}
    say(f"{about.version}: AUC {measured['auc']:.4f}, ECE {measured['ece']:.4f}, digest {digest[:12]}")
    return model, scores


def _draw(folder, train, unseen, best, made, scores):
    panels = {}
    for about in VERSIONS:
        of_set = panels.setdefault(SETS[len(about.features)], {"oracle": best[len(about.features)]["scores"]})
        of_set[about.version] = scores[about.version]
    pictures.roc(folder / "roc.svg", unseen["defaulted"], panels)
    pictures.calibration(folder / "calibration.svg", unseen["defaulted"], scores)
    for about in VERSIONS:
        if about.library is not trees:
            pictures.shapes(folder / f"{about.version}.svg", made[about.version], about.features, train)
