"""The contents of a report, shared by all its formats: table rows, sentences, and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finecaption.eval.examples import (
    TASK_NAMES,
    EvaluatedRun,
    Example,
    best_and_worst,
    contradictions,
)
from finecaption.eval.published import COLUMNS, SOURCE, SUPERVISED, ZERO_SHOT
from finecaption.eval.records import Record
from finecaption.eval.table import interval, markdown, percent
from finecaption.metrics.captions import BLEU
from finecaption.types import TASKS

# --- tables -----------------------------------------------------------------------------------


def hundredfold(value: float | None) -> str:
    """A value of the paper's columns: times 100, two decimals; a dash for None."""
    return "–" if value is None else f"{100 * value:.2f}"


def paper_rows(scores: Record) -> list[tuple[str, list[str], str]]:
    """Our rows, then the paper's: (name, values by published.COLUMNS, kind).

    kind: "ours", "zero-shot" or "supervised"; the last two are published.
    """
    out = []
    for task in TASKS:
        found = scores.get("captions", {}).get(task)
        if found:
            figures = [hundredfold(found["corpus"].get(c)) for c in COLUMNS]
            name = f"{scores['settings']['model']['name']}, {task} ({found['count']})"
            out.append((name, figures, "ours"))
    for kind, rows in (("supervised", SUPERVISED), ("zero-shot", ZERO_SHOT)):
        for name, row in rows.items():
            out.append((name, [f"{row[c]:.2f}" for c in COLUMNS], kind))
    return out


def paper_notes(scores: Record) -> list[str]:
    """The notes under that table."""
    out = [
        f"The published rows are the paper's ({SOURCE}), on photographs and human references; "
        "our rows are on the data named above, so only rows on the same dataset can be compared."
    ]
    captions = scores.get("captions", {})
    found = next(iter(captions.values()), None)
    if found is None:
        out.append("This run did not compare captions with references.")
        return out
    settings = found["settings"]
    out.append(
        f"Tokenizer: {settings['tokeniser']}; cross-references {settings['cross_references']}. "
        + " ".join(f"{column} is missing: {why}." for column, why in found["missing"].items())
    )
    bert = settings.get("bert")
    if bert:
        out.append(
            f"BERTScore with {bert['model']}, layer {bert['layer']}, sha256 {bert['sha256'][:12]}."
        )
    return [text.strip() for text in out]


CAPTION_COLUMNS = ("BLEU-4", "ROUGE-L", "METEOR", "CIDEr", "BERTScore")


def task_rows(scores: Record) -> tuple[list[str], list[list[str]]]:
    """All columns of every task, with intervals where there are any."""
    captions = scores.get("captions", {})
    columns = [
        c
        for c in (*BLEU, *CAPTION_COLUMNS[1:])
        if any(c in found["corpus"] for found in captions.values())
    ]
    rows = []
    for task, found in captions.items():
        cells = []
        for c in columns:
            value, around = found["corpus"].get(c), found["intervals"].get(c)
            told = hundredfold(value)
            cells.append(f"{told} ({interval(around)})" if around else told)
        rows.append([f"{task}: {TASK_NAMES[task]}", *cells, str(found["count"])])
    return ["Task", *columns, "Captions"], rows


def attribute_rows(scores: Record) -> tuple[list[str], list[list[str]]]:
    """One row per attribute: accuracy if there is structured ground truth, and caption metrics."""
    drawn = scores["attributes"]
    said = scores.get("captions", {}).get("aarc", {}).get("attributes", {})
    columns = [c for c in CAPTION_COLUMNS if any(c in row for row in said.values())]
    names = list(drawn) + [n for n in said if n not in drawn]
    header = ["Attribute"]
    if drawn:
        header += ["Accuracy, %", "95 %", "All facets, %"]
    header += [*columns, "Answers"]
    rows = []
    for name in names:
        own, text = drawn.get(name, {}), said.get(name, {})
        row = [name]
        if drawn:
            row += [
                percent(own.get("accuracy")),
                interval(own.get("interval")),
                percent(own.get("exact")),
            ]
        row += [hundredfold(text.get(c)) for c in columns]
        rows.append([*row, str(own.get("count") or text.get("count", 0))])
    return header, rows


