"""Table 2 of the paper in miniature: nine ways of telling a model which region is meant.

    python benchmarks/ablation.py --out runs/ablation                      # hours on a CPU
    python benchmarks/ablation.py --out runs/ablation-smoke --smoke        # minutes, to see it run
    python benchmarks/ablation.py --out runs/short --base runs/mini --steps 200 --scenes 1000

All rows (finecaption.train.telling.ROWS) start from the same stage-0 parts, and have the same
budget and seed. Every step is kept: the same command goes on where it was stopped, and more --steps
train the same rows further. Prints the table and writes ablation.json, table.md, and for each row
its answers in the form of `finecaption eval` (rows/NAME/predictions.jsonl).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from finecaption.attributes import region_instruction
from finecaption.errors import InputError
from finecaption.eval.data import EvalPicture, EvalRegion, Source, open_source
from finecaption.eval.published import TABLE_2
from finecaption.eval.records import read_json, write_atomically, write_json
from finecaption.eval.score import scores
from finecaption.eval.steps import Answerer, PictureQuestions, predictions, twins
from finecaption.eval.table import interval, markdown, percent
from finecaption.metrics.captions import CaptionScorer
from finecaption.metrics.text import Pair
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.model.preparation import prepare_image, prepare_mask
from finecaption.pages import rewrite_section
from finecaption.train import ablation
from finecaption.train.ablation import Asked, Budget
from finecaption.train.pool import Pool
from finecaption.train.recipes import find_recipe, override
from finecaption.train.run import ASSEMBLED, Run
from finecaption.train.telling import ROWS, Row, find_row

Record = dict[str, Any]
TOLD = ("Materials/Texture", "Facial Expression")  # what the paper says HR features help most
AT_ONCE = 12  # regions answered in one batch


class Examples:
    """Pictures that no row has seen, with the towers' features, made once for all rows."""

    def __init__(self, source: Source, regions: int, pairs: int, base: Any) -> None:
        self.config = base.config
        self.pictures = list(_until(source.pictures(), lambda p: len(p.regions), regions))
        self.twins = list(_until(source.twins(), lambda p: len(p.regions) // 2, pairs))
        self.features: dict[int, np.ndarray] = {}
        self.clips: dict[int, np.ndarray] = {}
        for picture in (*self.pictures, *self.twins):
            clip, large = prepare_image(
                Image.fromarray(picture.image), self.config.clip_size, self.config.image_size
            )
            self.clips[id(picture.image)] = clip
            self.features[id(picture.image)] = ablation.tower_features(base, [large])[0]


def _until(pictures: Iterator[EvalPicture], count: Any, wanted: int) -> Iterator[EvalPicture]:
    total = 0
    while total < wanted:
        picture = next(pictures)
        total += count(picture)
        yield picture


class RowAnswerer(Answerer):
    """finecaption.eval's question to a captioner, answered by a row."""

    def __init__(self, model: Any, processor: Any, row: Row, examples: Examples) -> None:
        self.model, self.processor, self.row, self.examples = model, processor, row, examples

    def answer(self, batch: Sequence[PictureQuestions]) -> list[list[list[str]]]:
        """See eval.steps.Answerer."""
        size = self.examples.config.clip_size
        asked = [
            Asked(
                self.examples.clips[id(q.image)], prepare_mask(mask, size),
                self.examples.features[id(q.image)], tuple(map(region_instruction, names)),
            )
            for q in batch
            for mask, names in zip(q.masks, q.attributes, strict=True)
        ]  # fmt: skip
        told: list[list[str]] = []
        for i in range(0, len(asked), AT_ONCE):
            told += ablation.answer(
                self.model, self.processor, self.row, self.examples.config, asked[i : i + AT_ONCE]
            )
        rest = iter(told)
        return [[next(rest) for _ in q.masks] for q in batch]


def evaluate(row: Row, folder: Path, examples: Examples, model: Any, processor: Any) -> Record:
    """A row's scores.json; its answers are written beside."""
    answerer = RowAnswerer(model, processor, row, examples)
    source: Any = _Fixed(examples)
    found = predictions(source, answerer).make(examples.pictures)
    pairs = twins(source, answerer).make(examples.twins)
    for name, records in (("predictions", found), ("twins", pairs)):
        lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        write_atomically(folder / f"{name}.jsonl", lines)
    told = scores(found, pairs, None)
    told["ngrams"] = _ngrams(examples.pictures, found)
    write_json(folder / "scores.json", told)
    return told


@dataclasses.dataclass(frozen=True)
class _Fixed:
    """A source of pictures that are drawn already."""

    examples: Examples

    def pictures(self, start: int = 0) -> Iterator[EvalPicture]:
        return iter(self.examples.pictures[start:])

    def twins(self, start: int = 0) -> Iterator[EvalPicture]:
        return iter(self.examples.twins[start:])


def _ngrams(pictures: Sequence[EvalPicture], records: Sequence[Record]) -> Record:
    regions: dict[tuple[str, int], EvalRegion] = {
        (p.name, r.region_id): r for p in pictures for r in p.regions
    }
    pairs = [
        Pair(text, regions[record["picture"], record["region_id"]].references[attribute])
        for record in records
        for attribute, text in record["answers"].items()
    ]
    found = CaptionScorer().score(pairs)
    return {"corpus": found.corpus, "missing": found.missing, "settings": found.settings}


HEADER = (
    "Row", "Accuracy, %", "95 %", *(f"{n}, %" for n in TOLD), "Twins, %", "ROUGE-L", "CIDEr",
    "Paper's ROUGE-L", "Paper's CIDEr",
)  # fmt: skip


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
                *(_hundredfold(own["ngrams"]["corpus"].get(n)) for n in ("ROUGE-L", "CIDEr")),
                *(f"{said[n]:.2f}" if said else "–" for n in ("ROUGE-L", "CIDEr")),
            ]
        )
    return out


