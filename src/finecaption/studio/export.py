"""What can be taken away: JSON, COCO, PNG, HTML, and the graph as JSON and DOT.

The functions take plain values, so that the command line uses them too.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image

from finecaption.draw import PALETTE, annotate
from finecaption.io import masks as codecs
from finecaption.io import strict_json
from finecaption.io.html import data_uri, outline, render
from finecaption.studio.mentions import find_mentions, find_relations, name_of
from finecaption.studio.session import Session
from finecaption.types import Caption

FORMATS = {
    "json": ("json", "application/json"),
    "coco": ("coco.json", "application/json"),
    "png": ("png", "image/png"),
    "html": ("html", "text/html"),
    "graph": ("graph.json", "application/json"),
    "dot": ("dot", "text/vnd.graphviz"),
}
"""Format -> ending of the file, media type."""


def coco_document(
    image: str,
    size: tuple[int, int],
    masks: Sequence[np.ndarray],
    *,
    categories: Sequence[str | None] | None = None,
    extras: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """One image's regions as a COCO instances file, which pycocotools loads.

    Args:
        image: the image's file name.
        size: its (width, height).
        masks: bool (H, W) each.
        categories: the name of each; None where there is none, which becomes "region".
        extras: further fields of each annotation.

    Returns:
        A dict ready for JSON; segmentations are compressed RLE, boxes x, y, width, height.
    """
    names = [name or "region" for name in (categories or [None] * len(masks))]
    known = {name: number for number, name in enumerate(dict.fromkeys(names or ["region"]), 1)}
    annotations = []
    for number, (mask, name) in enumerate(zip(masks, names, strict=True), 1):
        x0, y0, x1, y1 = codecs.box_from_mask(mask)
        annotations.append(
            {
                "id": number,
                "image_id": 1,
                "category_id": known[name],
                "segmentation": codecs.encode_rle(mask),
                "area": int(np.count_nonzero(mask)),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": 0,
                **(extras[number - 1] if extras else {}),
            }
        )
    return {
        "info": {"description": "Regions made with FineCaption"},
        "licenses": [],
        "images": [{"id": 1, "file_name": image, "width": size[0], "height": size[1]}],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in known.items()],
    }


def export(session: Session, form: str) -> bytes:
    """A session in one of `FORMATS`."""
    made: dict[str, Any] = {
        "json": _json,
        "coco": _coco,
        "png": _png,
        "html": _html,
        "graph": _graph_json,
        "dot": _dot,
    }
    return made[form](session)


def file_name(session: Session, form: str) -> str:
    """ASCII, without anything that a file system or a header could mind."""
    stem = PurePath(session.name).stem
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem)
    return f"{plain.strip('-')[:60] or 'picture'}.{FORMATS[form][0]}"


def _dumped(value: Any) -> bytes:
    return (strict_json.dumps(value, indent=2) + "\n").encode("ascii")


def _captions(session: Session) -> list[Caption]:
    return [item.caption() for item in session.items.values()]


def _json(session: Session) -> bytes:
    from finecaption.captioner import CaptionResult

    result = CaptionResult(
        tuple(_captions(session)),
        whole=session.whole,
        notice=session.notice,
        image=session.name,
        model=session.model,
        whole_confidence=session.whole_confidence,
    )
    return _dumped(result.to_dict())


def _coco(session: Session) -> bytes:
    items = list(session.items.values())
    names = [name_of(item.captions) for item in items]
    return _dumped(
        coco_document(
            session.name,
            session.size,
            [item.region.mask for item in items],
            categories=[None if name is None else name.noun for name in names],
            extras=[{"captions": dict(item.captions), "dense": item.dense} for item in items],
        )
    )


def _png(session: Session) -> bytes:
    notice = session.notice
    drawn = annotate(
        session.picture, _captions(session), session.whole, None if notice is None else notice.text
    )
    return _as_png(drawn)


def _as_png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


# --- graph -------------------------------------------------------------------------------------


def graph(session: Session) -> dict[str, Any]:
    """Regions and relations: `{"nodes": [{"id", "label", "box", "area", "captions"}], "edges":
    [{"source", "target", "label", "text", "from"}]}`."""
    texts = session.texts()
    masks = {item.id: item.region.mask for item in session.items.values()}
    relations = find_relations(texts, find_mentions(texts), masks)
    nodes = []
    for item in session.items.values():
        name = name_of(item.captions)
        nodes.append(
            {
                "id": item.id,
                "label": f"region {item.id}" if name is None else name.label,
                "box": list(item.region.box),
                "area": item.region.area,
                "captions": item.texts(),
            }
        )
    return {
        "image": session.name,
        "nodes": nodes,
        "edges": [relation.to_dict() for relation in relations],
    }


def _graph_json(session: Session) -> bytes:
    return _dumped(graph(session))


def _dot(session: Session) -> bytes:
    made = graph(session)
    lines = ["digraph regions {", "  rankdir=LR;", '  node [shape=box, style="rounded"];']
    for node in made["nodes"]:
        colour = PALETTE[(node["id"] - 1) % len(PALETTE)]
        label = _quoted(f"{node['id']} {node['label']}")
        lines.append(f'  r{node["id"]} [label={label}, color="{colour}"];')
    for edge in made["edges"]:
        style = ", style=dashed" if edge["from"] == "mask" else ""
        label = _quoted(edge["label"])
        lines.append(f"  r{edge['source']} -> r{edge['target']} [label={label}{style}];")
    return ("\n".join([*lines, "}"]) + "\n").encode()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


# --- page --------------------------------------------------------------------------------------


def _html(session: Session) -> bytes:
    regions = []
    for item in session.items.values():
        name = name_of(item.captions)
        dense = [] if item.dense is None else [("In detail", item.dense)]
        regions.append(
            {
                "id": item.id,
                "title": f"Region {item.id}" + ("" if name is None else f": {name.label}"),
                "color": PALETTE[(item.id - 1) % len(PALETTE)],
                "path": outline(item.region.mask),
                "captions": [*item.captions.items(), *dense],
            }
        )
    notice = session.notice
    return render(
        __package__,
        "regions.html",
        title=PurePath(session.name).name,
        notice=None if notice is None else notice.text,
        source=data_uri(session.picture, quality=90),
        size=session.size,
        regions=regions,
        whole=session.whole,
        model=session.model,
    ).encode()


__all__ = ["FORMATS", "coco_document", "export", "file_name", "graph"]
