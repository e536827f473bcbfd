"""FineCaption: describe any region of an image, attribute by attribute.

The names below load on first use, so `import finecaption` stays light: no torch, no transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING
from warnings import warn

if TYPE_CHECKING:
    from finecaption.attributes import (
        ATTRIBUTE_NAMES,
        ATTRIBUTES,
        Attribute,
        resolve_attribute,
    )
    from finecaption.captioner import FineCaption
    from finecaption.decoding import Decoding
    from finecaption.errors import FineCaptionError, InputError
    from finecaption.io.images import load_image
    from finecaption.request import Request
    from finecaption.results import CaptionResult
    from finecaption.types import Caption, Prediction, Region, RegionPrompt, RegionSample

__version__ = "0.1.0"

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTE_NAMES",
    "Attribute",
    "Caption",
    "CaptionResult",
    "Decoding",
    "FineCaption",
    "FineCaptionError",
    "InputError",
    "Prediction",
    "Region",
    "RegionPrompt",
    "RegionSample",
    "Request",
    "__version__",
    "load_image",
    "resolve_attribute",
]

_HOME = {
    "ATTRIBUTES": "attributes",
    "ATTRIBUTE_NAMES": "attributes",
    "Attribute": "attributes",
    "Caption": "types",
    "CaptionResult": "results",
    "Decoding": "decoding",
    "FineCaption": "captioner",
    "FineCaptionError": "errors",
    "InputError": "errors",
    "Prediction": "types",
    "Region": "types",
    "RegionPrompt": "types",
    "RegionSample": "types",
    "Request": "request",
    "load_image": "io.images",
    "resolve_attribute": "attributes",
}

_MOVED = {"geometry": "io.geometry", "images": "io.images", "masks": "io.masks"}
"""Modules that moved; `from finecaption import masks` works for one release, with a warning."""


def __getattr__(name: str) -> object:
    if name in _MOVED:
        warn(
            f"finecaption.{name} is now finecaption.{_MOVED[name]}",
            DeprecationWarning,
            stacklevel=2,
        )
        return import_module(f"{__name__}.{_MOVED[name]}")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
