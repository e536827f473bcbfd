"""What the rows of the ablation say: the table, differences, and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plotting import BLUE, ORANGE, open_pyplot
from benchmarks.table2.region_prompts import find_row
from finecaption.errors import InputError
from finecaption.eval.answers import ScoredAnswer, answers_of
from finecaption.eval.compare import difference, pair
from finecaption.eval.difference import around, p_value, points
from finecaption.eval.published import TABLE_2
from finecaption.eval.records import read_records
from finecaption.eval.table import interval, markdown, percent

Record = dict[str, Any]
TOLD = ("Materials/Texture", "Facial Expression")  # what the paper says HR features help most
HEADER = (
    "Row", "Accuracy, %", "95 %", *(f"{n}, %" for n in TOLD), "Near-duplicate boxes, %",
    "ROUGE-L", "CIDEr", "Paper's ROUGE-L", "Paper's CIDEr",
)  # fmt: skip
STEPS = (
    ("box-text", "mask", "a mask instead of a box in words"),
    ("drawn-box", "contour", "a contour instead of a frame"),
    ("contour", "mask", "a mask instead of a contour"),
    ("box-text", "box-convnext", "ConvNeXt added to a box in words"),
    ("mask", "mask-convnext", "ConvNeXt added to a mask"),
    ("mask", "mask-sam", "SAM added to a mask"),
    ("box-convnext", "mask-convnext", "a mask instead of a box, both with ConvNeXt"),
    ("mask-convnext", "full", "SAM added to mask and ConvNeXt"),
    ("mask", "full", "both towers added to a mask"),
)
"""Rows that differ in one thing (the last: in both towers): from, to, what changes."""
RESOLUTION = ("mask", "full")  # the two whose attributes are compared


def answers(folders: Mapping[str, Path]) -> dict[str, list[ScoredAnswer]]:
    """Row name -> its scored answers, from the folders that hold predictions.jsonl."""
    return {
        name: answers_of(read_records(folder / "predictions.jsonl"))
        for name, folder in folders.items()
    }


def differences(said: Mapping[str, Sequence[ScoredAnswer]]) -> list[Record]:
    """Of STEPS, those whose rows are there: from, to, change, and eval.compare's difference."""
    out = []
    for one, other, change in STEPS:
        if one in said and other in said:
            found = difference(pair(said[one], said[other]), "accuracy")
            if found is None:
                raise InputError(f"rows {one} and {other}: have no scored answer in common")
            out.append({"from": one, "to": other, "change": change, **found})
    return out


def table(results: Sequence[Record]) -> list[list[str]]:
    """Rows of the table, as HEADER."""
    out = []
    for result in results:
        own, row = result["scores"], find_row(result["row"])
        said = TABLE_2.get(row.published, {})
        out.append(
            [
                row.title,
                percent(own["mean_accuracy"]),
                interval(own["mean_interval"]),
                *(percent(own["attributes"].get(n, {}).get("accuracy")) for n in TOLD),
                percent((own["twins"] or {}).get("accuracy")),
                *(percent(own["ngrams"]["corpus"].get(n)) for n in ("ROUGE-L", "CIDEr")),
                *(f"{said[n]:.2f}" if said else "–" for n in ("ROUGE-L", "CIDEr")),
            ]
        )
    return out


def order(results: Sequence[Record]) -> list[str]:
    """How the rows that the paper has come out, against its own order, in sentences."""
    both = [
        (find_row(r["row"]), r["scores"]["mean_accuracy"])
        for r in results
        if find_row(r["row"]).published
    ]
    said = {row.name: TABLE_2[row.published]["ROUGE-L"] for row, _ in both}
    ours = [row.title for row, _ in sorted(both, key=lambda pair: pair[1])]
    theirs = [row.title for row, _ in sorted(both, key=lambda pair: said[pair[0].name])]
    agree = sum(
        (a[1] < b[1]) == (said[a[0].name] < said[b[0].name])
        for i, a in enumerate(both)
        for b in both[i + 1 :]
    )
    pairs = len(both) * (len(both) - 1) // 2
    return [
        f"The paper's order (ROUGE-L): {' < '.join(theirs)}.",
        f"Here (accuracy): {' < '.join(ours)}.",
        f"{agree} of {pairs} pairs rank as in the paper.",
    ]


