"""Checkpoints hold what is trainable, once each, and are used only when whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, tiny
from finecaption.training.checkpoints import (
    SEAL,
    is_whole,
    last_checkpoint,
    load_parameters,
    load_weights,
    locked,
    rotate,
    save_weights,
    seal,
)


def checkpoint(root: Path, step: int, sealed: bool = True) -> Path:
    folder = root / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "state").write_bytes(bytes(range(200)))
    (folder / "rank").mkdir()
    (folder / "rank/moments").write_bytes(b"1" * 3000)
    if sealed:
        seal(folder)
    return folder


def test_tied_embeddings_are_saved_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = FineCaptionForConditionalGeneration(tiny(tie_word_embeddings=True))
    model.model.sam.requires_grad_(False)
    save_weights(model, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    assert "model.language_model.embed_tokens.weight" in saved and "lm_head.weight" not in saved
    assert not any(name.startswith("model.sam.") for name in saved)
    torch.manual_seed(1)
    other = FineCaptionForConditionalGeneration(tiny(tie_word_embeddings=True))
    other.model.sam.requires_grad_(False)
    load_weights(other, tmp_path)
    assert torch.equal(other.lm_head.weight, model.lm_head.weight)
    other.model.sam.requires_grad_(True)
    with pytest.raises(InputError, match=r"of another run: it lacks model\.sam"):
        load_weights(other, tmp_path)


def test_parameters_must_fit() -> None:
    with pytest.raises(InputError, match="weight: the model has no parameter of that name and sha"):
        load_parameters(nn.Linear(2, 2), {"weight": torch.zeros(3, 2)})


def test_the_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None
    checkpoint(tmp_path, 400, sealed=False)  # killed before it was whole
    assert last_checkpoint(tmp_path) is None
    first = checkpoint(tmp_path, 90)
    assert last_checkpoint(tmp_path) == str(first)
    second = checkpoint(tmp_path, 200)
    assert last_checkpoint(tmp_path) == str(second)


def test_checkpoints_of_before_there_were_seals_are_used(tmp_path: Path) -> None:
    first, second = (checkpoint(tmp_path, step, sealed=False) for step in (10, 20))
    for folder, text in ((first, '{"global_step": 10}'), (second, '{"global')):
        (folder / "trainer_state.json").write_text(text)
    assert last_checkpoint(tmp_path) == str(first)
    (second / "trainer_state.json").write_text('{"global_step": 20}')
    assert last_checkpoint(tmp_path) == str(second)
    sealed = checkpoint(tmp_path, 5)
    assert last_checkpoint(tmp_path) == str(sealed)


@pytest.mark.parametrize("spoil", ["cut", "changed", "missing", "seal"])
def test_a_spoiled_checkpoint_is_passed_over(spoil: str, tmp_path: Path) -> None:
    first, second = checkpoint(tmp_path, 90), checkpoint(tmp_path, 200)
    path = second / "rank/moments"
    if spoil == "cut":
        path.write_bytes(b"1" * 2999)
    elif spoil == "changed":
        path.write_bytes(b"1" * 2999 + b"2")
    elif spoil == "missing":
        path.unlink()
    else:
        (second / SEAL).write_text((second / SEAL).read_text()[:-4])
    assert not is_whole(second) and is_whole(first)
    assert last_checkpoint(tmp_path) == str(first)


def test_large_files_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from finecaption.training import checkpoints

    monkeypatch.setattr(checkpoints, "_SAMPLED", 64)
    monkeypatch.setattr(checkpoints, "_BLOCK", 16)
    folder = checkpoint(tmp_path, 1)
    assert is_whole(folder)
    path = folder / "rank/moments"
    for place in (0, 2999):
        told = bytearray(b"1" * 3000)
        told[place] = 50
        path.write_bytes(told)
        assert not is_whole(folder), place


def test_only_sealed_checkpoints_count_as_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10, 3):
        checkpoint(tmp_path, step)
    checkpoint(tmp_path, 20, sealed=False)
    rotate(tmp_path, 2)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"checkpoint-3", "checkpoint-10", "checkpoint-20"}


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match="is training into it"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
