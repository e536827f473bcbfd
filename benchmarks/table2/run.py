"""Table 2 of the paper in miniature: nine ways of telling a model which region is meant.

    python -m benchmarks.table2.run --out runs/ablation                # hours on a CPU
    python -m benchmarks.table2.run --out runs/ablation-smoke --smoke  # minutes, to see it run
    python -m benchmarks.table2.run --out runs/short --base runs/mini --steps 200 --scenes 1000

All rows (benchmarks.table2.region_prompts.ROWS) start from the same stage-0 parts, with the same
budget and seed. Every step is kept: the same command goes on where it was stopped, and more --steps
train the same rows further. Prints the table and writes ablation.json, table.md, ablation.svg, and
for each row its answers in the form of `finecaption eval` (rows/NAME/STEPS-REGIONS-PAIRS/).
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

from benchmarks.table2 import training as ablation
from benchmarks.table2.data import FeaturedPool, fill_features, tower_features
from benchmarks.table2.region_prompts import ROWS, Row, find_row
from benchmarks.table2.report import answers, differences, plot, report
from benchmarks.table2.training import Asked, Budget
from finecaption.errors import InputError
from finecaption.eval.data import EvalImage, EvalRegion, EvalSource
from finecaption.eval.opening import open_source
from finecaption.eval.records import read_json
from finecaption.eval.score import scores
from finecaption.eval.steps import predictions, twins
from finecaption.eval.table import percent
from finecaption.io.atomic import write_json, write_text
from finecaption.metrics.captions import CaptionScorer
from finecaption.metrics.text import Pair
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.model.preparation import prepare_image, prepare_mask
from finecaption.request import Request, instruction_for
from finecaption.results import CaptionResult, caption_of
from finecaption.training.config import override_recipe
from finecaption.training.recipes import find_recipe
from finecaption_synth.markdown import rewrite_section
from finecaption_synth.training.jobs import fits_decoder
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.scratch import ASSEMBLED, ScratchRun

Record = dict[str, Any]
SCORED = "row.json"
AT_ONCE = 12  # regions answered in one batch


class Examples:
    """Pictures that no row has seen, with the towers' features, made once for all rows."""

    def __init__(self, source: EvalSource, regions: int, pairs: int, base: Any) -> None:
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
            self.features[id(picture.image)] = tower_features(base, [large])[0]


def _until(pictures: Iterator[EvalImage], count: Any, wanted: int) -> Iterator[EvalImage]:
    total = 0
    while total < wanted:
        picture = next(pictures)
        total += count(picture)
        yield picture


class RowCaptioner:
    """The captioner that finecaption.eval asks, answered by a row."""

    capabilities: frozenset[Any] = frozenset()

    def __init__(self, model: Any, processor: Any, row: Row, examples: Examples) -> None:
        self.model, self.processor, self.row, self.examples = model, processor, row, examples
        self.name = row.name
        self.identity = {"name": row.name}

    def caption_batch(self, requests: Sequence[Request], *, progress: Any = None) -> list[Any]:
        """See finecaption.protocol.Captioner."""
        size = self.examples.config.clip_size
        asked = [
            Asked(
                self.examples.clips[id(r.image)], prepare_mask(region.mask, size),
                self.examples.features[id(r.image)],
                tuple(map(instruction_for, r.questions.region_names)),
            )
            for r in requests
            for region in r.regions
        ]  # fmt: skip
        told: list[list[str]] = []
        for i in range(0, len(asked), AT_ONCE):
            told += ablation.answer(
                self.model, self.processor, self.row, self.examples.config, asked[i : i + AT_ONCE]
            )
        rest = iter(told)
        return [
            CaptionResult(
                tuple(
                    caption_of(region, r.questions.region_names, next(rest)) for region in r.regions
                )
            )
            for r in requests
        ]


def evaluate(row: Row, folder: Path, examples: Examples, model: Any, processor: Any) -> Record:
    """A row's scores; its answers are written into the folder."""
    captioner = RowCaptioner(model, processor, row, examples)
    source: Any = _Fixed(examples)
    found = predictions(source, captioner).make(examples.pictures)
    pairs = twins(source, captioner).make(examples.twins)
    for name, records in (("predictions", found), ("twins", pairs)):
        lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        write_text(folder / f"{name}.jsonl", lines)
    told = scores(found, pairs, None)
    told["ngrams"] = _ngrams(examples.pictures, found)
    return told


