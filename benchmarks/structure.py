"""Size and shape of the package: what a reader has to hold in mind, and what one caption costs.

    python benchmarks/structure.py [--checkout FOLDER] [--runs 3] [--out FILE]

Prints a Markdown table: lines, files, packages and public names of `src/finecaption`, and the size
of the packages that stand on it; the types that describe a request; the frames between the command
line and the first logits (traced in a real run); the modules that a one-image run imports; and the
seconds of that run relative to a process that only imports what the model is made of (see
coldstart.py).
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from coldstart import CLASSES, once

ROOT = Path(__file__).parents[1]

# A request type has attributes (a field of ASKED) and another kind of question (a field of BESIDE)
# among its fields, and no answer (a field of ANSWER).
ASKED = {"attribute", "attributes", "names"}
BESIDE = {"dense", "whole", "task", "kind"}
ANSWER = {"text", "captions", "caption", "answer", "answers", "reference", "references", "truth"}

TRACED = """
import sys
from pathlib import Path
root = Path(sys.argv[1]) / "src" / "finecaption"
sys.path.insert(0, str(root.parent))
sys.argv = ["finecaption", *sys.argv[2:]]
from finecaption.cli import main
import torch.nn
calls = []
def head(module, inputs):
    if calls or id(module) not in heads:
        return
    frame, found = sys._getframe(), []
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if root in file.parents:
            found.append(f"{file.relative_to(root).with_suffix('')}:{frame.f_code.co_name}")
        frame = frame.f_back
    calls.append(list(reversed(found)))
heads = set()
old = torch.nn.Module.__setattr__
def remember(self, name, value):
    if name == "lm_head":
        heads.add(id(value))
    old(self, name, value)
torch.nn.Module.__setattr__ = remember
torch.nn.modules.module.register_module_forward_pre_hook(head)
code = main()
import json
own = sorted(name for name in sys.modules if name.partition(".")[0] == "finecaption")
print(json.dumps({"code": code, "frames": calls[0] if calls else [], "modules": own}))
"""


def counts(package: Path) -> dict[str, object]:
    """What can be read off the source."""
    files = sorted(package.rglob("*.py"))
    texts = {file: file.read_text("utf-8") for file in files}
    public, requests = 0, []
    for file, text in texts.items():
        for node in ast.parse(text).body:
            public += sum(not name.startswith("_") for name in _names(node))
            if isinstance(node, ast.ClassDef) and _is_request(node):
                requests.append(f"{file.relative_to(package).with_suffix('')}.{node.name}")
    return {
        "lines": sum(text.count("\n") for text in texts.values()),
        "files": len(files),
        "packages": len({file.parent for file in files}),
        "modules at the root": sum(
            file.parent == package and not file.stem.startswith("__") for file in files
        ),
        "longest file": max(text.count("\n") for text in texts.values()),
        "fmt: skip": sum(text.count("# fmt: skip") for text in texts.values()),
        "public names": public,
        "request types": sorted(requests),
    }


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_request(node: ast.ClassDef) -> bool:
    fields = {
        one.target.id
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    for one in node.body:  # a class that takes its fields in __init__
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            fields |= {
                sub.attr
                for sub in ast.walk(one)
                if isinstance(sub, ast.Attribute) and isinstance(sub.ctx, ast.Store)
            }
    if fields & ANSWER:
        return False
    return bool(fields & ASKED and fields & BESIDE)


def trace(checkout: Path) -> dict[str, list[str]]:
    """Frames from the command line to the first logits, and modules imported by the end."""
    command = [
        sys.executable, "-c", TRACED, str(checkout), "caption", str(ROOT / "examples/room.png"),
        "--mask", str(ROOT / "examples/twins/rabbit.png"), "--attribute", "Color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(checkout))
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["code"] or not found["frames"]:
        raise SystemExit(f"the run failed or reached no logits: {done.stderr}")
    return {"frames": found["frames"], "modules": found["modules"]}


def _environment(checkout: Path) -> dict[str, str]:
    path = str(checkout / "src")
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": path}


def cold_start(checkout: Path, runs: int) -> dict[str, float]:
    """Ratio of the first caption to the imports alone: by wall clock and by CPU time."""
    commands = {
        "caption": [
            sys.executable, "-m", "finecaption", "caption", str(ROOT / "examples/room.png"),
            "--mask", str(ROOT / "examples/twins/rabbit.png"), "--attribute", "Color",
        ],
        "imports": [sys.executable, "-c", CLASSES],
    }  # fmt: skip
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            measured = once(command, _environment(checkout))
            if turn:  # the first turn warms the disk's cache
                times[name].append(measured)
    wall, cpu = (
        {name: statistics.median(one[at] for one in each) for name, each in times.items()}
        for at in (0, 1)
    )
    return {
        "wall": wall["caption"] / wall["imports"],
        "cpu": cpu["caption"] / cpu["imports"],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkout", type=Path, default=ROOT, help="another checkout to measure")
    parser.add_argument("--runs", type=int, default=3, help="cold starts; 0 leaves them out")
    parser.add_argument("--out", type=Path, help="also write the numbers as JSON")
    args = parser.parse_args()
    checkout = args.checkout.resolve()
    found: dict[str, object] = {**counts(checkout / "src" / "finecaption"), **trace(checkout)}
    for folder in sorted((checkout / "packages").glob("*/src/*")):
        more = counts(folder)
        for name in ("lines", "files", "longest file", "fmt: skip"):
            found[f"{folder.name}: {name}"] = more[name]
    if args.runs:
        found["cold start"] = cold_start(checkout, args.runs)
    print("| | |\n|---|---:|")
    for name, value in found.items():
        if isinstance(value, list):
            print(f"| {name} | {len(value)} |")
        elif isinstance(value, dict):
            for which, ratio in value.items():
                print(f"| {name}, {which} | {ratio:.2f} |")
        else:
            print(f"| {name} | {value:,} |")
    for name in ("request types", "frames"):
        print(f"\n{name}: {', '.join(found[name])}")  # type: ignore[arg-type]
    if args.out is not None:
        args.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
