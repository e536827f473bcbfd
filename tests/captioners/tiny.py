"""Tiny checkpoints with random weights, one for each family, in the published folders' own shape.

They babble. They are for trying the way from an image and a mask to an answer without gigabytes:
`write_tiny("qwen2-vl", "out/tiny")`, then `open_captioner("out/tiny")`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finecaption.errors import InputError

_LETTERS = "".join(chr(code) for code in range(32, 127)) + "\n"

_VICUNA = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %} ASSISTANT:"
)
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
_LLAMA = (
    "{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|image|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|eot_id|>{% endfor %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
_QWEN_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>", "<|box_start|>", "<|box_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
)  # fmt: skip


def tiny_families() -> tuple[str, ...]:
    """Names that `write_tiny` knows: those of `families.FAMILIES`."""
    return tuple(_MAKERS)


def write_tiny(family: str, folder: str | os.PathLike[str], seed: int = 4) -> Path:
    """Writes a model of a family with random weights (under 2 MB) and its processor.

    Args:
        family: one of `tiny_families()`.
        folder: made if need be.
        seed: of the weights.

    Raises:
        InputError: no such family.
    """
    if family not in _MAKERS:
        raise InputError(f"family: must be one of {', '.join(_MAKERS)}; got {family!r}")
    import torch

    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _MAKERS[family](path)
        for name, parameter in model.named_parameters():
            # wider than usual, so that image and question count
            if parameter.ndim == 2 and not name.endswith("embed_positions.weight"):
                torch.nn.init.normal_(parameter, std=0.25)
            elif name.endswith("gate"):  # Mllama's cross attention starts shut
                torch.nn.init.constant_(parameter, 0.7)
        if family == "kosmos-2":  # or else it would say the tokens of patches, which are most
            with torch.no_grad():
                model.get_input_embeddings().weight[4 + len(_LETTERS) :] *= 0.5
    # letters only, and at least one: an empty answer would show nothing
    settings = model.generation_config
    settings.begin_suppress_tokens = [2]
    settings.suppress_tokens = [0, 1, 3]
    model.save_pretrained(path)
    return path


def _tokenizer(*special: str, **roles: Any) -> Any:
    """A letter is a token; what is not printable ASCII is unknown."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<s>", "</s>", "<unk>"]
    vocabulary = {token: number for number, token in enumerate([*names, *_LETTERS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
        **roles,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def _text(vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **more,
    }


def _clip(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 28,
        "patch_size": 7,
        "projection_dim": 16,
        **more,
    }


def _clip_processor(side: int = 28) -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )


def _kosmos2(folder: Path) -> Any:
    from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration, Kosmos2Processor

    # ids of the places of the image's tokens follow <unk>: letters, which the image replaces
    processor = Kosmos2Processor(_clip_processor(), _tokenizer())
    processor.save_pretrained(folder)
    return Kosmos2ForConditionalGeneration(
        Kosmos2Config(
            text_config={
                "vocab_size": len(processor.tokenizer),
                "embed_dim": 32,
                "layers": 2,
                "ffn_dim": 48,
                "attention_heads": 4,
                "max_position_embeddings": 512,
                "scale_embedding": False,
                "pad_token_id": 0,
                "bos_token_id": 1,
                "eos_token_id": 2,
            },
            vision_config=_clip(),
            latent_query_num=4,
        )
    )


def _qwen(folder: Path, generation: str) -> Any:
    import transformers
    from transformers import Qwen2VLImageProcessorPil

    tokenizer = _tokenizer(*_QWEN_TOKENS)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in _QWEN_TOKENS}
    patch = 16 if generation == "3" else 14
    images = Qwen2VLImageProcessorPil(
        patch_size=patch,
        size={"shortest_edge": (2 * patch) ** 2, "longest_edge": 16 * (2 * patch) ** 2},
    )
    _save_parts(
        folder,
        images,
        tokenizer,
        "Qwen2_5_VLProcessor" if generation == "2_5" else f"Qwen{generation}VLProcessor",
        chat_template=_CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    vision: dict[str, Any] = {"depth": 2, "num_heads": 4, "patch_size": patch}
    if generation == "2":
        vision |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    else:
        vision |= {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 48}
    text = _text(
        len(tokenizer),
        rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
    )
    if generation == "2_5":
        vision |= {"window_size": 56, "fullatt_block_indexes": [1]}
    if generation == "3":
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        text |= {"head_dim": 8}
    stem = {"2": "Qwen2VL", "2_5": "Qwen2_5_VL", "3": "Qwen3VL"}[generation]
    config = getattr(transformers, f"{stem}Config")(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    return getattr(transformers, f"{stem}ForConditionalGeneration")(config)


def _llava(folder: Path, name: str) -> Any:
    import transformers
    from transformers import LlavaNextImageProcessorPil, LlavaNextProcessor, LlavaProcessor

    tokenizer = _tokenizer("<image>")
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    more: dict[str, Any] = {"image_token": "<image>", "chat_template": _VICUNA}
    next_one = name == "LlavaNext"
    # ViP-LLaVA reads five layers of its tower and projects them together
    layers: Any = [-2, -3] if name == "VipLlava" else -2
    settings: dict[str, Any] = {"image_token_index": image_id, "vision_feature_layers": layers}
    if name != "VipLlava":
        settings["vision_feature_layer"] = settings.pop("vision_feature_layers")
    images: Any = _clip_processor()
    if next_one:
        pinpoints = [[28, 56], [56, 28], [56, 56]]
        images = LlavaNextImageProcessorPil(
            size={"shortest_edge": 28},
            crop_size={"height": 28, "width": 28},
            image_grid_pinpoints=pinpoints,
        )
        settings |= {"image_grid_pinpoints": pinpoints}
    kind = LlavaNextProcessor if next_one else LlavaProcessor
    kind(
        images,
        tokenizer,
        patch_size=7,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        **more,
    ).save_pretrained(folder)
    config = getattr(transformers, f"{name}Config")(
        text_config={"model_type": "llama", **_text(len(tokenizer))},
        vision_config={"model_type": "clip_vision_model", **_clip()},
        **settings,
    )
    return getattr(transformers, f"{name}ForConditionalGeneration")(config)


def _internvl(folder: Path) -> Any:
    from transformers import (
        GotOcr2ImageProcessorPil,
        InternVLConfig,
        InternVLForConditionalGeneration,
    )

    names = ("<img>", "</img>", "<IMG_CONTEXT>", "<video>", "<|im_start|>", "<|im_end|>")
    tokens = dict(
        zip(
            ("start_image_token", "end_image_token", "context_image_token", "video_token"),
            names[:4],
            strict=True,
        )
    )
    tokenizer = _tokenizer(*names[4:], extra_special_tokens=tokens)
    images = GotOcr2ImageProcessorPil(
        size={"height": 28, "width": 28}, crop_to_patches=True, min_patches=1, max_patches=4
    )
    _save_parts(
        folder,
        images,
        tokenizer,
        "InternVLProcessor",
        image_seq_length=4,
        chat_template=_CHATML.replace("IMAGE", "<IMG_CONTEXT>\n"),
    )
    return InternVLForConditionalGeneration(
        InternVLConfig(
            text_config={"model_type": "qwen2", **_text(len(tokenizer))},
            vision_config={
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "image_size": [28, 28],
                "patch_size": [7, 7],
            },
            image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
            image_seq_length=4,
        )
    )


def _mllama(folder: Path) -> Any:
    from transformers import (
        MllamaConfig,
        MllamaForConditionalGeneration,
        MllamaImageProcessorPil,
        MllamaProcessor,
    )

    names = (
        "<|image|>",
        "<|python_tag|>",
        "<|eot_id|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
    )
    tokenizer = _tokenizer(*names)
    images = MllamaImageProcessorPil(size={"height": 28, "width": 28}, max_image_tiles=2)
    MllamaProcessor(images, tokenizer, chat_template=_LLAMA).save_pretrained(folder)
    return MllamaForConditionalGeneration(
        MllamaConfig(
            text_config=_text(
                # the last 8 rows of Mllama's embedding have no logits: the image token is there
                tokenizer.convert_tokens_to_ids("<|image|>"),
                num_hidden_layers=3,
                cross_attention_layers=[1],
                rope_parameters={"rope_type": "default", "rope_theta": 1e4},
            ),
            vision_config={
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_global_layers": 1,
                "attention_heads": 4,
                "image_size": 28,
                "patch_size": 7,
                "max_num_tiles": 2,
                "intermediate_layers_indices": [0],
                "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
                "vision_output_dim": 64,
            },
            image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"),
        )
    )


def _save_parts(
    folder: Path, images: Any, tokenizer: Any, processor: str, chat_template: str, **settings: Any
) -> None:
    """What `save_pretrained` of a processor writes, for those that need a video processor to be
    made, and so torchvision."""
    import json

    images.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(chat_template, encoding="utf-8")
    about = {"processor_class": processor, **settings}
    (folder / "processor_config.json").write_text(json.dumps(about, indent=2), encoding="utf-8")


_MAKERS: dict[str, Callable[[Path], Any]] = {
    "kosmos-2": _kosmos2,
    "qwen2-vl": lambda folder: _qwen(folder, "2"),
    "qwen2.5-vl": lambda folder: _qwen(folder, "2_5"),
    "qwen3-vl": lambda folder: _qwen(folder, "3"),
    "llava-1.5": lambda folder: _llava(folder, "Llava"),
    "llava-1.6": lambda folder: _llava(folder, "LlavaNext"),
    "vip-llava": lambda folder: _llava(folder, "VipLlava"),
    "internvl": _internvl,
    "llama-3.2-vision": _mllama,
}
