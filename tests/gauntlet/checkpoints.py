"""Folders of models: missing, extra, misshapen and non-finite weights; files that lead elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from .case import Case, Place, command
from .drawing import image

KIND = "checkpoints"
WEIGHT = "model.adapter.out.weight"
Damage = Callable[[Path], object]


def _load(damage: Damage, place: Place) -> str:
    from finecaption.io.checkpoint import resolve_model
    from finecaption.model.loading import load_model

    shutil.copytree(place.model(), "model")
    damage(Path("model"))
    load_model(resolve_model("model"))
    return "sound"


def _weights(change: Callable[[dict[str, Any]], object], folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _fill(value: float, name: str) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: tensors[name].reshape(-1)[-1:].fill_(value)


def _add(tensors: dict[str, Any]) -> None:
    tensors["model.third.weight"] = tensors[WEIGHT].clone()


def _shape(tensors: dict[str, Any]) -> None:
    tensors[WEIGHT] = tensors[WEIGHT][:-1].contiguous()


def _integers(tensors: dict[str, Any]) -> None:
    tensors[WEIGHT] = tensors[WEIGHT].bool()


def _half(tensors: dict[str, Any]) -> None:
    for name in list(tensors)[::2]:
        del tensors[name]


def _bytes(data: bytes, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(data)


def _index(weight_map: Any, folder: Path, rest: bool = True) -> None:
    """An index that says where the weights are, in place of the one file."""
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as opened:
        names = list(opened.keys())
    os.rename(folder / "model.safetensors", folder / "model-00001-of-00001.safetensors")
    if isinstance(weight_map, str):
        weight_map = dict.fromkeys(names, weight_map)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _file(name: str, text: str | None, folder: Path) -> None:
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)


def _config(changes: dict[str, Any], folder: Path) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _pickled(folder: Path) -> None:
    """Only a pickle, which would make a file if it were read."""
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(
        b"\x80\x02cposix\nsystem\nq\x00X\x0c\x00\x00\x00touch hackedq\x01\x85q\x02Rq\x03."
    )


def _head(length: int, text: bytes = b"{}") -> bytes:
    return struct.pack("<Q", length) + text


_TENSOR = b'{"a":{"dtype":"F32","shape":[1000000000000,1000000],"data_offsets":[0,4]}}'
DAMAGES: dict[str, tuple[Damage, str]] = {
    "a weight less": (partial(_weights, lambda t: t.pop(WEIGHT)), "lacks"),
    "half of the weights": (partial(_weights, _half), "lacks"),
    "no weight": (partial(_weights, dict.clear), "lacks"),
    "a weight more": (partial(_weights, _add), "third"),
    "a weight of another shape": (partial(_weights, _shape), "shape"),
    "a NaN": (partial(_weights, _fill(float("nan"), WEIGHT)), "NaN"),
    "an infinity": (partial(_weights, _fill(float("inf"), WEIGHT)), "NaN or infinite"),
    "minus infinity in the last": (partial(_weights, _fill(float("-inf"), WEIGHT)), "infinite"),
    "an empty file": (partial(_bytes, b""), "model"), "a text": (partial(_bytes, b"hello" * 9), "model"),
    "a head of 2^62": (partial(_bytes, _head(2**62)), "model"),
    "a head that is cut": (partial(_bytes, _head(500)), "model"),
    "a head that is a list": (partial(_bytes, _head(2, b"[]")), "model"),
    "an absurd shape": (partial(_bytes, _head(len(_TENSOR), _TENSOR) + bytes(4)), "model"),
    "a file that is cut": (lambda f: os.truncate(f / "model.safetensors", 5000), "model"),
    "no file": (lambda f: (f / "model.safetensors").unlink(), "model"),
    "only a pickle": (_pickled, "model"),
    "a link to nothing": (lambda f: (os.remove(f / "model.safetensors"), os.symlink("none", f / "model.safetensors")), "model"),
    "an index out of the folder": (partial(_index, "../../outside/model.safetensors"), "no file of this folder"),
    "an index to an absolute path": (partial(_index, "/etc/passwd"), "/etc/passwd"),
    "an index to a shard that is not there": (partial(_index, "none.safetensors"), "none.safetensors"),
    "an index of nothing": (partial(_index, {}), "model"), "an index of a list": (partial(_index, [1]), "model"),
    "an index of numbers": (partial(_index, {WEIGHT: 7}), "model"),
    "no config": (partial(_file, "config.json", None), "config.json"),
    "half a config": (partial(_file, "config.json", '{"model_type": '), "model"),
    "a config of a list": (partial(_file, "config.json", "[]"), "model"),
    "an empty config": (partial(_file, "config.json", ""), "model"),
    "a negative size": (partial(_config, {"projector_hidden_size": -4, "text_config": {"hidden_size": -4}}), "model"),
    "no tokenizer": (partial(_file, "tokenizer.json", None), "model"),
    "half a tokenizer": (partial(_file, "tokenizer.json", '{"version": "1.0", '), "model"),
}  # fmt: skip


def _caption(damage: Damage, place: Place) -> str:
    shutil.copytree(place.model(), "model")
    damage(Path("model"))
    image().save("pic.png")
    return command("caption", "pic.png", "--global", "--model", "model", "--device", "cpu")


def cases() -> Iterator[Case]:
    """All of this file."""
    for case in _cases():
        yield replace(case, warm=_warm)


def _warm(place: Place) -> None:
    from finecaption.model.loading import load_model

    shutil.copy(place.model() / "model.safetensors", place.outside / "model.safetensors")
    if not _loaded:
        load_model(place.model())
        _loaded.append(True)


_loaded: list[bool] = []


def _cases() -> Iterator[Case]:
    yield Case(KIND, "sound", partial(_load, lambda folder: None), "sound")
    yield Case(
        KIND,
        "a sound index",
        partial(_load, partial(_index, "model-00001-of-00001.safetensors")),
        "sound",
    )
    for name, (damage, word) in DAMAGES.items():
        yield Case(KIND, name, partial(_load, damage), word=word)
    foreign = {"model_type": "made-up", "auto_map": {"AutoConfig": "code.Config"}}
    for name, damage, word in (
        ("a NaN, described", DAMAGES["a NaN"][0], "NaN"),
        ("a model of unknown type", partial(_config, foreign), "model"),
        ("a model of no type", partial(_file, "config.json", "{}"), "model"),
    ):
        yield Case(KIND, name, partial(_caption, damage), word=word)
    for name in (
        "none",
        "",
        ".",
        "..",
        "runs/stage1",
        "https://127.0.0.1/model",
        "a\0b",
        "x" * 5000,
    ):
        word = "name too long" if len(name) > 255 else "model"
        yield Case(KIND, f"a model called {name[:30]!r}", partial(_named, name), word=word)


def _named(name: str, place: Place) -> str:
    image().save("pic.png")
    return command("caption", "pic.png", "--global", "--model", name)
