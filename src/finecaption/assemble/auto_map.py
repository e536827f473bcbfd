"""What lets transformers' Auto classes (and servers built on them) open a folder by itself.

The code that the folder brings is one import: the package stays the only copy of the model.
"""

from __future__ import annotations

import json
from pathlib import Path

MODULE = "auto_finecaption"
_CODE = '''"""Opens this folder with transformers' Auto classes: pip install finecaption."""

from finecaption.model import (
    FineCaptionConfig,
    FineCaptionForConditionalGeneration,
    FineCaptionModel,
    FineCaptionProcessor,
)

__all__ = [
    "FineCaptionConfig",
    "FineCaptionForConditionalGeneration",
    "FineCaptionModel",
    "FineCaptionProcessor",
]
'''
AUTO_MAP = {
    "AutoConfig": f"{MODULE}.FineCaptionConfig",
    "AutoModel": f"{MODULE}.FineCaptionModel",
    "AutoModelForImageTextToText": f"{MODULE}.FineCaptionForConditionalGeneration",
    "AutoProcessor": f"{MODULE}.FineCaptionProcessor",
}


def add_auto_map(folder: Path, dtype: str) -> None:
    """Adds `auto_map`, `architectures` and `dtype` to a folder's config.json, and the module."""
    (folder / f"{MODULE}.py").write_text(_CODE, "utf-8")
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["architectures"] = ["FineCaptionForConditionalGeneration"]
    config["auto_map"] = AUTO_MAP
    config["dtype"] = dtype
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    path = folder / "processor_config.json"
    processor = json.loads(path.read_text("utf-8"))
    processor["auto_map"] = {"AutoProcessor": AUTO_MAP["AutoProcessor"]}
    path.write_text(json.dumps(processor, indent=2, sort_keys=True) + "\n", "utf-8")


__all__ = ["AUTO_MAP", "MODULE", "add_auto_map"]
