"""`/docs`: the OpenAPI as one plain page, without a script and without asking anyone else."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
code, .method { font: 0.9em ui-monospace, monospace; }
.method { font-weight: 700; padding: 0.1rem 0.5rem; border-radius: 0.3rem; background: #3874cb22; }
details { border: 1px solid #8886; border-radius: 0.5rem; padding: 0.5rem 1rem; margin: 0.6rem 0; }
summary { cursor: pointer; } summary span.what { opacity: 0.75; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92em; }
td, th { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem 0.3rem 0;
  border-bottom: 1px solid #8883; }
"""

CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page may load nothing at all."""


def page(openapi: dict[str, Any]) -> str:
    """HTML of an OpenAPI document: every operation with its fields and statuses, every schema."""
    info = openapi["info"]
    schemas = openapi.get("components", {}).get("schemas", {})
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])}</h1><p>Version {escape(info['version'])} · "
        "<a href=openapi.json>openapi.json</a></p>",
        f"<p>{escape(info.get('description', ''))}</p><h2>Operations</h2>",
    ]
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation(path, method, operation, schemas))
    parts.append("<h2>Schemas</h2>")
    for name, schema in sorted(schemas.items()):
        parts.append(
            f"<details id={escape(name, True)}><summary><code>{escape(name)}</code> "
            f"<span class=what>{escape(_first(schema))}</span></summary>{_fields(schema)}</details>"
        )
    return "\n".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    text = operation.get("description") or operation.get("summary", "")
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))
    parts = [
        f"<details><summary><span class=method>{escape(method.upper())}</span> "
        f"<code>{escape(path)}</code> <span class=what>{escape(text.split(chr(10))[0])}</span>"
        f"</summary>{paragraphs}"
    ]
    body = operation.get("requestBody", {}).get("content", {})
    for content in body.values():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        if name in schemas:
            parts.append(f"<h4>Body: <code>{escape(name)}</code></h4>{_fields(schemas[name])}")
    rows = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{escape(answer.get('description', ''))}"
        for status, answer in operation["responses"].items()
    )
    parts.append(f"<h4>Answers</h4><table>{rows}</table></details>")
    return "".join(parts)


def _first(schema: dict[str, Any]) -> str:
    return " ".join(schema.get("description", "").split("\n\n")[0].split())


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{' *' if name in required else ''}"
        f"<td>{_type(field)}<td>{escape(field.get('description', ''))}"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<div class=scroll><table>{rows}</table></div>" if rows else ""


def _type(field: dict[str, Any]) -> str:
    """HTML of what a field holds, in a few words."""
    if "$ref" in field:
        name = escape(field["$ref"].rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in field:
            return " or ".join(dict.fromkeys(_type(option) for option in field[key]))
    if "enum" in field:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in field["enum"])
    if "const" in field:
        return f"<code>{escape(str(field['const']))}</code>"
    if field.get("type") == "array" and isinstance(field.get("items"), dict):
        return f"array of {_type(field['items'])}"
    limits = [
        f"{sign} {field[key]:g}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"))
        if isinstance(field.get(key), (int, float))
    ]
    return escape(" ".join([str(field.get("type", "any")), *limits]))
