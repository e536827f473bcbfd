"""From a finished run to what is shipped: half-precision weights in one atomic folder.

python -m finecaption_synth.training.ship runs/mini/stage3 \
        src/finecaption/pretrained/finecaption-mini
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from finecaption.errors import InputError
from finecaption.model.loading import read_weights

LIMIT = 48 << 20  # bytes, weights of model and click segmenter together
BESIDE = (
    "segmenter.json",
    "segmenter.safetensors",
    "domain.json",
    "domain.safetensors",
    "provenance.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


def ship(source: Path, target: Path) -> int:
    """Writes the model in float16 with all that stands beside it; replaces the target as one.

    Returns:
        Bytes of the folder.

    Raises:
        InputError: source is no model folder, or the result is larger than LIMIT.
    """
    if not (source / "config.json").exists():
        raise InputError(f"{source} holds no config.json: give the folder of a finished stage")
    model = read_weights(source, dtype=torch.float16)
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    for name in BESIDE:
        if (source / name).exists():
            shutil.copyfile(source / name, temporary / name)
    size = sum(p.stat().st_size for p in temporary.iterdir())
    if size > LIMIT:
        shutil.rmtree(temporary)
        raise InputError(f"{size / 2**20:.1f} MiB; what is shipped has at most {LIMIT >> 20} MiB")
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.rename(target)
    return size


def main(argv: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Convert a trained model to what is shipped.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args(argv)
    size = ship(arguments.source, arguments.target)
    print(f"{arguments.target}: {size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
