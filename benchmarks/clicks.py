"""How good the masks are that clicks give, and how many things "everything" finds.

    python benchmarks/clicks.py [--pictures 30] [--out benchmarks/results/clicks.json]

On synth:test, with the shipped model. Clicks: the mean IoU after 1, 3 and 5 clicks, the first on
the innermost point of the region, each later one on the innermost point of the worse error, as
`finecaption eval` has it. Everything: the share of the regions (parts included) of which a mask of
IoU 0.5 or 0.75 is found, beside two rivals with as many masks a picture: the same clicks ranked by
the IoU that the decoder expects, and random boxes. Intervals: 95 %, bootstrap over the pictures.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from finecaption import FineCaption
from finecaption.eval.interior import interior_point, next_click
from finecaption.io.atomic import write_json
from finecaption.io.masks import mask_from_box, mask_iou
from finecaption.segmentation.automatic import click_grid, generate_masks, mask_ious, suppress
from finecaption.segmentation.click import square_to_picture
from finecaption_synth.compose import render_rgb
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

CLICKS = (1, 3, 5)
IOUS = (0.5, 0.75)


def click_through(segmenter: Any, encoded: Any, truth: np.ndarray) -> list[float]:
    """IoU after each of five clicks; once the mask is exact its IoU stands."""
    x, y, _ = interior_point(truth)
    points: list[tuple[float, ...]] = [(x, y)]
    found: list[float] = []
    while len(found) < max(CLICKS):
        mask = segmenter.predict(encoded, points).mask
        found.append(mask_iou(mask, truth))
        more = next_click(truth, mask)
        if more is None:
            return found + [found[-1]] * (max(CLICKS) - len(found))
        points.append(more)
    return found


def by_expected_iou(segmenter: Any, encoded: Any, size: tuple[int, int], most: int) -> list[Any]:
    """One grid of clicks, ranked by the IoU that the decoder expects; no more than `most`."""
    made = segmenter.propose(encoded, points=click_grid(size, 24))
    logits = torch.from_numpy(made.logits[:, 0])
    masks = logits > 0
    share = masks.float().mean((1, 2))
    kept = ((share > 0.001) & (share < 0.9)).nonzero()[:, 0]
    masks, logits = masks[kept], logits[kept]
    ranked = suppress(torch.from_numpy(made.scores[:, 0])[kept], mask_ious(masks, masks), 0.7, most)
    return [square_to_picture(logits[at][None], encoded.placement) for at in ranked]


def random_boxes(size: tuple[int, int], most: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Boxes with uniform corners."""
    boxes = []
    for _ in range(most):
        xs, ys = np.sort(rng.uniform(0, size[0], 2)), np.sort(rng.uniform(0, size[1], 2))
        x1, y1 = max(xs[1], xs[0] + 1), max(ys[1], ys[0] + 1)
        boxes.append(mask_from_box((xs[0], ys[0], x1, y1), size))
    return boxes


def interval(rows: list[list[float]], rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean over all values, and its 95 % interval when whole pictures are drawn anew."""
    sums, counts = np.array([sum(r) for r in rows]), np.array([len(r) for r in rows])
    drawn = rng.integers(0, len(rows), (2000, len(rows)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(sums.sum() / counts.sum()), float(low), float(high)


def main() -> None:
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/clicks.json"))
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    captioner = FineCaption.from_pretrained()
    segmenter = captioner.segmenter
    after: dict[int, list[list[float]]] = {count: [] for count in CLICKS}
    recall: dict[str, dict[float, list[list[float]]]] = {}
    masks_made, encoding, click, seconds = [], [], [], []
    for index in range(given.pictures):
        seen = observe(sample_scene("test", 0, index))
        picture = Image.fromarray(render_rgb(seen.svg))
        truths = list(seen.masks.values())
        if not truths:
            continue
        began = time.perf_counter()
        encoded = segmenter.encode(picture)
        encoding.append(time.perf_counter() - began)
        rows = []
        for truth in truths:
            began = time.perf_counter()
            rows.append(click_through(segmenter, encoded, truth))
            click.append((time.perf_counter() - began) / max(CLICKS))
        for count in CLICKS:
            after[count].append([row[count - 1] for row in rows])
        began = time.perf_counter()
        things = generate_masks(segmenter, picture, encoded=encoded)
        seconds.append(time.perf_counter() - began)
        masks_made.append(len(things))
        most = max(1, len(things))
        methods = {
            "everything": [thing.mask for thing in things],
            "clicks ranked by expected IoU": by_expected_iou(
                segmenter, encoded, picture.size, most
            ),
            "random boxes": random_boxes(picture.size, most, rng),
        }
        for name, masks in methods.items():
            best = [max((mask_iou(t, m) for m in masks), default=0.0) for t in truths]
            for least in IOUS:
                made = recall.setdefault(name, {one: [] for one in IOUS})
                made[least].append([float(value >= least) for value in best])
    regions = sum(map(len, after[1]))
    result: dict[str, Any] = {
        "data": "synth:test, seed 0", "model": captioner.name, "pictures": len(masks_made),
        "regions": regions, "masks_a_picture": round(float(np.mean(masks_made)), 1),
        "clicks": {}, "recall": {},
        "milliseconds": {
            "encode": round(1e3 * float(np.median(encoding)), 1),
            "click and its choice": round(1e3 * float(np.median(click)), 1),
            "everything": round(1e3 * float(np.median(seconds))),
        },
        "hardware": f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} thread, shared",
    }  # fmt: skip
    print(f"{regions} regions of {len(masks_made)} pictures of synth:test\n")
    print("clicks   mean IoU   95 %")
    for count in CLICKS:
        mean, low, high = interval(after[count], rng)
        ends = [round(low, 4), round(high, 4)]
        result["clicks"][str(count)] = {"mean_iou": round(mean, 4), "ci95": ends}
        print(f"{count:<8} {mean:.3f}      {low:.3f} to {high:.3f}")
    print(f"\n{result['masks_a_picture']} masks a picture      recall at IoU 0.5        at 0.75")
    for name, rows_of in recall.items():
        cells = []
        result["recall"][name] = {}
        for least in IOUS:
            mean, low, high = interval(rows_of[least], rng)
            ends = [round(low, 4), round(high, 4)]
            result["recall"][name][str(least)] = {"recall": round(mean, 4), "ci95": ends}
            cells.append(f"{100 * mean:5.1f} % ({100 * low:.0f} to {100 * high:.0f})")
        print(f"{name:31} {'   '.join(cells)}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(given.out, result)


if __name__ == "__main__":
    main()
