"""The session of one visitor: an image, its regions and their captions."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from finecaption.errors import FineCaptionError
from finecaption.io.geometry import Box, Point, Size
from finecaption.types import Caption, Region

if TYPE_CHECKING:
    from PIL import Image

    from finecaption.results import Notice

MOST_SESSIONS = 24
MOST_REGIONS = 60
IDLE_SECONDS = 3600.0
_VIEW = 1280  # longer side of the image as it is shown


class NoSession(FineCaptionError):
    """The session has expired or never existed."""


@dataclass
class SessionItem:
    """A region of the session."""

    id: int
    region: Region
    how: str
    """"click", "box", "brush" or "everything"."""
    points: list[Point] = field(default_factory=list)
    box: Box | None = None
    score: float | None = None
    captions: dict[str, str] = field(default_factory=dict)
    dense: str | None = None
    confidence: dict[str, float] = field(default_factory=dict)
    version: int = 0
    """Grows with every new mask and every new description: older work then gives up."""

    def forget_texts(self) -> None:
        """Removes the texts, which no longer hold after the mask has changed."""
        self.captions, self.dense, self.confidence = {}, None, {}
        self.version += 1

    def texts(self) -> dict[str, str]:
        """The captions, "dense" included."""
        return {**self.captions, **({} if self.dense is None else {"dense": self.dense})}

    def caption(self) -> Caption:
        """The region as a `Caption`."""
        return Caption(self.region, self.captions, self.dense, confidence=self.confidence)


@dataclass
class Session:
    """One visitor's image."""

    picture: Image.Image
    encoded: Any
    """The image as the captioner takes it, see `finecaption.protocol.encode`."""
    model: str
    name: str
    """Of the image, for files."""
    clickable: Any = None
    """What the segmenter needs of the image; None until the first click."""
    items: dict[int, SessionItem] = field(default_factory=dict)
    whole: str | None = None
    whole_confidence: float | None = None
    whole_version: int = 0
    next_id: int = 1
    used: float = field(default_factory=time.monotonic)

    @property
    def notice(self) -> Notice | None:
        """Set if the image is unlike those that the model knows."""
        found: Notice | None = getattr(self.encoded, "notice", None)
        return found

    @property
    def size(self) -> Size:
        """(width, height) of the image."""
        return self.picture.size

    @property
    def view(self) -> Size:
        """(width, height) at which the browser shows it: large images are made smaller."""
        longest = max(self.size)
        if longest <= _VIEW:
            return self.size
        width, height = (max(1, round(side * _VIEW / longest)) for side in self.size)
        return width, height

    def add(self, item: SessionItem) -> SessionItem:
        """Keeps a region under a new number."""
        item.id = self.next_id
        self.next_id += 1
        self.items[item.id] = item
        return item

    def texts(self) -> dict[int | None, dict[str, str]]:
        """All captions by region id; None is the whole image."""
        found: dict[int | None, dict[str, str]] = {
            item.id: item.texts() for item in self.items.values()
        }
        if self.whole is not None:
            found[None] = {"global": self.whole}
        return found


class SessionStore:
    """Sessions by key; those that idle long, and the oldest when there are too many, are dropped.
    May be used from any thread."""

    def __init__(self, most: int = MOST_SESSIONS, idle: float = IDLE_SECONDS) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()
        self._most, self._idle = most, idle

    def put(self, session: Session, key: str | None = None) -> str:
        """Keeps a session; under `key` if that is known, else under a new one, which is returned.
        Keys cannot be guessed."""
        with self._lock:
            if key is None or key not in self._sessions:
                key = secrets.token_urlsafe(24)
            self._sessions[key] = session
            self._sessions.move_to_end(key)
            now = time.monotonic()
            for old in [k for k, s in self._sessions.items() if now - s.used > self._idle]:
                del self._sessions[old]
            while len(self._sessions) > self._most:
                self._sessions.popitem(last=False)
            return key

    def get(self, key: str) -> Session:
        """The session.

        Raises:
            NoSession: it is over.
        """
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                raise NoSession("this session is over; open the image again")
            session.used = time.monotonic()
            self._sessions.move_to_end(key)
            return session

    def __len__(self) -> int:
        return len(self._sessions)


def runs(mask: np.ndarray) -> list[int]:
    """A mask's run lengths, row by row, the first of background (perhaps 0 long).

    For the browser, which reads rows; COCO's run down columns.
    """
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


__all__ = ["SessionItem", "NoSession", "Session", "SessionStore", "runs"]
