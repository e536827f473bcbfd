"""To which device and in which precision a folder is loaded. What is not whole:
test_loading_whole.py; few bits: test_quantize.py."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from finecaption.errors import InputError
from finecaption.model import loading
from finecaption.model.loading import load_model


@pytest.mark.parametrize(
    ("limit", "able", "dtype"),
    [
        (0, True, torch.bfloat16),
        (0, False, torch.float32),  # several times slower there
        (1 << 40, True, torch.float32),
    ],
)
def test_large_models_run_in_bfloat16_where_it_is_fast(
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    able: bool,
    dtype: torch.dtype,
) -> None:
    monkeypatch.setattr(loading, "_FP32_BYTES", limit)
    monkeypatch.setattr(loading, "_cpu_multiplies_bf16", lambda: able)
    model, _ = load_model(tiny_folder, "cpu")
    assert model.dtype == dtype and model.device == torch.device("cpu")


def test_a_model_of_exactly_the_size_stays_in_float32(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (tiny_folder / "model.safetensors").stat().st_size
    monkeypatch.setattr(loading, "_cpu_multiplies_bf16", lambda: True)
    for limit, dtype in ((size, torch.float32), (size - 1, torch.bfloat16)):
        monkeypatch.setattr(loading, "_FP32_BYTES", limit)
        assert load_model(tiny_folder, "cpu")[0].dtype == dtype


def test_a_precision_that_is_given_is_taken(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_FP32_BYTES", 1 << 40)
    assert load_model(tiny_folder, "cpu", torch.bfloat16)[0].dtype == torch.bfloat16


@pytest.mark.parametrize("given", [None, "auto", {"": "cpu"}])
def test_a_device_map_is_handed_on_and_nothing_else_is(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, given: str | dict[str, str] | None
) -> None:
    seen: list[dict[str, object]] = []
    read = loading.read_weights

    def noted(folder: Path, **options: object) -> object:
        seen.append(options)
        return read(folder, dtype=torch.float32)

    monkeypatch.setattr(loading, "read_weights", noted)
    load_model(tiny_folder, None if given else "cpu", torch.float32, device_map=given)
    assert seen == [{"dtype": torch.float32, **({"device_map": given} if given else {})}]


@pytest.mark.parametrize(
    ("able", "fast"),
    [
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": False, "avx512_bf16": True}, True),
        ({"amx_bf16": False, "avx512_bf16": False}, False),
        ({"avx512f": True}, False),
        ({}, False),
    ],
)
def test_which_processors_multiply_bfloat16(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], fast: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert loading._cpu_multiplies_bf16() is fast
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert loading._cpu_multiplies_bf16() is False, "older releases of torch do not tell"


@pytest.mark.parametrize(("there", "kind"), [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_taken_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool, kind: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert loading._device(None).type == kind


@pytest.mark.parametrize("device", ["nonsense", "cpu:x"])
def test_a_device_that_cannot_be_used_is_named(tiny_folder: Path, device: str) -> None:
    with pytest.raises(InputError, match=rf"device '{device}': cannot be used \([^\n]+\)$"):
        load_model(tiny_folder, device)


@pytest.mark.parametrize(
    ("count", "more"), [(1, None), (3, None), (4, " and 1 more"), (6, " and 3 more")]
)
def test_three_of_the_wrong_weights_are_named(
    tiny_folder: Path, tmp_path: Path, count: int, more: str | None
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    tensors = load_file(folder / "model.safetensors")
    names = sorted(name for name in tensors if "language_model.layers" in name)[:count]
    for name in names:
        del tensors[name]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError) as caught:
        load_model(folder, "cpu")
    listed = str(caught.value).split("of the model: ")[1].split(";")[0]
    assert listed == ", ".join(names[:3]) + (more or "")
