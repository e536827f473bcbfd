"""The actions behind the page's buttons. They run on the model's thread, one at a time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.io.geometry import Box, check_box, check_point, same_shape
from finecaption.io.images import load_image
from finecaption.io.masks import check_mask_size, load_mask, resize_mask
from finecaption.protocol import encode, require, updates
from finecaption.request import WHOLE, Request, instruction_for
from finecaption.studio.mentions import find_mentions, find_relations, name_of
from finecaption.studio.session import MOST_REGIONS, Session, SessionItem, runs
from finecaption.types import Region

if TYPE_CHECKING:
    from finecaption.protocol import Captioner

NAMING = ("Category Name", "Color")
"""Asked of every region that "everything" finds, so that the list can name them."""
_SLICE = 0.08  # seconds of writing after which the news is handed over


def open_picture(
    captioner: Captioner, data: bytes | str, name: str, max_pixels: int
) -> tuple[Session, float]:
    """A session of an image, encoded, and the milliseconds that the encoding took.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        picture = load_image(data, max_pixels=max_pixels)
    except InputError as error:  # the reader calls bytes "image": the visitor knows the file's name
        raise InputError(str(error).replace("image bytes", name, 1)) from error
    began = time.perf_counter()
    session = Session(picture, encode(captioner, picture), captioner.name, name)
    # the first click is to light up at once
    session.clickable = _clickable(captioner, session)
    return session, (time.perf_counter() - began) * 1e3


def change_model(captioner: Captioner, session: Session) -> None:
    """Encodes the image with another model: masks stay, texts are removed."""
    session.encoded = encode(captioner, session.picture)
    session.model = captioner.name
    session.clickable = _clickable(captioner, session)
    session.whole = session.whole_confidence = None
    session.whole_version += 1
    for item in session.items.values():
        item.forget_texts()


def _clickable(captioner: Captioner, session: Session) -> Any:
    """None for a model without a click segmenter: boxes and brushing still work then."""
    segmenter = _segmenter(captioner)
    if segmenter is None:
        return None
    return segmenter.encode(session.picture, session.encoded.hr_features)


def _segmenter(captioner: Any) -> Any:
    """The model's click segmenter; None if it has none."""
    if "click" not in captioner.capabilities:
        return None
    try:
        return captioner.segmenter
    except InputError:  # a checkpoint without the segmenter's file
        return None


def notice_of(captioner: Captioner, session: Session) -> str | None:
    """What a visitor should know before the first click."""
    notice = session.notice
    if notice is not None:
        return notice.text
    if _segmenter(captioner) is None:
        return (
            f"{captioner.name} has no click segmenter. Draw a box around an object, which is then "
            "the region itself, or brush over the object."
        )
    return None


def segment(
    captioner: Captioner,
    session: Session,
    *,
    region: int | None = None,
    point: Sequence[float] | None = None,
    positive: bool = True,
    box: Sequence[float] | None = None,
    undo: bool = False,
) -> SessionItem:
    """A new region, or with `region` a better mask of one, from a click or a box.

    Args:
        point: x, y in pixels of the image.
        positive: whether the click is on the thing.
        box: x0, y0, x1, y1 in pixels of the image.
        undo: take the region's last click back.

    Raises:
        InputError: no such region, too many, nothing given, or outside the image.
    """
    segmenter = _segmenter(captioner)
    if segmenter is None and box is None:
        require(captioner, "click")
        _ = captioner.segmenter  # type: ignore[attr-defined]  # raises: the file is missing
    if session.clickable is None:
        session.clickable = _clickable(captioner, session)
    item = None if region is None else item_of(session, region)
    points = [] if item is None else list(item.points)
    frame: Box | None = None if item is None else item.box
    if point is not None:
        points.append(check_point([*point, positive], session.size))
    if box is not None:
        frame = check_box(box, session.size)
    if undo and points:
        points.pop()
    if item is not None and item.how in ("brush", "everything") and not item.points:
        # a mask that no click made: its box and its middle stand for it
        frame = frame or tuple(map(float, item.region.box))  # type: ignore[assignment]  # four
    if frame is None and not any(one.positive for one in points):
        raise InputError("click on the thing first; a click beside it then takes away from it")
    if segmenter is None:
        assert frame is not None
        found, score = Region.from_box(frame, session.size), None
    else:
        made = segmenter.predict(session.clickable, points, box=frame)
        found, score = Region(made.mask), made.score
    if item is None:
        _check_room(session)
        item = session.add(SessionItem(0, found, "box" if box is not None else "click"))
    item.region = found
    item.points, item.box, item.score = points, frame, score
    item.forget_texts()
    return item


