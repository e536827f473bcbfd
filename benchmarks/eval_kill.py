"""An evaluation of the shipped mini, killed (kill -9) again and again, against one that was not.

    python benchmarks/eval_kill.py --out out/eval-kill

Runs `finecaption eval predict` on synth:test to its end; then again into another folder, killed as
soon as a further share of the records is on the disk, and started anew each time. Compares the
files of both byte for byte, and counts what was asked again.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILES = ("predictions.jsonl", "wholes.jsonl", "twins.jsonl", "clicks.jsonl")


def start(out: Path, limit: int) -> subprocess.Popen[bytes]:
    """The evaluation, in a process of its own."""
    few = str(max(1, limit // 5))
    command = [
        sys.executable, "-m", "finecaption", "eval", "predict", "--data", "synth:test",
        "--limit", str(limit), "--twins", few, "--clicks", few, "--batch", "2", "--workers", "0",
        "--out", str(out),
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def records(out: Path) -> int:
    """Whole lines on the disk."""
    return sum(p.read_bytes().count(b"\n") for p in map(out.joinpath, FILES) if p.exists())


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=30)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args(arguments)
    whole, killed = args.out / "whole", args.out / "killed"
    if start(whole, args.limit).wait() != 0:
        sys.exit("the evaluation failed")
    total = records(whole)
    print(f"not killed: {total} records")
    deaths = []
    for number in range(args.kills):
        wanted = max(records(killed) + 1, round(total * (number + 0.5) / args.kills))
        process = start(killed, args.limit)
        while process.poll() is None and records(killed) < wanted:
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            deaths.append(records(killed))
            print(f"kill -9 number {len(deaths)}: {deaths[-1]} records on the disk")
    if start(killed, args.limit).wait() != 0:
        sys.exit("the evaluation failed after it was killed")
    same = {n: (whole / n).read_bytes() == (killed / n).read_bytes() for n in FILES}
    lines = [line for n in FILES for line in (killed / n).read_text("utf-8").splitlines()]
    result = {
        "limit": args.limit, "records": total, "kills": len(deaths), "records_at_kills": deaths,
        "records_in_the_end": len(lines), "repeated": len(lines) - len(set(lines)),
        "same_bytes": same,
    }  # fmt: skip
    for name, equal in same.items():
        print(f"{name}: {'the same bytes' if equal else 'DIFFERENT'}")
    print(f"{len(deaths)} kills, {len(lines)} records in the end, {result['repeated']} repeated")
    if args.results is not None:
        args.results.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if not all(same.values()):
        sys.exit(1)
    return result


if __name__ == "__main__":
    main()
