from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

from finecaption.model import (
    FineCaptionConfig,
    FineCaptionForConditionalGeneration,
    FineCaptionModel,
    register,
    tiny,
)

from .conftest import build, inputs

Model = FineCaptionForConditionalGeneration
Batch = dict[str, torch.Tensor]


def _changed(**fields: Any) -> FineCaptionConfig:
    return FineCaptionConfig(**{**tiny().to_dict(), **fields})


def _checkpointing(model: Model) -> None:
    # Renamed in transformers 5.2x; the old name warns there, the new one is missing before.
    enable = getattr(model, "activation_checkpointing_enable", None)
    (enable or model.gradient_checkpointing_enable)()


# --- what the mask can reach ---------------------------------------------------------------


@torch.no_grad()
def test_a_new_model_has_zero_alpha_and_ignores_masks(batch: Batch) -> None:
    model = Model(tiny()).eval()
    assert not model.clip.alpha.weight.any()
    other = {**batch, "region_masks": 255 - batch["region_masks"]}
    assert torch.equal(model(**batch).logits, model(**other).logits)


@torch.no_grad()
def test_the_mask_is_seen_only_through_the_alpha_path(model: Model, batch: Batch) -> None:
    other = {**batch, "region_masks": 255 - batch["region_masks"]}
    assert not torch.allclose(model(**batch).logits, model(**other).logits)
    blind = build(_changed(mask_path=False))
    assert torch.equal(blind(**batch).logits, blind(**other).logits)
    calls = []
    hook = model.clip.alpha.register_forward_hook(lambda *_: calls.append(1))
    model.encode_image(batch["pixel_values"])
    hook.remove()
    assert not calls


@torch.no_grad()
def test_one_picture_with_many_regions_equals_separate_calls(model: Model) -> None:
    config = model.config
    batch = inputs(config, rows=2)
    masks = inputs(config, rows=5, seed=3)["region_masks"]
    index = torch.tensor([1, 0, 0, 1, 0])
    calls = []
    hook = model.convnext.register_forward_hook(lambda *_: calls.append(1))
    hr = model.encode_image(batch["pixel_values"])
    together = model.encode_regions(batch["pixel_values_clip"], masks, hr, index)
    hook.remove()
    assert len(calls) == 1
    assert together.shape == (5, config.image_seq_length, 32)
    for region, picture in enumerate(index.tolist()):
        one = slice(picture, picture + 1)
        alone = model.encode_regions(
            batch["pixel_values_clip"][one],
            masks[region : region + 1],
            model.encode_image(batch["pixel_values"][one]),
        )
        torch.testing.assert_close(together[region : region + 1], alone)


@torch.no_grad()
def test_no_mask_is_all_foreground(model: Model, batch: Batch) -> None:
    hr = model.encode_image(batch["pixel_values"])
    whole = torch.full_like(batch["region_masks"], 255)
    expected = model.encode_regions(batch["pixel_values_clip"], whole, hr)
    assert torch.equal(model.encode_regions(batch["pixel_values_clip"], None, hr), expected)


@torch.no_grad()
def test_pixels_as_bytes_or_fractions(model: Model, batch: Batch) -> None:
    fractions = {
        name: value.float() / 255 if value.dtype == torch.uint8 else value
        for name, value in batch.items()
    }
    torch.testing.assert_close(model(**fractions).logits, model(**batch).logits)


@torch.no_grad()
def test_each_tower_gets_its_own_statistics(batch: Batch) -> None:
    base = build(tiny())
    for name, prefix in (("clip", "clip"), ("convnext", "convnext"), ("sam", "sam")):
        other = build(_changed(**{f"{prefix}_image_mean": (0.1, 0.1, 0.1)}))
        for tower in ("convnext", "sam"):
            a = base.encode_image(batch["pixel_values"])
            b = other.encode_image(batch["pixel_values"])
            split = base.config.convnext_channels
            part = slice(0, split) if tower == "convnext" else slice(split, None)
            assert torch.equal(a[:, part], b[:, part]) == (tower != name)


@torch.no_grad()
def test_sam_embeddings_without_a_second_pass(model: Model, batch: Batch) -> None:
    hr = model.encode_image(batch["pixel_values"])
    direct = model.encode_sam(batch["pixel_values"])
    assert direct.shape == (2, 16, 4, 4)
    assert torch.equal(model.sam_embeddings(hr), direct)


@torch.no_grad()
def test_the_alpha_convolution_gets_masks_as_alpha_clip_was_trained(
    model: Model, batch: Batch
) -> None:
    """(mask - 0.5) / 0.26, bytes in 0..255."""
    seen: list[torch.Tensor] = []
    hook = model.clip.alpha.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    masks = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None].expand(3, 42, 42)
    index = torch.tensor([0, 1, 1])
    hr = model.encode_image(batch["pixel_values"])
    model.encode_regions(batch["pixel_values_clip"], masks, hr, index)
    hook.remove()
    expected = [-0.5 / 0.26, -0.3 / 0.26, 0.5 / 0.26]
    assert [one.unique().item() for one in seen[0]] == pytest.approx(expected, abs=1e-5)