def _hundredfold(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


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
        f"{agree} of {pairs} pairs stand as in the paper.",
    ]


def _gains(results: Sequence[Record]) -> list[str]:
    """Which attributes gain most from the high-resolution towers."""
    by_name = {r["row"]: r["scores"]["attributes"] for r in results}
    if not {"mask", "full"} <= set(by_name):
        return []
    low, high = by_name["mask"], by_name["full"]
    gains = {n: high[n]["accuracy"] - low[n]["accuracy"] for n in low if n in high}
    most = sorted(gains, key=lambda n: -gains[n])
    told = ", ".join(f"{n} {100 * gains[n]:+.1f}" for n in most)
    return [f"Both high-resolution towers against none, both with the mask, in points: {told}."]


def report(settings: Record, results: Sequence[Record]) -> str:
    """table.md."""
    rows = table(results)
    seconds, cpu = (sum(r["note"][k] for r in results) for k in ("seconds", "cpu_seconds"))
    budget = settings["budget"]
    said = [
        f"Every row: {budget['steps']} steps of {budget['batch']} pictures with up to "
        f"{budget['regions']} regions each and {budget['questions']} questions a region, "
        f"{budget['scenes']} training scenes, seed {budget['seed']}; scored on "
        f"{settings['regions']} regions and {settings['pairs']} pairs of twins of synth:test. "
        f"Training took {seconds / 60:.0f} minutes for all rows, {cpu / 60:.0f} of them by the "
        f"processor's own clock ({results[0]['note']['hardware']}).",
        "Accuracy is the mean over attributes of the share of facets stated right, with a 95 % "
        "bootstrap interval over pictures. The last two columns are the paper's own figures for "
        "its large models, beside the row that is made like each.",
        *order(results),
        *_gains(results),
    ]  # fmt: skip
    return "\n\n".join([markdown(HEADER, rows, left=(0,)), *said]) + "\n"


