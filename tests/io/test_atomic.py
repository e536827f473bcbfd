"""What is written appears whole or not at all; fsync comes before the rename."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from finecaption.io import atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (partial(atomic.write_bytes, data=b"\x00new"), b"\x00new"),
        (partial(atomic.write_text, text="café\r\n"), "café\r\n".encode()),
        (partial(atomic.write_json, data={"é": [1]}), '{\n "é": [\n  1\n ]\n}\n'.encode()),
    ],
    ids=["bytes", "text", "json"],
)
@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced(
    tmp_path: Path, write: Callable[..., None], expected: bytes, durable: bool
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    write(path, durable=durable)
    assert path.read_bytes() == expected
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("shared", [True, False])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, shared: bool) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic.replacing(path, shared=shared) as part:
        part.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_two_writers_of_one_file_use_two_hidden_names(tmp_path: Path) -> None:
    with atomic.replacing(tmp_path / "file", shared=True) as part:
        assert str(os.getpid()) in part.name
        part.write_text("mine")
    with atomic.replacing(tmp_path / "file") as part:
        assert part.name == ".file.part"
        part.write_text("mine")


def test_the_content_is_on_the_disk_before_the_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle: int) -> None:
        steps.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        fsync(handle)

    def note_replace(old: Path, new: Path) -> None:
        steps.append(f"-> {Path(new).name}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    atomic.write_text(tmp_path / "file", "x")
    assert steps == [".file.part", "-> file", tmp_path.name]
    steps.clear()
    atomic.write_text(tmp_path / "file", "x", durable=False)
    assert steps == ["-> file"]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "model"
    (target / "deep").mkdir(parents=True)
    (target / "deep/old").write_text("old")
    (tmp_path / ".model.part").mkdir()  # left by a killed run
    (tmp_path / ".model.part/stale").write_text("x")
    (tmp_path / ".model.old").mkdir()
    with atomic.replacing_folder(target) as part:
        assert names(part) == []
        (part / "new").write_text("new")
        assert names(target) == ["deep"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["model"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic.replacing_folder(target) as part:
        (part / "half").write_text("half")
        raise RuntimeError
    assert names(target) == ["old"]
    assert names(tmp_path) == ["model"]


def test_every_file_of_a_folder_is_on_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(atomic, "sync", lambda path: synced.append(path.name))
    with atomic.replacing_folder(tmp_path / "model") as part:
        (part / "deep").mkdir()
        (part / "deep/a").write_text("a")
        (part / "b").write_text("b")
    assert sorted(synced[:-1]) == [".model.part", "a", "b", "deep"]
    assert synced[-1] == tmp_path.name


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    atomic.write_json(path, [1])
    code = (
        "import os, sys\n"
        "from finecaption.io.atomic import replacing\n"
        "with replacing(sys.argv[1]) as part:\n"
        "    part.write_text('[')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=60)
    assert done.returncode == -9
    assert json.loads(path.read_text()) == [1]
    assert names(tmp_path) == [".note.json.part", "note.json"]
    atomic.write_json(path, [2])  # the next writer clears up
    assert names(tmp_path) == ["note.json"]
