"""The gauntlet: hostile and odd inputs, each with what must come of it.

    python benchmarks/gauntlet.py [--only WORD] [--fuzz SECONDS] [--out FILE.md]

Cases are in tests/gauntlet, about 1,100, made in code. Prints a Markdown table by kind of input and
every case with a wrong value, a traceback, a hang or a leak; exits with 1 if there is any that is
not marked as known. Then come `--fuzz` seconds of random inputs for every parser.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# before anything loads torch; nothing is asked of a hub
os.environ.update(
    OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1",
    TRANSFORMERS_VERBOSITY="critical", NO_PROXY="localhost,127.0.0.1",
)  # fmt: skip


def main() -> int:
    """Runs everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose kind or name has this word")
    parser.add_argument("--fuzz", type=float, default=30.0, help="seconds of fuzzing; 0: none")
    parser.add_argument("--out", type=Path, help="file for the table")
    chosen = parser.parse_args()
    gauntlet = importlib.import_module("tests.gauntlet")
    runner = importlib.import_module("tests.gauntlet.runner")
    tiny = importlib.import_module("tests.tiny_model")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as name:
        root = Path(name)
        model = functools.cache(lambda: tiny.save_tiny_model(root / "tiny"))
        results = [
            runner.run(case, root, model, final=True)
            for case in gauntlet.cases()
            if chosen.only in f"{case.kind}: {case.name}"
        ]
        inputs = len(results)
        if chosen.fuzz and not chosen.only:
            folder = root / "fuzz"
            folder.mkdir()
            fuzzing = importlib.import_module("tests.gauntlet.fuzz")
            for result, tried in fuzzing.fuzz(chosen.fuzz, folder):
                results.append(result)
                print(f"fuzzing of {result.case.name}: {tried:,} inputs", file=sys.stderr)
    table = runner.table(results)
    print(table)
    print(f"\n{inputs:,} cases in {time.monotonic() - start:.0f} s, fuzzing included")
    if chosen.out is not None:
        chosen.out.write_text(table + "\n", "utf-8")
    return int(any(result.bad for result in results))


if __name__ == "__main__":
    sys.exit(main())