def group_rows(group: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Rows of one of groups.grouped."""
    rows = []
    for own in group["groups"]:
        accuracy, rouge = own["accuracy"] or {}, own["rouge"] or {}
        rows.append(
            [
                own["name"],
                percent(accuracy.get("mean")),
                interval(accuracy.get("interval")),
                percent(rouge.get("mean")),
                interval(rouge.get("interval")),
                str(own["regions"]),
                str(own["answers"]),
            ]
        )
    header = [group["title"], "Accuracy, %", "95 %", "ROUGE-L, %", "95 %", "Regions", "Answers"]
    return header, rows


# key of scores.json -> name, and what was counted
_OF_VALUE = {
    "refusals": (
        "Inapplicable questions refused",
        "of {} questions on all kinds of things and parts",
    ),
    "agreement": (
        "Answers agree on noun and pronoun",
        "of {} regions, over all answers and the paragraph",
    ),
    "contradictions": (
        "Answer and paragraph contradict",
        "of {} facets that both state",
    ),
    "coverage": (
        "Salient objects that the whole-image caption names",
        "of {} objects",
    ),
    "calibration": (
        "Expected calibration error of the confidence",
        "of {} answers",
    ),
}


def behaviour(scores: Record) -> list[tuple[str, str, str]]:
    """(name, value, meaning) of measures beyond accuracy: hallucination, abstention, uniqueness."""
    drawn = scores.get("drawn")
    if not drawn:
        return []
    out = []
    abstention, things = drawn["abstention"], drawn["things"]
    if abstention["unseen"]:
        unseen = abstention["unseen"]
        out.append(
            (
                "Hallucinated: facets that cannot be seen",
                percent(unseen["hallucinated"]),
                f"of {unseen['count']} hidden facets, the fraction for which a value is "
                f"stated; abstains from {percent(unseen['abstained'])} %",
            )
        )
    if abstention["inapplicable"]:
        own = abstention["inapplicable"]
        out.append(
            (
                "Hallucinated: questions that cannot apply",
                percent(own["hallucinated"]),
                f"of {own['count']} questions such as the hair of a car; abstains from "
                f"{percent(own['abstained'])} %",
            )
        )
    if abstention["false_rate"] is not None:
        out.append(
            (
                "Abstains unnecessarily",
                percent(abstention["false_rate"]),
                "of the visible facets",
            )
        )
    if things["of_mentions"] is not None:
        out.append(
            (
                "Hallucinated objects",
                percent(things["of_mentions"]),
                f"of {things['mentions']} objects named (CHAIR against the scene); in "
                f"{percent(things['of_answers'])} % of the answers",
            )
        )
    if drawn["uniqueness"]:
        unique = drawn["uniqueness"]
        out.append(
            (
                "Regions distinguished",
                percent(unique["recall_at_1"]),
                f"self-retrieval R@1 among the regions of an image; chance "
                f"{percent(unique['chance'])}",
            )
        )
    out += [
        (name, percent(scores[key]["value"]), meaning.format(scores[key]["count"]))
        for key, (name, meaning) in _OF_VALUE.items()
        if scores.get(key) and scores[key]["value"] is not None
    ]
    if scores.get("twins"):
        twins = scores["twins"]
        out.append(
            (
                "Near-duplicate boxes named right",
                percent(twins["accuracy"]),
                f"of {twins['count']} regions whose box nearly equals another's",
            )
        )
    if scores.get("semiou") is not None:
        out.append(
            (
                "SemIoU of category names",
                percent(scores["semiou"]),
                "words shared with the category name, so a whole sentence scores low",
            )
        )
    return out


CONFLICT_HEADER = (
    "Attribute",
    "Contradicted, %",
    "compared",
    "of these: answer right, %",
    "paragraph right, %",
    "Left out, %",
    "references leave out, %",
    "Accuracy of answers, %",
    "of paragraphs, %",
    "Reader's error, %",
)


def conflict_rows(scores: Record) -> list[list[str]]:
    """Rows of the conflict study, as CONFLICT_HEADER; empty where there is none."""
    found = scores.get("conflicts")
    if not found:
        return []
    named = [*found["attributes"].items(), ("All", found["all"])]
    return [
        [
            name,
            percent(r["contradicted"]),
            str(r["compared"]),
            percent(r["alone_right"]),
            percent(r["at_once_right"]),
            percent(r["omitted"]),
            percent(r["reference_omits"]),
            percent(r["accuracy_alone"]),
            percent(r["accuracy_at_once"]),
            percent(r["reader_error"]),
        ]
        for name, r in named
    ]


CONFLICT_NOTE = (
    "Single answers compared with the paragraph about the same region. Contradicted: facets that "
    "both state, without a value in common; relations and interactions are not compared, because "
    "two different ones can both be true. Left out: facets of the answers that the paragraph does "
    "not mention, next to the same fraction for the reference paragraphs. Accuracy: of the facets "
    "that are stated. Reader's error: the error of the same parser on the reference paragraphs, "
    "which are right."
)


# --- Markdown ---------------------------------------------------------------------------------


def title(scores: Record) -> str:
    """The title of a report."""
    settings = scores["settings"]
    return f"{settings['model']['name']} on {settings['data']['name']}"


def lead(scores: Record) -> str:
    """The sentence under the title."""
    settings = scores["settings"]
    tasks = ", ".join(settings.get("tasks", ["aarc"]))
    limit = settings["limit"]
    of = f"limit {limit} regions" if limit else "no limit"
    unseen = " Only combinations that never occur in training are scored." * scores["unseen_only"]
    return (
        f"{scores['regions']} regions in {scores['pictures']} images, {scores['questions']} "
        f"questions with a known answer; tasks {tasks}; {of}.{unseen}"
    )


def settings_rows(scores: Record) -> list[list[str]]:
    """Settings and versions: name, value."""
    settings, out = scores["settings"], []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            said = ", ".join(f"{k} {_short(v)}" for k, v in value.items())
        else:
            said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        out.append([name, said])
    for name in ("versions", "hardware"):
        if name in scores:
            out.append([name, ", ".join(f"{k} {v}" for k, v in scores[name].items())])
    for name, about in scores.get("steps", {}).items():
        shards = f" over {about['shards']} shards" if about.get("shards") else ""
        out.append(
            [
                f"step {name}",
                f"{about['records']} records, {about['seconds_last']} s for the last "
                f"{about['made_last']}{shards}",
            ]
        )
    return out


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text


def markdown_report(run: EvaluatedRun) -> str:
    """report.md."""
    scores = run.scores
    parts = [f"# {title(scores)}", lead(scores)]
    parts += ["## Comparison with the paper", _paper_markdown(scores), *paper_notes(scores)]
    if scores.get("captions"):
        parts += ["## Captions against references", _table(*task_rows(scores))]
    parts += ["## By attribute", _table(*attribute_rows(scores))]
    if scores["attributes"]:
        parts.append(
            f"Mean over attributes: {percent(scores['mean_accuracy'])} % "
            f"({interval(scores['mean_interval'])})."
        )
    for group in scores.get("groups", {}).values():
        if len(group["groups"]) > 1:
            parts += [f"## {group['title']}", _table(*group_rows(group))]
    told = behaviour(scores)
    if told:
        rows = [[name, figure, note] for name, figure, note in told]
        parts += ["## Other measures", markdown(["", "%", ""], rows, left=(0, 2))]
    rows = conflict_rows(scores)
    if rows:
        parts += [
            "## Contradictions between answers and paragraphs",
            markdown(CONFLICT_HEADER, rows, left=(0,)),
            CONFLICT_NOTE,
        ]
    best, worst = best_and_worst(run)
    for name, examples in (
        ("Best", best),
        ("Worst", worst),
        ("Contradictions", contradictions(run)),
    ):
        if examples:
            parts += [f"## {name}", "\n".join(_example_markdown(e) for e in examples)]
    rows = settings_rows(scores)
    parts += ["## Settings and versions", markdown(["", ""], rows, left=(0, 1))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown(header, rows, left=(0,))


def _paper_markdown(scores: Record) -> str:
    rows = [
        [f"**{name}**" if kind == "ours" else f"{name} (published, {kind})", *figures]
        for name, figures, kind in paper_rows(scores)
    ]
    return _table(["Row", *COLUMNS], rows)


def _example_markdown(example: Example) -> str:
    place = example.place
    where = f", region {place['region_id']}" if "region_id" in place else ""
    mean = "" if example.figure is None else f" ({percent(example.figure)} %)"
    lines = [f"- {place['picture']}{where}, {place.get('category') or 'region'}{mean}"]
    for asked, answer, right, _ in example.lines:
        lines.append(f"  - {asked}: “{answer}”" + (f"; right: “{right}”" if right else ""))
    return "\n".join(lines)
