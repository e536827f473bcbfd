"""Other projects' networks at tiny size, written anew with their weights' names.

Nothing here uses the package or transformers: what agrees with it agrees with an independent
reading of openai/CLIP, SunzeY/AlphaCLIP, timm's ConvNeXt and facebookresearch/segment-anything.

Legend: B pictures, W width, L tokens, g grid, H heads.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

# CLIP -------------------------------------------------------------------------------------------


class _FusedAttention(nn.Module):
    """OpenAI's names: in_proj_weight and in_proj_bias are parameters of the attention itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out_proj(
            attend(F.linear(x, self.in_proj_weight, self.in_proj_bias), self.heads)
        )


class _LinearAttention(nn.Module):
    """Alpha-CLIP's names: in_proj is a linear layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out_proj(attend(self.in_proj(x), self.heads))


def attend(fused: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, L, 3 * W), queries, keys, values side by side -> (B, L, W)."""
    batch, length, width = fused.shape
    q, k, v = fused.view(batch, length, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
    weights = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1)
    return (weights @ v).transpose(1, 2).reshape(batch, length, width // 3)


class _QuickGELU(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class _ResBlock(nn.Module):
    def __init__(self, width: int, heads: int, alpha: bool) -> None:
        super().__init__()
        self.attn = (_LinearAttention if alpha else _FusedAttention)(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", _QuickGELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class _Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, alpha: bool) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(_ResBlock(width, heads, alpha) for _ in range(layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.resblocks(x)


class ClipViT(nn.Module):
    """CLIP's vision transformer; with `alpha`, Alpha-CLIP's."""

    def __init__(
        self, width: int = 128, layers: int = 3, heads: int = 2, patch: int = 14, size: int = 42,
        alpha: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        if alpha:
            self.conv1_alpha = nn.Conv2d(1, width, patch, patch, bias=False)
        self.alpha = alpha
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros((size // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = _Transformer(width, layers, heads, alpha)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, 16))

    def embed(self, pixels: torch.Tensor, alpha: torch.Tensor | None = None) -> torch.Tensor:
        """(B, 3, s, s) and a mask (B, 1, s, s) -> (B, L, W), before the first block."""
        patches = self.conv1(pixels)
        if alpha is not None:
            patches = patches + self.conv1_alpha(alpha)
        tokens = patches.flatten(2).mT
        start = self.class_embedding.expand(len(tokens), 1, -1)
        return self.ln_pre(torch.cat([start, tokens], 1) + self.positional_embedding)

    def hidden(self, pixels: torch.Tensor, alpha: torch.Tensor | None, layers: int) -> torch.Tensor:
        """(B, L, W) after so many blocks."""
        return self.transformer.resblocks[:layers](self.embed(pixels, alpha))

    def forward(self, pixels: torch.Tensor, alpha: torch.Tensor | None = None) -> torch.Tensor:
        """The normalised class token, (B, W), before `proj`."""
        return self.ln_post(self.transformer(self.embed(pixels, alpha))[:, 0])


class Clip(nn.Module):
    """What an OpenAI file holds beside the vision tower."""

    def __init__(self, visual: ClipViT) -> None:
        super().__init__()
        self.visual = visual
        self.transformer = _Transformer(64, 1, 1, False)
        self.positional_embedding = nn.Parameter(torch.zeros(7, 64))
        self.text_projection = nn.Parameter(torch.zeros(64, 16))
        self.logit_scale = nn.Parameter(torch.tensor(4.6))
        self.token_embedding = nn.Embedding(9, 64)
        self.ln_final = nn.LayerNorm(64)
        self.register_buffer("input_resolution", torch.tensor(42))
        self.register_buffer("context_length", torch.tensor(7))
        self.register_buffer("vocab_size", torch.tensor(9))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.visual(pixels)


# ConvNeXt ---------------------------------------------------------------------------------------


class _ChannelNorm(nn.LayerNorm):
    """Over the channels of (B, C, h, w)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ConvNeXtBlock(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )
        self.gamma = nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv_dw(x).permute(0, 2, 3, 1))
        y = self.mlp["fc2"](F.gelu(self.mlp["fc1"](y))) * self.gamma
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """timm's ConvNeXt with the head of an image classifier."""

    def __init__(
        self, depths: tuple[int, ...] = (1, 1, 2, 1), widths: tuple[int, ...] = (8, 12, 16, 24),
        eps: float = 1e-5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), _ChannelNorm(widths[0], eps=eps))
        self.stages = nn.ModuleList()
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            before = widths[max(stage - 1, 0)]
            modules = nn.ModuleDict()
            if stage:
                modules["downsample"] = nn.Sequential(
                    _ChannelNorm(before, eps=eps), nn.Conv2d(before, width, 2, 2)
                )
            modules["blocks"] = nn.Sequential(*(_ConvNeXtBlock(width, eps) for _ in range(depth)))
            self.stages.append(modules)
        self.head = nn.ModuleDict(
            {"norm": nn.LayerNorm(widths[-1], eps=eps), "fc": nn.Linear(widths[-1], 5)}
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, C, S / 32, S / 32), before the head."""
        x = self.stem(pixels)
        for stage in self.stages:
            x = stage["blocks"](stage["downsample"](x) if "downsample" in stage else x)
        return x


# SAM --------------------------------------------------------------------------------------------


class _SamAttention(nn.Module):
    def __init__(self, width: int, heads: int, extent: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * extent - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * extent - 1, width // heads))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, n, n, W), each cell attends to all; positions enter by row and by column."""
        batch, side, _, width = x.shape
        fused = self.qkv(x).view(batch, side * side, 3, self.heads, width // self.heads)
        q, k, v = fused.permute(2, 0, 3, 1, 4)  # (B, H, n * n, d)
        logits = (q @ k.mT) * (width // self.heads) ** -0.5
        steps = torch.arange(side)[:, None] - torch.arange(side)[None] + side - 1
        grid = q.reshape(batch, self.heads, side, side, -1)
        rows = torch.einsum("bhijd,ikd->bhijk", grid, self.rel_pos_h[steps])
        columns = torch.einsum("bhijd,jkd->bhijk", grid, self.rel_pos_w[steps])
        logits = logits.view(batch, self.heads, side, side, side, side)
        logits = logits + rows[..., :, None] + columns[..., None, :]
        weights = logits.view(batch, self.heads, side * side, side * side).softmax(-1)
        out = (weights @ v).transpose(1, 2).reshape(batch, side, side, width)
        return self.proj(out)


class _SamBlock(nn.Module):
    def __init__(self, width: int, heads: int, window: int, grid: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _SamAttention(width, heads, window or grid)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict(
            {"lin1": nn.Linear(width, 2 * width), "lin2": nn.Linear(2 * width, width)}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm1(x)
        x = x + (self._windows(y) if self.window else self.attn(y))
        return x + self.mlp["lin2"](F.gelu(self.mlp["lin1"](self.norm2(x))))

    def _windows(self, x: torch.Tensor) -> torch.Tensor:
        """Attention within windows; the grid is padded with zeros to a multiple of them."""
        batch, side, _, width = x.shape
        n, many = self.window, -(-side // self.window)
        gap = many * n - side
        x = F.pad(x, (0, 0, 0, gap, 0, gap)).view(batch, many, n, many, n, width)
        x = self.attn(x.transpose(2, 3).reshape(-1, n, n, width))
        x = x.view(batch, many, many, n, n, width).transpose(2, 3)
        return x.reshape(batch, many * n, many * n, width)[:, :side, :side]


class _Patch(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj(x).permute(0, 2, 3, 1)


class _CellNorm(nn.Module):
    """segment-anything's LayerNorm2d."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return scaled * self.weight[:, None, None] + self.bias[:, None, None]


class SamEncoder(nn.Module):
    """SAM's image encoder: windowed blocks, global ones, neck."""

    def __init__(
        self, width: int = 32, layers: int = 3, heads: int = 2, size: int = 64, window: int = 3,
        everywhere: tuple[int, ...] = (1,), out: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        grid = size // 16
        self.patch_embed = _Patch(width, 16)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, width))
        self.blocks = nn.Sequential(
            *(
                _SamBlock(width, heads, 0 if i in everywhere else window, grid)
                for i in range(layers)
            )
        )
        self.neck = nn.Sequential(
            nn.Conv2d(width, out, 1, bias=False), _CellNorm(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False), _CellNorm(out),
        )  # fmt: skip

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, C, S / 16, S / 16)."""
        x = self.blocks(self.patch_embed(pixels) + self.pos_embed)
        return self.neck(x.permute(0, 3, 1, 2))


# Files ------------------------------------------------------------------------------------------


def fill(module: nn.Module, seed: int) -> nn.Module:
    """Random weights that let every part count: norms near 1, all else small."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            norm = parameter.ndim == 1 and name.endswith("weight")
            if parameter.ndim > 1:
                fan = parameter[0].numel()
                parameter.copy_(noise * (0.3 if "pos" in name else fan**-0.5))
            else:
                parameter.copy_(1 + 0.2 * noise if norm else 0.2 * noise + 0.3 * ("gamma" in name))
    return module.eval()


def script(module: nn.Module, example: torch.Tensor, path: Path) -> None:
    """Saves a TorchScript archive, which is how OpenAI publishes CLIP."""
    with warnings.catch_warnings():  # TorchScript is deprecated; the published files stay
        warnings.simplefilter("ignore")
        torch.jit.trace(module, example).save(str(path))


def sam_file(encoder: SamEncoder) -> dict[str, torch.Tensor]:
    """A whole SAM's state dict around an image encoder."""
    state = {f"image_encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    state["prompt_encoder.not_a_point_embed.weight"] = torch.zeros(1, 16)
    state["mask_decoder.iou_token.weight"] = torch.zeros(1, 16)
    return state


def open_clip_file(trunk: ConvNeXt) -> dict[str, torch.Tensor]:
    """An open_clip state dict around a ConvNeXt trunk."""
    trunk_state = {k: v for k, v in trunk.state_dict().items() if not k.startswith("head.fc")}
    state = {f"visual.trunk.{name}": tensor for name, tensor in trunk_state.items()}
    state["visual.head.mlp.fc1.weight"] = torch.zeros(4, 24)
    state["logit_scale"] = torch.tensor(4.6)
    state["text_projection"] = torch.zeros(8, 4)
    state["transformer.resblocks.0.ln_1.weight"] = torch.zeros(8)
    return state


# Language models --------------------------------------------------------------------------------

_TOKENS = {
    "llama": ["<|begin_of_text|>", "<|eot_id|>", "<|reserved_special_token_0|>",
              "<|start_header_id|>", "<|end_header_id|>", "<|finetune_right_pad_id|>"],
    "qwen2": ["<|endoftext|>", "<|im_end|>", "<|im_start|>"],
    "qwen3": ["<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|image_pad|>"],
    "mistral": ["<s>", "</s>", "[INST]", "[/INST]"],
}  # fmt: skip
_BOS = {"llama": "<|begin_of_text|>", "mistral": "<s>"}
_EOS = {"llama": "<|eot_id|>", "qwen2": "<|im_end|>", "qwen3": "<|im_end|>", "mistral": "</s>"}
_TEMPLATE = (
    "{{- bos_token -}}{%- for message in messages -%}{%- if message['role'] == 'user' -%}"
    "{{- '[INST] ' + message['content'] + '[/INST]' -}}{%- else -%}"
    "{{- ' ' + message['content'] + eos_token -}}{%- endif -%}{%- endfor -%}"
)


def language_model(
    folder: Path, kind: str = "llama", texts: tuple[str, ...] = (), *, tied: bool = False,
    hidden: int = 64, seed: int = 0, shard: str = "1GB",
) -> Path:  # fmt: skip
    """A causal language model with its tokenizer, in a transformers folder.

    Args:
        folder: to write.
        kind: llama, qwen2, qwen3 or mistral, with that family's special tokens.
        texts: the tokenizer is trained on.
        tied: whether embedding and head are one matrix.
        hidden: width; a multiple of 64, or NF4 does not take the layers.
        seed: of the weights.
        shard: largest weights file.
    """
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts or ["describe the region"], vocab_size=320, special_tokens=_TOKENS[kind],
        show_progress=False,
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer,
        bos_token=_BOS.get(kind), eos_token=_EOS[kind],
        additional_special_tokens=_TOKENS[kind],
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    if kind == "mistral":
        tokenizer.chat_template = _TEMPLATE
    if kind == "qwen3":
        tokenizer.chat_template = "{# enable_thinking #}"
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=hidden // 4,
        max_position_embeddings=512, tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    return folder


def five_files(folder: Path, texts: tuple[str, ...] = ()) -> dict[str, str]:
    """One checkpoint a part in upstream's format: what `finecaption assemble` takes, by option.

    OpenAI's TorchScript archive, Alpha-CLIP's .pth, timm's .safetensors, Meta's .pth, a Llama
    folder.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    clip = Clip(fill(ClipViT(), 1))
    script(clip, torch.zeros(1, 3, 42, 42), folder / "ViT-tiny.pt")
    torch.save(fill(ClipViT(alpha=True), 2).state_dict(), folder / "clip_tiny_alpha.pth")
    save_file(fill(ConvNeXt(), 3).state_dict(), folder / "convnext_tiny.safetensors")
    torch.save(sam_file(fill(SamEncoder(), 4)), folder / "sam_vit_tiny.pth")
    language_model(folder / "llm", texts=texts)
    (folder / "README.json").write_text(json.dumps({"sizes": "tiny, weights random"}))
    names = {
        "clip": "ViT-tiny.pt", "alpha": "clip_tiny_alpha.pth",
        "convnext": "convnext_tiny.safetensors", "sam": "sam_vit_tiny.pth", "llm": "llm",
    }  # fmt: skip
    return {part: str(folder / name) for part, name in names.items()}
