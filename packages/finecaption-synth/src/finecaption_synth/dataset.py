"""A split of the drawn world on disk: pictures, records, scenes as SVG, dense maps.

Layout of the folder::

    images/000000.png       512 x 512 RGB
    scenes/000000.svg       the same picture as vectors; masks can be read off it again
    dense/000000.npz        on request: category, colour, material a pixel (uint8; see index.json)
    annotations.jsonl       a record a region, and one for the whole picture (region_id 0)
    index.json              the world's version, the settings, and what dense numbers mean
    .records/000000.jsonl   a scene's records, until annotations.jsonl has those of all scenes

Rendering resumes: a scene whose files and records are on disk is not drawn again.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.atomic import replacing, write_bytes
from finecaption_synth import WORLD_VERSION, check_world
from finecaption_synth import vocabulary as voc
from finecaption_synth.compose import figure_of, render_rgb
from finecaption_synth.language import paraphrases, region_paragraph, scene_paragraph
from finecaption_synth.observe import Observed, observe, part_colour
from finecaption_synth.scene import SIZE, SPLITS, Scene, quality_of, sample_scene

CATEGORY_INDEX = {name: i for i, name in enumerate((*voc.CATEGORIES, *voc.PARTS), 1)}
COLOUR_INDEX = {name: i for i, name in enumerate(voc.COLOURS, 1)}
MATERIAL_INDEX = {name: i for i, name in enumerate(voc.MATERIALS, 1)}
_write = partial(write_bytes, durable=False)  # a scene's files can be made again
RECORDS = ".records"  # folder of the scenes' own records; the last file of a scene to be written


def scene_name(index: int) -> str:
    """The stem of a scene's files."""
    return f"{index:06d}"


def captions(observed: Observed, rng: random.Random, references: bool = False) -> dict[int, Any]:
    """Captions of every region: region id -> {"aarc": {attribute: [..]}, "rdc": str}.

    Region id 0 is the whole picture: {"cgic": str}. With references, sentences name others
    as CompositionCap does: "the red car (entity_id_3)".
    """
    out: dict[int, Any] = {}
    for truth in observed.truth.regions:
        aarc = {name: paraphrases(truth, name, references) for name in truth.attributes}
        out[truth.region_id] = {"aarc": aarc, "rdc": region_paragraph(truth, rng)}
    out[0] = {"cgic": scene_paragraph(observed.truth, rng)}
    return out


def records(scene: Scene, observed: Observed, references: bool = False) -> Iterator[dict[str, Any]]:
    """The records of a scene, ready for JSON; masks as compressed COCO RLE, boxes xyxy."""
    name = scene_name(scene.index)
    rng = random.Random(f"captions/{scene.split}/{scene.seed}/{scene.index}")
    told = captions(observed, rng, references)
    common = {
        "image": f"images/{name}.png",
        "width": SIZE,
        "height": SIZE,
        "split": scene.split,
        "seed": scene.seed,
        "scene": scene.index,
    }
    for truth in observed.truth.regions:
        mask = observed.masks[truth.region_id]
        yield {
            "id": f"{scene.split}-{scene.seed}-{name}-{truth.region_id}",
            **common,
            "region_id": truth.region_id,
            "part_of": truth.part_of,
            "category": truth.category,
            "unseen": truth.region_id in observed.unseen,
            "box": [int(v) for v in masks.box_from_mask(mask)],
            "mask": masks.encode_rle(mask),
            "truth": {k: {f: list(v) for f, v in d.items()} for k, d in truth.attributes.items()},
            "captions": told[truth.region_id],
        }
    whole = {"setting": observed.truth.setting, "pitch": scene.pitch, "light": scene.light}
    yield {
        "id": f"{scene.split}-{scene.seed}-{name}-0",
        **common,
        "region_id": 0,
        "part_of": None,
        "category": "scene",
        "unseen": False,
        "box": [0, 0, SIZE, SIZE],
        "mask": masks.encode_rle(np.ones((SIZE, SIZE), dtype=bool)),
        "truth": {"Scene": {k: [v] for k, v in whole.items()}},
        "captions": told[0],
    }


