"""A checkpoint that is not whole is refused by the names of its weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from finecaption.errors import InputError
from finecaption.model.loading import load_model

WEIGHT = "model.adapter.out.weight"
Tensors = dict[str, torch.Tensor]


def lacks(tensors: Tensors) -> None:
    del tensors[WEIGHT]


def has_more(tensors: Tensors) -> None:
    tensors["model.adapter.third.weight"] = torch.zeros(2, 2)


def has_another_shape(tensors: Tensors) -> None:
    tensors[WEIGHT] = tensors[WEIGHT][:-1].contiguous()


def has_nan(tensors: Tensors) -> None:
    tensors[WEIGHT][0, 0] = float("nan")


def has_infinity(tensors: Tensors) -> None:
    tensors[WEIGHT][-1, -1] = float("-inf")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lacks, "lacks weights of the model: .*adapter.out.weight"),
        (has_more, "weights that the model does not know: .*model.adapter.third.weight"),
        (has_another_shape, "adapter.out.weight"),
        (has_nan, "NaN or infinite: .*adapter.out.weight"),
        (has_infinity, "NaN or infinite: .*adapter.out.weight"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_whole_is_refused(
    damage: Callable[[Tensors], None], said: str, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    load_model(folder)  # whole as yet
    tensors = load_file(folder / "model.safetensors")
    assert WEIGHT in tensors
    damage(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"{folder}: .*{said}"):
        load_model(folder)
