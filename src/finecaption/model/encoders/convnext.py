"""ConvNeXt as a high-resolution encoder: its last stage, stride 32, without a final norm."""

from __future__ import annotations

import torch
from torch import nn
from transformers import ConvNextConfig, ConvNextModel
from transformers.models.convnext.modeling_convnext import ConvNextLayerNorm


class ConvNextTower(nn.Module):
    """transformers' `ConvNextModel` with a configurable layer-norm epsilon."""

    def __init__(self, config: ConvNextConfig, norm_eps: float = 1e-6) -> None:
        """
        Args:
            config: of the network.
            norm_eps: epsilon of every inner layer norm. transformers hard-codes 1e-6; open_clip's
                ConvNeXts were trained with 1e-5 and agree only with that.
        """
        super().__init__()
        # It has no attention, and transformers refuses to build it under any other name for that.
        config._attn_implementation = "eager"
        self.model = ConvNextModel(config)
        # Set by gradient_checkpointing_enable(), which looks for this attribute.
        self.gradient_checkpointing = False
        for module in self.model.modules():
            if isinstance(module, ConvNextLayerNorm):
                module.eps = norm_eps

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) normalized -> (B, C, S / 32, S / 32), `ConvNextModel.last_hidden_state`."""
        weight = self.model.embeddings.patch_embeddings.weight
        hidden = self.model.embeddings(pixel_values.to(weight.dtype))
        for stage in self.model.encoder.stages:
            for layer in stage.downsampling_layer:
                hidden = layer(hidden)
            for layer in stage.layers:
                # transformers' ConvNeXt layers do not checkpoint themselves, its ViT layers do.
                if self.gradient_checkpointing and self.training:
                    hidden = self._gradient_checkpointing_func(layer.__call__, hidden)
                else:
                    hidden = layer(hidden)
        return hidden
