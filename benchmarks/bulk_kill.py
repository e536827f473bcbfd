"""Kills a bulk run with SIGKILL at random moments, resumes it, and compares with a quiet run.

    python benchmarks/bulk_kill.py [--kills 20] [--pictures 60]

Each attempt is the command `finecaption caption FOLDER --out c.jsonl --format jsonl,txt --resume`
in a process of its own. Every other one is killed at a moment drawn evenly from the time until the
first record (while Python starts, while the model loads), the others at one drawn from some time
after it. A last attempt runs to its end. Nothing may be lost and nothing may be there twice: the
records must be those of a run that nobody disturbed, line for line, and so must the texts. Prints a
table and writes benchmarks/results/bulk_kill.json. `--model stub` takes the tests' model without
torch, which starts in a second, through the same reading and writing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bulk import draw_pictures

ROOT = Path(__file__).parents[1]
STUB = "stub"


def start(folder: Path, out: Path, model: str) -> subprocess.Popen[bytes]:
    """The command, in a process."""
    command = [
        sys.executable, "-m", "finecaption", "caption", str(folder), "--out", str(out),
        "--format", "jsonl,txt", "--attribute", "Color", "--attribute", "Category Name",
        "--batch", "2", "--resume", "--model", model,
    ]  # fmt: skip
    if model == STUB:
        command = [
            sys.executable, str(ROOT / "tests/bulk/stub.py"), str(folder), str(out),
            "--format", "jsonl,txt", "--pause", "0.15", "--resume",
        ]  # fmt: skip
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)


def on_disk(out: Path) -> tuple[int, bool]:
    """(whole lines, whether a torn one follows) of a file of records."""
    data = out.read_bytes() if out.exists() else b""
    return data.count(b"\n"), bool(data) and not data.endswith(b"\n")


def texts(out: Path) -> dict[str, str]:
    """The text files by their names."""
    root = out.with_suffix("")
    return {str(p.relative_to(root)): p.read_text("utf-8") for p in sorted(root.rglob("*.txt"))}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/bulk_kill.json")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    kills: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        draw_pictures(root / "pictures", args.pictures, 512)
        quiet, killed = root / "quiet" / "c.jsonl", root / "killed" / "c.jsonl"
        begun = time.perf_counter()
        process = start(root / "pictures", quiet, args.model)
        while on_disk(quiet)[0] == 0 and process.poll() is None:
            time.sleep(0.01)
        first = time.perf_counter() - begun
        assert process.wait() == 0
        whole = time.perf_counter() - begun
        # so long after the first record that all kills together use most of the pictures
        stretch = 1.2 * (whole - first) / (args.kills / 2)
        print(f"undisturbed: first record after {first:.1f} s, all after {whole:.1f} s")
        print(f"{'kill':>4}{'after, s':>10}{'records before':>16}{'after it':>10}{'torn':>6}")
        ended = False
        while len(kills) < args.kills and not ended:
            before = on_disk(killed)[0]
            early = len(kills) % 2 == 0
            moment = chance.uniform(0, first) if early else first + chance.uniform(0, stretch)
            process = start(root / "pictures", killed, args.model)
            try:
                process.wait(moment)
                ended = True  # it was done before its moment came
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                after, torn = on_disk(killed)
                kills.append({"after": moment, "before": before, "there": after, "torn": torn})
                print(
                    f"{len(kills):>4}{moment:>10.2f}{before:>16}{after:>10}{torn!s:>6}", flush=True
                )
        assert start(root / "pictures", killed, args.model).wait() == 0
        expected, found = quiet.read_bytes().splitlines(), killed.read_bytes().splitlines()
        lost = len(set(expected) - set(found))
        twice = len(found) - len(set(json.loads(line)["id"] for line in found))
        texts_same = texts(quiet) == texts(killed)
        left = len([p for p in (root / "killed").rglob(".*.part")])
    amid = sum(kill["there"] > kill["before"] for kill in kills)
    print(f"{len(kills)} kills, {amid} of them after records of their own attempt")
    print(f"lost {lost}, twice {twice}, of {len(expected)}; texts the same: {texts_same}; ", end="")
    print(f"temporary files left: {left}")
    record = {
        "model": args.model,
        "pictures": args.pictures,
        "kills": kills,
        "kills_amid_records": amid,
        "lost": lost,
        "twice": twice,
        "same_records": sorted(expected) == sorted(found),
        "same_order": expected == found,
        "same_texts": texts_same,
        "temporary_files_left": left,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    assert lost == twice == left == 0 and texts_same and sorted(expected) == sorted(found)
    if len(kills) < args.kills:
        raise SystemExit(f"only {len(kills)} kills: give more --pictures")


if __name__ == "__main__":
    main()
