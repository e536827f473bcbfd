"""One run shared by several processes; whoever ends last puts their shards together.

A shard has a folder of its own, OUT/shards/I-of-N, with the files of a run. The records that come
together in OUT are those that one process would have written, in the same order.
"""

from __future__ import annotations

import os
from pathlib import Path

from finecaption.errors import InputError
from finecaption.eval.records import MANIFEST, Record, RunFolder, read_json, read_records
from finecaption.eval.steps import Shard
from finecaption.io import strict_json
from finecaption.io.atomic import write_json, write_text

SHARDS = "shards"


def shard_of_process() -> Shard:
    """What torchrun says: RANK of WORLD_SIZE; all of it without torchrun.

    Raises:
        InputError: the two do not fit together.
    """
    of = os.environ.get("WORLD_SIZE", "1")
    number = os.environ.get("RANK", "0")
    return Shard.parse(f"{number}/{of}")


def shard_folder(out: Path, shard: Shard) -> Path:
    """Where a shard is answered; `out` itself when there is one alone."""
    return out if shard.of == 1 else out / SHARDS / f"{shard.number}-of-{shard.of}"


def merge(out: Path, shard: Shard, steps: list[str]) -> bool:
    """Puts all shards together in `out`, if all have finished these steps; says whether it did.

    Raises:
        InputError: two shards were run with other settings.
    """
    folders = [shard_folder(out, Shard(i, shard.of)) for i in range(shard.of)]
    manifests = [read_json(f / MANIFEST) for f in folders if (f / MANIFEST).exists()]
    if len(manifests) < shard.of or any(set(steps) - set(m["done"]) for m in manifests):
        return False
    settings = manifests[0]["settings"]
    for folder, manifest in zip(folders, manifests, strict=True):
        if manifest["settings"] != settings:
            raise InputError(f"{folder}: was run with other settings than {folders[0]}")
    about = {k: v for k, v in manifests[0].items() if k not in ("settings", "done")}
    done: dict[str, Record] = {}
    for step in steps:
        found = [r for f in folders for r in read_records(f / f"{step}.jsonl")]
        found.sort(key=lambda record: record["index"])  # stable: an image's records stay in order
        lines = "".join(strict_json.dumps(r, ensure_ascii=False) + "\n" for r in found)
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / f"{step}.jsonl", lines)
        done[step] = {
            "records": len(found),
            "made_last": len(found),
            "seconds_last": max(m["done"][step]["seconds_last"] for m in manifests),
            "shards": shard.of,
        }
    whole = {"settings": settings, **about, "done": done}
    write_json(out / MANIFEST, whole)
    RunFolder.existing(out)
    return True