# --- ablations -----------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize(
    ("fields", "channels"),
    [
        ({"use_convnext": False}, 64),
        ({"use_sam": False}, 24),
        ({"use_convnext": False, "use_sam": False}, 0),
        ({"mask_path": False}, 88),
    ],
)
def test_ablations(fields: dict[str, bool], channels: int, batch: Batch, tmp_path: Path) -> None:
    model = build(_changed(**fields))
    assert (model.convnext is None) == (fields.get("use_convnext") is False)
    assert (model.sam is None) == (fields.get("use_sam") is False)
    hr = model.encode_image(batch["pixel_values"])
    assert hr.shape == (2, channels, 2, 2)
    logits = model(**batch).logits
    model.save_pretrained(tmp_path)
    assert torch.equal(Model.from_pretrained(tmp_path).eval()(**batch).logits, logits)
    if fields.get("use_sam") is False:
        with pytest.raises(ValueError, match="no SAM tower"):
            model.sam_embeddings(hr)


@torch.no_grad()
@pytest.mark.parametrize(("width", "made"), [(None, 32), (48, 48), (16, 16)])
def test_the_adapter_has_a_width_of_its_own(width: int | None, made: int, batch: Batch) -> None:
    model = build(_changed(adapter_hidden_size=width))
    adapter = model.adapter
    assert adapter.clip_in.out_features == adapter.hr_in.out_features == made
    assert (adapter.out.in_features, adapter.out.out_features) == (made, 32)
    assert model(**batch).logits.shape == (2, 10, 64)


# --- placeholders --------------------------------------------------------------------------


def test_too_few_placeholders(model: Model, batch: Batch) -> None:
    batch["input_ids"][0, 2] = 8
    with pytest.raises(ValueError, match="7 image placeholders.*8 image tokens"):
        model(**batch)


def test_placeholders_without_a_picture(model: Model, batch: Batch) -> None:
    with pytest.raises(ValueError, match="8 image placeholders.*0 image tokens"):
        model(input_ids=batch["input_ids"])


@torch.no_grad()
def test_text_only(model: Model) -> None:
    ids = torch.tensor([[1, 8, 9, 10]])
    hidden = model.language_model(input_ids=ids).last_hidden_state
    assert torch.equal(model(input_ids=ids).logits, model.lm_head(hidden))