def brush(session: Session, data: bytes, region: int | None) -> SessionItem:
    """A region from a painted mask, an image file at the size of the view.

    Raises:
        InputError: nothing was painted, it cannot be read, or it is of another shape.
    """
    mask = load_mask(data)
    painted = mask.shape[1], mask.shape[0]
    if painted != session.size:
        if not same_shape(painted, session.size):
            check_mask_size(mask, session.size, "mask")
        mask = resize_mask(mask, session.size)
    if not mask.any():
        raise InputError("nothing is painted; draw over the thing first")
    if region is None:
        _check_room(session)
        return session.add(SessionItem(0, Region(mask), "brush"))
    item = item_of(session, region)
    item.region, item.how = Region(mask), "brush"
    item.points, item.box, item.score = [], None, None
    item.forget_texts()
    return item


def everything(
    captioner: Captioner, session: Session, progress: Callable[[float], None] | None = None
) -> list[SessionItem]:
    """Adds regions for the objects that are found, without those that exist already."""
    from finecaption.io.masks import mask_iou
    from finecaption.segmentation.automatic import generate_masks

    require(captioner, "click")
    segmenter = captioner.segmenter  # type: ignore[attr-defined]  # what "click" promises
    if session.clickable is None:
        session.clickable = _clickable(captioner, session)
    things = generate_masks(
        segmenter,
        session.picture,
        encoded=session.clickable,
        grid=20,
        max_masks=20,
        progress=progress,
    )
    known = [item.region.mask for item in session.items.values()]
    added = []
    for thing in things:
        if len(session.items) >= MOST_REGIONS:
            break
        if all(mask_iou(thing.mask, mask) < 0.7 for mask in known):
            item = SessionItem(0, Region(thing.mask), "everything", score=thing.score)
            added.append(session.add(item))
    return added


def _check_room(session: Session) -> None:
    if len(session.items) >= MOST_REGIONS:
        raise InputError(f"there are {MOST_REGIONS} regions already; remove some first")


def item_of(session: Session, region: int) -> SessionItem:
    """The region of that number.

    Raises:
        InputError: there is none.
    """
    if region not in session.items:
        raise InputError(f"region {region}: is gone; choose another")
    return session.items[region]


def describe(
    captioner: Captioner,
    session: Session,
    regions: Sequence[int],
    attributes: Sequence[str],
    dense: bool,
    whole: bool,
) -> Iterator[list[dict[str, Any]]]:
    """Answers while they are written: {"region", "name", "text", "done", "confidence"}.

    Every `next` works for a moment and gives the news of it, so that clicks come through between.
    A region whose mask changes meanwhile, or that is asked about anew, gets no more news.
    """
    items = [item_of(session, number) for number in regions]
    for item in items:
        item.version += 1
    if whole:
        session.whole_version += 1
    versions = [item.version for item in items]
    whole_version = session.whole_version

    def current(at: int | None) -> bool:
        if at is None:
            return session.whole_version == whole_version
        return items[at].version == versions[at] and items[at].id in session.items

    pending: dict[tuple[int | None, str], dict[str, Any]] = {}
    until = time.monotonic() + _SLICE
    shown = [item.region for item in items]
    request = Request(session.encoded, shown, list(attributes), dense, whole)
    for update in updates(captioner, request):
        wanted = [*range(len(items)), *([None] if whole else [])]
        if not any(current(at) for at in wanted):
            return
        if current(update.region):
            number = None if update.region is None else items[update.region].id
            news = {
                "region": number,
                "name": update.name,
                "text": update.text,
                "done": update.finished,
                "confidence": update.confidence,
            }
            pending[update.region, update.name] = news
            if update.finished:
                _keep(session, None if update.region is None else items[update.region], news)
        if time.monotonic() >= until:
            yield list(pending.values())
            pending.clear()
            until = time.monotonic() + _SLICE
    if pending:
        yield list(pending.values())


