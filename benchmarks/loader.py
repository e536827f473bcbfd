"""How fast stored data are decoded and collated, against how fast mini trains on them.

    python benchmarks/loader.py [--scenes 32] [--seconds 10] [--out benchmarks/results/loader.json]

All in one run, on the same drawn scenes and the same batches. Rates are given by the clock and by
CPU time: on a machine with other load only the latter compare.

1. Scenes are drawn and converted to a Parquet store with the pictures inside.
2. The loader: shuffled reading by picture, decoding, both of the model's squares, the masks of up
   to 4 regions decoded and placed, stacked; batches of 8, one process; then two processes, each
   with its share, as two workers of a training run have them.
3. Training: mini's stage 3 (captions; everything moves), forward, backward and AdamW, on batches
   of 8 pictures of the same store, up to 4 regions of up to 10 questions each.
4. Mask decoding beside pycocotools, on the scenes' own masks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from finecaption.data import store
from finecaption.data.sources import open_source
from finecaption.io import masks
from finecaption.model.preparation import prepare_image, prepare_mask
from finecaption_synth.dataset import render_split

ROOT = Path(__file__).resolve().parents[1]
CLIP, HIGH = 84, 256  # mini's squares
BATCH, REGIONS, QUESTIONS = 8, 4, 10  # mini's stage 3


def batches(opened: store.Store, worker: int = 0, workers: int = 1) -> Iterator[dict[str, Any]]:
    """Batches of 8 pictures, epoch after epoch: arrays, and the questions of each region."""
    rng = random.Random(worker)
    epoch = 0
    pending: list[tuple[store.Item, list[int]]] = []
    while True:
        items = opened.items(0, 1, worker, workers, seed=0, epoch=epoch, buffer=256, by="picture")
        for item in items:
            regions = sorted({q.region for q in item.questions if q.task != "cgic"})
            if regions:
                pending.append((item, rng.sample(regions, min(REGIONS, len(regions)))))
            if len(pending) == BATCH:
                yield collate(pending)
                pending = []
        epoch += 1


def collate(chosen: list[tuple[store.Item, list[int]]]) -> dict[str, Any]:
    """uint8 arrays: pixel_values (B, S, S, 3), pixel_values_clip (B, s, s, 3), region_masks
    (R, s, s); image_index (R,) int64; questions: of each region its (attribute, text) pairs."""
    low, high, small, index, questions = [], [], [], [], []
    for place, (item, regions) in enumerate(chosen):
        clip, large = prepare_image(item.picture(), CLIP, HIGH)
        low.append(clip)
        high.append(large)
        for region in regions:
            small.append(prepare_mask(item.row.mask(region), CLIP))
            index.append(place)
            asked = [(q.attribute, q.text) for q in item.questions if q.region == region]
            questions.append(asked[:QUESTIONS])
    return {
        "pixel_values": np.stack(high),
        "pixel_values_clip": np.stack(low),
        "region_masks": np.stack(small),
        "image_index": np.asarray(index),
        "questions": questions,
    }


def rate(stream: Iterator[dict[str, Any]], seconds: float) -> dict[str, float]:
    """Pictures and regions a second, by the clock and by this process's own CPU time.

    Args:
        stream: of batches.
        seconds: of CPU time.
    """
    next(stream)
    pictures = regions = 0
    clock, cpu = time.perf_counter(), time.process_time()
    while time.process_time() - cpu < seconds:
        batch = next(stream)
        pictures += len(batch["pixel_values"])
        regions += len(batch["region_masks"])
    return speeds(pictures, regions, time.perf_counter() - clock, time.process_time() - cpu)


def speeds(pictures: int, regions: int, clock: float, cpu: float) -> dict[str, float]:
    """The figures that are compared."""
    return {
        "pictures_per_second": pictures / clock,
        "regions_per_second": regions / clock,
        "pictures_per_cpu_second": pictures / cpu,
        "regions_per_cpu_second": regions / cpu,
    }


def _worker(folder: str, worker: int, workers: int, seconds: float, ready: Any, out: Any) -> None:
    stream = batches(store.open(folder), worker, workers)
    ready.wait()
    out.put(rate(stream, seconds))


def rate_of_processes(folder: Path, workers: int, seconds: float) -> dict[str, float]:
    """The same with several processes at once: the sum of their rates; a CPU second stays one."""
    context = multiprocessing.get_context("spawn")
    ready, out = context.Barrier(workers), context.Queue()
    processes = [
        context.Process(target=_worker, args=(str(folder), k, workers, seconds, ready, out))
        for k in range(workers)
    ]
    for process in processes:
        process.start()
    rates = [out.get() for _ in processes]
    for process in processes:
        process.join()
    return {
        name: sum(r[name] for r in rates) / (workers if "cpu" in name else 1) for name in rates[0]
    }


def training_rate(opened: store.Store, steps: int) -> dict[str, float]:
    """Pictures a second of mini's stage 3, without loading: batches are made before."""
    import torch

    from finecaption.attributes import dense_instruction, region_instruction
    from finecaption.model import FineCaptionForConditionalGeneration
    from finecaption.training.packing import collate_packed, pack
    from finecaption_synth.training.texts import Texts, make_processor

    config, processor = make_processor("mini")
    torch.manual_seed(0)
    model = FineCaptionForConditionalGeneration(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
    texts = Texts(processor)
    stream = batches(opened)

    def tensors(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        rows = []
        for asked in batch["questions"]:
            prompts = [
                texts.prompt_ids(region_instruction(n) if n else dense_instruction())
                for n, _ in asked
            ]
            rows.append(pack(prompts, [texts.answer_ids(t) for _, t in asked]))
        return {
            **collate_packed(rows, processor.tokenizer.pad_token_id),
            "pixel_values": torch.from_numpy(batch["pixel_values"]).permute(0, 3, 1, 2),
            "pixel_values_clip": torch.from_numpy(batch["pixel_values_clip"]).permute(0, 3, 1, 2),
            "region_masks": torch.from_numpy(batch["region_masks"]),
            "image_index": torch.from_numpy(batch["image_index"]),
        }

    made = [tensors(next(stream)) for _ in range(steps + 1)]
    clock = cpu = 0.0
    for number, batch in enumerate(made):
        if number == 1:  # the first step warms up
            clock, cpu = time.perf_counter(), time.process_time()
        loss = model(**batch).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    regions = sum(len(b["region_masks"]) for b in made[1:])
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    told = speeds(steps * BATCH, regions, clock, cpu)
    return {**told, "seconds_per_step": clock / steps, "threads": torch.get_num_threads()}


def mask_rates(opened: store.Store, seconds: float) -> dict[str, float]:
    """Masks a CPU second: ours (which checks its input), and pycocotools (which does not)."""
    rles = [
        row.rle(k)
        for _, _, read in opened.blocks()
        for row in read()
        for k in range(len(row.regions))
        if row.rle(k) is not None
    ]
    for rle in rles:
        assert np.array_equal(masks.decode_rle(rle), coco.decode(rle).astype(bool))

    def per_second(decode: Callable[[Any], Any]) -> float:
        count, start = 0, time.process_time()
        while time.process_time() - start < seconds:
            for rle in rles:
                decode(rle)
            count += len(rles)
        return count / (time.process_time() - start)

    # in turn, so that other load falls on both
    ours, theirs = [], []
    for _ in range(3):
        ours.append(per_second(masks.decode_rle))
        theirs.append(per_second(coco.decode))
    return {
        "masks": len(rles),
        "finecaption_per_second": max(ours),
        "pycocotools_per_second": max(theirs),
        "ratio": max(ours) / max(theirs),
    }


def main() -> None:
    """Runs all, prints a table, writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenes", type=int, default=32)
    parser.add_argument("--drawn", type=Path, help="scenes that `synth render` drew before")
    parser.add_argument("--seconds", type=float, default=10.0, help="CPU seconds a rate")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/loader.json")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(),
                    "load_at_start": os.getloadavg()[0]},
        "settings": {"scenes": options.scenes, "seconds": options.seconds, "batch": BATCH,
                     "regions": REGIONS, "questions": QUESTIONS, "squares": [CLIP, HIGH]},
        "loader": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenes = options.drawn or folder / "scenes"
        if options.drawn is None:
            for _ in render_split("train", options.scenes, 0, scenes, workers=1):
                pass
        samples = open_source("synth", scenes)
        result["settings"]["scenes"] = len({sample.image_id for sample in samples})
        store.write(samples, folder / "parquet", embed=True)
        opened = store.open(folder / "parquet")
        result["loader"]["parquet"] = rate(batches(opened), options.seconds)
        opened.close()
        two = rate_of_processes(folder / "parquet", 2, options.seconds)
        result["loader"]["parquet, 2 processes"] = two
        opened = store.open(folder / "parquet")
        result["masks"] = mask_rates(opened, options.seconds / 6)
        result["training"] = training_rate(opened, options.steps)
        opened.close()
    trained = result["training"]
    for told in result["loader"].values():
        for name in ("pictures_per_second", "pictures_per_cpu_second"):
            told[name.replace("pictures", "times_training")] = told[name] / trained[name]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{'pictures':24}{'a second':>12}{'x training':>12}{'a CPU s':>12}{'x training':>12}")
    for kind, told in result["loader"].items():
        print(f"{kind:24}{told['pictures_per_second']:12.1f}"
              f"{told['times_training_per_second']:12.1f}"
              f"{told['pictures_per_cpu_second']:12.1f}"
              f"{told['times_training_per_cpu_second']:12.1f}")  # fmt: skip
    print(f"{'training mini':24}{trained['pictures_per_second']:12.1f}{'':12}"
          f"{trained['pictures_per_cpu_second']:12.1f}")  # fmt: skip
    told = result["masks"]
    print(f"\nmasks/s: {told['finecaption_per_second']:,.0f}, pycocotools "
          f"{told['pycocotools_per_second']:,.0f}, ratio {told['ratio']:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
