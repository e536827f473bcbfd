"""What is shipped is the trained model in half precision, whole and within its size."""

from __future__ import annotations

import pytest
import torch

from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor, tiny
from finecaption.model.tokenizer import build_word_tokenizer
from finecaption_synth.training import ship


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    tokenizer = build_word_tokenizer(["a red ball."])
    config = tiny(vocab_size=len(tokenizer))
    folder = tmp_path / "trained"
    FineCaptionForConditionalGeneration(config).save_pretrained(folder)
    FineCaptionProcessor.for_config(config, tokenizer).save_pretrained(folder)
    (folder / "provenance.json").write_text("[]")
    return folder


def test_ships_the_weights_in_half_precision(trained, tmp_path):
    target = tmp_path / "pretrained" / "small"
    size = ship.ship(trained, target)
    assert size == sum(p.stat().st_size for p in target.iterdir())
    assert (target / "provenance.json").read_text() == "[]"
    before = FineCaptionForConditionalGeneration.from_pretrained(trained)
    after = FineCaptionForConditionalGeneration.from_pretrained(target, dtype=torch.float16)
    for (name, a), (_, b) in zip(before.named_parameters(), after.named_parameters(), strict=True):
        assert torch.equal(a.half(), b), name


def test_replaces_what_was_shipped_before(trained, tmp_path):
    target = tmp_path / "small"
    target.mkdir()
    (target / "stale.txt").write_text("old")
    ship.ship(trained, target)
    assert not (target / "stale.txt").exists()


def test_refuses_a_folder_without_a_model(tmp_path):
    with pytest.raises(InputError, match="config.json"):
        ship.ship(tmp_path, tmp_path / "out")


def test_refuses_what_is_too_large(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "LIMIT", 1000)
    with pytest.raises(InputError, match="at most"):
        ship.ship(trained, tmp_path / "out")
    assert not (tmp_path / "out").exists()