def _keep(session: Session, item: SessionItem | None, news: dict[str, Any]) -> None:
    name, text, confidence = news["name"], news["text"], news["confidence"]
    if item is None:
        session.whole, session.whole_confidence = text, confidence
        return
    if name == "dense":
        item.dense = text
    else:
        item.captions[name] = text
        order = {one: place for place, one in enumerate(ATTRIBUTE_NAMES)}
        item.captions = dict(sorted(item.captions.items(), key=lambda kv: order.get(kv[0], 99)))
    if confidence is not None:
        item.confidence[name] = confidence


def evidence(
    captioner: Captioner, session: Session, region: int | None, name: str, word: int
) -> dict[str, Any]:
    """The map of a word, for JSON: {"map": PNG bytes (grey, small), "word", "share", "area"}.

    `share` of the evidence lies on the region, which has `area` of the image.
    """
    from finecaption.trust.attribution import evidence_map

    require(captioner, "evidence")
    item = None if region is None else item_of(session, region)
    text = session.whole if item is None else item.texts().get(name)
    if not text:
        raise InputError(f"{name}: nothing was said of it yet")
    asked = instruction_for(WHOLE if item is None else name)
    mask = None if item is None else item.region.mask
    found = evidence_map(cast(Any, captioner), session.encoded, mask, asked, text, word)
    width, height = session.view
    scale = min(1.0, 320 / max(width, height))
    small = Image.fromarray((found * 255).astype(np.uint8)).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BILINEAR
    )
    stream = io.BytesIO()
    small.save(stream, "PNG")
    total = float(found.sum())
    share = None if mask is None or not total else float(found[mask].sum()) / total
    area = None if mask is None else float(mask.mean())
    return {"map": stream.getvalue(), "word": text.split()[word], "share": share, "area": area}


def view_mask(session: Session, item: SessionItem) -> np.ndarray:
    """bool at the view's size, never empty."""
    mask = item.region.mask
    if session.view == session.size:
        return mask
    small = Image.fromarray(mask.astype(np.uint8) * 255).resize(session.view, Image.Resampling.BOX)
    seen = np.asarray(small) >= 128
    return seen if seen.any() else np.asarray(small) > 0


def item_json(session: Session, item: SessionItem) -> dict[str, Any]:
    """A region for the page."""
    name = name_of(item.captions)
    return {
        "id": item.id,
        "how": item.how,
        "box": list(item.region.box),
        "area": round(item.region.area / (session.size[0] * session.size[1]), 5),
        "score": None if item.score is None else round(item.score, 3),
        "points": [[p.x, p.y, bool(p.positive)] for p in item.points],
        "prompt": None if item.box is None else [float(edge) for edge in item.box],
        "runs": runs(view_mask(session, item)),
        "captions": item.captions,
        "dense": item.dense,
        "confidence": item.confidence,
        "label": None if name is None else name.label,
    }


def links_json(session: Session) -> dict[str, Any]:
    """Names, mentions and relations in all texts."""
    texts = session.texts()
    names = {key: name_of(said) for key, said in texts.items() if key is not None}
    known = {key: name for key, name in names.items() if name is not None}
    mentions = find_mentions(texts, known)
    masks = {item.id: view_mask(session, item) for item in session.items.values()}
    relations = find_relations(texts, mentions, masks)
    return {
        "labels": {str(key): name.label for key, name in known.items()},
        "mentions": [mention.to_dict() for mention in mentions],
        "relations": [relation.to_dict() for relation in relations],
    }


def view_image(session: Session) -> tuple[bytes, str]:
    """The image as the page shows it, and its media type."""
    shown = session.picture
    if session.view != session.size:
        shown = shown.resize(session.view, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=90)
    return stream.getvalue(), "image/jpeg"
