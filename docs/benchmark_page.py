"""Writes the shipped model's figures into docs/benchmark.md from two runs of `finecaption eval`.

    python docs/benchmark_page.py TEST/scores.json UNSEEN/scores.json

What stands between `<!-- eval:begin -->` and `<!-- eval:end -->` is replaced.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from finecaption.eval.examples import TASK_NAMES
from finecaption.eval.report import behaviour, hundredfold
from finecaption.eval.table import interval, markdown, percent
from finecaption_synth.markdown import rewrite_section

PAGE = Path(__file__).resolve().parent / "benchmark.md"
_COLUMNS = ("BLEU-4", "ROUGE-L", "METEOR", "CIDEr")


def _captions(runs: dict[str, Any]) -> str:
    rows = []
    for name, scores in runs.items():
        for task, found in scores["captions"].items():
            figures = [hundredfold(found["corpus"].get(c)) for c in _COLUMNS]
            around = interval(found["intervals"].get("ROUGE-L"))
            count = str(found["count"])
            rows.append([name, f"{task}: {TASK_NAMES[task]}", *figures, around, count])
    header = ["Data", "Task", *_COLUMNS, "95 % of ROUGE-L", "Captions"]
    return markdown(header, rows, left=(0, 1))


def _attributes(runs: dict[str, Any]) -> str:
    names = list(dict.fromkeys(n for s in runs.values() for n in s["attributes"]))
    rows = []
    for name in names:
        row = [name]
        for scores in runs.values():
            own = scores["attributes"].get(name, {})
            conflict = scores["conflicts"]["attributes"].get(name, {})
            row += [percent(own.get("accuracy")), interval(own.get("interval"))]
            count = conflict.get("compared", 0)
            told = percent(conflict.get("contradicted"))
            row.append(f"{told} of {count}" if count else "–")
        rows.append(row)
    last = ["**Mean**; all facets"]
    for scores in runs.values():
        whole = scores["conflicts"]["all"]
        last += [
            percent(scores["mean_accuracy"]), interval(scores["mean_interval"]),
            f"{percent(whole['contradicted'])} of {whole['compared']}",
        ]  # fmt: skip
    header = ["Attribute"]
    for name in runs:
        header += [f"{name}, %", "95 %", "contradicted by the paragraph, %"]
    return markdown(header, [*rows, last], left=(0,))


def _groups(runs: dict[str, Any]) -> str:
    rows = []
    kinds = dict.fromkeys(k for s in runs.values() for k in s["groups"])
    for kind in kinds:
        found = {
            name: {g["name"]: g for g in scores["groups"].get(kind, {}).get("groups", [])}
            for name, scores in runs.items()
        }
        title = next(s["groups"][kind]["title"] for s in runs.values() if kind in s["groups"])
        for group in dict.fromkeys(g for own in found.values() for g in own):
            row = [title, group]
            for own in found.values():
                figures = (own.get(group) or {}).get("accuracy") or {}
                row += [
                    percent(figures.get("mean")), interval(figures.get("interval")),
                    str((own.get(group) or {}).get("regions", "–")),
                ]  # fmt: skip
            rows.append(row)
    header = ["Kind", "Group"]
    for name in runs:
        header += [f"{name}, %", "95 %", "regions"]
    return markdown(header, rows, left=(0, 1))


def _rest(runs: dict[str, Any]) -> str:
    told = {name: {n: (v, note) for n, v, note in behaviour(s)} for name, s in runs.items()}
    names = dict.fromkeys(n for own in told.values() for n in own)
    rows = [[n, *(cell for own in told.values() for cell in own.get(n, ("–", "–")))] for n in names]
    header = [""]
    for name in runs:
        header += [f"{name}, %", "meaning"]
    return markdown(header, rows, left=(0, *range(2, 2 * len(runs) + 1, 2)))


def text(test: dict[str, Any], unseen: dict[str, Any]) -> str:
    """The section, in Markdown."""
    runs = {"test": test, "test-unseen": unseen}
    limit = test["settings"]["limit"]
    asked = test["settings"]
    commands = "\n".join(
        f"finecaption eval --data {scores['settings']['data']['name']} --tasks aarc,rdc,cgic "
        f"--limit {limit} --twins {asked['twins']} --clicks {asked['clicks']} "
        f"--out out/benchmark/{name}"
        for name, scores in runs.items()
    )
    counts = "; ".join(
        f"{name}: {s['regions']} regions in {s['pictures']} images, {s['questions']} questions"
        for name, s in runs.items()
    )
    whole = test["conflicts"]["all"]
    settings = next(iter(test["captions"].values()))["settings"]
    return "\n\n".join(
        part.strip()
        for part in (
            f"```sh\n{commands}\n```",
            f"The runs are limited to {limit} regions each ({counts}). Accuracy: mean fraction of "
            "an attribute's facets that are stated correctly; all intervals are 95 % bootstrap "
            "intervals over images.",
            "### Captions against references",
            _captions(runs),
            f"Times 100; tokenizer {settings['tokeniser']}, cross-references "
            f"{settings['cross_references']}. BERTScore needs a model that was not available.",
            "### Accuracy by attribute, and contradictions",
            _attributes(runs),
            "Contradicted: of the facets that both a single answer and the paragraph about the "
            "region state, the fraction without a value in common "
            "([how](evaluation.md#contradictions-between-single-answers-and-the-paragraph)). On "
            f"test, in the {whole['contradictions']} contradictions the single answer is right in "
            f"{percent(whole['alone_right'])} % and the paragraph in "
            f"{percent(whole['at_once_right'])} %. Of the stated facets, "
            f"{percent(whole['accuracy_alone'])} % are right in single answers and "
            f"{percent(whole['accuracy_at_once'])} % in paragraphs. Paragraphs leave out "
            f"{percent(whole['omitted'])} % of the facets of single answers; reference paragraphs "
            f"leave out {percent(whole['reference_omits'])} %. The parser's own error on the "
            f"reference paragraphs is {percent(whole['reader_error'])} %.",
            "### Accuracy by kind of region",
            _groups(runs),
            "### Other measures",
            _rest(runs),
        )
    )


def main(test: str, unseen: str, page: Path = PAGE) -> None:
    """Rewrites the page."""
    own = text(*(json.loads(Path(p).read_text("utf-8")) for p in (test, unseen)))
    rewrite_section(page, "eval", own)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
