"""The tables of docs/models.md, between two marks, made of what was measured."""

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def put(page, told):
    """The page's text with the tables of `told` between the marks."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{tables(told)}\n{END}{after}"


def tables(told):
    """All tables as Markdown."""
    parts = [_models(told), _oracles(told), _cut_offs(told), _personas(told), _silent(told)]
    if told.get("german"):
        parts.append(_german(told["german"]))
    return "\n".join(parts)


def _models(told):
    lines = [
        f"On {told['rows_evaluated']:,} unseen people, of whom {told['positives_evaluated']:,} default "
        f"(trained on {told['rows_trained']:,}):",
        "",
        "| model | AUC | its oracle | away from it | ECE | log loss | AUC by crowd | size |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for version, it in told["models"].items():
        lines.append(
            f"| `{version}` | {it['auc']:.4f} ± {it['auc_deviation']:.4f} | {it['oracle_auc']:.4f} | "
            f"{it['oracle_auc'] - it['auc']:.4f} | {it['ece']:.4f} | {it['log_loss']:.4f} | "
            f"{it['auc_of_worst_crowd']:.3f} to {it['auc_of_best_crowd']:.3f} | {it['bytes'] / 1000:.0f} kB |"
        )
    return "\n".join([*lines, ""])


def _oracles(told):
    lines = [
        "| oracle of | AUC on outcomes | AUC on probabilities | the same by a quarter of the people |",
        "|---|---|---|---|",
    ]
    for name, it in told["oracles"].items():
        lines.append(
            f"| {name} | {it['auc']:.4f} ± {it['deviation']:.4f} | {it['expected_auc']:.4f} | "
            f"{it['by_a_quarter']:.4f}, against {it['same_people']:.4f} |"
        )
    return "\n".join([*lines, f"| the probability itself, which no feature shows | {told['probability_auc']:.4f} | | |", ""])


def _personas(told):
    versions = list(told["models"])
    lines = ["| mean score of | defaulted | " + " | ".join(f"`{version}`" for version in versions) + " |"]
    lines.append("|---" * (len(versions) + 2) + "|")
    for persona, (_, share, _) in told["models"][versions[0]]["personas"].items():
        scores = [told["models"][version]["personas"][persona][0] for version in versions]
        lines.append(f"| `{persona}` | {share:.3f} | " + " | ".join(f"{score:.3f}" for score in scores) + " |")
    return "\n".join([*lines, ""])


def _cut_offs(told):
    versions = list(told["models"])
    lines = ["| share up to a score, and of them default | " + " | ".join(f"`{version}`" for version in versions) + " |"]
    lines.append("|---" * (len(versions) + 1) + "|")
    for rows in zip(*(told["models"][version]["cut_offs"] for version in versions)):
        lines.append(f"| {rows[0][0]:.2f} | " + " | ".join(f"{share:.3f}, {bad:.3f}" for _, share, bad in rows) + " |")
    return "\n".join([*lines, ""])


def _silent(told):
    lines = ["| when nobody's emotions are known | AUC | ECE |", "|---|---|---|"]
    for version, it in told["models"].items():
        if "silent" in it:
            lines.append(f"| `{version}` | {it['silent']['auc']:.4f} | {it['silent']['ece']:.4f} |")
    return "\n".join([*lines, ""])


def _german(german):
    lines = ["| German credit data, by the code of | AUC over folds |", "|---|---|"]
    for name, it in german.items():
        lines.append(f"| {name} | {it['auc']:.3f} ± {it['deviation']:.3f} ({it['folds']} folds) |")
    return "\n".join([*lines, ""])
