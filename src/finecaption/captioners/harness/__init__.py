"""These captioners inside other people's evaluation harnesses.

`lmms_plugin` registers the model "finecaption" with lmms-eval, through its entry points; `tasks/`
holds RefCOCOg tasks that hand the mask over, `refcocog` their functions. Of all modules here, only
`lmms_model` imports lmms-eval.
"""

from __future__ import annotations

from pathlib import Path

TASKS = Path(__file__).parent / "tasks"
"""For lmms-eval's `--include_path`."""

__all__ = ["TASKS"]
