from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import finecaption
from finecaption.errors import InputError
from finecaption.eval.data import TWIN_IOU, EvalImage, ahead, twin_pairs
from finecaption.eval.opening import open_source
from finecaption.io.geometry import box_iou
from finecaption_synth import WORLD_VERSION
from finecaption_synth.dataset import render_split
from finecaption_synth.evaluation.scenes import FolderSource, SynthSource

from .conftest import region


def same(a: EvalImage, b: EvalImage) -> bool:
    return (
        a.name == b.name
        and np.array_equal(a.image, b.image)
        and len(a.regions) == len(b.regions)
        and all(
            (x.region_id, x.category, x.part_of, x.unseen, x.truth)
            == (y.region_id, y.category, y.part_of, y.unseen, y.truth)
            and np.array_equal(x.mask, y.mask)
            for x, y in zip(a.regions, b.regions, strict=True)
        )
    )


def test_a_rendered_folder_is_the_same_as_the_split_drawn_on_the_way(
    tmp_path: Path, drawn: tuple[list[EvalImage], dict]
) -> None:
    list(render_split("test", 2, 0, tmp_path / "folder", workers=1))
    source = open_source(str(tmp_path / "folder"), workers=0)
    assert source.identity["name"] == "folder" and not source.unseen_only
    assert source.identity["world"] == WORLD_VERSION
    for a, b in zip(source.pictures(), drawn[0][:2], strict=True):
        assert same(a, b)
    assert [p.index for p in source.pictures(1)] == [1]


def test_another_process_draws_the_same(drawn: tuple[list[EvalImage], dict]) -> None:
    stream = SynthSource("test", 0, workers=1).pictures(start=1)
    assert same(next(stream), drawn[0][1])
    stream.close()


def test_ahead_keeps_the_order() -> None:
    assert list(ahead(abs, [-3, 2, -1], 0)) == [3, 2, 1]
    assert list(ahead(abs, [-3, 2, -1] * 9, 2)) == [3, 2, 1] * 9


def test_processes_that_draw_end_with_a_killed_reader(tmp_path: Path) -> None:
    script = tmp_path / "reader.py"
    script.write_text(
        "import multiprocessing, os, signal\n"
        "from finecaption.eval.data import ahead\n"
        "if __name__ == '__main__':\n"
        "    stream = ahead(abs, range(10**9), 1)\n"
        "    next(stream)\n"
        "    print(*(p.pid for p in multiprocessing.active_children()), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    source = Path(finecaption.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(source)}, check=False,
    )  # fmt: skip
    (worker,) = map(int, done.stdout.split())
    for _ in range(3000):  # five minutes
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if (
            Path(f"/proc/{worker}/stat").is_file()
            and " Z " in Path(f"/proc/{worker}/stat").read_text()
        ):
            return  # ended, and not yet waited for
        time.sleep(0.1)
    pytest.fail("the worker goes on")


def test_unseen_shows_only_flagged_regions() -> None:
    source = open_source("synth:test-unseen", workers=0)
    assert source.unseen_only
    picture = next(source.pictures())
    assert picture.regions and all(r.unseen for r in picture.regions)


def test_twins_overlap() -> None:
    picture = next(SynthSource("test", 0, workers=0).twins())
    found = twin_pairs(picture)
    assert found
    for a, b, overlap in found:
        assert overlap == box_iou(a.box, b.box) >= TWIN_IOU
        assert a.part_of is None and b.part_of is None
    ids = {r.region_id for a, b, _ in found for r in (a, b)}
    assert {r.region_id for r in picture.regions} == ids


def test_which_pairs_are_twins() -> None:
    a = region(1, (0, 0, 20, 20))
    near = (0, 0, 20, 18)
    for other, expected in (
        (region(2, near, category="tree"), 1),
        (region(2, near, colour="blue"), 1),
        (region(2, near), 0),  # nothing to tell them apart by
        (region(2, near, category="tree", part_of=1), 0),
        (region(2, (0, 0, 20, 11), category="tree"), 0),
    ):
        picture = EvalImage(0, "x", np.zeros((40, 40, 3), np.uint8), (a, other))
        assert len(twin_pairs(picture)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("synth:nothing", "names no split"),
        ("synth:test:x", "integer seed"),
        ("nowhere", "annotations.jsonl"),
    ],
)
def test_data_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_source(text)


def test_seed_is_part_of_the_name() -> None:
    assert open_source("synth:val:7").identity == {
        "name": "synth:val:7", "split": "val", "seed": 7, "world": WORLD_VERSION,
    }  # fmt: skip
    assert open_source("synth:val:0").identity["name"] == "synth:val"


@pytest.mark.parametrize(
    ("line", "said"), [("{", "not JSON"), ('{"image": "x"}', "lacks region_id")]
)
def test_broken_annotations_are_told_with_their_line(tmp_path: Path, line: str, said: str) -> None:
    whole = {"image": "i", "region_id": 0, "category": "scene", "mask": {}, "truth": {}}
    (tmp_path / "annotations.jsonl").write_text(json.dumps(whole) + "\n" + line + "\n")
    with pytest.raises(InputError, match=f"line 2: .*{said}"):
        FolderSource(tmp_path)
