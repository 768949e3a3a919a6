"""The curves of docs/models.md. The same numbers draw the same bytes."""

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np

from . import metrics

plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ecs", "font.size": 8, "font.family": "sans-serif"})
# Points of a ROC curve that are drawn; more can't be seen.
POINTS = 60


def _save(figure, path):
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def roc(path, outcomes, panels):
    """`panels`: for each title the scores by name."""
    figure, axes = plt.subplots(1, len(panels), figsize=(3.4 * len(panels), 3.2))
    for axis, (title, scores) in zip(axes, panels.items()):
        for name, values in scores.items():
            wrong, right = _rates(np.asarray(outcomes, float), values)
            style = {"linestyle": "--", "color": "grey"} if name == "oracle" else {}
            axis.plot(wrong, right, label=f"{name}: {metrics.auc(outcomes, values):.3f}", linewidth=1, **style)
        axis.plot([0, 1], [0, 1], color="lightgrey", linewidth=0.7)
        axis.set(title=title, xlabel="share of the others flagged", ylabel="share of defaults found")
        axis.legend(loc="lower right", frameon=False, title="AUC")
    _save(figure, path)


def _rates(outcomes, scores):
    order = np.argsort(-scores, kind="stable")
    found, flagged = np.cumsum(outcomes[order]), np.cumsum(1 - outcomes[order])
    places = np.linspace(0, len(order) - 1, POINTS).astype(int)
    return np.r_[0, flagged[places] / flagged[-1]], np.r_[0, found[places] / found[-1]]


def calibration(path, outcomes, scores_by_name):
    """Share of defaults against score, with bars of two standard errors."""
    figure, axes = plt.subplots(1, len(scores_by_name), figsize=(2.3 * len(scores_by_name), 2.6))
    for axis, (name, scores) in zip(axes, scores_by_name.items()):
        table = np.array(metrics.calibration(outcomes, scores))
        score, share, count = table.T
        axis.plot([0, score[-1]], [0, score[-1]], color="lightgrey", linewidth=0.7)
        axis.errorbar(score, share, yerr=2 * np.sqrt(share * (1 - share) / count), fmt=".", markersize=3, linewidth=0.7)
        axis.set(title=name, xlabel="score", ylabel="share that defaults")
    _save(figure, path)


def shapes(path, model, features, people):
    """What each term adds to the log-odds; a grey bar under a curve shows where nine of ten people are."""
    terms = model["terms"]
    columns = 3
    rows = -(-len(terms) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(7, 2.0 * rows), squeeze=False)
    for axis in axes.flat[len(terms):]:
        axis.axis("off")
    for axis, term in zip(axes.flat, terms):
        if len(term["features"]) == 1:
            _curve(axis, term, features[term["features"][0]], people)
        else:
            _table(figure, axis, term, features)
    _save(figure, path)


def _curve(axis, term, feature, people):
    edges, values = np.asarray(term["edges"][0]), term["values"]
    low, high = np.nanpercentile(people[feature.name], [5, 95])
    first, last = np.nanpercentile(people[feature.name], [0.1, 99.5])
    axis.stairs(values[:-1], np.r_[min(first, edges[0]), edges, max(last, edges[-1])], baseline=None, linewidth=1)
    axis.axhline(values[-1], color="tab:orange", linewidth=0.6, linestyle=":")
    axis.axvspan(low, high, ymax=0.03, color="grey")
    axis.set(title=feature.name, xlim=(first, last))


def _table(figure, axis, term, features):
    shape = [len(edges) + 2 for edges in term["edges"]]
    values = np.asarray(term["values"]).reshape(shape)[:-1, :-1]
    drawn = axis.pcolormesh(values.T, cmap="coolwarm", vmin=-np.abs(values).max(), vmax=np.abs(values).max())
    figure.colorbar(drawn, ax=axis)
    for set_ticks, edges in ((axis.set_xticks, term["edges"][0]), (axis.set_yticks, term["edges"][1])):
        places = range(1, len(edges) + 1, 3)
        set_ticks(list(places), [f"{edges[place - 1]:.0f}" for place in places])
    axis.set(xlabel=features[term["features"][0]].name, ylabel=features[term["features"][1]].name, title="together")
