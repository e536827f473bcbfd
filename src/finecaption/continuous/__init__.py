"""Continuous batching for servers, by transformers: requests come and go at any step."""

from finecaption.continuous.engine import ContinuousEngine
from finecaption.continuous.handle import Answer, Cancelled, EngineStopped, Handle, QueueFull

__all__ = ["Answer", "Cancelled", "ContinuousEngine", "EngineStopped", "Handle", "QueueFull"]
