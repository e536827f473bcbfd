"""Fits a saved model's out-of-domain detector to synthetic scenes.

python -m finecaption_synth.domain MODEL_FOLDER
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from finecaption.trust.out_of_domain import DOMAIN_FILE, QUANTILE, fit_domain
from finecaption_synth.compose import render_rgb, scene_svg
from finecaption_synth.scene import sample_scene


def drawn_scenes(count: int, seed: int = 0, split: str = "val") -> Iterator[Image.Image]:
    """Scenes of the synthetic world, some of them as JPEG, in other sizes or cropped."""
    random = np.random.default_rng([seed, 9171])
    for index in range(count):
        picture = Image.fromarray(render_rgb(scene_svg(sample_scene(split, seed, index))))
        yield _as_found(picture, random)


def _as_found(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    kind = random.random()
    if kind < 0.15:  # cropped, down to two thirds of a side
        share = random.uniform(0.67, 1.0, 2)
        width, height = (int(side * part) for side, part in zip(picture.size, share, strict=True))
        left = int(random.integers(picture.width - width + 1))
        top = int(random.integers(picture.height - height + 1))
        picture = picture.crop((left, top, left + width, top + height))
    elif kind < 0.3:
        side = int(random.integers(256, 1025))
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    if random.random() < 0.25:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(random.integers(70, 96)))
        picture = Image.open(file).convert("RGB")
    return picture


def main(argv: Sequence[str] | None = None) -> int:
    """Fits a saved model's detector to synthetic scenes."""
    parser = argparse.ArgumentParser(
        prog="python -m finecaption_synth.domain", description=main.__doc__
    )
    parser.add_argument("folder", help="of the saved model; the file is written into it")
    parser.add_argument("--scenes", type=int, default=1000, help="how many to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quantile", type=float, default=QUANTILE, help="share to accept")
    options = parser.parse_args(argv)
    fitted = fit_domain(
        options.folder, drawn_scenes(options.scenes, options.seed), quantile=options.quantile
    )
    print(f"{Path(options.folder) / DOMAIN_FILE}: threshold {fitted.threshold:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
