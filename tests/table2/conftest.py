"""The pool and the processor of the training tests."""

from __future__ import annotations

from ..synth.training.conftest import config, pool_folder, prepared, processor

__all__ = ["config", "pool_folder", "prepared", "processor"]
