"""How much a mask steers a model: what changes when another region of the picture is asked about.

    python benchmarks/steering.py runs/mini/stage1 runs/mini/stage2 runs/mini/stage3 --out FILE

For pairs of regions of one picture: how far CLIP's map and the image tokens move from one mask to
the other, in units of how far they move from one picture to another with the whole picture as the
mask (1 is as far as that), and how often the answer to "Category Name" changes.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from finecaption import FineCaption
from finecaption.model.fusion import normalise
from finecaption.model.preparation import prepare_image, prepare_mask
from finecaption_synth.compose import render_rgb
from finecaption_synth.observe import Observed, observe
from finecaption_synth.scene import sample_scene

ASKED = "Category Name"


def scenes(count: int) -> list[tuple[Observed, np.ndarray, list[int]]]:
    """Scenes of synth:test with a pair of wholes: the scene, its picture, the two ids."""
    out = []
    for index in itertools.count():
        observed = observe(sample_scene("test", 0, index))
        wholes = [r.region_id for r in observed.truth.regions if r.part_of is None]
        if len(wholes) > 1:
            out.append((observed, render_rgb(observed.svg, 512), wholes[:2]))
        if len(out) == count:
            return out
    raise AssertionError("unreachable")


def _spread(rows: torch.Tensor) -> torch.Tensor:
    """Root mean square distance of rows from their mean: (N, ...) -> ()."""
    return (rows - rows.mean(0)).pow(2).mean().sqrt()


@torch.inference_mode()
def measure(folder: str, drawn: Sequence[tuple[Observed, np.ndarray, list[int]]]) -> dict[str, Any]:
    """The figures of one model."""
    captioner = FineCaption.from_pretrained(folder)
    model, config = captioner.model, captioner.model.config
    moved: dict[str, list[torch.Tensor]] = {"clip": [], "tokens": []}
    whole: dict[str, list[torch.Tensor]] = {"clip": [], "tokens": []}
    changed = 0
    for observed, picture, pair in drawn:
        low, high = prepare_image(Image.fromarray(picture), config.clip_size, config.image_size)
        masks = [prepare_mask(observed.masks[k], config.clip_size) for k in pair]
        masks.append(np.full_like(masks[0], 255))
        pixels, large = (torch.tensor(np.array(a)).permute(2, 0, 1)[None] for a in (low, high))
        stacked = torch.tensor(np.stack(masks))
        index = torch.zeros(3, dtype=torch.long)
        alpha = normalise(stacked[:, None], (config.mask_mean,), (config.mask_std,))
        seen = normalise(pixels, config.clip_image_mean, config.clip_image_std)
        found = {
            "clip": model.clip.features(seen, alpha, index),
            "tokens": model.encode_regions(pixels, stacked, model.encode_image(large), index),
        }
        for name, value in found.items():
            moved[name].append((value[0] - value[1]).pow(2).mean())
            whole[name].append(value[2])
        result = captioner.caption(
            picture, regions=[observed.masks[k] for k in pair], attributes=[ASKED]
        )
        first, second = (r.captions[ASKED] for r in result.regions)
        changed += first != second
    out: dict[str, Any] = {"model": Path(folder).name, "pairs": len(drawn)}
    for name in moved:
        # Two draws are sqrt(2) spreads apart.
        apart = torch.stack(moved[name]).mean().sqrt() / 2**0.5
        out[name] = round(float(apart / _spread(torch.stack(whole[name]))), 3)
    out["answers differ"] = round(changed / len(drawn), 3)
    return out


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description="How much a mask steers a model.")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    drawn = scenes(arguments.pairs)
    rows = [measure(folder, drawn) for folder in arguments.models]
    print(f"{'model':<18}{'CLIP map':>10}{'tokens':>10}{'answers differ':>16}")
    for row in rows:
        print(
            f"{row['model']:<18}{row['clip']:>10}{row['tokens']:>10}{row['answers differ']:>16.0%}"
        )
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
