"""Written and read back: rows, shards, streams, ranks and workers, resuming."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from finecaption.data import store
from finecaption.data.store.layout import JOURNAL
from finecaption.data.store.rows import MOST_QUESTIONS, group
from finecaption.errors import InputError
from finecaption.types import RegionSample

from .conftest import same

Samples = Callable[..., list[RegionSample]]


def text(item: store.Item) -> tuple[str, str | None, str]:
    (question,) = item.questions
    region = item.row.regions[question.region][0] if question.region >= 0 else None
    return item.row.image_id, region, question.attribute or question.task


def keys(samples: list[RegionSample]) -> list[tuple[str, str | None, str]]:
    return [(s.image_id, s.region_id, s.attribute or s.task) for s in samples]


@pytest.mark.parametrize("embed", [True, False])
def test_samples_come_back_equal_and_in_order(
    embed: bool, samples: Samples, tmp_path: Path
) -> None:
    given = samples(9)
    info = store.write(given, tmp_path / "out", embed=embed, shard_samples=20)
    assert (info.samples, info.pictures) == (len(given), 9) and len(info.shards) == 3
    opened = store.open(tmp_path / "out")
    found = list(opened.samples())
    assert len(found) == len(given) == len(opened)
    assert all(same(a, b) for a, b in zip(given, found, strict=True))
    assert isinstance(found[0].image, np.ndarray if embed else str)
    opened.close()


def test_arrays_are_embedded_and_need_to_be(samples: Samples, tmp_path: Path) -> None:
    given = samples(4, files=False)
    store.write(given, tmp_path / "out", embed=True)
    found = store.open(tmp_path / "out").samples()
    assert all(same(a, b) for a, b in zip(given, found, strict=True))
    with pytest.raises(InputError, match="image: is not a file"):
        store.write(given, tmp_path / "two")


def test_a_region_id_without_a_mask_is_kept(samples: Samples, tmp_path: Path) -> None:
    given = [replace(sample, region_id="0") for sample in samples(1)]
    store.write(given, tmp_path / "out")
    (found,) = store.open(tmp_path / "out").samples()
    assert found.region_id == "0" and found.mask is None


def test_rows_hold_a_picture_once(samples: Samples) -> None:
    given = samples(9)
    assert [len(g) for g in group(given)] == [
        len([s for s in given if s.image_id == f"i{k}"]) for k in range(9)
    ]
    assert [len(g) for g in group(given[:1] * (MOST_QUESTIONS + 3))] == [MOST_QUESTIONS, 3]


def test_ranks_and_workers_share_without_loss_or_repetition(
    samples: Samples, tmp_path: Path
) -> None:
    given = samples(40)
    store.write(given, tmp_path / "out", embed=True, shard_samples=30)
    opened = store.open(tmp_path / "out")
    for world, workers in ((1, 1), (2, 1), (3, 2), (4, 5), (40, 9)):
        parts = [
            [text(i) for i in opened.items(rank, world, worker, workers, seed=3, buffer=16)]
            for rank in range(world)
            for worker in range(workers)
        ]
        assert Counter(k for part in parts for k in part) == Counter(keys(given))
        sizes = {len(part) for part in parts}
        assert max(sizes) - min(sizes) <= 1
        # the order in which they would come one after the other does not depend on the sharing
        assert [k for p in parts for k in p] == [text(i) for i in opened.items(seed=3, buffer=16)]


@pytest.mark.parametrize("by", ["sample", "picture"])
def test_reading_goes_on_at_the_same_sample(
    by: store.read.Unit, samples: Samples, tmp_path: Path
) -> None:
    store.write(samples(30), tmp_path / "out", shard_samples=25)
    place = {"rank": 1, "world": 2, "worker": 0, "workers": 2}
    how = {"seed": 5, "epoch": 2, "buffer": 12, "by": by}

    def run(start: int) -> list[tuple[int, str, tuple[store.Question, ...]]]:
        # a new store each time, as in a new process
        items = store.open(tmp_path / "out").items(**place, start=start, **how)
        return [(i.position, i.row.image_id, i.questions) for i in items]

    whole = run(0)
    assert len(whole) > 5
    for start in (1, 3, len(whole) - 1, len(whole), len(whole) + 4):
        assert run(start) == whole[start:]


def test_epochs_are_shuffled_differently(samples: Samples, tmp_path: Path) -> None:
    given = samples(30)
    store.write(given, tmp_path / "out")
    opened = store.open(tmp_path / "out")
    orders = [[text(i) for i in opened.items(seed=1, epoch=e, buffer=64)] for e in range(3)]
    assert len({tuple(order) for order in orders}) == 3
    assert all(Counter(order) == Counter(keys(given)) for order in orders)
    assert [text(i) for i in opened.items()] == keys(given)


def test_pictures_come_with_all_their_questions(samples: Samples, tmp_path: Path) -> None:
    given = samples(10)
    store.write(given, tmp_path / "out", embed=True)
    items = list(store.open(tmp_path / "out").items(seed=0, by="picture"))
    assert sorted(i.row.image_id for i in items) == sorted(f"i{k}" for k in range(10))
    assert sum(i.count for i in items) == len(given)
    assert all(i.picture().size == i.row.size for i in items)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_consumed_follows_a_loader_that_takes_batches_in_turn(
    workers: int, samples: Samples, tmp_path: Path
) -> None:
    store.write(samples(30), tmp_path / "out")
    opened, batch = store.open(tmp_path / "out"), 4

    def loader(done: int) -> list[list[int]]:
        readers = [
            opened.items(0, 1, w, workers, store.consumed(done, batch, w, workers), seed=1)
            for w in range(workers)
        ]
        batches = []
        for number in range(done, 9):
            part = list(islice(readers[number % workers], batch))
            batches.append([i.position for i in part])
        return batches

    whole = loader(0)
    for done in range(1, 9):
        assert loader(done) == whole[done:]


def test_a_store_crosses_process_borders(samples: Samples, tmp_path: Path) -> None:
    store.write(samples(5), tmp_path / "out", embed=True)
    opened = store.open(tmp_path / "out")
    before = [text(i) for i in opened.items()]
    assert [text(i) for i in pickle.loads(pickle.dumps(opened)).items()] == before


def test_the_pictures_folder_can_move(samples: Samples, tmp_path: Path) -> None:
    given = samples(3)
    store.write(given, tmp_path / "out", images=tmp_path / "bilder")
    (tmp_path / "bilder").rename(tmp_path / "elsewhere")
    found = next(iter(store.open(tmp_path / "out", images=tmp_path / "elsewhere").samples()))
    assert Path(str(found.image)).is_file()


def test_samples_in_memory_have_the_same_ways(samples: Samples) -> None:
    given = samples(12) + samples(3, files=False)
    kept = store.SampleList(given, block=4)
    assert all(same(a, b) for a, b in zip(given, kept.samples(), strict=True))
    assert Counter(text(i) for i in kept.items(seed=1, buffer=8)) == Counter(keys(given))


def test_few_blocks_are_held_however_many_are_read(tmp_path: Path) -> None:
    given = (
        RegionSample(image=f"{k}.png", size=(4, 4), task="cgic", text=str(k)) for k in range(6000)
    )
    info = store.write(given, tmp_path / "out", shard_samples=600)
    assert sum(len(shard.blocks) for shard in info.shards) >= 20
    opened = store.open(tmp_path / "out")
    most = 0
    for item in opened.items(seed=1, buffer=512):
        assert item.row.image_id == ""
        most = max(most, len(opened._held))
    # two runs of 512 samples touch this many blocks of about 240 at most
    assert most <= 6 and len(opened._files) <= 8
    opened.close()


# Writing -----------------------------------------------------------------------------------------


def test_an_interrupted_writer_goes_on(samples: Samples, tmp_path: Path) -> None:
    given = samples(30)
    store.write(given, tmp_path / "whole", embed=True, shard_samples=25)

    def failing(after: int) -> object:
        yield from given[:after]
        raise RuntimeError("the light went out")

    out = tmp_path / "out"
    for after in (0, 1, 30, 31, 80):
        with pytest.raises(RuntimeError):
            store.write(failing(after), out, embed=True, shard_samples=25)  # type: ignore[arg-type]
        assert not list(out.glob(".data-*"))
        with pytest.raises(InputError, match="interrupted: give the same command again"):
            store.open(out)
    seen: list[int] = []
    store.write(given, out, embed=True, shard_samples=25, done=seen.append)
    assert seen[-1] == len(given) and not (out / JOURNAL).exists()
    for file in sorted((tmp_path / "whole").iterdir()):
        assert (out / file.name).read_bytes() == file.read_bytes(), file.name
    # once more: nothing is left to do
    store.write(given, out, embed=True, shard_samples=25)


def test_other_data_or_settings_are_refused(samples: Samples, tmp_path: Path) -> None:
    given = samples(30)

    def failing() -> object:
        yield from given[:60]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.write(failing(), tmp_path / "out", shard_samples=25)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="another embed .False, not True"):
        store.write(given, tmp_path / "out", embed=True, shard_samples=25)
    with pytest.raises(InputError, match="begun with other data"):
        store.write(given[5:], tmp_path / "out", shard_samples=25)
    with pytest.raises(InputError, match="begun with other data"):
        store.write(given[:3], tmp_path / "out", shard_samples=25)
    store.write(given, tmp_path / "out", shard_samples=25)
    with pytest.raises(InputError, match="another settings"):
        store.write(given, tmp_path / "out", shard_samples=25, settings={"limit": 1})


@pytest.mark.parametrize(
    ("tail", "kept"),
    [(b"", 2), (b'{"shard": {"name": "data-00002.par', 2), (b"\0\0\0\n", 2), (None, 1)],
)
def test_a_torn_journal_goes_on_after_its_last_whole_shard(
    samples: Samples, tmp_path: Path, tail: bytes | None, kept: int
) -> None:
    given = samples(30)
    store.write(given, tmp_path / "whole", embed=True, shard_samples=25)
    out = tmp_path / "out"

    def failing() -> object:
        yield from given[:70]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.write(failing(), out, embed=True, shard_samples=25)  # type: ignore[arg-type]
    journal = out / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3, "the plan and two shards"
    if tail is None:
        journal.write_bytes(b"".join(lines[:2]) + lines[2][:-5])
    else:
        journal.write_bytes(b"".join(lines) + tail)
    skipped: list[int] = []
    written = store.write(given, out, embed=True, shard_samples=25, done=skipped.append)
    assert skipped[0] > sum(shard.samples for shard in written.shards[:kept])
    for file in sorted((tmp_path / "whole").iterdir()):
        assert (out / file.name).read_bytes() == file.read_bytes(), file.name
    assert sorted(p.name for p in out.iterdir()) == sorted(
        p.name for p in (tmp_path / "whole").iterdir()
    )


def test_one_writer_at_a_time(samples: Samples, tmp_path: Path) -> None:
    given = samples(5)

    def second() -> object:
        with pytest.raises(InputError, match="another run is writing it"):
            store.write(given, tmp_path / "out")
        yield from given

    assert store.write(second(), tmp_path / "out").samples == len(given)  # type: ignore[arg-type]


# Damage ------------------------------------------------------------------------------------------


def test_damage_is_named(samples: Samples, tmp_path: Path) -> None:
    store.write(samples(30), tmp_path / "out", embed=True)
    shard = next((tmp_path / "out").glob("data-*"))
    data = shard.read_bytes()
    shard.write_bytes(data[:-9])
    with pytest.raises(InputError, match=f"{shard.name}: has .* bytes where info.json says"):
        store.open(tmp_path / "out")
    shard.write_bytes(data[:200] + bytes(len(data) - 200))
    with pytest.raises(InputError, match=f"{shard.name}: is broken"):
        list(store.open(tmp_path / "out").items())
    shard.unlink()
    with pytest.raises(InputError, match=f"{shard.name}: is missing"):
        store.open(tmp_path / "out")


def test_what_is_no_store_is_refused(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a stored dataset"):
        store.open(tmp_path)
    store.write(samples(2), tmp_path / "out")
    info = tmp_path / "out/info.json"
    record = json.loads(info.read_text())
    info.write_text(json.dumps({**record, "version": 99}))
    with pytest.raises(InputError, match="version 99"):
        store.open(tmp_path / "out")
    info.write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        store.open(tmp_path / "out")


def test_numbers_that_name_no_reader_are_refused(samples: Samples) -> None:
    kept = store.SampleList(samples(2))
    for wrong in ((2, 2), (0, 0), (0, 1, 3, 3), (0, 1, 0, 1, -1)):
        with pytest.raises(InputError):
            list(kept.items(*wrong))
    with pytest.raises(InputError, match="by: must be one of"):
        kept.items(by="word")  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        _ = kept.stream()[99]


# Other readers -----------------------------------------------------------------------------------


def test_hugging_face_datasets_reads_the_shards(samples: Samples, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    given = samples(6)
    store.write(given, tmp_path / "p", embed=True, shard_samples=10)
    files = sorted(str(f) for f in (tmp_path / "p").glob("*.parquet"))
    rows = list(datasets.load_dataset("parquet", data_files=files, split="train", streaming=True))
    assert [row["image"].size for row in rows] == [(20 + k % 5, 16 + k % 3) for k in range(6)]
    assert sum(len(row["questions"]) for row in rows) == len(given)
    assert rows[1]["regions"][0]["region_id"] == "r0"


def test_the_schema_is_the_one_that_datasets_would_write() -> None:
    datasets = pytest.importorskip("datasets")
    from finecaption.data.store.parquet import schema

    own = schema()
    text, number = datasets.Value("string"), datasets.Value("int32")
    features = datasets.Features.from_arrow_schema(own)
    assert isinstance(features["image"], datasets.Image)
    assert (features["width"], features["licence"]) == (number, text)
    assert list(features["questions"].feature) == [
        "region", "task", "attribute", "prompt", "text",
    ]  # fmt: skip
    again = features.arrow_schema
    assert again.equals(own) and again.metadata == own.metadata


@pytest.mark.parametrize("change", range(40))
def test_damaged_shards_are_errors_in_words(samples: Samples, tmp_path: Path, change: int) -> None:
    store.write(samples(3), tmp_path / "out")
    (shard,) = (tmp_path / "out").glob("*.parquet")
    data = bytearray(shard.read_bytes())
    random = np.random.default_rng(change)
    for place in random.integers(len(data), size=1 + change):
        data[place] = random.integers(256)
    shard.write_bytes(data)
    with contextlib.suppress(InputError):  # or the change is in nothing that is read
        list(store.open(tmp_path / "out").samples())


def test_a_shard_is_a_file_of_the_store(samples: Samples, tmp_path: Path) -> None:
    store.write(samples(1), tmp_path / "out")
    info = tmp_path / "out/info.json"
    info.write_text(info.read_text().replace("data-00000.parquet", "../data-00000.parquet"))
    with pytest.raises(InputError, match="is no name of a file"):
        store.open(tmp_path / "out")


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "5", '{"version": 1}'])
def test_info_that_is_none_is_told(samples: Samples, tmp_path: Path, text: str) -> None:
    store.write(samples(1), tmp_path / "out")
    (tmp_path / "out/info.json").write_text(text)
    with pytest.raises(InputError, match=r"info\.json: "):
        store.open(tmp_path / "out")


def test_a_shard_of_another_table_is_named(samples: Samples, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    folder = tmp_path / "s"
    store.write(samples(4), folder, embed=True)
    (shard,) = folder.glob("*.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), shard)
    info = json.loads((folder / "info.json").read_text())
    info["shards"][0]["size"] = shard.stat().st_size
    (folder / "info.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=f"{shard}: is broken"):
        list(store.open(folder).samples())
