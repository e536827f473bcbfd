"""`/docs`: the OpenAPI schema as a plain page without scripts or external requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from finecaption.io.html import render

CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page may load nothing at all."""


def page(openapi: dict[str, Any]) -> str:
    """HTML of an OpenAPI document: every operation with its fields and statuses, every schema."""
    return render(
        __package__,
        "docs.html",
        strict=False,
        title=openapi["info"]["title"],
        info=openapi["info"],
        paths=openapi["paths"],
        schemas=openapi.get("components", {}).get("schemas", {}),
        options=_options,
        unique=_unique,
    )


def _options(field: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternative types of a field."""
    return next((field[key] for key in ("anyOf", "oneOf", "allOf") if key in field), [])


def _unique(options: Iterable[dict[str, Any]], kind: Callable[[dict[str, Any]], str]) -> list[str]:
    """The kinds of options, each once."""
    return list(dict.fromkeys(kind(option) for option in options))
