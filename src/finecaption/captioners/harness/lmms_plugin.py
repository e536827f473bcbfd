"""What lmms-eval finds under the entry point group `lmms_eval.models`."""

from __future__ import annotations

from typing import Any

MODEL = "finecaption"
_CLASS = "finecaption.captioners.harness.lmms_model.LmmsFineCaption"


def manifest() -> Any:
    """The `ModelManifest` of the model "finecaption" (lmms-eval 0.7: models/registry_v2.py)."""
    from lmms_eval.models.registry_v2 import (  # type: ignore[import-not-found]  # its own environment
        ModelManifest,
    )

    return ModelManifest(model_id=MODEL, simple_class_path=_CLASS)
