"""Choosing among given values against free writing, on drawn scenes.

    python benchmarks/choose.py [--regions 200]

For each attribute that has one value in the drawn world and can be seen: how often the free answer
is right, and how often the best of given values is: of all the values that any thing can have, of
those that a thing of its category can have, and of four, the true one among them (for the free
answer: whether it says the true one). Then what is scored: the model's own sentence with the value
exchanged (summed log-probabilities, as shipped; or their mean a token), or the bare value. Prints
tables and writes benchmarks/results/choose.json.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from finecaption.attributes import region_instruction
from finecaption.captioner import FineCaption
from finecaption.eval.data import EvalImage
from finecaption.eval.opening import open_source
from finecaption.inference.batch_decoder import answers
from finecaption.inference.choice_scoring import score_choices, slots
from finecaption.inference.vision import encode_images
from finecaption.io.atomic import write_json
from finecaption.trust.calibration import calibration_error
from finecaption_synth import vocabulary as voc
from finecaption_synth.language import FACETS, score

HERE = Path(__file__).parent
NAMES = ("Category Name", "Color", "Materials/Texture", "Shape", "State or Activity",
         "Body Pose/Gesture", "Body Shape", "Facial Expression", "Age Range")  # fmt: skip
OF_CATEGORY = {"Color": "colours", "Materials/Texture": "materials", "Shape": "shapes",
               "State or Activity": "states"}  # fmt: skip
FEW = 4


def fields(name: str) -> tuple[str, ...]:
    """Every value that an attribute can have."""
    (values,) = FACETS[name].values()
    return values


def narrowed(name: str, category: str) -> tuple[str, ...]:
    """The values that a thing of the category can have; all where the world does not say."""
    known = voc.CATEGORIES.get(category)
    if known is None:
        return fields(name)
    if name in OF_CATEGORY:
        return tuple(getattr(known, OF_CATEGORY[name])) or fields(name)
    if known.group == "animal":
        own = {"Body Pose/Gesture": voc.ANIMAL_POSES, "Body Shape": voc.ANIMAL_BUILDS}
        return own.get(name, fields(name))
    own = {"Body Pose/Gesture": voc.POSES, "Body Shape": voc.BUILDS}
    return own.get(name, fields(name))


def few(values: tuple[str, ...], accepted: tuple[str, ...], seed: str) -> list[str]:
    """The true value and others up to FEW, in random order."""
    rng = random.Random(seed)
    wrong = [value for value in values if value not in accepted]
    out = [accepted[0], *rng.sample(wrong, min(FEW - 1, len(wrong)))]
    rng.shuffle(out)
    return out


@torch.inference_mode()
def ask(captioner: FineCaption, picture: EvalImage) -> list[dict[str, Any]]:
    """A row for each question on a picture's regions."""
    model, processor = captioner.model, captioner.processor
    count = len(picture.regions)
    index = torch.zeros(count, dtype=torch.long)
    inputs = processor.image_processor(
        [picture.image], [r.mask for r in picture.regions], [0] * count, return_tensors="pt"
    )
    high = encode_images(model, inputs["pixel_values"])
    names = [[name for name in NAMES if name in r.truth] for r in picture.regions]
    asked = [[region_instruction(name) for name in own] for own in names]
    given = {**inputs, "hr_features": high}
    free = answers(model, processor, given, asked, max_new_tokens=48)
    told = [[one.text for one in row] for row in free]
    features = model.encode_regions(
        inputs["pixel_values_clip"], inputs["region_masks"], high, index
    )
    out = []
    for at, region in enumerate(picture.regions):
        for name, question, said in zip(names[at], asked[at], told[at], strict=True):
            (accepted,) = region.truth[name].values()
            if voc.HIDDEN in accepted:
                continue
            every = fields(name)
            four = few(every, accepted, f"{picture.name}/{region.region_id}/{name}")
            row: dict[str, Any] = {
                "name": name,
                "free": all(score(name, said, region.truth[name]).values()),
            }
            for label, values, templates, how in (
                ("all", every, None, "sum"),
                ("category", narrowed(name, region.category), None, "sum"),
                ("four", four, None, "sum"),
                ("mean", four, None, "mean"),
                ("bare", four, ["{choice}."], "sum"),
            ):
                began = time.process_time()
                found = score_choices(
                    model, processor, features[at], question, values,
                    templates=templates or slots(said, values), normalize=how,  # type: ignore[arg-type]  # one of two words
                ).probabilities  # fmt: skip
                best = next(iter(found))
                row[label] = best in accepted
                row[f"{label}_p"] = found[best]
                row[f"{label}_s"] = time.process_time() - began
            out.append(row)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--data", default="synth:test")
    parser.add_argument("--regions", type=int, default=200)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "choose.json")
    wanted = parser.parse_args()
    captioner = FineCaption.from_pretrained(wanted.model)
    pictures, regions = [], 0
    for picture in open_source(wanted.data, 0).pictures():
        pictures.append(picture)
        regions += len(picture.regions)
        if regions >= wanted.regions:
            break
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for picture in track(pictures, "pictures", console=Console(stderr=True)):
        for row in ask(captioner, picture):
            rows[row["name"]].append(row)
    ways = ("free", "all", "category", "four", "mean", "bare")
    table = {
        name: {"questions": len(rows[name])}
        | {way: float(np.mean([row[way] for row in rows[name]])) for way in ways}
        for name in NAMES
        if rows[name]
    }
    flat = [row for own in rows.values() for row in own]
    results = {
        "data": wanted.data,
        "regions": regions,
        "questions": len(flat),
        "attributes": table,
        "all": {way: float(np.mean([row[way] for row in flat])) for way in ways},
        "ece": {
            way: calibration_error([r[f"{way}_p"] for r in flat], [r[way] for r in flat])
            for way in ways[1:]
        },
        "cpu_ms": {way: float(np.median([r[f"{way}_s"] for r in flat])) * 1e3 for way in ways[1:]},
    }
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(wanted.json, json.loads(json.dumps(results)))
    print("| attribute | questions | free | of all | of its category's | of four | mean | bare |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, row in {**table, "all": {"questions": len(flat), **results["all"]}}.items():
        marks = " | ".join(f"{row[way]:.1%}" for way in ways)
        print(f"| {name} | {row['questions']} | {marks} |")
    for key in ("ece", "cpu_ms"):
        print(key, {way: round(value, 3) for way, value in results[key].items()})


if __name__ == "__main__":
    main()
