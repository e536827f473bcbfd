"""Names of before, which work for one release and say what they are called now."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.protocol import Captioner, Progress
from finecaption.request import Request
from finecaption.results import CaptionResult


class OldNames:
    """Methods of `finecaption.captioner.FineCaption` that have another name now."""

    def caption_many(
        self,
        asks: Sequence[Request],
        *,
        decoding: Decoding | None = None,
        progress: Progress | None = None,
    ) -> list[CaptionResult | InputError]:
        """Deprecated: `caption_batch`, with the decoding in the requests."""
        warnings.warn(
            "caption_many is now caption_batch; the decoding is a field of each request",
            DeprecationWarning,
            stacklevel=2,
        )
        requests = [replace(ask, decoding=decoding) for ask in asks]
        return cast(Captioner, self).caption_batch(requests, progress=progress)


__all__ = ["OldNames"]
