"""From the command line to the first caption, beside a process that only imports.

    python benchmarks/coldstart.py [--runs 5]

Three kinds of processes, run in turns: the command `finecaption caption PICTURE --box ...
--attribute Color`; one that imports torch and those classes of transformers that the model is made
of (CLIP, ConvNeXt, SAM, Llama, GenerationMixin), which any program that runs it has to; and one
that says no more than `import torch, transformers`, which transformers answers by loading next to
nothing. Medians of wall-clock seconds and of processor seconds; the first turn warms the disk's
cache and does not count. Prints a table and writes benchmarks/results/coldstart.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOAL = 1.3
CLASSES = (
    "import torch\n"
    "from transformers import GenerationMixin, PreTrainedModel, PreTrainedTokenizerFast\n"
    "from transformers import ProcessorMixin, CLIPVisionModel, ConvNextModel, SamModel, LlamaModel"
)
COMMANDS = {
    "first caption": [
        sys.executable, "-m", "finecaption", "caption", str(ROOT / "examples/room.png"),
        "--box", "200,320,316,440", "--attribute", "Color",
    ],
    "imports": [sys.executable, "-c", CLASSES],
    "bare imports": [sys.executable, "-c", "import torch, transformers"],
}  # fmt: skip


def once(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """(wall-clock, processor) seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="OMP_NUM_THREADS of all")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/coldstart.json")
    args = parser.parse_args()
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(args.threads),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    wall: dict[str, list[float]] = {name: [] for name in COMMANDS}
    used: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(args.runs + 1):
        for name, command in COMMANDS.items():
            seconds, processor = once(command, environment)
            if turn:
                wall[name].append(seconds)
                used[name].append(processor)

    middle = {name: statistics.median(times) for name, times in wall.items()}
    middle_used = {name: statistics.median(times) for name, times in used.items()}
    ratio = middle["first caption"] / middle["imports"]
    print(f"{'':<16}{'seconds':>9}{'processor':>11}{'least':>8}{'most':>8}")
    for name in COMMANDS:
        print(
            f"{name:<16}{middle[name]:>9.2f}{middle_used[name]:>11.2f}"
            f"{min(wall[name]):>8.2f}{max(wall[name]):>8.2f}"
        )
    print(f"first caption / imports: {ratio:.2f} (goal {GOAL}); by processor seconds ", end="")
    print(f"{middle_used['first caption'] / middle_used['imports']:.2f}")
    print(f"first caption / bare imports: {middle['first caption'] / middle['bare imports']:.2f}")
    record = {
        "runs": args.runs,
        "seconds": middle,
        "processor_seconds": middle_used,
        "each": wall,
        "ratio": ratio,
        "ratio_processor": middle_used["first caption"] / middle_used["imports"],
        "ratio_bare_imports": middle["first caption"] / middle["bare imports"],
        "goal": GOAL,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "threads": args.threads,
            "python": platform.python_version(),
        },
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
