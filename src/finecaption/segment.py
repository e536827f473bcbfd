"""Clicks and boxes to masks, on the neck output of the model's own SAM tower.

The decoder is SAM's (Kirillov et al. 2023, arXiv:2304.02643; transformers' `SamPromptEncoder` and
`SamMaskDecoder`, so that a SAM checkpoint's weights fit). Its masks have a quarter of the
picture's resolution, too coarse for a bicycle's frame at 256 px; the small model adds a step to
half of it, which sees the raw pixels (in the spirit of HQ-SAM, arXiv:2306.01567, and SAM 2,
arXiv:2408.00714, with a convolution made for each prompt as in CondInst, arXiv:2003.05664).

Legend: B pictures, P prompts a picture, K points a prompt, S the side of the high-resolution
square in pixels, n = S / 16 the neck's grid, m the side of the mask logits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import SamConfig, SamModel
from transformers.models.sam.modeling_sam import SamMaskDecoder, SamPromptEncoder

from finecaption.errors import InputError
from finecaption.geometry import (
    Box,
    Point,
    SquarePlacement,
    check_box,
    check_point,
    place_in_square,
)
from finecaption.images import ImageSource, load_image
from finecaption.model.preparation import place_image

if TYPE_CHECKING:
    from finecaption.model.configuration import FineCaptionConfig
    from finecaption.model.modeling import FineCaptionForConditionalGeneration

CONFIG_FILE = "segmenter.json"
WEIGHTS_FILE = "segmenter.safetensors"

_NEARNESS = (1 / 32, 1 / 8)  # widths of the clicks' maps, of the square's side
_MAPS = 5

PAD = -1  # label of a point that is not there: SAM's "not a point" token


@dataclass(frozen=True)
class ClickDecoderConfig:
    """Sizes of the click decoder. The defaults are mini's; `sam()` gives a SAM checkpoint's.

    Attributes:
        image_size: S.
        patch_size: of the SAM tower.
        hidden_size: channels of the neck.
        mlp_dim, num_hidden_layers, num_attention_heads, num_multimask_outputs,
            iou_head_hidden_dim: as in transformers' `SamMaskDecoderConfig`.
        point_slots: prompts are padded to so many points, as in training; 0 pads nothing.
        position_scale: standard deviation of the random frequencies of the positions; SAM's is 1.
        refine: whether to double SAM's mask resolution with a look at the raw pixels.
        refine_channels: of the picture's own features.
        refine_width: of the features that a prompt makes of them.
    """

    image_size: int = 256
    patch_size: int = 16
    hidden_size: int = 96
    mlp_dim: int = 192
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_multimask_outputs: int = 0
    iou_head_hidden_dim: int = 96
    point_slots: int = 4
    position_scale: float = 2.0
    refine: bool = True
    refine_channels: int = 32
    refine_width: int = 16

    @classmethod
    def sam(cls) -> ClickDecoderConfig:
        """As in Meta's SAM checkpoints (ViT-B, L and H share it), without the refinement."""
        return cls(
            image_size=1024, hidden_size=256, mlp_dim=2048, num_attention_heads=8,
            num_multimask_outputs=3, iou_head_hidden_dim=256, point_slots=0, position_scale=1.0,
            refine=False,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ClickDecoderConfig:
        """Inverse of `dataclasses.asdict`.

        Raises:
            InputError: a field of another version.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"{CONFIG_FILE}: unknown field {unknown[0]!r}; update finecaption")
        return cls(**values)

    @property
    def grid(self) -> int:
        """n: cells a side of the neck's output."""
        return self.image_size // self.patch_size

    @property
    def mask_size(self) -> int:
        """m: cells a side of the mask logits."""
        return self.grid * (8 if self.refine else 4)

    def to_sam(self) -> SamConfig:
        """transformers' config of the same parts."""
        config = SamConfig(
            vision_config={
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                "num_pos_feats": self.hidden_size // 2,
                "output_channels": self.hidden_size,
            },
            prompt_encoder_config={
                "hidden_size": self.hidden_size,
                "image_size": self.image_size,
                "patch_size": self.patch_size,
            },
            mask_decoder_config={
                "hidden_size": self.hidden_size,
                "mlp_dim": self.mlp_dim,
                "num_hidden_layers": self.num_hidden_layers,
                "num_attention_heads": self.num_attention_heads,
                "num_multimask_outputs": self.num_multimask_outputs,
                "iou_head_hidden_dim": self.iou_head_hidden_dim,
            },
        )
        config.mask_decoder_config._attn_implementation = "sdpa"
        return config


class Refinement(nn.Module):
    """Doubles the resolution of SAM's mask logits, with features of the raw pixels.

    It works on SAM's own mask grid, l = S / 4, and gives four logits a cell: as fine as layers on
    the doubled grid, and several times as fast.
    """

    def __init__(self, config: ClickDecoderConfig) -> None:
        super().__init__()
        hidden, channels, width = config.hidden_size, config.refine_channels, config.refine_width
        self.width = width
        self.side = config.image_size
        self.up = config.patch_size // 4
        self.stem = nn.Conv2d(3, channels, 4, stride=4)
        self.spread = nn.Conv2d(hidden, channels * self.up**2, 1)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)
        # What lies under a click says more of the wanted thing than where it lies.
        self.touch = nn.Linear(channels, hidden)
        self.control = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, width * (channels + 1))
        )
        self.place = nn.Conv2d(_MAPS, hidden, 1)
        self.context = nn.Conv2d(hidden // 8 + 1 + _MAPS, width, 1)
        self.join = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 4, 1)

    def features(self, embeddings: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        """Neck output (B, C, n, n) and raw pixels (B, 3, S, S), 0..255 -> (B, F, l, l)."""
        pixels = pixel_values.to(embeddings.dtype) / 127.5 - 1
        coarse = F.pixel_shuffle(self.spread(embeddings), self.up)
        return F.gelu(self.mix(F.gelu(self.stem(pixels) + coarse)))

    def maps(
        self, points: torch.Tensor, labels: torch.Tensor, boxes: torch.Tensor | None
    ) -> torch.Tensor:
        """The prompts as pictures, (B * P, 5, l, l); arguments as `ClickDecoder.forward`.

        Nearness (Gaussian, two widths) to clicks on the thing and to others, as CondInst's
        relative positions; then 1 inside a box, -1 outside, 0 without a box.
        """
        cells = self.side // 4
        centres = (torch.arange(cells, device=points.device, dtype=points.dtype) + 0.5) * 4
        square = (points.flatten(0, 1).unsqueeze(-1) - centres) ** 2  # (N, K, 2, l)
        signs = labels.flatten(0, 1)
        found = []
        for width in _NEARNESS:
            near = torch.exp(-square / (2 * (width * self.side) ** 2))
            for sign in (1, 0):
                rows = near[:, :, 1] * (signs == sign).unsqueeze(-1)
                found.append(rows.transpose(1, 2) @ near[:, :, 0])
        inside = torch.zeros_like(found[0])
        if boxes is not None:
            x0, y0, x1, y1 = boxes.reshape(-1, 4, 1).unbind(1)
            columns, rows = (
                ((centres >= low) & (centres < high)).to(points.dtype)
                for low, high in ((x0, x1), (y0, y1))
            )
            inside = 2 * (rows.unsqueeze(2) * columns.unsqueeze(1)) - 1
            inside = inside * (~boxes.isnan().any(-1)).reshape(-1, 1, 1)
        return torch.stack((*found, inside), dim=1)

    def at(self, features: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Token parts (B, P, K, C) from the features at places (B, P, K, 2), 0..1."""
        grid = (places * 2 - 1).to(features.dtype)
        found = F.grid_sample(features, grid, align_corners=False, padding_mode="border")
        return self.touch(found.permute(0, 2, 3, 1))

    def forward(
        self,
        features: torch.Tensor,
        token: torch.Tensor,
        upscaled: torch.Tensor,
        logits: torch.Tensor,
        maps: torch.Tensor,
    ) -> torch.Tensor:
        """
        Args:
            features: (B, F, l, l).
            token: (B, P, C), the mask token after the transformer and what the clicks touch.
            upscaled: (B * P, C / 8, l, l), SAM's upscaled embedding.
            logits: (B * P, 1, l, l), SAM's mask.
            maps: (B * P, 5, l, l).

        Returns:
            (B * P, 1, 2 l, 2 l).
        """
        control = self.control(token).unflatten(-1, (self.width, -1))  # (B, P, width, F + 1)
        weight, bias = control.split((features.shape[1], 1), dim=-1)
        own = weight.flatten(1, 2) @ features.flatten(2) + bias.flatten(1, 2)
        context = self.context(torch.cat((upscaled, logits, maps), dim=1))
        joined = F.relu(own.view(context.shape) + context)
        fine = F.pixel_shuffle(self.out(F.relu(self.join(joined))), 2)
        return fine + F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)


class ClickDecoder(nn.Module):
    """Points and boxes to mask logits; the SAM tower is not part of it."""

    def __init__(self, config: ClickDecoderConfig) -> None:
        super().__init__()
        self.config = config
        sam = config.to_sam()
        self.prompt_encoder = SamPromptEncoder(sam)
        self.mask_decoder = SamMaskDecoder(sam.mask_decoder_config)
        # transformers scales by the tower's width, which only a checkpoint would undo.
        positions = self.prompt_encoder.shared_embedding.positional_embedding
        nn.init.normal_(positions, std=config.position_scale)
        positions.requires_grad_(False)
        self.refinement = Refinement(config) if config.refine else None

    @classmethod
    def for_model(cls, config: FineCaptionConfig) -> ClickDecoder:
        """A new one, random weights, that fits the SAM tower of a model's config.

        A tower of SAM's own width (256 channels) gets the sizes of SAM's decoder, ready for
        `load_sam`; a smaller one mini's, in proportion.
        """
        sam = config.sam_config
        channels = sam.output_channels
        if channels == ClickDecoderConfig.sam().hidden_size:
            return cls(replace(ClickDecoderConfig.sam(), image_size=config.image_size))
        return cls(
            ClickDecoderConfig(
                image_size=config.image_size, patch_size=sam.patch_size, hidden_size=channels,
                mlp_dim=2 * channels, iou_head_hidden_dim=channels,
                num_attention_heads=max(1, channels // 24),
            )
        )  # fmt: skip

    def load_sam(self, sam: SamModel) -> None:
        """Takes over the prompt encoder and the mask decoder of a SAM checkpoint."""
        self.prompt_encoder.load_state_dict(sam.prompt_encoder.state_dict())
        self.mask_decoder.load_state_dict(sam.mask_decoder.state_dict())

    def _positions(self) -> torch.Tensor:
        """(1, C, n, n): codes of the centres of the neck's cells."""
        shared = self.prompt_encoder.shared_embedding
        n = self.config.grid
        device = shared.positional_embedding.device
        centres = (torch.arange(n, device=device) + 0.5) / n
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        return shared(torch.stack((x, y), dim=-1)).permute(2, 0, 1).unsqueeze(0)

    def _prompt(
        self, points: torch.Tensor, labels: torch.Tensor, boxes: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sparse and dense embeddings, and the points and labels as padded."""
        missing = self.config.point_slots - points.shape[2]
        if missing > 0:
            points = F.pad(points, (0, 0, 0, missing))
            labels = F.pad(labels, (0, missing), value=PAD)
        # transformers adds half a pixel, for points that are pixel numbers; these are positions.
        shifted = points - 0.5
        if boxes is None and self.config.point_slots:
            boxes = points.new_full((*points.shape[:2], 4), float("nan"))
        if boxes is None:
            sparse, dense = self.prompt_encoder(shifted, labels, None, None)
            return sparse, dense, points, labels
        absent = boxes.isnan().any(-1, keepdim=True)
        corners = torch.where(absent, 0.0, boxes) - 0.5
        sparse, dense = self.prompt_encoder(shifted, labels, corners, None)
        is_corner = torch.arange(sparse.shape[2], device=sparse.device) >= points.shape[2]
        gone = (absent & is_corner).unsqueeze(-1)
        return (
            torch.where(gone, self.prompt_encoder.not_a_point_embed.weight, sparse),
            dense, points, labels,
        )  # fmt: skip

    def forward(
        self,
        embeddings: torch.Tensor,
        points: torch.Tensor,
        labels: torch.Tensor,
        boxes: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits and their predicted quality.

        Args:
            embeddings: (B, C, n, n), `SamTower.image_embeddings`.
            points: float (B, P, K, 2), (x, y) positions in the high-resolution square, pixels,
                0..S from its left and top edge.
            labels: int (B, P, K), 1 on the thing, 0 on what is not it, -1 no point.
            boxes: float (B, P, 4), x0 y0 x1 y1 in the same square, a row of NaN where a prompt has
                none; or None.
            pixel_values: (B, 3, S, S), the raw square, 0..255; needed by the refinement only.

        Returns:
            float (B, P, 1, m, m), foreground where over 0, and float (B, P), the intersection over
            union that the decoder expects of its mask.

        Raises:
            InputError: the refinement is on and no pixels were given.
        """
        batch, prompts = points.shape[:2]
        sparse, dense, points, labels = self._prompt(points, labels, boxes)
        cells = (embeddings + dense).repeat_interleave(prompts, 0)
        if self.refinement is not None:
            if pixel_values is None:
                raise InputError("pixel_values: this click decoder also needs the raw pixels")
            features = self.refinement.features(embeddings, pixel_values)
            touched = self.refinement.at(features, points / self.config.image_size)
            touched = touched * (labels >= 0).unsqueeze(-1)
            maps = self.refinement.maps(points, labels, boxes)
            places = F.avg_pool2d(maps, self.refinement.up)
            cells = cells + self.refinement.place(places)
            sparse = sparse + F.pad(touched, (0, 0, 0, sparse.shape[2] - touched.shape[2]))

        # SamMaskDecoder.forward, step by step: the refinement needs what it has in between.
        decoder = self.mask_decoder
        first = torch.cat((decoder.iou_token.weight, decoder.mask_tokens.weight))
        tokens = torch.cat((first.expand(batch, prompts, -1, -1), sparse), dim=2)
        tokens, cells = decoder.transformer(
            point_embeddings=tokens,
            image_embeddings=cells,
            image_positional_embeddings=self._positions().expand(batch * prompts, -1, -1, -1),
            attention_similarity=None,
        )
        cells = cells.transpose(2, 3).reshape(batch * prompts, *embeddings.shape[1:])
        upscaled = decoder.upscale_layer_norm(decoder.upscale_conv1(cells))
        upscaled = decoder.activation(decoder.upscale_conv2(decoder.activation(upscaled)))
        token = tokens[:, :, 1]
        weight = decoder.output_hypernetworks_mlps[0](token).reshape(batch * prompts, 1, -1)
        logits = (weight @ upscaled.flatten(2)).unflatten(2, upscaled.shape[2:])
        quality = decoder.iou_prediction_head(tokens[:, :, 0])[..., 0]
        if self.refinement is not None:
            token = token + (touched * (labels == 1).unsqueeze(-1)).sum(2)
            logits = self.refinement(features, token, upscaled, logits, maps)
        return logits.unflatten(0, (batch, prompts)), quality


def save_segmenter(decoder: ClickDecoder, folder: str | os.PathLike[str]) -> None:
    """Writes segmenter.json and segmenter.safetensors (float16) into a checkpoint's folder."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    (root / CONFIG_FILE).write_text(json.dumps(asdict(decoder.config), indent=2) + "\n")
    state = decoder.state_dict()
    save_file(
        {name: value.half().cpu().contiguous() for name, value in state.items()},
        root / WEIGHTS_FILE, metadata={"format": "pt"},
    )  # fmt: skip


def load_decoder(folder: str | os.PathLike[str]) -> ClickDecoder:
    """The decoder beside a model, float32, on the CPU, for inference.

    Raises:
        InputError: the files are missing, broken, or of another version.
    """
    root = Path(folder)
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (root / name).is_file():
            raise InputError(
                f"{root}: holds no {name}, so clicks and boxes cannot be turned into masks; give "
                "a mask, or use a model with a click segmenter"
            )
    try:
        config = ClickDecoderConfig.from_dict(json.loads((root / CONFIG_FILE).read_text()))
        decoder = ClickDecoder(config)
        decoder.load_state_dict({k: v.float() for k, v in load_file(root / WEIGHTS_FILE).items()})
    except InputError:
        raise
    except Exception as error:  # safetensors has its own error class, which is no OSError
        raise InputError(f"{root}: broken click segmenter ({error}); fetch it again") from error
    return decoder.eval()


@dataclass(frozen=True)
class EncodedImage:
    """A picture that any number of prompts can be asked of.

    Attributes:
        embeddings: (1, C, n, n) neck output.
        pixel_values: uint8 (1, 3, S, S), the square.
        placement: where the picture lies in the square.
    """

    embeddings: torch.Tensor
    pixel_values: torch.Tensor
    placement: SquarePlacement

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture."""
        return self.placement.size


class ClickMask(NamedTuple):
    """A mask, bool (H, W) at the picture's size and never empty, and the IoU expected of it."""

    mask: np.ndarray
    score: float


class Segmenter:
    """Clicks or a box on a picture -> the mask of the thing, at the picture's own size."""

    def __init__(self, decoder: ClickDecoder, model: FineCaptionForConditionalGeneration) -> None:
        """
        Args:
            decoder: for the model's SAM tower.
            model: whose SAM tower makes the embeddings.

        Raises:
            InputError: the model has no SAM tower, or one of another size.
        """
        if model.sam is None:
            raise InputError("this model has no SAM tower, so it cannot segment; give a mask")
        side = model.config.image_size
        if decoder.config.image_size != side:
            raise InputError(
                f"the click segmenter is made for {decoder.config.image_size} px, the model for "
                f"{side} px; use the one that was saved with the model"
            )
        self.model = model
        self.decoder = decoder.to(model.device).eval()

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike[str], model: FineCaptionForConditionalGeneration
    ) -> Segmenter:
        """The segmenter saved in a model's folder; errors as `load_decoder` and the constructor."""
        return cls(load_decoder(folder), model)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """See `save_segmenter`."""
        save_segmenter(self.decoder, folder)

    @torch.no_grad()
    def encode(
        self, image: ImageSource, hr_features: torch.Tensor | None = None
    ) -> EncodedImage:
        """Runs the SAM tower once.

        Args:
            image: anything `finecaption.images.load_image` opens.
            hr_features: (1, C_hr, g, g), what `encode_image` gave for this very picture; the tower
                is not run again then.

        Raises:
            InputError: as `load_image`.
        """
        picture = load_image(image)
        side = self.decoder.config.image_size
        pixels = torch.from_numpy(place_image(picture, side).copy()).permute(2, 0, 1).unsqueeze(0)
        pixels = pixels.to(self.model.device)
        if hr_features is None:
            embeddings = self.model.encode_sam(pixels)
        else:
            embeddings = self.model.sam_embeddings(hr_features)
        return EncodedImage(embeddings.float(), pixels, place_in_square(picture.size, side))

    @torch.no_grad()
    def predict(
        self,
        encoded: EncodedImage,
        points: Sequence[Sequence[float]] = (),
        labels: Sequence[int | bool] | None = None,
        box: Sequence[float] | None = None,
    ) -> ClickMask:
        """The thing under the clicks, or in the box.

        Args:
            encoded: of `encode`.
            points: (x, y) or (x, y, positive) in pixels of the picture (see finecaption.geometry).
            labels: for each point, 1 on the thing, 0 on what is not it; overrides `positive`.
            box: x0, y0, x1, y1 around the thing, cut to the picture.

        Raises:
            InputError: no prompt; NaN; a point outside the picture; a reversed, empty or outside
                box; labels that do not fit the points.
        """
        clicks, square = check_prompt(encoded.size, points, labels, box)
        place, device = encoded.placement, encoded.embeddings.device
        xy = place.to_square([(c.x, c.y) for c in clicks])
        at = torch.tensor(xy, dtype=torch.float32, device=device).reshape(1, 1, -1, 2)
        kinds = torch.tensor([int(c.positive) for c in clicks], device=device).reshape(1, 1, -1)
        boxes = None
        if square is not None:
            corners = place.to_square(np.reshape(square, (2, 2)))
            boxes = torch.tensor(corners, dtype=torch.float32, device=device).reshape(1, 1, 4)
        logits, quality = self.decoder(
            encoded.embeddings, at, kinds, boxes, encoded.pixel_values
        )
        mask = _to_picture(logits[0, 0], place)
        return ClickMask(mask, float(quality[0, 0].clamp(0, 1)))


def check_prompt(
    size: tuple[int, int],
    points: Sequence[Sequence[float]],
    labels: Sequence[int | bool] | None,
    box: Sequence[float] | None,
) -> tuple[list[Point], Box | None]:
    """A valid prompt for a picture of size (width, height); arguments as `Segmenter.predict`.

    Raises:
        InputError: as `Segmenter.predict`.
    """
    clicks = [check_point(p, size, f"points[{i}]") for i, p in enumerate(points)]
    if labels is not None:
        if len(labels) != len(clicks):
            raise InputError(
                f"labels: {len(labels)} for {len(clicks)} points; give one label a point"
            )
        for i, label in enumerate(labels):
            if label not in (0, 1):
                raise InputError(f"labels[{i}]: must be 1 (on the thing) or 0 (not); got {label!r}")
        clicks = [c._replace(positive=bool(v)) for c, v in zip(clicks, labels, strict=True)]
    valid = None if box is None else check_box(box, size)
    if valid is None and not any(c.positive for c in clicks):
        raise InputError("points: give at least one click on the thing, or a box around it")
    return clicks, valid


def _to_picture(logits: torch.Tensor, place: SquarePlacement) -> np.ndarray:
    """Logits (1, m, m) of the square -> bool (H, W) of the picture, at least one pixel true."""
    side = (place.side, place.side)
    full = F.interpolate(logits[None].float(), size=side, mode="bilinear", align_corners=False)
    left, top, right, bottom = place.box
    width, height = place.size
    cut = F.interpolate(
        full[..., top:bottom, left:right], size=(height, width), mode="bilinear",
        align_corners=False,
    )[0, 0]  # fmt: skip
    mask = cut > 0
    if not mask.any():
        mask = cut >= cut.max()
    return mask.cpu().numpy()
