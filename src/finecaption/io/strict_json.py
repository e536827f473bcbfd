"""JSON as RFC 8259 has it: NaN and infinity, which Python writes and reads, are null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def dumps(value: Any, **options: Any) -> str:
    """JSON text; `options` as of `json.dumps`. Numbers that JSON has no form for become null."""
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **options)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def null(name: str) -> None:
    """What NaN, Infinity and -Infinity of a file are read as: the `parse_constant` of decoders."""
    del name
