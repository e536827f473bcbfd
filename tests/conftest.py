"""Settings for the whole suite."""

from __future__ import annotations

from hypothesis import settings

# derandomized: a run fails for a change in the code, not for the draw; no deadline: machines vary
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("suite")
