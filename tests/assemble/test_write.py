"""Shards: valid safetensors, written tensor by tensor, and a folder that appears as one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finecaption.assemble.plan import Entry
from finecaption.assemble.write import INDEX, new_folder, parse_size, split_shards, write_shards
from finecaption.errors import InputError


def entries(*shapes: tuple[int, ...]) -> tuple[list[Entry], dict[str, torch.Tensor]]:
    tensors = {f"t{i}": torch.randn(shape) for i, shape in enumerate(shapes)}
    return [
        Entry(name, tuple(tensor.shape), lambda tensor=tensor: tensor)  # type: ignore[misc] # bound now
        for name, tensor in tensors.items()
    ], tensors


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_files_are_what_safetensors_reads(dtype: str, tmp_path: Path) -> None:
    listed, tensors = entries((3, 5), (), (7,), (2, 0), (4, 1, 2))
    files = write_shards(listed, tmp_path, dtype, limit=32)
    names = [file["name"] for file in files]
    index = json.loads((tmp_path / INDEX).read_text())
    assert sorted(set(index["weight_map"].values())) == sorted(names) and len(names) > 1
    width = getattr(torch, dtype).itemsize
    assert index["metadata"]["total_size"] == width * sum(t.numel() for t in tensors.values())
    read: dict[str, torch.Tensor] = {}
    for file in files:
        path = tmp_path / file["name"]
        assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert file["bytes"] == path.stat().st_size
        read.update(load_file(path))
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor.to(getattr(torch, dtype)))


def test_one_shard_has_the_usual_name_and_no_index(tmp_path: Path) -> None:
    write_shards(entries((2, 2))[0], tmp_path, "float32", limit=1 << 20)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_tensors_in_any_layout(tmp_path: Path) -> None:
    values = torch.randn(4, 6)
    views = {"turned": values.T, "slice": values[:, 1:3], "wide": values.double()}
    listed = [Entry(n, tuple(v.shape), lambda v=v: v) for n, v in views.items()]  # type: ignore[misc] # bound now
    write_shards(listed, tmp_path, "float32", limit=1 << 20)
    read = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(read[name], view.float()) for name, view in views.items())


def test_shards_keep_the_order_and_the_limit() -> None:
    listed, _ = entries((10,), (10,), (100,), (5,), (5,))
    groups = split_shards(listed, width=4, limit=80)
    assert [[entry.name for entry in group] for group in groups] == [
        ["t0", "t1"], ["t2"], ["t3", "t4"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 << 29), ("20KB", 20000)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "GB", "-1GB", "0GB", "5TBx"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(InputError, match="expected a number and a unit"):
        parse_size(text)


def test_the_folder_appears_at_the_end_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(RuntimeError), new_folder(out, 10) as folder:
        (folder / "half").write_text("x")
        assert not out.exists()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    (tmp_path / ".model.part").mkdir()  # left by a killed run
    (tmp_path / ".model.part/old").write_text("x")
    with new_folder(out, 10) as folder:
        (folder / "whole").write_text("x")
    assert [path.name for path in out.iterdir()] == ["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_text("precious")
    with pytest.raises(InputError, match="exists"), new_folder(tmp_path / "model", 10):
        pass
    with pytest.raises(InputError, match="are free"), new_folder(tmp_path / "other", 1 << 60):
        pass
    assert (tmp_path / "model/weights").read_text() == "precious"


def test_an_entry_that_lies_about_itself_stops(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x: read as \(3,\), expected \(2,\)"):
        write_shards([Entry("x", (2,), lambda: torch.zeros(3))], tmp_path, "float32", 99)
    with pytest.raises(InputError, match="x: is torch.int64"):
        write_shards([Entry("x", (2,), lambda: torch.zeros(2).long())], tmp_path, "float32", 99)
