"""A checkpoint of a stage with tied embeddings can be written, and holds every weight once."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from finecaption.model import FineCaptionForConditionalGeneration, tiny
from finecaption.model.processing import FineCaptionProcessor
from finecaption.train.build import Texts
from finecaption.train.data import Asking, CaptionCollator, CaptionItems
from finecaption.train.dense import DenseHead
from finecaption.train.joint import JointTraining, LabelHeads
from finecaption.train.pool import Pool
from finecaption.train.recipes import PARTS, Stage
from finecaption.train.regions import RegionHead
from finecaption.train.trainer import last_checkpoint, train_stage


def test_tied_embeddings_are_saved_once(
    pool: Pool, processor: FineCaptionProcessor, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = tiny(len(processor.tokenizer), processor.image_token_id, tie_word_embeddings=True)
    model = FineCaptionForConditionalGeneration(config)
    heads = LabelHeads(
        DenseHead(config.convnext_channels, config.image_grid),
        DenseHead(config.sam_config.output_channels, config.sam_grid),
        RegionHead(config.text_config.hidden_size),
    )
    joint = JointTraining(model, heads, 0.5, 0.5)
    stage = Stage("stage3", "captions", PARTS, steps=4, batch=2, lr=1e-3, labels=0.5, dense=0.5)
    asking = Asking(regions=1, questions=2)
    items = CaptionItems(pool, 8, 0, asking, *Texts(processor).cached())
    train_stage(
        joint, stage, items, CaptionCollator(0, labels=True), tmp_path, 0, lambda name: None
    )
    saved = load_file(Path(last_checkpoint(tmp_path / "checkpoints") or "") / "model.safetensors")
    assert torch.equal(
        saved["captioner.model.language_model.embed_tokens.weight"],
        model.language_model.embed_tokens.weight,
    )
    assert "captioner.lm_head.weight" not in saved
    missing, unexpected = joint.load_state_dict(saved, strict=False)
    assert missing == ["captioner.lm_head.weight"] and not unexpected
