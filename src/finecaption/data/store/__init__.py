"""Stored form of a dataset: Parquet shards, read in any order, a little at a time.

    from finecaption.data import store

    store.write(samples, "out/coco", embed=True)
    for item in store.open("out/coco").items(rank=0, world=1, worker=0, workers=1, start=0):
        image, samples = item.picture(), item.samples()

What a training loop needs (`Store.items`, `Store.stream`, `streams.consumed`): see `streams`.
"""

from __future__ import annotations

from finecaption.data.store.layout import Info
from finecaption.data.store.read import SampleList, Store, is_store, open_store
from finecaption.data.store.rows import StoredItem, StoredQuestion, StoredRow
from finecaption.data.store.streams import Stream, consumed, share
from finecaption.data.store.write import write

open = open_store  # read as `store.open`, like `gzip.open`

__all__ = [
    "Info",
    "StoredItem",
    "StoredQuestion",
    "StoredRow",
    "SampleList",
    "Store",
    "Stream",
    "consumed",
    "is_store",
    "open",
    "open_store",
    "share",
    "write",
]
