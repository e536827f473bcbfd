"""Whether the evidence of a word lies on the thing that was described.

    python benchmarks/evidence.py [--regions 110] [--out benchmarks/results/evidence.json]
        [--figure docs/studio/evidence.png]

On synth:test, with the shipped model: it describes a region in a sentence; of the words that name
its color and its kind, the evidence map is made (`finecaption.trust.attribution`). Lift: the share
of the map inside the region over the fraction of the image that the region covers; 1 is chance.
Interval: 95 %, bootstrap over the regions. Whole objects only: the whole of a part may
rightly carry a word too.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption import FineCaption
from finecaption.attributes import region_instruction
from finecaption.io.atomic import write_json
from finecaption.trust.attribution import evidence_maps, lift
from finecaption_synth import vocabulary
from finecaption_synth.compose import render_rgb
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

ASKED = "One-Sentence Description"
TELLING = {*vocabulary.COLOURS, *vocabulary.CATEGORIES}
_CELL = 232


def heat(picture: np.ndarray, evidence: np.ndarray, mask: np.ndarray) -> Image.Image:
    """The picture darkened, the evidence on it from yellow to red, the region's border white."""
    strength = evidence[..., None]
    colour = np.stack(
        (np.full_like(evidence, 255), 235 * (1 - evidence) ** 0.8, 60 * (1 - evidence)), -1
    )
    alpha = 0.9 * np.minimum(1, strength * 1.25)
    shown = 0.45 * picture * (1 - alpha) + colour * alpha
    inner = mask.copy()
    for axis, step in itertools.product((0, 1), (-2, 2)):
        inner &= np.roll(mask, step, axis)
    shown[mask & ~inner] = 255
    return Image.fromarray(shown.clip(0, 255).astype(np.uint8))


def draw(examples: list[dict[str, Any]], path: Path) -> None:
    """A sheet: each picture with the evidence of one word below the sentence."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = 4
    rows = -(-len(examples) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(columns * 2.6, rows * 3.0), dpi=100)
    for axis in np.ravel(axes):
        axis.axis("off")
    for axis, one in zip(np.ravel(axes), examples, strict=False):
        axis.imshow(one["image"].resize((_CELL, _CELL), Image.Resampling.LANCZOS))
        axis.set_title(f"{one['text']}\n“{one['word']}”, lift {one['lift']:.1f}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    with Image.open(path) as made:
        small = made.convert("RGB").quantize(192)
    small.save(path, optimize=True)


def main() -> None:
    """Measures, prints a table, writes JSON and the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=110)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/evidence.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/studio/evidence.png"))
    given = parser.parse_args()
    captioner = FineCaption.from_pretrained()
    asked = region_instruction(ASKED)
    lifts: list[float] = []
    shares: list[tuple[float, float]] = []
    examples: list[dict[str, Any]] = []
    index = 0
    while len(lifts) < given.regions:
        seen = observe(sample_scene("test", 0, index))
        index += 1
        pixels = render_rgb(seen.svg)
        wholes = [one.region_id for one in seen.truth.regions if one.part_of is None]
        if not wholes:
            continue
        encoded = captioner.encode(Image.fromarray(pixels))
        masks = [seen.masks[number] for number in wholes]
        told = captioner.caption(encoded, regions=masks, attributes=[ASKED])
        for mask, said in zip(masks, told.regions, strict=True):
            text = said.captions[ASKED]
            spoken = [word.strip(".,").lower() for word in text.split()]
            numbers = [at for at, word in enumerate(spoken) if word in TELLING]
            if not numbers:
                continue
            maps = evidence_maps(captioner, encoded, mask, asked, text, numbers)
            found = [lift(one, mask) for one in maps]
            lifts.append(float(np.mean(found)))
            inside = np.mean([one[mask].sum() / one.sum() for one in maps if one.sum()])
            shares.append((float(inside), float(mask.mean())))
            if len(lifts) % 13 == 1 and len(examples) < 8:  # chosen by number, not by look
                word = text.split()[numbers[-1]].strip(".,")
                examples.append(
                    {"image": heat(pixels, maps[-1], mask), "text": text, "word": word,
                     "lift": found[-1]}
                )  # fmt: skip
    values = np.array(lifts)
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (5000, len(values)))].mean(1)
    low, high = (float(v) for v in np.quantile(means, (0.025, 0.975)))
    result = {
        "data": "synth:test, seed 0", "model": captioner.name, "regions": len(values),
        "pictures": index, "mean_lift": round(float(values.mean()), 3),
        "ci95": [round(low, 3), round(high, 3)],
        "median_lift": round(float(np.median(values)), 3),
        "share_above_chance": round(float((values > 1).mean()), 4),
        "mean_share_inside": round(float(np.mean([one for one, _ in shares])), 4),
        "mean_area": round(float(np.mean([area for _, area in shares])), 4),
    }  # fmt: skip
    print(f"{len(values)} regions of {index} pictures of synth:test; chance is a lift of 1\n")
    print(f"mean lift            {result['mean_lift']:.2f} (95 %: {low:.2f} to {high:.2f})")
    print(f"median lift          {result['median_lift']:.2f}")
    print(f"above chance         {100 * result['share_above_chance']:.1f} % of the regions")
    print(f"evidence inside      {100 * result['mean_share_inside']:.1f} %, where the regions have "
          f"{100 * result['mean_area']:.1f} % of the picture")  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(given.out, result)
    draw(examples, given.figure)


if __name__ == "__main__":
    main()