def _base(args: argparse.Namespace, out: Path) -> tuple[Path, Path]:
    """(folder of the base model, folder of the pool); stage 0 is trained where it is not given."""
    recipe = find_recipe("smoke" if args.smoke else "mini")
    if args.base is not None:
        given = Path(args.base)
        folder = given / ASSEMBLED if (given / ASSEMBLED).is_dir() else given
        pool = Path(args.pool) if args.pool else given / "pool"
        return folder, pool
    recipe = override(recipe, [f"scenes={args.scenes}"])
    run = Run(recipe, out / "base", Path(args.pool) if args.pool else None, print)
    run.draw()
    for stage in recipe.stages:
        if stage.kind != "captions" and not stage.decoder_only:
            run.stage(stage)
    if not (out / "base" / ASSEMBLED).exists():
        run.assemble()
    return out / "base" / ASSEMBLED, run.pool_folder


def main(arguments: Sequence[str] | None = None) -> Record:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--base", help="a run of `finecaption train`, or a model's folder")
    parser.add_argument("--pool", help="drawn scenes (default: the base's)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--scenes", type=int)
    parser.add_argument("--regions", type=int, help="to score on")
    parser.add_argument("--pairs", type=int, help="of twins, to score on")
    parser.add_argument("--rows", help="comma separated (default: all)")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--results", type=Path, help="also write the JSON here")
    parser.add_argument("--page", type=Path, help="also put the table between this page's markers")
    args = parser.parse_args(arguments)
    full, small = Budget(), Budget(steps=2, batch=2, regions=2, questions=2, scenes=4)
    budget = small if args.smoke else full
    args.steps, args.scenes = args.steps or budget.steps, args.scenes or budget.scenes
    budget = dataclasses.replace(budget, steps=args.steps, scenes=args.scenes)
    regions = args.regions or (4 if args.smoke else 500)
    pairs = args.pairs if args.pairs is not None else (1 if args.smoke else 100)
    rows = [find_row(n) for n in args.rows.split(",")] if args.rows else list(ROWS)

    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    folder, pool_folder = _base(args, out)
    base = FineCaptionForConditionalGeneration.from_pretrained(folder).eval()
    processor = FineCaptionProcessor.from_pretrained(folder)
    if torch.cuda.is_available():
        base = base.to("cuda")
    pool = Pool(pool_folder, budget.scenes)
    if len(pool) < budget.scenes:
        raise InputError(f"{pool_folder}: holds {len(pool)} scenes; {budget.scenes} are wanted")
    for done in ablation.fill_features(base, pool, out / "features"):
        print(f"features of {done} of {len(pool)} scenes", flush=True)
    featured = ablation.FeaturedPool(pool, out / "features")
    examples: Examples | None = None
    results: list[Record] = []
    settings = {"budget": dataclasses.asdict(budget), "regions": regions, "pairs": pairs}
    for row in rows:
        own = out / "rows" / row.name
        scored = own / f"scores-{budget.steps}-{regions}-{pairs}.json"
        if not scored.exists():
            model = ablation.train_row(row, budget, base, processor, featured, own)
            if examples is None:
                workers = 0
                source = open_source("synth:test", workers)
                examples = Examples(source, regions, pairs, base)
            began = time.monotonic()
            model = model.to(next(base.parameters()).device)
            told = evaluate(row, own, examples, model, processor)
            note = read_json(own / ablation.NOTE)
            note["seconds_answering"] = round(time.monotonic() - began, 1)
            write_json(scored, {"row": row.name, "scores": told, "note": note})
        results.append(read_json(scored))
        print(f"{row.title}: {percent(results[-1]['scores']['mean_accuracy'])} %", flush=True)
    data = {"settings": settings, "base": _provenance(folder), "results": results}
    text = report(settings, results)
    write_json(out / "ablation.json", data)
    write_atomically(out / "table.md", text)
    if args.results is not None:
        write_json(args.results, data)
    if args.page is not None:
        rewrite_section(args.page, "ablation", text)
    print(text)
    return data


def _provenance(folder: Path) -> Any:
    path = folder / "provenance.json"
    return read_json(path) if path.exists() else []


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"ablation: {error}")
