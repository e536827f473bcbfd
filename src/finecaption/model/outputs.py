"""What the models return."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast


@dataclass
class FineCaptionModelOutputWithPast(BaseModelOutputWithPast):
    """`BaseModelOutputWithPast` and `image_hidden_states` (R, T, D), the region tokens if any."""

    image_hidden_states: torch.Tensor | None = None


@dataclass
class FineCaptionCausalLMOutputWithPast(CausalLMOutputWithPast):
    """`CausalLMOutputWithPast` and `image_hidden_states` (R, T, D), the region tokens if any."""

    image_hidden_states: torch.Tensor | None = None
