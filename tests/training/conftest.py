"""The tiny preset's processor, shared by the tests of this folder."""

from ..synth.training.conftest import prepared, processor

__all__ = ["prepared", "processor"]
