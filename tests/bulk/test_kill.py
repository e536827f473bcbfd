"""Killed with SIGKILL at a random moment, and resumed: nothing lost, nothing twice.

benchmarks/bulk_kill.py does it twenty times with the shipped model.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

STUB = Path(__file__).with_name("stub.py")
SRC = Path(__file__).parents[2] / "src"
KILLS = 3
PICTURES = 45
PAUSE = "0.25"  # seconds a batch: the rest of a run lasts longer than this test may be kept from it
PATIENCE = 300  # seconds; a run takes a few


def start(folder: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(STUB), str(folder), str(out), "--format", "jsonl,txt", *more]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SRC)})


def test_killed_and_resumed(tmp_path: Path, draw: Callable[..., Path]) -> None:
    for number in range(PICTURES):
        draw(tmp_path / "pictures" / f"{number % 4}" / f"{number:03}.png", number)
    folder, out = tmp_path / "pictures", tmp_path / "killed" / "c.jsonl"
    assert start(folder, tmp_path / "whole" / "c.jsonl").wait(PATIENCE) == 0
    chance = random.Random(3)
    done = 0
    for kill in range(KILLS):
        process = start(folder, out, "--pause", PAUSE, *["--resume"] * (kill > 0))
        wanted = done + chance.randint(1, 10)  # records on disk at which it is killed
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit and process.poll() is None:
            if out.exists() and out.read_bytes().count(b"\n") >= wanted:
                break
            time.sleep(0.002)
        time.sleep(chance.random() * float(PAUSE))
        process.kill()
        process.wait()
        done = out.read_bytes().count(b"\n")
        assert wanted <= done < PICTURES, "it was killed in the midst of it"
    assert start(folder, out, "--resume").wait(PATIENCE) == 0
    expected = (tmp_path / "whole" / "c.jsonl").read_text("utf-8").splitlines()
    found = out.read_text("utf-8").splitlines()
    assert sorted(found) == sorted(expected) and len(set(found)) == PICTURES
    texts = {
        str(p.relative_to(tmp_path / "whole")): p.read_text()
        for p in tmp_path.glob("whole/c/**/*.txt")
    }
    assert len(texts) == PICTURES
    for name, text in texts.items():
        assert (tmp_path / "killed" / name).read_text() == text
    assert not [p for p in tmp_path.rglob(".*.part")]
    assert all(json.loads(line)["regions"] for line in found)


def test_sigterm_stops_as_ctrl_c_does(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    # the command line's own handler, around a run that goes on until it is stopped
    code = (
        "import sys, time, pathlib\n"
        "from finecaption import cli\n"
        "def wait(**options):\n"
        "    try:\n"
        f"        pathlib.Path({str(out)!r}).write_text('begun')\n"
        "        while True: time.sleep(0.01)\n"
        "    finally:\n"
        f"        pathlib.Path({str(out)!r}).write_text('finished')\n"
        "cli.app = wait\n"
        "sys.exit(cli.main(['batch', 'x']))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    with subprocess.Popen([sys.executable, "-c", code], env=env) as process:
        limit = time.monotonic() + PATIENCE
        while not out.exists() and time.monotonic() < limit:
            time.sleep(0.002)
        process.terminate()
        assert process.wait(PATIENCE) == 130
    assert out.read_text() == "finished"