@dataclasses.dataclass(frozen=True)
class _Fixed:
    """A source of pictures that are drawn already."""

    examples: Examples

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        return iter(self.examples.pictures[start:])

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        return iter(self.examples.twins[start:])


def _ngrams(pictures: Sequence[EvalImage], records: Sequence[Record]) -> Record:
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


def _base(args: argparse.Namespace, out: Path) -> tuple[Path, Path]:
    """(folder of the base model, folder of the pool); stage 0 is trained where it is not given."""
    recipe = find_recipe("smoke" if args.smoke else "mini")
    if args.base is not None:
        given = Path(args.base)
        folder = given / ASSEMBLED if (given / ASSEMBLED).is_dir() else given
        pool = Path(args.pool) if args.pool else given / "pool"
        return folder, pool
    recipe = override_recipe(recipe, {"scenes": args.scenes})
    run = ScratchRun(recipe, out / "base", Path(args.pool) if args.pool else None, print)
    parts = [s.name for s in recipe.stages if s.objective != "captions" and not fits_decoder(s)]
    run.render(parts)
    for name in parts:
        run.stage(name)
    if not (out / "base" / ASSEMBLED).exists():
        run.assemble()
    return out / "base" / ASSEMBLED, run.pool_folder


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, and what follows from them: budget, regions, pairs, rows."""
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
    parser.add_argument("--figure", type=Path, help="also draw the plot into this file")
    parser.add_argument("--page", type=Path, help="also put the table between this page's markers")
    args = parser.parse_args(arguments)
    full, small = Budget(), Budget(steps=2, batch=2, regions=2, questions=2, scenes=4)
    budget = small if args.smoke else full
    args.steps, args.scenes = args.steps or budget.steps, args.scenes or budget.scenes
    args.budget = dataclasses.replace(budget, steps=args.steps, scenes=args.scenes)
    args.regions = args.regions or (4 if args.smoke else 500)
    if args.pairs is None:
        args.pairs = 1 if args.smoke else 100
    args.rows = [find_row(n) for n in args.rows.split(",")] if args.rows else list(ROWS)
    return args


def main(arguments: Sequence[str] | None = None) -> Record:
    """See the module."""
    args = _parse(arguments)
    budget, regions, pairs = args.budget, args.regions, args.pairs
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
    for done in fill_features(base, pool, out / "features"):
        print(f"features of {done} of {len(pool)} scenes", flush=True)
    featured = FeaturedPool(pool, out / "features")
    examples: Examples | None = None
    results: list[Record] = []
    folders: dict[str, Path] = {}
    settings = {"budget": dataclasses.asdict(budget), "regions": regions, "pairs": pairs}
    for row in args.rows:
        own = out / "rows" / row.name
        scored = own / f"{budget.steps}-{regions}-{pairs}"
        if not (scored / SCORED).exists():
            model = ablation.train_row(row, budget, base, processor, featured, own)
            if examples is None:
                examples = Examples(open_source("synth:test", 0), regions, pairs, base)
            began = time.monotonic()
            model = model.to(next(base.parameters()).device)
            scored.mkdir(exist_ok=True)
            told = evaluate(row, scored, examples, model, processor)
            note = read_json(own / ablation.NOTE)
            note["seconds_answering"] = round(time.monotonic() - began, 1)
            write_json(scored / SCORED, {"row": row.name, "scores": told, "note": note})
        results.append(read_json(scored / SCORED))
        folders[row.name] = scored
        print(f"{row.title}: {percent(results[-1]['scores']['mean_accuracy'])} %", flush=True)
    steps = differences(answers(folders))
    data = {
        "settings": settings, "base": _provenance(folder), "results": results,
        "differences": steps,
    }  # fmt: skip
    text = report(settings, results, steps)
    write_json(out / "ablation.json", data)
    write_text(out / "table.md", text)
    for path in (out / "ablation.svg", *([args.figure] if args.figure else [])):
        plot(results, steps, path)
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