@torch.no_grad()
def test_region_tokens_take_the_placeholders_places(model: Model, batch: Batch) -> None:
    outputs = model(**batch)
    features = outputs.image_hidden_states
    embeds = model.get_input_embeddings()(batch["input_ids"])
    embeds[:, 2:6] = features
    expected = model.language_model(inputs_embeds=embeds).last_hidden_state
    torch.testing.assert_close(outputs.logits, model.lm_head(expected))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_values": torch.zeros(2, 3, 32, 32)}, r"expected \(B, 3, 64, 64\)"),
        ({"region_masks": torch.zeros(2, 9, 9)}, r"expected \(R, 42, 42\)"),
        ({"region_masks": torch.zeros(3, 42, 42)}, "3 regions of 2 images: give image_index"),
        ({"image_index": torch.tensor([0])}, "image_index is"),
        ({"pixel_values_clip": None}, "pixel_values_clip is missing"),
        ({"pixel_values": None}, "give pixel_values, or hr_features"),
        ({"hr_features": torch.zeros(1, 88, 2, 2)}, "2 images .* but 1"),
        ({"input_ids": None}, "exactly one of input_ids and inputs_embeds"),
        ({"inputs_embeds": torch.zeros(2, 9, 32)}, "exactly one of input_ids and inputs_embeds"),
        ({"input_ids": None, "inputs_embeds": torch.zeros(2, 9, 32)}, "were given together"),
    ],
)
def test_shapes_that_do_not_fit(
    model: Model, batch: Batch, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model(**{**batch, **change})


# --- loss ----------------------------------------------------------------------------------


@torch.no_grad()
def test_loss_is_the_answers_negative_log_likelihood(model: Model, batch: Batch) -> None:
    labels = torch.full_like(batch["input_ids"], -100)
    labels[:, -2:] = batch["input_ids"][:, -2:]
    outputs = model(**batch, labels=labels)
    logs = outputs.logits[:, -3:-1].log_softmax(-1)
    expected = -logs.gather(-1, labels[:, -2:, None]).mean()
    torch.testing.assert_close(outputs.loss, expected)
    kept = model(**batch, labels=labels, logits_to_keep=4)
    assert kept.logits.shape[1] == 4
    torch.testing.assert_close(kept.loss, expected)
    summed = model(**batch, labels=labels, num_items_in_batch=torch.tensor(8))
    torch.testing.assert_close(summed.loss, expected / 2)


@torch.no_grad()
def test_questions_that_share_a_prefix_equal_separate_sequences(model: Model, batch: Batch) -> None:
    one = {name: value[:1] for name, value in batch.items() if name != "attention_mask"}
    prefix = one.pop("input_ids")
    tails = [torch.tensor([[11, 12, 13]]), torch.tensor([[14, 15]])]
    expected = [
        model(input_ids=torch.cat([prefix, tail], 1), **one).logits[:, prefix.shape[1] :]
        for tail in tails
    ]
    ids = torch.cat([prefix, *tails], 1)
    p, length = prefix.shape[1], ids.shape[1]
    mask = torch.ones(length, length, dtype=torch.bool).tril()
    mask[p + 3 :, p : p + 3] = False  # the second question does not see the first
    positions = torch.cat([torch.arange(p), torch.arange(p, p + 3), torch.arange(p, p + 2)])[None]
    got = model(
        input_ids=ids, attention_mask=mask[None, None], position_ids=positions, **one
    ).logits
    torch.testing.assert_close(got[:, p : p + 3], expected[0])
    torch.testing.assert_close(got[:, p + 3 :], expected[1])


def test_gradient_checkpointing_gives_the_same_gradients(batch: Batch) -> None:
    gradients = []
    for checkpointed in (False, True):
        model = build(tiny()).train()
        if checkpointed:
            _checkpointing(model)
            assert model.convnext.gradient_checkpointing
        model(**batch, labels=batch["input_ids"], use_cache=False).loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


# --- saving, registration, speed -----------------------------------------------------------


@torch.no_grad()
def test_save_and_load_are_exact(model: Model, batch: Batch, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    assert isinstance(again, FineCaptionForConditionalGeneration)
    own, loaded = model.state_dict(), again.state_dict()
    assert own.keys() == loaded.keys()
    assert all(torch.equal(own[name], loaded[name]) for name in own)
    assert torch.equal(again(**batch).logits, model(**batch).logits)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), FineCaptionConfig)
    trunk = AutoModel.from_pretrained(tmp_path)
    assert isinstance(trunk, FineCaptionModel)
    assert torch.equal(trunk.clip.alpha.weight, model.clip.alpha.weight)


def test_embeddings_can_be_asked_for_and_replaced() -> None:
    model = Model(tiny())
    assert model.get_output_embeddings() is model.lm_head
    assert model.get_input_embeddings() is model.language_model.get_input_embeddings()
    made = torch.nn.Embedding(64, 32), torch.nn.Linear(32, 64, bias=False)
    model.set_input_embeddings(made[0])
    model.set_output_embeddings(made[1])
    assert model.get_input_embeddings() is model.model.get_input_embeddings() is made[0]
    assert model.get_output_embeddings() is model.lm_head is made[1]
    model.resize_token_embeddings(70)
    assert model.get_input_embeddings().weight.shape == model.lm_head.weight.shape == (70, 32)


def test_registering_again_changes_nothing() -> None:
    register()
    register()
    assert AutoConfig.for_model("finecaption").__class__ is FineCaptionConfig


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    import finecaption.model

    with pytest.raises(AttributeError, match="'finecaption.model' has no attribute 'large'"):
        _ = finecaption.model.large


@torch.no_grad()
def test_half_precision(model: Model, batch: Batch, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    half = Model.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    difference = (half(**batch).logits.float() - model(**batch).logits).abs().max()
    assert difference < 0.1


def test_tied_embeddings(tmp_path: Path) -> None:
    model = Model(tiny(tie_word_embeddings=True))
    assert model.lm_head.weight is model.get_input_embeddings().weight
    model.save_pretrained(tmp_path)
    again = Model.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.get_input_embeddings().weight
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention_implementations_agree(
    model: Model, batch: Batch, attention: str, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    other = Model.from_pretrained(tmp_path, attn_implementation=attention).eval()
    assert other.language_model.config._attn_implementation == attention
    torch.testing.assert_close(other(**batch).logits, model(**batch).logits)


@torch.no_grad()
def test_another_language_model(batch: Batch) -> None:
    text = {
        "model_type": "qwen2",
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    model = build(_changed(text_config=text))
    assert type(model.language_model).__name__ == "Qwen2Model"
    assert model.generate(**batch, max_new_tokens=2, do_sample=False).shape[0] == 2


@torch.no_grad()
def test_tiny_is_fast(model: Model, batch: Batch) -> None:
    times = []
    for _ in range(5):
        start = time.process_time()
        model(**batch)
        times.append(time.process_time() - start)
    assert min(times) < 0.2
