"""Plots docs/train/gpu.svg from benchmarks/results/train_mini_on_gpu.json.

    python benchmarks/training_curves.py

The file holds the log entries of the run that made the shipped model (train_mini_on_gpu.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plotting import BLUE, GREY, ORANGE, open_pyplot

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "train_mini_on_gpu.json"
PLOT = ROOT / "docs" / "train" / "gpu.svg"
# panel -> stage, the one that it goes on from, entry of its log, label, color
PANELS: dict[str, tuple[tuple[str, str, str, str, str], ...]] = {
    "Accuracy of class labels": (
        ("stage0-convnext", "", "accuracy", "ConvNeXt, crops", BLUE),
        ("stage0-convnext-decay", "stage0-convnext", "accuracy", "ConvNeXt, whole images", ORANGE),
        ("stage0-sam", "", "accuracy", "SAM", GREY),
        ("stage0-sam-2", "stage0-sam", "accuracy", "", GREY),
    ),
    "Accuracy of a region's classes": (
        ("stage3-regions", "", "region_accuracy", "before the captions", BLUE),
        ("stage3", "", "region_accuracy", "beside the captions", ORANGE),
    ),
    "Loss of the captions": (("stage3", "", "caption_loss", "stage3", ORANGE),),
}


def main() -> None:
    """Writes the plot."""
    stages: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))["stages"]
    pyplot = open_pyplot()
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(10, 3), layout="constrained")
    for axis, (title, lines) in zip(axes, PANELS.items(), strict=True):
        for name, before, entry, label, color in lines:
            stage = stages[name]
            start = stages[before]["pictures"] if before else 0
            pace = stage["pictures"] / stage["steps"]
            rows = [row for row in stage["curve"] if entry in row]
            images = [(start + row["step"] * pace) / 1000 for row in rows]
            axis.plot(images, [row[entry] for row in rows], color=color, label=label or None)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("thousand images")
        axis.legend(frameon=False, fontsize=8)
    axes[-1].set_ylim(0, 1)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})
    print(PLOT.relative_to(ROOT))


if __name__ == "__main__":
    main()
