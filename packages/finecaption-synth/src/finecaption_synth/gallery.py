"""Contact sheets of the drawn world: scenes, categories, masks and hard pairs.

Run through `finecaption synth gallery`, which writes the pictures of docs/gallery and the captions
in docs/gallery.md. Everything is a pure function of split and seed, as the world is.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from finecaption.errors import InputError
from finecaption.io.geometry import box_iou
from finecaption.io.masks import box_from_mask
from finecaption_synth import vocabulary as voc
from finecaption_synth.art.core import el
from finecaption_synth.compose import render_rgb, scene_svg
from finecaption_synth.language import paraphrases, region_paragraph, scene_paragraph
from finecaption_synth.observe import Observed, observe
from finecaption_synth.scene import SIZE, Figure, sample_scene

PAIR_IOU = 0.6  # of two boxes, from which a box hardly says which thing is meant

_INKS = (
    (230, 25, 75), (0, 130, 200), (60, 180, 75), (245, 130, 48), (145, 30, 180), (0, 160, 160),
    (240, 50, 230), (128, 128, 0), (0, 0, 128), (170, 110, 40),
)  # fmt: skip
_LABEL = 18  # pixels below a cell for its name
_PAPER = (250, 248, 244)


@dataclass(frozen=True)
class HardPair:
    """Two regions of one scene with nearly one box.

    Attributes:
        index: of the scene.
        a, b: region ids.
        iou: of the boxes of the two masks.
    """

    index: int
    a: int
    b: int
    iou: float


def sheet(
    cells: Sequence[np.ndarray], columns: int, size: int, labels: Sequence[str] = (), gap: int = 4
) -> Image.Image:
    """Pictures side by side, row by row.

    Args:
        cells: uint8 (h, w, 3), each shown `size` pixels square.
        columns: cells a row.
        size: side of a cell in pixels.
        labels: a short text below each cell; none if empty.
        gap: pixels between cells.
    """
    rows = -(-len(cells) // columns)
    tall = size + (_LABEL if labels else 0) + gap
    page = Image.new("RGB", (columns * (size + gap) + gap, rows * tall + gap), _PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for i, cell in enumerate(cells):
        x, y = gap + i % columns * (size + gap), gap + i // columns * tall
        picture = Image.fromarray(cell)
        if picture.size != (size, size):
            picture = picture.resize((size, size), Image.Resampling.LANCZOS)
        page.paste(picture, (x, y))
        if labels:
            draw.text((x + size / 2, y + size + 1), labels[i], (60, 50, 60), font, anchor="ma")
    return page


def outlined(
    rgb: np.ndarray, masks: Sequence[np.ndarray], width: int = 2, tint: float = 0.3
) -> np.ndarray:
    """A picture with each mask tinted and outlined in a colour of its own.

    Args:
        rgb: uint8 (H, W, 3).
        masks: bool (H, W) each; later ones lie over earlier ones.
        width: of the outline in pixels, inside the mask.
        tint: share of the colour inside, 0 to 1.
    """
    out = rgb.astype(np.float32)
    for mask, ink in zip(masks, itertools.cycle(_INKS), strict=False):
        out[mask] = out[mask] * (1 - tint) + np.asarray(ink, np.float32) * tint
    for mask, ink in zip(masks, itertools.cycle(_INKS), strict=False):
        inner = np.pad(mask, width)
        for axis, step in itertools.product((0, 1), (-1, 1)):
            for _ in range(width):
                inner = inner & np.roll(inner, step, axis)
        edge = mask & ~inner[width:-width, width:-width]
        out[edge] = ink
    return np.rint(out).astype(np.uint8)


def scene_cells(split: str, seed: int, indices: Sequence[int], size: int) -> list[np.ndarray]:
    """The scenes of these indices: uint8 (size, size, 3) each."""
    return [render_rgb(scene_svg(sample_scene(split, seed, i)), size) for i in indices]


def find_pairs(split: str, seed: int, count: int) -> Iterator[HardPair]:
    """Hard pairs of wholes in scenes 0..count-1: of each scene the pair with most overlap."""
    for index in range(count):
        scene = sample_scene(split, seed, index)
        boxes = [f.box for f in scene.figures]
        if all(box_iou(a, b) < PAIR_IOU - 0.2 for a, b in itertools.combinations(boxes, 2)):
            continue  # not worth a rendering: what is hidden changes a box only a little
        seen = observe(scene)
        whole = [r.region_id for r in seen.truth.regions if r.part_of is None]
        tight = {k: box_from_mask(seen.masks[k]) for k in whole}
        pairs = [
            HardPair(index, a, b, box_iou(tight[a], tight[b]))
            for a, b in itertools.combinations(whole, 2)
        ]
        best = max(pairs, key=lambda p: p.iou, default=None)
        if best is not None and best.iou >= PAIR_IOU:
            yield best


def _alone(figure: Figure, size: int) -> np.ndarray:
    """A figure by itself on a plain card, filling it."""
    x0, y0, x1, y1 = figure.drawing.box
    side = max(x1 - x0, y1 - y0) * 1.22
    left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
    card = el("rect", x=left, y=top, width=side, height=side, fill="#f1ece2")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'viewBox="{left:.2f} {top:.2f} {side:.2f} {side:.2f}">'
        f"<defs>{figure.drawing.defs}</defs>{card}{figure.drawing.svg}</svg>"
    )
    return render_rgb(svg, size)


def category_cells(each: int, size: int, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Every category, `each` looks of it as they occur in the test split: cells and labels."""
    wanted: dict[str, list[Figure]] = {name: [] for name in voc.CATEGORIES}
    for index in range(4000):  # far more scenes than the rarest category needs
        for figure in sample_scene("test", seed, index).figures:
            if len(wanted[figure.look.category]) < each:
                wanted[figure.look.category].append(figure)
        if all(len(found) == each for found in wanted.values()):
            break
    cells = [_alone(f, size) for found in wanted.values() for f in found]
    return cells, [name for name, found in wanted.items() for _ in found]


