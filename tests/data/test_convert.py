"""Every target reads back equal; killed writers go on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from finecaption.data import store
from finecaption.data.convert import clear, convert
from finecaption.data.lines import JSON_LIST, JSONL, Lines
from finecaption.data.opening import open_data
from finecaption.errors import InputError
from finecaption.types import RegionSample

from .store.conftest import make_samples, same

ROOT = Path(__file__).resolve().parents[2]
PATHS = {"jsonl": "x.jsonl", "compositioncap": "x.json", "parquet": "p"}


def plain(samples: list[RegionSample]) -> list[RegionSample]:
    """Without questions of their own, which CompositionCap has no place for."""
    return [s for s in samples if s.prompt is None]


def form_of(target: str) -> str:
    return target if target in ("jsonl", "compositioncap") else "store"


@pytest.mark.parametrize("to", PATHS)
@pytest.mark.parametrize("files", [True, False])
def test_targets_read_back_equal(to: str, files: bool, tmp_path: Path) -> None:
    given = plain(make_samples(tmp_path / "bilder", 8, files))
    out = tmp_path / "out" / PATHS[to]
    seen: list[int] = []
    convert(given, out, to, embed=not files and to == "parquet", done=seen.append)
    found = list(open_data(out, form_of(to), deep=True))
    key = lambda s: (s.image_id, s.region_id or "", s.attribute or s.task)  # noqa: E731 # a key for sorting
    if to == "compositioncap":  # by region, the paragraph last
        given, found = sorted(given, key=key), sorted(found, key=key)
    assert len(found) == len(given) and seen[-1] == len(given)
    assert all(same(a, b) for a, b in zip(given, found, strict=True))
    assert not [p for p in out.parent.rglob(".*") if p.is_file()]


@pytest.mark.parametrize("to", ["jsonl", "compositioncap"])
def test_an_interrupted_file_goes_on(to: str, tmp_path: Path) -> None:
    given = plain(make_samples(tmp_path / "bilder", 60))
    convert(given, tmp_path / "whole", to)

    def failing(after: int) -> Iterator[RegionSample]:
        yield from given[:after]
        raise RuntimeError("the light went out")

    for after in (0, 1, 70, 150):
        with pytest.raises(RuntimeError):
            convert(failing(after), tmp_path / "out", to)
        assert not (tmp_path / "out").exists()
    hidden = Lines.hidden(tmp_path / "out")
    assert len(hidden.read_bytes().splitlines()) > 20
    hidden.write_bytes(hidden.read_bytes()[:-5])  # killed in the middle of a line
    convert(given, tmp_path / "out", to)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not hidden.exists()


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    given = make_samples(tmp_path / "bilder", 3)
    with pytest.raises(InputError, match="unknown target 'xml'"):
        convert(given, tmp_path / "x", "xml")
    with pytest.raises(InputError, match="jsonl holds paths of images"):
        convert(given, tmp_path / "x", "jsonl", embed=True)
    (tmp_path / "x").write_text("mine")
    for to in PATHS:
        with pytest.raises(InputError, match="x: (exists|is a file)"):
            convert(given, tmp_path / "x", to)
    assert (tmp_path / "x").read_text() == "mine"


def test_other_settings_or_data_are_noticed(tmp_path: Path) -> None:
    given = make_samples(tmp_path / "bilder", 9)

    def failing() -> Iterator[RegionSample]:
        yield from given[:20]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        convert(failing(), tmp_path / "x", "jsonl", settings={"a": 1})
    with pytest.raises(InputError, match="begun with other settings"):
        convert(given, tmp_path / "x", "jsonl", settings={"a": 2})
    with pytest.raises(InputError, match="begun with 20 samples, but now there are only 3"):
        convert(given[:3], tmp_path / "x", "jsonl", settings={"a": 1})


def test_clear_takes_away_only_what_is_ours(tmp_path: Path) -> None:
    given = make_samples(tmp_path / "bilder", 3)
    for to, name in PATHS.items():
        convert(given if to != "compositioncap" else plain(given), tmp_path / name, to)
        clear(tmp_path / name)
        assert not (tmp_path / name).exists()
        clear(tmp_path / name)
    with pytest.raises(InputError, match="is not a stored dataset"):
        clear(tmp_path / "bilder")
    assert any((tmp_path / "bilder").iterdir())


@pytest.mark.parametrize(
    ("frame", "texts"), [(JSONL, ("\n", "{}\n")), (JSON_LIST, ("[]\n", "[\n{}\n]\n"))]
)
def test_lines_of_no_and_of_one_record(
    frame: tuple[str, str, str], texts: tuple[str, str], tmp_path: Path
) -> None:
    for number, text in enumerate(texts):
        lines = Lines(tmp_path / f"{number}", {})
        for _ in range(number):
            lines.add({})
        lines.finish(frame)
        assert (tmp_path / f"{number}").read_text() == text


# Killed for real -----------------------------------------------------------------------------

CHILD = """
import sys, time
import numpy as np
from finecaption.data import store
from finecaption.data.convert import convert
from finecaption.types import RegionSample

def samples():
    for k in range(600):
        if k % 5 == 0:
            image = np.full((4, 6, 3), k % 251, np.uint8)
            time.sleep(float(sys.argv[3]))
        yield RegionSample(image=image, size=(6, 4), task="cgic", text=f"sample {k}",
                           image_id=str(k // 5), prompt=f"{k % 5}?")

to, out = sys.argv[1:3]
if to == "jsonl":
    convert(samples(), out, to)
else:
    store.write(samples(), out, embed=True, shard_samples=40)
"""


@pytest.mark.parametrize(("to", "kills"), [("jsonl", 3), ("parquet", 4)])
def test_a_killed_writer_neither_loses_nor_repeats(to: str, kills: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun = Lines.hidden(out) if to == "jsonl" else out / store.layout.JOURNAL
    rng = random.Random(7)
    killed = 0

    def start(pause: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        return subprocess.Popen([sys.executable, "-c", CHILD, to, str(out), pause], env=env)

    def mark() -> object:
        stat = begun.stat() if begun.exists() else None
        return None if stat is None else (stat.st_mtime_ns, stat.st_size)

    for _ in range(kills):
        before = mark()
        child = start("0.02")  # 120 times: long enough that the kill comes before the end
        while child.poll() is None and mark() in (None, before):
            time.sleep(0.005)
        time.sleep(rng.random() * 0.15)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            killed += 1
        child.wait()
    assert killed >= kills - 1  # a fast one may have come to its end
    assert start("0").wait() == 0
    found = list(open_data(out, form_of(to)))
    assert [s.text for s in found] == [f"sample {k}" for k in range(600)]
    assert [s.image_id for s in found] == [str(k // 5) for k in range(600)]
    assert {json.dumps(s.prompt) for s in found} == {f'"{k}?"' for k in range(5)}
    assert not [p for p in tmp_path.rglob("*") if ".part" in p.name or p.name.endswith(".lines")]


def test_arrays_of_one_picture_are_saved_once(tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    given = [RegionSample(image=image, size=(6, 4), task="cgic", text=str(k)) for k in range(3)]
    convert(given, tmp_path / "x.jsonl", "jsonl")
    assert len(list((tmp_path / "x-pictures").iterdir())) == 1
