"""The drawn world: scenes with exact truth, as pictures, masks and captions."""

from finecaption_synth.version import WORLD_VERSION, check_world

__all__ = ["WORLD_VERSION", "check_world"]
