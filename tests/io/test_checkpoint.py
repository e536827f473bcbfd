"""Folders of checkpoints: by name, by path, and by what is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from finecaption.errors import InputError
from finecaption.io import checkpoint
from finecaption.io.checkpoint import (
    SHIPPED,
    check_index,
    fingerprint,
    model_identity,
    own_folder,
    resolve_model,
    shipped_folder,
)

MINI = "finecaption-mini"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of a few bytes."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "finecaption"}')
    (made / "model.safetensors").write_bytes(bytes(range(100)))
    return made


def test_a_shipped_model_is_found_by_its_name() -> None:
    assert shipped_folder(MINI) == resolve_model(MINI) == own_folder(MINI) == SHIPPED / MINI


@pytest.mark.parametrize("name", ["", ".", "..", "other", f"./{MINI}", f"{MINI}/", f"x/../{MINI}"])
def test_only_a_plain_name_is_one_of_a_shipped_model(name: str) -> None:
    assert shipped_folder(name) is None


def test_a_folder_is_taken_as_it_is(folder: Path) -> None:
    assert resolve_model(folder) == resolve_model(str(folder)) == folder


def test_what_is_no_model_is_refused_and_the_shipped_ones_are_named(tmp_path: Path) -> None:
    for path, what in ((tmp_path, "holds no config.json"), (tmp_path / "x", "no such model")):
        with pytest.raises(InputError, match=rf"{what}.*\(shipped models: {MINI}\)"):
            resolve_model(path)


def test_without_a_shipped_model_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    with pytest.raises(InputError, match=r"\(no model is shipped\)"):
        resolve_model(MINI)


def test_only_checkpoints_of_finecaption_are_its_own(folder: Path) -> None:
    assert own_folder(folder) == folder
    for text in ('{"model_type": "llama"}', "{}", "{"):
        (folder / "config.json").write_text(text)
        assert own_folder(folder) is None
    (folder / "config.json").unlink()
    assert own_folder(folder) is None


def test_a_fingerprint_is_a_hash_of_names_sizes_and_contents(folder: Path) -> None:
    expected = hashlib.sha256()
    for name in ("config.json", "model.safetensors"):
        data = (folder / name).read_bytes()
        expected.update(f"{name}\0{len(data)}\0".encode() + data)
    assert fingerprint(folder) == fingerprint(str(folder)) == expected.hexdigest()


@pytest.mark.parametrize(
    ("name", "counts"),
    [("chat_template.jinja", True), ("tokenizer.json", True), ("more.safetensors", True),
     ("provenance.json", False), ("README.md", False)],
)  # fmt: skip
def test_weights_and_settings_identify_a_checkpoint_and_nothing_else_does(
    folder: Path, name: str, counts: bool
) -> None:
    before = fingerprint(folder)
    (folder / name).write_text("{}")
    assert (fingerprint(folder) != before) is counts


@pytest.mark.parametrize(
    ("size", "changed", "seen"),
    [
        (100, 50, True),  # exactly the limit: read whole
        (101, 9, True),
        (101, 10, False),  # of a larger file the two ends count
        (101, 90, False),
        (101, 91, True),
    ],
)
def test_of_a_large_file_the_ends_and_the_size_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, size: int, changed: int, seen: bool
) -> None:
    monkeypatch.setattr(checkpoint, "_WHOLE_FILE", 100)
    monkeypatch.setattr(checkpoint, "_END", 10)
    file = folder / "model.safetensors"
    data = bytearray(size)
    file.write_bytes(data)
    before = fingerprint(folder)
    data[changed] = 1
    file.write_bytes(data)
    assert (fingerprint(folder) != before) is seen


def test_a_large_file_of_another_size_is_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_WHOLE_FILE", 100)
    monkeypatch.setattr(checkpoint, "_END", 10)
    found = set()
    for size in (101, 102):
        (folder / "model.safetensors").write_bytes(bytes(size))
        found.add(fingerprint(folder))
    assert len(found) == 2


def test_an_identity_is_plain_json(folder: Path) -> None:
    found = model_identity("m", folder, 64)
    assert found == {
        "name": "m",
        "kind": "finecaption",
        "sha256": fingerprint(folder),
        "region": "mask",
        "settings": {"max_new_tokens": 64, "temperature": 0},
    }
    assert json.loads(json.dumps(found)) == found
    assert model_identity("m", None)["sha256"] is None


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/passwd", "sub/a.safetensors", "..", "", "a\\b", 5]
)
def test_an_index_cannot_leave_its_folder(tmp_path: Path, name: object) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    check_index(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": name}}))
    with pytest.raises(InputError, match=r"index\.json: weight_map: .* is no file of this folder"):
        check_index(tmp_path)
    index.write_text("[]")
    with pytest.raises(InputError, match="is no index of weights"):
        check_index(tmp_path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_what_cannot_be_a_name_is_no_model(name: str) -> None:
    with pytest.raises(InputError, match="model "):
        resolve_model(name)
