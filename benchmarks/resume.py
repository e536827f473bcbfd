"""Training that is killed in mid-run and goes on: the same batches, the same curve, the same model.

    python benchmarks/resume.py [--modes one ddp fsdp2] [--steps 20]

Data: drawn scenes in the published layouts of CompositionCap, GranD and RefCOCO (formats_tour.py).
Each mode runs `finecaption train` twice, with the shipped mini as the model to begin with: once
through, and once that gets SIGKILL (all its processes) in mid-run, and is then started again by the
same command. one: stage 2 in one process; ddp: the same in two, under torchrun; fsdp2: stage 3,
everything moves, two processes that share parameters, gradients and optimiser. Every batch that a
process loads is noted by the hash of its tokens and masks.

Fails unless batches, loss curve and final weights are equal. Writes docs/train/resume.json,
docs/train/resume-MODE.log and docs/train/resume.svg.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "src/finecaption/pretrained/finecaption-mini"
SETTINGS = [
    "batch=12",
    "max_tokens=1200",
    "max_images=2",
    "workers=0",
    "samples_shown=0",
    "log_every=1",
    "save_every=4",
    "whole_image_fraction=0.1",
    "gradient_checkpointing=false",
]
MODES = {
    "one": (1, ["--recipe", "paper", "--stage", "2"], []),
    "ddp": (2, ["--recipe", "paper", "--stage", "2"], ["expected_world_size=2"]),
    "fsdp2": (
        2,
        ["--recipe", "fsdp", "--stage", "3"],
        ["expected_world_size=2", "whole_image_fraction=0"],
    ),
}
NOTES = "BENCHMARK_NOTES"


def child() -> None:
    """`finecaption train ...` with each loaded batch noted."""
    from finecaption.cli import main
    from finecaption.training.samples import Packs

    load = Packs.__getitem__
    notes = Path(os.environ[NOTES])

    def noted(self: Packs, item: int) -> dict[str, Any]:
        batch = load(self, item)
        digest = hashlib.sha256()
        for image in batch:
            for row in image["rows"]:
                digest.update(repr((row.input_ids, row.labels)).encode())
            for mask in image["masks"]:
                digest.update(mask.numpy().tobytes())
        samples = self.encode.samples  # type: ignore[attr-defined] # an Encoder
        rows = [row for unit in self.pack(item) for row in unit.rows]
        asked = [samples[i].source for row in rows for i in row.questions]
        line = {"item": item, "batch": digest.hexdigest()[:12], "sources": sorted(set(asked))}
        with (notes / f"{os.environ.get('RANK', '0')}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        return batch

    Packs.__getitem__ = noted  # type: ignore[method-assign] # only noted
    sys.exit(main(sys.argv[2:]))


def make_data(folder: Path, scenes: int) -> list[str]:
    """The three data sets; the --data options."""
    import formats_layouts as tour

    drawn = tour.draw(folder / "synth", scenes)
    third = max(1, len(drawn) // 3)
    out = []
    for number, name in enumerate(("compositioncap", "grand", "refcoco")):
        made, _ = tour.make(name, drawn[number * third : (number + 1) * third], folder)
        told = f"{name}:{made.relative_to(folder)}"
        out += ["--data", told + (",images=grand/sam" if name == "grand" else "")]
    return out


class Run:
    """One command in one folder, perhaps killed."""

    def __init__(self, mode: str, place: Path, name: str, data: list[str], steps: int) -> None:
        self.world, recipe, more = MODES[mode]
        self.place, self.name = place, name
        self.out = place / "runs" / f"{mode}-{name}"
        self.notes = place / "notes" / f"{mode}-{name}"
        self.notes.mkdir(parents=True, exist_ok=True)
        settings = [*SETTINGS, f"steps={steps}", *more]
        self.words = ["train", *recipe, "--model", str(MODEL), *data,
                      "--out", str(self.out.relative_to(place)), *settings]  # fmt: skip
        self.said: list[str] = []

    @property
    def curve(self) -> list[dict[str, Any]]:
        """The loss curve so far."""
        path = self.out / "work/log.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def batches(self) -> dict[int, list[str]]:
        """Item -> hashes under which it was loaded, in order."""
        found: dict[int, list[str]] = {}
        for path in sorted(self.notes.glob("*.jsonl")):
            for line in path.read_text().splitlines():
                told = json.loads(line)
                found.setdefault(told["item"], []).append(told["batch"])
        return found

    def sources(self) -> set[str]:
        """Data sets that batches were of."""
        return {
            name
            for path in self.notes.glob("*.jsonl")
            for line in path.read_text().splitlines()
            for name in json.loads(line)["sources"]
        }

    def start(self, kill_at: int = 0) -> float:
        """Runs to the end, or to a step and then SIGKILL; the seconds taken."""
        command = [sys.executable]
        if self.world > 1:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command += ["-m", "torch.distributed.run", "--nproc_per_node", str(self.world),
                        "--master_port", str(port)]  # fmt: skip
        command += [str(Path(__file__).resolve()), "--child", *self.words]
        env = {**os.environ, NOTES: str(self.notes), "PYTHONPATH": str(ROOT / "src"),
               "OMP_NUM_THREADS": "1"}  # fmt: skip
        began = time.perf_counter()
        with tempfile.TemporaryFile("w+") as said:
            with subprocess.Popen(
                command, cwd=self.place, env=env, stdout=said, stderr=said, text=True,
            ) as process:  # fmt: skip
                while process.poll() is None:
                    if kill_at and self.curve and self.curve[-1]["step"] >= kill_at:
                        for number in (*descendants(process.pid), process.pid):
                            os.kill(number, signal.SIGKILL)
                        break
                    time.sleep(0.02)
            said.seek(0)
            text = said.read()
        if kill_at:
            assert process.returncode == -signal.SIGKILL, text[-3000:]
        else:
            assert process.returncode == 0, text[-3000:]
        self.said += [line for line in text.splitlines() if "questions in" in line]
        return time.perf_counter() - began


def descendants(parent: int) -> list[int]:
    """The processes below one: torchrun gives each a session of its own, so no group has all."""
    told = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in told.stdout.splitlines()]
    found, level = [], [parent]
    while level:
        level = [pid for pid, above in pairs if above in level]
        found += level
    return found


def weights(folder: Path) -> dict[str, bytes]:
    """Name -> hash of each file of a model."""
    return {p.name: hashlib.sha256(p.read_bytes()).digest() for p in folder.glob("*.safetensors")}


def compare(mode: str, place: Path, data: list[str], steps: int, kill_at: int) -> dict[str, Any]:
    """Both runs of a mode."""
    whole = Run(mode, place, "whole", data, steps)
    whole.start()
    killed = Run(mode, place, "killed", data, steps)
    killed.start(kill_at)
    dead = killed.curve[-1]["step"]
    assert dead < steps and not (killed.out / "model").exists(), "it was too late to kill"
    before = {k: len(v) for k, v in killed.batches().items()}
    saved = sorted(
        int(p.name.rpartition("-")[2]) for p in (killed.out / "work/checkpoints").glob("*-*")
    )
    killed.start()
    told, again = whole.batches(), killed.batches()
    same = {k: set(v) == set(again.get(k, ())) and len(set(v)) == 1 for k, v in told.items()}
    losses = [[entry["loss"] for entry in run.curve] for run in (whole, killed)]
    equal = weights(whole.out / "model") == weights(killed.out / "model")
    lines = [f"$ {'torchrun --nproc_per_node 2 -m ' if whole.world > 1 else ''}finecaption "
             + " ".join(whole.words).replace(str(MODEL), "finecaption-mini"),
             *killed.said[:1],
             f"SIGKILL in step {dead + 1}; checkpoints on disk: {saved}",
             "the same command again:",
             f"{'step':>4} {'uninterrupted':>14} {'killed, gone on':>16}  batches"]  # fmt: skip
    packs = len(told) // steps
    for number, (a, b) in enumerate(zip(*losses, strict=True)):
        items = range(number * packs, (number + 1) * packs)
        hashes = " ".join(told[k][0] for k in items)
        twice = any(len(again[k]) > before.get(k, 0) > 0 for k in items)
        note = "same" if all(same[k] for k in items) else "OTHERS"
        lines.append(f"{number + 1:>4} {a:>14.6f} {b:>16.6f}  {hashes} {note}"
                     + (", loaded by both" if twice else ""))  # fmt: skip
    lines.append(f"final weights: {'equal bit by bit' if equal else 'DIFFER'}")
    lines.append(f"batches of: {', '.join(sorted(whole.sources()))}")
    repeated = sum(len(again[k]) > n > 0 for k, n in before.items())
    assert repeated, "nothing was loaded by both: the killed run went on by itself"
    result = {
        "mode": mode, "processes": whole.world, "steps": steps, "killed_after_step": dead,
        "checkpoints": saved, "losses": losses[0], "losses_killed": losses[1],
        "batches_equal": all(same.values()), "batches_loaded_by_both": repeated,
        "weights_equal": equal,
        "sources": sorted(whole.sources()),
    }  # fmt: skip
    return {"result": result, "log": lines}


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Both curves of each mode."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "resume", "font.size": 9})
    figure, axes = plt.subplots(1, len(results), figsize=(3.6 * len(results), 2.9), squeeze=False)
    titles = {"one": "stage 2, one process", "ddp": "stage 2, DDP, two processes",
              "fsdp2": "stage 3, FSDP2, two processes"}  # fmt: skip
    for axis, told in zip(axes[0], results, strict=True):
        steps = range(1, told["steps"] + 1)
        axis.plot(steps, told["losses"], color="#9bb8e8", linewidth=5, label="uninterrupted")
        axis.plot(steps, told["losses_killed"], color="#20242c", linewidth=1.2, marker="o",
                  markersize=2.5, label="killed, gone on")  # fmt: skip
        axis.axvline(told["killed_after_step"] + 0.5, color="#c0242f", linewidth=1)
        axis.text(told["killed_after_step"] + 0.7, axis.get_ylim()[1], "kill -9", color="#c0242f",
                  va="top", fontsize=8)  # fmt: skip
        axis.set_title(titles[told["mode"]], fontsize=9.5)
        axis.set_xlabel("step")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("loss")
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8.5, ncol=2, loc="lower center")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Runs the modes, prints their logs, writes the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--kill-at", type=int, default=10)
    parser.add_argument("--scenes", type=int, default=9)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/train")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "resume.json"
    known = {r["mode"]: r for r in json.loads(file.read_text())} if file.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        data = make_data(place, options.scenes)
        for mode in options.modes:
            told = compare(mode, place, data, options.steps, options.kill_at)
            known[mode] = told["result"]
            text = "\n".join(told["log"]) + "\n"
            print(text)
            (options.out / f"resume-{mode}.log").write_text(text)
            ordered = [known[m] for m in MODES if m in known]
            file.write_text(json.dumps(ordered, indent=1) + "\n")
            plot(ordered, options.out / "resume.svg")
            result = told["result"]
            assert result["batches_equal"] and result["weights_equal"], mode
            assert result["losses"] == result["losses_killed"], mode


if __name__ == "__main__":
    child() if sys.argv[1:2] == ["--child"] else main()
