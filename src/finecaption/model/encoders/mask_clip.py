"""CLIP's vision tower with a second, zero-initialised patch embedding for the mask.

After Alpha-CLIP (SunzeY/AlphaCLIP, `alpha_clip/model.py`): `E_seq = Flatten(E_patch + E_mask)^T`,
added before the class token and the position embeddings.

Legend: B images, R regions, s the side in pixels, g = s / patch, W the width, L = 1 + g * g.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.modeling_outputs import BaseModelOutputWithPooling


class AlphaConv(nn.Conv2d):
    """The mask's patch embedding: no bias, kernel = stride = patch, 1 -> width channels.

    A class of its own so that weight initialisation can find it: it starts at zero, so that an
    untouched CLIP is reproduced exactly.
    """

    def __init__(self, width: int, patch: int) -> None:
        super().__init__(1, width, kernel_size=patch, stride=patch, bias=False)
        nn.init.zeros_(self.weight)


class MaskAwareCLIP(nn.Module):
    """transformers' `CLIPVisionModel`, plus the alpha convolution."""

    def __init__(
        self, config: CLIPVisionConfig, select_layer: int = -2, mask_path: bool = True
    ) -> None:
        """
        Args:
            config: of the vision tower.
            select_layer: index into the hidden states (0 the embedding) that `features` reads.
            mask_path: False leaves the alpha convolution out: masks then only count regions.
        """
        super().__init__()
        self.vision = CLIPVisionModel(config)
        self.alpha = AlphaConv(config.hidden_size, config.patch_size) if mask_path else None
        layers = config.num_hidden_layers
        self.select_depth = select_layer + (layers + 1 if select_layer < 0 else 0)

    def _embed(
        self,
        pixel_values: torch.Tensor,
        alpha: torch.Tensor | None,
        image_index: torch.Tensor | None,
    ) -> torch.Tensor:
        embeddings = self.vision.embeddings
        size = embeddings.image_size
        if pixel_values.shape[-2:] != (size, size):
            raise ValueError(
                f"CLIP pixel values are {tuple(pixel_values.shape[-2:])}, the model takes "
                f"({size}, {size}): use the processor that was saved with the model."
            )
        dtype = embeddings.patch_embedding.weight.dtype
        # The image's patches are the same for all its regions: once per image, then indexed.
        patches = embeddings.patch_embedding(pixel_values.to(dtype))  # (B, W, g, g)
        if image_index is not None:
            patches = patches[image_index]  # (R, W, g, g)
        if alpha is not None and self.alpha is not None:
            patches = patches + self.alpha(alpha.to(dtype))
        tokens = patches.flatten(2).transpose(1, 2)  # (R, g * g, W)
        class_token = embeddings.class_embedding.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
        tokens = torch.cat([class_token, tokens], dim=1)  # (R, L, W)
        tokens = tokens + embeddings.position_embedding(embeddings.position_ids)
        return self.vision.pre_layrnorm(tokens)

    def forward(
        self,
        pixel_values: torch.Tensor,
        alpha: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
    ) -> BaseModelOutputWithPooling:
        """The whole tower, as in contrastive training.

        Args:
            pixel_values: (B, 3, s, s), normalized.
            alpha: (R, 1, s, s), normalized masks; None leaves the alpha convolution out.
            image_index: (R,) int64, the image of each region; None pairs them one to one.

        Returns:
            `last_hidden_state` (R, L, W) and `pooler_output` (R, W), the normalized class token,
            as `CLIPVisionModel` returns them.
        """
        hidden = self._embed(pixel_values, alpha, image_index)
        for layer in self.vision.encoder.layers:
            hidden = layer(hidden, None)
        pooled = self.vision.post_layernorm(hidden[:, 0])
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=pooled)

    def features(
        self,
        pixel_values: torch.Tensor,
        alpha: torch.Tensor | None = None,
        image_index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The selected hidden state without its class token, as a map: (R, W, g, g).

        Arguments as for `forward`. Layers above the selected one are not run.
        """
        hidden = self._embed(pixel_values, alpha, image_index)
        for layer in self.vision.encoder.layers[: self.select_depth]:
            hidden = layer(hidden, None)
        grid = int((hidden.shape[1] - 1) ** 0.5)
        return hidden[:, 1:].transpose(1, 2).unflatten(2, (grid, grid))