def dense_maps(scene: Scene, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Category, colour and material a pixel: uint8 of the id map's shape, 0 for the backdrop.

    Values are those of CATEGORY_INDEX, COLOUR_INDEX and MATERIAL_INDEX; 0 also where a region
    has no material of the list.
    """
    out = {k: np.zeros(ids.shape, dtype=np.uint8) for k in ("category", "colour", "material")}
    for value in np.unique(ids):
        index, part = figure_of(int(value))
        if index < 0:
            continue
        look, where = scene.figures[index].look, ids == value
        colour = part_colour(look, part) if part else look.colour
        out["category"][where] = CATEGORY_INDEX[part or look.category]
        out["colour"][where] = COLOUR_INDEX[colour]
        if part is None:
            out["material"][where] = MATERIAL_INDEX.get(quality_of(look) or "", 0)
    return out


def _render_one(job: tuple[str, int, int, str, bool, bool]) -> int:
    split, seed, index, folder, dense, references = job
    root, name = Path(folder), scene_name(index)
    scene = sample_scene(split, seed, index)
    observed = observe(scene)
    with replacing(root / "images" / f"{name}.png", durable=False) as part:
        Image.fromarray(render_rgb(observed.svg)).save(part, "PNG")
    _write(root / "scenes" / f"{name}.svg", observed.svg.encode())
    if dense:
        maps = dense_maps(scene, observed.ids)
        with (
            replacing(root / "dense" / f"{name}.npz", durable=False) as part,
            part.open("wb") as file,
        ):
            np.savez_compressed(file, **maps)  # type: ignore[arg-type]  # stub lacks **kwargs of arrays
    lines = [json.dumps(r, ensure_ascii=False) for r in records(scene, observed, references)]
    _write(root / RECORDS / f"{name}.jsonl", ("\n".join(lines) + "\n").encode())
    return index


def leave_interrupts() -> None:
    """Lets Ctrl-C to the parent process, which stops its workers; they would print tracebacks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _take_apart(root: Path) -> None:
    """Puts the records of a finished folder back where an unfinished one has them."""
    whole = root / "annotations.jsonl"
    if not whole.exists():
        return
    with whole.open("rb") as lines:
        for scene, own in itertools.groupby(lines, key=lambda line: json.loads(line)["scene"]):
            _write(root / RECORDS / f"{scene_name(scene)}.jsonl", b"".join(own))


def _put_together(root: Path, count: int) -> None:
    """Writes annotations.jsonl, and takes the scenes' own records away."""
    with replacing(root / "annotations.jsonl") as part, part.open("wb") as out:
        for i in range(count):
            out.write((root / RECORDS / f"{scene_name(i)}.jsonl").read_bytes())
    shutil.rmtree(root / RECORDS)


def render_split(
    split: str,
    count: int,
    seed: int,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    dense: bool = False,
    references: bool = False,
) -> Iterator[int]:
    """Draws scenes 0..count-1 of a split into a folder; yields the index of each one done.

    Args:
        workers: processes (default: one a core). The bytes on disk do not depend on it.
        dense: also write the dense maps.
        references: cross-references ``(entity_id_k)`` in the sentences.

    Raises:
        InputError: unknown split, count or workers below 1, or a folder begun with other settings
            or in another version of the world.
    """
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    if count < 1:
        raise InputError(f"count is {count}; it must be at least 1")
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1")
    root = Path(out)
    settings = {"split": split, "seed": seed, "dense": dense, "references": references}
    index_file = root / "index.json"
    if index_file.exists():
        check_world(index_file, "use another folder")
        found = json.loads(index_file.read_text())["settings"]
        if found != settings:
            raise InputError(f"{root} was begun with {found}, not {settings}; use another folder")
    kinds = {"images": "png", "scenes": "svg"} | ({"dense": "npz"} if dense else {})
    for name in (*kinds, RECORDS):
        (root / name).mkdir(parents=True, exist_ok=True)
    index = {
        "world": WORLD_VERSION,
        "settings": settings,
        "category": CATEGORY_INDEX,
        "colour": COLOUR_INDEX,
        "material": MATERIAL_INDEX,
    }
    _write(index_file, (json.dumps(index, indent=1) + "\n").encode())
    files = [(RECORDS, "jsonl"), *kinds.items()]
    _take_apart(root)
    done = [
        all((root / k / f"{scene_name(i)}.{v}").exists() for k, v in files) for i in range(count)
    ]
    yield from (i for i in range(count) if done[i])
    jobs = [(split, seed, i, str(root), dense, references) for i in range(count) if not done[i]]
    if workers == 1 or len(jobs) <= 1:
        yield from map(_render_one, jobs)
    else:
        with ProcessPoolExecutor(workers, initializer=leave_interrupts) as pool:
            yield from pool.map(_render_one, jobs, chunksize=4)
    _put_together(root, count)
