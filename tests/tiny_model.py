"""A saved model of ours with random weights that sees masks: it babbles, differently each time."""

from __future__ import annotations

from pathlib import Path


def save_tiny_model(folder: Path) -> Path:
    """Writes model and processor; returns the folder."""
    import torch

    from finecaption.attributes import (
        ATTRIBUTE_NAMES,
        dense_instruction,
        global_instruction,
        region_instruction,
    )
    from finecaption.model import (
        FineCaptionForConditionalGeneration,
        FineCaptionProcessor,
        build_word_tokenizer,
        tiny,
    )

    prompts = [region_instruction(name) for name in ATTRIBUTE_NAMES]
    prompts += [dense_instruction(), global_instruction(), "A red cup stands on the left table."]
    tokenizer = build_word_tokenizer(prompts)
    torch.manual_seed(5)
    config = tiny(vocab_size=len(tokenizer), image_token_id=3)
    model = FineCaptionForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if "alpha" in name or "pos_embed" in name:
            torch.nn.init.normal_(parameter, std=0.3)
        # Wider than usual, so that pictures and masks count.
        wide = any(part in name for part in ("adapter", "lm_head", "language_model"))
        if wide and parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.25)
    model.save_pretrained(folder)
    FineCaptionProcessor.for_config(config, tokenizer, capitalise=True).save_pretrained(folder)
    return folder
