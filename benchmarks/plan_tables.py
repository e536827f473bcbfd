"""What `finecaption train --plan` says of every recipe at the paper's size; needs no GPU.

    python benchmarks/plan_tables.py [--model 8b]

Prints a Markdown table, the one of docs/train-your-own.md (--write puts it there), and writes
benchmarks/results/plan.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from finecaption.training.memory_plan import (
    CARDS,
    GIB,
    measure,
    model_config_of,
    pack_shape,
    shared_among,
)
from finecaption.training.recipes import find_recipe
from finecaption_synth.markdown import rewrite_section

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/train-your-own.md"
RUNS = (("paper", 1, (1,)), ("paper", 2, (1,)), ("paper", 3, (1,)), ("lora", 3, (1,)),
        ("qlora", 3, (1,)), ("fsdp", 3, (2, 4, 8, 16)))  # fmt: skip


def rows_of(model: str) -> list[dict[str, Any]]:
    """A row a recipe and number of processes."""
    config = model_config_of(model)
    out = []
    for recipe, stage, worlds in RUNS:
        planned = replace(find_recipe(recipe).stage(stage), precision="bf16")
        regions, tokens, pictures = pack_shape(planned, config)
        memory = measure(planned, config)
        for world in worlds:
            part = shared_among(memory, world)
            needed = part.on_card()
            out.append({
                "recipe": recipe, "stage": stage, "processes": world,
                "moving": memory.moving, "regions": regions, "tokens": tokens,
                "pictures": pictures, "weights": part.weights, "gradients": part.gradients,
                "optimizer": part.optimizer, "activations": part.activations, "peak": part.peak,
                "on_card": needed, "fits": [c for c in CARDS if needed <= c * GIB],
            })  # fmt: skip
    return out


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, in GiB per process."""
    lines = [
        "| recipe | stage | processes | forward pass: regions x tokens, images | trainable, M "
        "| weights | gradients | optimizer | activations | peak | with allocator overhead | fits |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        sizes = " | ".join(
            f"{row[name] / GIB:.2f}"
            for name in ("weights", "gradients", "optimizer", "activations", "peak", "on_card")
        )
        fits = ", ".join(f"{card} GB" for card in row["fits"]) or "neither"
        lines.append(
            f"| `{row['recipe']}` | {row['stage']} | {row['processes']} | "
            f"{row['regions']} x {row['tokens']:,}, {row['pictures']} | "
            f"{row['moving'] / 1e6:,.1f} | {sizes} | {fits} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="8b", help="a preset, or a model folder")
    parser.add_argument("--write", action="store_true", help="the table into the guide")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/plan.json")
    options = parser.parse_args()
    rows = rows_of(options.model)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"model": options.model, "rows": rows}, indent=1) + "\n")
    print(table(rows))
    if options.write:
        rewrite_section(PAGE, "plan", text(options.model, rows))


def text(model: str, rows: list[dict[str, Any]]) -> str:
    """The text between the markers of the guide."""
    return (
        f"The plan of each recipe at the paper's size (`--model {model}`), in GiB per process, "
        f"bf16:\n\n{table(rows)}\n"
    )


if __name__ == "__main__":
    main()