def _mask_cells(split: str, seed: int, indices: Sequence[int], size: int) -> Iterator[np.ndarray]:
    for index in indices:
        seen = observe(sample_scene(split, seed, index))
        yield render_rgb(seen.svg, size)
        big = outlined(render_rgb(seen.svg), list(seen.masks.values()))
        yield np.asarray(Image.fromarray(big).resize((size, size), Image.Resampling.LANCZOS))


def _pair_cells(
    split: str, seed: int, pairs: Sequence[HardPair], size: int
) -> Iterator[np.ndarray]:
    for pair in pairs:
        seen = observe(sample_scene(split, seed, pair.index))
        both = seen.masks[pair.a] | seen.masks[pair.b]
        x0, y0, x1, y1 = box_from_mask(both)
        side = min(SIZE, int(max(x1 - x0, y1 - y0) * 1.3))
        left = min(max(0, (x0 + x1 - side) // 2), SIZE - side)
        top = min(max(0, (y0 + y1 - side) // 2), SIZE - side)
        rgb = render_rgb(seen.svg)
        for shown in ([], [pair.a], [pair.b]):
            cell = outlined(rgb, [seen.masks[k] for k in shown], tint=0.45)
            yield cell[top : top + side, left : left + side]


def _told(name: str, seen: Observed, region_id: int) -> str:
    """A region's truth as a table row block of Markdown."""
    truth = next(r for r in seen.truth.regions if r.region_id == region_id)
    lines = [f"**{name}: the {truth.category}**", "", "| attribute | sentence |", "|---|---|"]
    lines += [f"| {a} | {paraphrases(truth, a)[0]} |" for a in truth.attributes]
    paragraph = region_paragraph(truth, random.Random(0))
    return "\n".join([*lines, "", f"Paragraph: {paragraph}", ""])


@dataclass(frozen=True)
class GalleryPlan:
    """What the gallery shows; the defaults are those of docs/gallery.md.

    Attributes:
        split, seed, scenes: scenes 0 to `scenes` - 1 of it make the first sheet.
        columns, size: of the first sheet, size in pixels.
        looks: of each category; 0 leaves the sheet out.
        masks: scenes whose regions are shown; none leaves the sheet out.
        pairs: hard pairs to show; 0 leaves the sheet out.
        told: a scene, and the regions of it whose captions the page shows.
    """

    split: str = "test"
    seed: int = 0
    scenes: int = 100
    columns: int = 10
    size: int = 150
    looks: int = 3
    masks: tuple[int, ...] = (3, 16, 24, 25, 38, 43, 60, 67)
    pairs: int = 8
    told: tuple[int, tuple[int, ...]] = (4, (4, 2))


def gallery_captions(plan: GalleryPlan | None = None) -> str:
    """What the truth says of the plan's `told` scene and regions, as Markdown."""
    plan = plan or GalleryPlan()
    index, region_ids = plan.told
    seen = observe(sample_scene(plan.split, plan.seed, index))
    whole = scene_paragraph(seen.truth, random.Random(0))
    blocks = [f"**The whole picture.** {whole}", ""]
    blocks += [_told(f"Region {k}", seen, k) for k in region_ids]
    return "\n".join(blocks)


def _scene_job(job: tuple[str, int, int, int]) -> np.ndarray:
    split, seed, index, size = job
    return scene_cells(split, seed, [index], size)[0]


def write_gallery(
    out: str | os.PathLike[str], plan: GalleryPlan | None = None, workers: int = 1
) -> list[Path]:
    """Writes scenes.jpg, categories.jpg, masks.jpg and pairs.jpg into a folder.

    Args:
        workers: processes that draw; the bytes do not depend on it.

    Returns:
        The files.

    Raises:
        InputError: the folder cannot be made.
    """
    plan = plan or GalleryPlan()
    root = Path(out)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{root}: cannot be made ({error}); choose another folder") from error
    split, seed = plan.split, plan.seed
    jobs = [(split, seed, i, plan.size) for i in range(plan.scenes)]
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            cells = list(pool.map(_scene_job, jobs, chunksize=4))
    else:
        cells = [_scene_job(job) for job in jobs]
    pages = {"scenes": sheet(cells, plan.columns, plan.size)}
    if plan.looks:
        looks, names = category_cells(plan.looks, 128, seed)
        pages["categories"] = sheet(looks, 4 * plan.looks, 128, names)
    if plan.masks:
        pages["masks"] = sheet(list(_mask_cells(split, seed, plan.masks, 300)), 4, 300)
    if plan.pairs:
        pairs = list(itertools.islice(find_pairs(split, seed, 1000), plan.pairs))
        pages["pairs"] = sheet(list(_pair_cells(split, seed, pairs, 220)), 6, 220)
    files = []
    for name, page in pages.items():
        path = root / f"{name}.jpg"
        page.save(path, quality=84, optimize=True)
        files.append(path)
    return files
