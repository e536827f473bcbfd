"""Threads open images while the model works on others; answers come in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from finecaption.bulk.engine import ImageResult, caption_images
from finecaption.bulk.jobs import Bad, BatchJob, OpenedJob, load
from finecaption.bulk.manifests import plain_stem
from finecaption.bulk.settings import RunSettings
from finecaption.errors import FineCaptionError, InputError
from finecaption.protocol import Captioner

PIXELS = 200_000_000
"""Pixels of the opened images held at a time, about 0.6 GB; three masks count as an image."""


@dataclass(frozen=True)
class Batching:
    """The sizes of a batch."""

    pictures: int = 16
    regions: int = 64
    threads: int = 4
    """That open images."""


@dataclass(eq=False)
class Outcome:
    """The outcome of a job: a record or an error."""

    id: str
    place: str
    error: str = ""
    left_out: bool = False
    """Whether the error is that the source leaves out every region of the image."""
    picture: Image.Image | None = None
    made: dict[str, Any] | None = None
    result: ImageResult | None = None
    loaded: OpenedJob | None = None

    def record(self) -> dict[str, Any]:
        """The record. It encodes the masks, so that the writer's thread does this work."""
        if self.made is None:
            assert self.result is not None and self.loaded is not None
            self.made = to_record(self.loaded, self.result)
        return self.made


@dataclass
class PhaseClock:
    """Time spent in each phase, in seconds."""

    model: float = 0.0
    """The model computed."""
    waited: float = 0.0
    """It waited for images to be opened."""
    batches: int = 0
    extra: dict[str, float] = field(default_factory=dict)


def outcomes(
    jobs: Iterable[BatchJob | Bad],
    captioner: Captioner,
    settings: RunSettings,
    batching: Batching | None = None,
    clock: PhaseClock | None = None,
) -> Iterator[list[Outcome]]:
    """The jobs' outcomes, batch by batch, in the order of the jobs.

    Raises:
        FineCaptionError: the model fails for every image of a batch.
    """
    how = batching or Batching()
    time_of = clock or PhaseClock()
    source = iter(jobs)
    waiting: deque[tuple[BatchJob | Bad, Future[OpenedJob] | None]] = deque()
    sizes: deque[int] = deque([PIXELS // 8], maxlen=16)  # of the last images, in pixels
    with ThreadPoolExecutor(how.threads, "open") as pool:

        def fill() -> None:
            while len(waiting) < 2 * how.pictures:
                shares = [_weight(job) for job, _ in waiting]
                # of the next one, the source has not said yet how many regions it has
                if len(shares) >= 2 and (sum(shares) + shares[-1]) * max(sizes) > PIXELS:
                    return
                job = next(source, None)
                if job is None:
                    return
                waiting.append((job, pool.submit(load, job) if isinstance(job, BatchJob) else None))

        try:
            while True:
                batch: list[Outcome] = []
                pictures, regions, pixels = 0, 0, 0
                while pictures < how.pictures and regions < how.regions and pixels < PIXELS // 2:
                    fill()
                    if not waiting:
                        break
                    started = time.perf_counter()
                    job, future = waiting.popleft()
                    outcome = _opened(job, future)
                    time_of.waited += time.perf_counter() - started
                    batch.append(outcome)
                    if outcome.loaded is not None:
                        width, height = outcome.loaded.picture.size
                        sizes.append(width * height)
                        pictures += 1
                        pixels += int(width * height * _weight(job))
                        regions += max(1, len(outcome.loaded.regions))
                if not batch:
                    return
                fill()
                started = time.perf_counter()
                _describe(batch, captioner, settings)
                time_of.model += time.perf_counter() - started
                time_of.batches += 1
                yield batch
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()


def _weight(job: BatchJob | Bad) -> float:
    """Bytes of an opened image with its masks, in those of the image: 3 a pixel, and 1 a mask."""
    return 1 + len(job.regions) / 3 if isinstance(job, BatchJob) else 0.0


def _opened(job: BatchJob | Bad, future: Future[OpenedJob] | None) -> Outcome:
    if isinstance(job, Bad):
        return Outcome(job.id, job.place, job.what, job.left_out)
    assert future is not None
    try:
        return Outcome(job.id, job.place, loaded=future.result())
    except InputError as error:
        return Outcome(job.id, job.place, str(error))
    # an image of bytes that nobody foresaw must not end a run of a million
    except Exception as error:
        return Outcome(job.id, job.place, f"{type(error).__name__}: {error}")


def _describe(batch: list[Outcome], captioner: Captioner, settings: RunSettings) -> None:
    good = [outcome for outcome in batch if outcome.loaded is not None]
    if not good:
        return
    try:
        results = caption_images(captioner, [_of(outcome) for outcome in good], settings)
    # the model fails: find out for which image, as one of a batch must not cost the others
    except Exception as error:
        results = _singly(good, captioner, settings, error)
    for outcome, result in zip(good, results, strict=True):
        if isinstance(result, InputError):
            outcome.error, outcome.loaded = str(result), None
        else:
            outcome.result, outcome.picture = result, _of(outcome).picture


def _singly(
    good: list[Outcome], captioner: Captioner, settings: RunSettings, first: Exception
) -> list[ImageResult | InputError]:
    results: list[ImageResult | InputError] = []
    failed = 0
    for outcome in good:
        try:
            results += caption_images(captioner, [_of(outcome)], settings)
        except Exception as error:  # whatever it is, it goes into the list of errors
            failed += 1
            results.append(InputError(f"{outcome.id}: {type(error).__name__}: {error}"))
    if failed == len(good):
        raise FineCaptionError(
            f"the model fails for every image of a batch, from {good[0].id} on: "
            f"{type(first).__name__}: {first}"
        ) from first
    return results


def _of(outcome: Outcome) -> OpenedJob:
    assert outcome.loaded is not None
    return outcome.loaded


def to_record(loaded: OpenedJob, found: ImageResult) -> dict[str, Any]:
    """The JSON form of an image's captions.

    `{"id", "place"?, "stem"?, "image_id"?, "image", "width", "height", "model", "regions": [{"id",
    "mask", "box", "captions", "dense", "confidence"?}], "global", "global_confidence"?, "notice",
    "meta"?}`; mask is COCO RLE, box xyxy in pixels; `id` and `place` stand first, since a resumed
    run reads only them.
    """
    job, result = loaded.job, found.result
    record: dict[str, Any] = {"id": job.id}
    stem = None if job.stem == plain_stem(job.id) else job.stem or None
    optional = {"place": job.place or None, "stem": stem, "image_id": job.image_id}
    record |= {key: value for key, value in optional.items() if value is not None}
    width, height = loaded.picture.size
    record |= {
        "image": None if isinstance(job.image, np.ndarray) else job.image,
        "width": width,
        "height": height,
        "model": result.model,
        "regions": [
            {"id": name, **caption.to_dict()}
            for name, caption in zip(found.ids, result.regions, strict=True)
        ],
        "global": result.whole,
    }
    if result.whole_confidence is not None:
        record["global_confidence"] = result.whole_confidence
    record["notice"] = None if result.notice is None else result.notice.to_dict()
    if job.meta is not None:
        record["meta"] = job.meta
    return record