def report(settings: Record, results: Sequence[Record], steps: Sequence[Record]) -> str:
    """table.md."""
    seconds, cpu = (sum(r["note"][k] for r in results) for k in ("seconds", "cpu_seconds"))
    budget = settings["budget"]
    said = [
        markdown(HEADER, table(results), left=(0,)),
        f"Every row: {budget['steps']} steps of {budget['batch']} images with up to "
        f"{budget['regions']} regions each and {budget['questions']} questions per region, "
        f"{budget['scenes']} training scenes, seed {budget['seed']}; scored on "
        f"{settings['regions']} regions and {settings['pairs']} pairs of near-duplicate boxes of "
        f"synth:test. Training took {seconds / 60:.0f} minutes for all rows, {cpu / 60:.0f} of "
        f"them CPU time ({results[0]['note']['hardware']}).",
        "Accuracy is the mean over attributes of the fraction of facets stated correctly, with a "
        "95 % bootstrap interval over images. The last two columns are the paper's results for its "
        "large models, next to the row built like each of them.",
        *order(results),
    ]  # fmt: skip
    if steps:
        said += [
            "### What each change contributes",
            "Paired answers to the same questions: percentage points of the mean over attributes, "
            "with 95 % bootstrap intervals and p-values of a paired permutation test, both over "
            "images.",
            markdown(
                ("Change", "Points", "95 %", "p"),
                [
                    [s["change"], points(s["difference"]), around(s["interval"]), p_value(s["p"])]
                    for s in steps
                ],
                left=(0,),
            ),
        ]
    gains = _gains(steps)
    if gains:
        said += [
            "### What high resolution contributes, by attribute",
            "Both towers compared with none, both with the mask; p-values after Holm's correction.",
            markdown(
                ("Attribute", "None, %", "Both, %", "Points", "95 %", "p"),
                [
                    [name, percent(g["a"]), percent(g["b"]), points(g["difference"]),
                     around(g["interval"]), p_value(g['p_corrected'])]
                    for name, g in gains
                ],
                left=(0,),
            ),
        ]  # fmt: skip
    return "\n\n".join(said) + "\n"


def _gains(steps: Sequence[Record]) -> list[tuple[str, Record]]:
    """Attributes of RESOLUTION's step, the greatest gain first."""
    found: dict[str, Record] = next(
        (s["attributes"] for s in steps if (s["from"], s["to"]) == RESOLUTION), {}
    )
    return sorted(found.items(), key=lambda item: -item[1]["difference"])


def _arms(values: Sequence[float], spans: Sequence[Sequence[float]]) -> list[list[float]]:
    """matplotlib's error bars: how far each interval reaches below and above."""
    both = list(zip(values, spans, strict=True))
    return [[v - s[0] for v, s in both], [s[1] - v for v, s in both]]


def plot(results: Sequence[Record], steps: Sequence[Record], path: Path) -> None:
    """Left: each row's accuracy and twins. Right: what high resolution brings, by attribute."""
    pyplot = open_pyplot()
    gains = _gains(steps)
    height = 1.2 + 0.26 * max(len(results), len(gains))
    figure, axes = pyplot.subplots(
        1, 2 if gains else 1, figsize=(9.6 if gains else 5.4, height), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    left = axes[0, 0]
    places = range(len(results))
    means = [100 * r["scores"]["mean_accuracy"] for r in results]
    spans = [[100 * v for v in r["scores"]["mean_interval"]] for r in results]
    left.errorbar(
        means, places, color=BLUE, fmt="o", elinewidth=1.6,
        xerr=_arms(means, spans),
        label="attributes: mean accuracy",
    )  # fmt: skip
    twins = [(r["scores"]["twins"] or {}).get("accuracy") for r in results]
    if any(t is not None for t in twins):
        left.scatter(
            [100 * (t or 0) for t in twins], places, marker="D", s=26, facecolor="white",
            edgecolor=ORANGE, zorder=3, label="of two with one box, the right one",
        )  # fmt: skip
    left.set_yticks(places, [find_row(r["row"]).title for r in results])
    left.invert_yaxis()
    left.set_xlim(left=-1)
    left.set_xlabel("right, %")
    left.set_title("How the region is told", fontsize=10, loc="left")
    left.grid(axis="x", color="#e5e5e5", linewidth=0.8)
    left.set_axisbelow(True)
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    if gains:
        right = axes[0, 1]
        gained = [100 * g["difference"] for _, g in gains]
        spans = [[100 * v for v in g["interval"]] for _, g in gains]
        named = [ORANGE if name in TOLD else BLUE for name, _ in gains]
        right.barh(range(len(gains)), gained, color=named, height=0.7)
        right.errorbar(
            gained, range(len(gains)), fmt="none", ecolor="#444444", elinewidth=1,
            xerr=_arms(gained, spans),
        )  # fmt: skip
        right.set_yticks(range(len(gains)), [name for name, _ in gains])
        for text, (name, _) in zip(right.get_yticklabels(), gains, strict=True):
            text.set_color(ORANGE if name in TOLD else "black")
        right.invert_yaxis()
        right.axvline(0, color="#444444", linewidth=0.8)
        right.set_xlabel("points gained")
        right.set_title("ConvNeXt and SAM against neither, with the mask", fontsize=10, loc="right")
        right.grid(axis="x", color="#e5e5e5", linewidth=0.8)
        right.set_axisbelow(True)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
