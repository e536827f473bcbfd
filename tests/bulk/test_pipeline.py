"""What a batch takes, how far images are opened ahead of it, and the time that is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from finecaption.bulk import RunSettings, pipeline
from finecaption.bulk.jobs import Bad, BatchJob, RegionSpec
from finecaption.bulk.pipeline import Batching, PhaseClock, outcomes
from finecaption.request import Questions

COLOR = RunSettings(Questions(("Color",)))
AREA = 24 * 16  # pixels of an image


@pytest.fixture
def image(tmp_path: Path, draw: Callable[..., Path]) -> str:
    return str(draw(tmp_path / "x.png"))


class Source:
    """Jobs about one image; counts how many were taken."""

    def __init__(self, image: str, count: int, regions: int = 0) -> None:
        specs = tuple(
            RegionSpec(str(n), {"box": [0, 0, 4, 4 + n], "points": None}) for n in range(regions)
        )
        self._jobs = [BatchJob(str(number), image, specs) for number in range(count)]
        self.taken = 0

    def __iter__(self) -> Iterator[BatchJob]:
        for job in self._jobs:
            self.taken += 1
            yield job


def batches(stub: ModuleType, source: Source, batching: Batching) -> list[int]:
    """How many images the model is given at once."""
    engine = stub.StubSpec().open()
    list(outcomes(source, engine, COLOR, batching))
    return list(engine.batches)


@pytest.mark.parametrize(
    ("pixels", "sizes"),
    [
        # a batch takes images until half of the pixels are there
        (4 * AREA, [2, 2, 1]),
        (4 * AREA - 2, [2, 2, 1]),
        (4 * AREA + 2, [3, 2]),
        (2 * AREA, [1] * 5),
        (100 * AREA, [5]),
    ],
)
def test_a_batch_holds_half_of_the_pixels(
    stub: ModuleType, image: str, monkeypatch: pytest.MonkeyPatch, pixels: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(pipeline, "PIXELS", pixels)
    assert batches(stub, Source(image, 5), Batching(9, 99, 1)) == sizes


@pytest.mark.parametrize(
    ("batching", "regions", "sizes"),
    [
        (Batching(2, 99, 1), 0, [2, 2, 1]),
        (Batching(9, 2, 1), 0, [2, 2, 1]),  # an image without a region counts as one
        (Batching(9, 4, 1), 2, [2, 2, 1]),
        (Batching(9, 5, 1), 2, [3, 2]),
        (Batching(9, 1, 1), 3, [1] * 5),
    ],
)
def test_a_batch_holds_so_many_images_and_regions(
    stub: ModuleType, image: str, batching: Batching, regions: int, sizes: list[int]
) -> None:
    assert batches(stub, Source(image, 5, regions), batching) == sizes


@pytest.mark.parametrize(
    ("pixels", "taken"),
    [
        # twice a batch is opened ahead, beside the batch that is at work
        (1000 * AREA, [12, 16, 20, 24]),
        # as many as there is room for; before the first is opened, eight are thought to fit
        (6 * AREA, [9, 12, 15, 18]),
        # two at least
        (2 * AREA, [8, 8, 8, 8, 8, 8, 9]),
    ],
)
def test_images_are_opened_ahead_of_the_model(
    stub: ModuleType, image: str, monkeypatch: pytest.MonkeyPatch, pixels: int, taken: list[int]
) -> None:
    monkeypatch.setattr(pipeline, "PIXELS", pixels)
    source, seen = Source(image, 40), []
    engine = stub.StubSpec().open()
    for _ in outcomes(source, engine, COLOR, Batching(4, 99, 1)):
        seen.append(source.taken)
    assert seen[: len(taken)] == taken


def test_bad_entries_take_no_place_in_a_batch(stub: ModuleType, image: str) -> None:
    good = [BatchJob(str(number), image) for number in range(4)]
    engine = stub.StubSpec().open()
    made = [good[0], Bad("b", "line 2", "broken"), good[1], good[2], Bad("c", "", "gone"), good[3]]
    found = list(outcomes(made, engine, COLOR, Batching(2, 99, 1)))
    assert engine.batches == [2, 2]
    assert [[one.id for one in batch] for batch in found] == [["0", "b", "1"], ["2", "c", "3"]]
    assert [(one.place, one.error) for one in found[0]] == [
        ("", ""),
        ("line 2", "broken"),
        ("", ""),
    ]
    only = list(outcomes([made[1]], engine, COLOR, Batching(2, 99, 1)))
    assert len(only) == 1 and engine.batches == [2, 2], "the model is not asked"


def test_the_time_is_that_of_waiting_and_of_the_model(stub: ModuleType, image: str) -> None:
    clock, begun = PhaseClock(), time.perf_counter()
    engine = stub.StubSpec(pause=0.01).open()
    list(outcomes(Source(image, 6), engine, COLOR, Batching(2, 99, 1), clock))
    total = time.perf_counter() - begun
    assert clock.batches == 3 and clock.model >= 0.03
    assert clock.waited > 0 and clock.waited + clock.model <= total


@pytest.mark.parametrize(("regions", "sizes", "taken"), [(3, [2, 2, 1], 4), (9, [1] * 5, 3)])
def test_masks_are_held_as_images_are(
    stub: ModuleType,
    image: str,
    monkeypatch: pytest.MonkeyPatch,
    regions: int,
    sizes: list[int],
    taken: int,
) -> None:
    """Three masks take as much as an image."""
    monkeypatch.setattr(pipeline, "PIXELS", 8 * AREA)
    how = Batching(9, 99, 1)
    assert batches(stub, Source(image, 5, regions), how) == sizes
    source = Source(image, 30, regions)
    first = next(iter(outcomes(source, stub.StubSpec().open(), COLOR, how)))
    assert len(first) == sizes[0] and source.taken - len(first) <= taken
