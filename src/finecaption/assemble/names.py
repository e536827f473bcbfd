"""The names of other projects' weights and ours: the only place that knows both.

Each `Format` is a table. Every name in a file must be matched by exactly one row, which says what
becomes of it: one of our names, several (a fused matrix in equal parts along its first dimension),
or nothing. A name that no row matches stops the assembly; so does one of ours that is left without
a source (`finecaption.assemble.plan` compares).

Sources: openai/CLIP `clip/model.py`, SunzeY/AlphaCLIP `alpha_clip/model.py`, timm
`models/convnext.py`, open_clip `timm_model.py`, facebookresearch/segment-anything
`modeling/image_encoder.py`, and transformers' CLIP, ConvNeXt, SAM and Llama.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from finecaption.errors import InputError

Rules = tuple[tuple[str, tuple[str, ...]], ...]
_DROP: tuple[str, ...] = ()
_WB = r"(weight|bias)"


@dataclass(frozen=True)
class Format:
    """How one project names one part.

    Attributes:
        name: in words.
        part: clip, alpha, convnext, sam or llm.
        mark: a name, without prefix, that only this format has.
        prefixes: where the part's names begin in a file; the first under which `mark` is found.
        target: what all of our names begin with.
        rules: (pattern of the whole name after the prefix, our names after `target`).
        outside: patterns of whole names without the prefix: other parts, which are not read. Where
            the prefix is empty, there are none.
    """

    name: str
    part: str
    mark: str
    prefixes: tuple[str, ...]
    target: str
    rules: Rules
    outside: tuple[str, ...] = ()

    def prefix(self, names: Iterable[str]) -> str | None:
        """The prefix that a file uses, None if the file is of another format."""
        known = set(names)
        return next((p for p in self.prefixes if p + self.mark in known), None)


@dataclass(frozen=True)
class Taken:
    """Where one of our tensors comes from: the `index`-th of `of` equal parts of `source`."""

    source: str
    index: int = 0
    of: int = 1


def _vision(table: Rules) -> Rules:
    return tuple((pattern, tuple(f"vision.{t}" for t in targets)) for pattern, targets in table)


_CLIP_VIT: Rules = _vision(
    (
        (r"conv1\.weight", ("embeddings.patch_embedding.weight",)),
        (r"class_embedding", ("embeddings.class_embedding",)),
        (r"positional_embedding", ("embeddings.position_embedding.weight",)),
        (rf"ln_pre\.{_WB}", (r"pre_layrnorm.\1",)),  # sic
        (rf"ln_post\.{_WB}", (r"post_layernorm.\1",)),
        (
            rf"transformer\.resblocks\.(\d+)\.ln_([12])\.{_WB}",
            (r"encoder.layers.\1.layer_norm\2.\3",),
        ),
        # OpenAI: attn.in_proj_weight; Alpha-CLIP: attn.in_proj.weight
        (
            rf"transformer\.resblocks\.(\d+)\.attn\.in_proj[._]{_WB}",
            tuple(rf"encoder.layers.\1.self_attn.{p}_proj.\2" for p in "qkv"),
        ),
        (
            rf"transformer\.resblocks\.(\d+)\.attn\.out_proj\.{_WB}",
            (r"encoder.layers.\1.self_attn.out_proj.\2",),
        ),
        (rf"transformer\.resblocks\.(\d+)\.mlp\.c_fc\.{_WB}", (r"encoder.layers.\1.mlp.fc1.\2",)),
        (rf"transformer\.resblocks\.(\d+)\.mlp\.c_proj\.{_WB}", (r"encoder.layers.\1.mlp.fc2.\2",)),
        (r"proj", _DROP),  # into the space that images and texts share
    )
)
_ALPHA_CONV: Rules = ((r"conv1_alpha\.weight", ("alpha.weight",)),)
# CLIP's text tower and what goes with it.
_CLIP_TEXT = (
    r"positional_embedding",
    r"token_embedding\.weight",
    r"text_projection(\.weight)?",
    r"logit_(scale|bias)",
    rf"ln_final\.{_WB}",
    r"transformer\.resblocks\.\d+\..+",
    r"attn_mask",
    r"text\..+",
    # buffers of OpenAI's archives
    r"input_resolution",
    r"context_length",
    r"vocab_size",
)
_CONVNEXT_NAMES: Rules = (
    (rf"stem\.0\.{_WB}", (r"embeddings.patch_embeddings.\1",)),
    (rf"stem\.1\.{_WB}", (r"embeddings.layernorm.\1",)),
    (
        rf"stages\.(\d+)\.downsample\.([01])\.{_WB}",
        (r"encoder.stages.\1.downsampling_layer.\2.\3",),
    ),
    (rf"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.{_WB}", (r"encoder.stages.\1.layers.\2.dwconv.\3",)),
    (rf"stages\.(\d+)\.blocks\.(\d+)\.norm\.{_WB}", (r"encoder.stages.\1.layers.\2.layernorm.\3",)),
    (
        rf"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc([12])\.{_WB}",
        (r"encoder.stages.\1.layers.\2.pwconv\3.\4",),
    ),
    (
        r"stages\.(\d+)\.blocks\.(\d+)\.gamma",
        (r"encoder.stages.\1.layers.\2.layer_scale_parameter",),
    ),
    (rf"head\.norm\.{_WB}", (r"layernorm.\1",)),
    (rf"head\.(fc|pre_logits\.fc)\.{_WB}", _DROP),
)
_SAM_NAMES: Rules = (
    (r"pos_embed", ("pos_embed",)),
    (rf"patch_embed\.proj\.{_WB}", (r"patch_embed.projection.\1",)),
    (rf"blocks\.(\d+)\.norm([12])\.{_WB}", (r"layers.\1.layer_norm\2.\3",)),
    (rf"blocks\.(\d+)\.attn\.(qkv|proj)\.{_WB}", (r"layers.\1.attn.\2.\3",)),
    (r"blocks\.(\d+)\.attn\.rel_pos_([hw])", (r"layers.\1.attn.rel_pos_\2",)),
    (rf"blocks\.(\d+)\.mlp\.lin([12])\.{_WB}", (r"layers.\1.mlp.lin\2.\3",)),
    (r"neck\.0\.weight", ("neck.conv1.weight",)),
    (rf"neck\.1\.{_WB}", (r"neck.layer_norm1.\1",)),
    (r"neck\.2\.weight", ("neck.conv2.weight",)),
    (rf"neck\.3\.{_WB}", (r"neck.layer_norm2.\1",)),
)

FORMATS: tuple[Format, ...] = (
    Format(
        "Alpha-CLIP",
        "alpha",
        "class_embedding",
        ("visual.", ""),
        "model.clip.",
        _CLIP_VIT + _ALPHA_CONV,
        outside=_CLIP_TEXT,
    ),
    Format(
        "alpha convolution",
        "alpha",
        "conv1_alpha.weight",
        ("visual.", ""),
        "model.clip.",
        _ALPHA_CONV,
    ),
    Format(
        "OpenAI CLIP",
        "clip",
        "conv1.weight",
        ("visual.", ""),
        "model.clip.",
        _CLIP_VIT,
        outside=_CLIP_TEXT,
    ),
    Format(
        "transformers CLIP",
        "clip",
        "embeddings.patch_embedding.weight",
        ("vision_model.", ""),
        "model.clip.",
        (
            (r"embeddings\.position_ids", _DROP),
            (r"((embeddings|encoder|pre_layrnorm|post_layernorm)\..+)", (r"vision.\1",)),
        ),
        outside=(r"text_model\..+", r"(text|visual)_projection\.weight", r"logit_scale"),
    ),
    Format(
        "timm ConvNeXt",
        "convnext",
        "stem.0.weight",
        ("",),
        "model.convnext.model.",
        _CONVNEXT_NAMES,
    ),
    Format(
        "open_clip ConvNeXt",
        "convnext",
        "stem.0.weight",
        ("visual.trunk.",),
        "model.convnext.model.",
        _CONVNEXT_NAMES,
        outside=(r"visual\.head\..+", *_CLIP_TEXT),
    ),
    Format(
        "transformers ConvNeXt",
        "convnext",
        "embeddings.patch_embeddings.weight",
        ("convnext.", ""),
        "model.convnext.model.",
        ((r"((embeddings|encoder|layernorm)\..+)", (r"\1",)),),
        outside=(rf"classifier\.{_WB}",),
    ),
    Format(
        "Meta SAM",
        "sam",
        "patch_embed.proj.weight",
        ("image_encoder.", ""),
        "model.sam.model.vision_encoder.",
        _SAM_NAMES,
        outside=(r"prompt_encoder\..+", r"mask_decoder\..+", r"pixel_(mean|std)"),
    ),
    Format(
        "transformers SAM",
        "sam",
        "patch_embed.projection.weight",
        ("vision_encoder.",),
        "model.sam.model.vision_encoder.",
        ((r"(.+)", (r"\1",)),),
        outside=(r"prompt_encoder\..+", r"mask_decoder\..+", r"shared_image_embedding\..+"),
    ),
    Format(
        "transformers causal LM",
        "llm",
        "embed_tokens.weight",
        ("model.",),
        "",
        (
            (r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq", _DROP),  # recomputed
            (r"(.+)", (r"model.language_model.\1",)),
        ),
        outside=(r"lm_head\.weight",),
    ),
)

LM_HEAD = "lm_head.weight"


def detect(part: str, names: Iterable[str], where: str) -> Format:
    """The format of a file or folder, by its names.

    Args:
        part: what it is given for: clip, alpha, convnext, sam or llm.
        names: of its tensors.
        where: the file, for messages.

    Raises:
        InputError: none of the part's formats; the message says what was found instead.
    """
    names = list(names)
    for form in FORMATS:
        if form.part == part and form.prefix(names) is not None:
            return form
    other = next((f for f in FORMATS if f.part != part and f.prefix(names) is not None), None)
    # A file of Alpha-CLIP is told by a name that no other has.
    if any(name.endswith("conv1_alpha.weight") for name in names):
        other = next(f for f in FORMATS if f.name == "Alpha-CLIP")
    expected = ", ".join(form.name for form in FORMATS if form.part == part)
    found = f"looks like {other.name}" if other else f"has names like {', '.join(names[:3])}"
    raise InputError(f"{where}: is no checkpoint for --{part} ({expected}); it {found}")


def rename(form: Format, names: Iterable[str], where: str) -> dict[str, Taken]:
    """Our names, each with its source.

    Raises:
        InputError: a name that the format does not have, or two that mean the same.
    """
    names = list(names)
    prefix = form.prefix(names)
    taken: dict[str, Taken] = {}
    for name in names:
        if prefix is None or not name.startswith(prefix):
            if not any(re.fullmatch(pattern, name) for pattern in form.outside):
                raise InputError(f"{where}: unexpected key {name}; {form.name} has none of it")
            continue
        targets = _targets(form, name[len(prefix) :])
        if targets is None:
            raise InputError(f"{where}: unexpected key {name}; {form.name} has none of it")
        for index, target in enumerate(targets):
            if target in taken:
                raise InputError(f"{where}: {name} and {taken[target].source} are both {target}")
            taken[target] = Taken(name, index, len(targets))
    if form.part == "llm" and LM_HEAD in names:
        taken[LM_HEAD] = Taken(LM_HEAD)
    return taken


def _targets(form: Format, name: str) -> tuple[str, ...] | None:
    for pattern, templates in form.rules:
        match = re.fullmatch(pattern, name)
        if match:
            return tuple(form.target + match.expand(template) for template in templates)
    return None


def foreign_name(form: Format, target: str, names: Iterable[str]) -> str:
    """What a file of this format calls one of our names; for messages.

    Args:
        form: the format.
        target: our name.
        names: of the file, for its prefix and spelling.
    """
    names = list(names)
    prefix = form.prefix(names) or ""
    for pattern, templates in form.rules:
        for template in templates:
            as_pattern = re.sub(r"\\\\(\d)", r"(?P<g\1>.+)", re.escape(form.target + template))
            match = re.fullmatch(as_pattern, target)
            if match:
                name = prefix + _fill(pattern, match.groupdict())
                fused = any(".in_proj." in other for other in names)
                return name.replace("[._]", "." if fused else "_")
    return target


def _fill(pattern: str, groups: dict[str, str]) -> str:
    """A pattern with its groups replaced by what they matched."""
    text, depth, number = "", 0, 0
    for character in pattern:
        if character == "(":
            depth, number = depth + 1, number + 1
            if depth == 1:
                text += groups.get(f"g{number}", "")
        elif character == ")":
            depth -= 1
        elif not depth and character != "\\":
            text += character
    return text


__all__ = ["FORMATS", "LM_HEAD", "Format", "Taken", "detect", "foreign_name", "rename"]
