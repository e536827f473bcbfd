"""Continuous batching (transformers' engine) against our own batches, on a server's load.

    python benchmarks/continuous.py [--model finecaption-mini] [--seconds 12]

Part 1, all at once: every attribute of every region of some drawn pictures, by stock `generate` one
question at a time, by the continuous engine, and by finecaption.generation.answers. The three must
say the same, token for token. Part 2, as they come: requests (one region; three attributes, and of
every third a paragraph too) arrive at random times, at several rates. The engine takes each as it
comes; our own batcher takes all that wait whenever it is free. Measured from arrival to first text
and to the last answer; a request that is refused counts. Prints two tables and writes
benchmarks/results/continuous.json.

High-resolution features are computed beforehand for all; the region path counts for all.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from finecaption.attributes import ATTRIBUTE_NAMES, dense_instruction, region_instruction
from finecaption.captioner import FineCaption
from finecaption.continuous import ContinuousEngine, QueueFull
from finecaption.eval.data import open_source
from finecaption.generation import answer_stream, answers, encode_pictures
from finecaption.io.atomic import write_json

HERE = Path(__file__).parent
TOKENS = 64  # cap on an answer
STOCK = 18  # questions that stock generate answers; its time is scaled up to all


class Asked(NamedTuple):
    """One region, ready for either way."""

    inputs: dict[str, torch.Tensor]
    hr_features: torch.Tensor


def regions(captioner: FineCaption, count: int) -> list[Asked]:
    """Regions of drawn pictures of synth:test, their high-resolution features computed."""
    out: list[Asked] = []
    for picture in open_source("synth:test", 0).pictures():
        masks = [region.mask for region in picture.regions]
        made = captioner.processor.image_processor(
            [picture.image], masks, [0] * len(masks), return_tensors="pt"
        )
        high = encode_pictures(captioner.model, made["pixel_values"])
        for at in range(len(masks)):
            inputs = {
                "pixel_values_clip": made["pixel_values_clip"],
                "region_masks": made["region_masks"][at : at + 1],
            }
            out.append(Asked(inputs, high))
        if len(out) >= count:
            return out[:count]
    return out


@torch.inference_mode()
def tokens_of(captioner: FineCaption, asked: Asked) -> torch.Tensor:
    """(1, T, D)"""
    return captioner.model.encode_regions(
        asked.inputs["pixel_values_clip"], asked.inputs["region_masks"], asked.hr_features
    )


def joined(batch: list[Asked]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Inputs of several regions, each of a picture of its own, as those of one batch."""
    names = ("pixel_values_clip", "region_masks")
    inputs = {name: torch.cat([asked.inputs[name] for asked in batch]) for name in names}
    inputs["image_index"] = torch.arange(len(batch))
    return inputs, torch.cat([asked.hr_features for asked in batch])


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds of the clock, seconds of the processor, and what came out."""
    wall, cpu = time.perf_counter(), time.process_time()
    out = work()
    return time.perf_counter() - wall, time.process_time() - cpu, out


def at_once(captioner: FineCaption, asked: list[Asked]) -> dict[str, Any]:
    """Part 1."""
    processor, model = captioner.processor, captioner.model
    questions = [region_instruction(name) for name in ATTRIBUTE_NAMES]
    prompts = [processor.prompt_ids(question) for question in questions]

    def stock() -> list[str]:
        said = []
        for number in range(STOCK):
            at, which = divmod(number * 7, len(prompts))
            features = tokens_of(captioner, asked[at % len(asked)])
            ids = torch.tensor([prompts[which]])
            out = model.generate(
                ids, region_features=features, do_sample=False, max_new_tokens=TOKENS
            )
            said.append(processor.answer(out[0, ids.shape[1] :]))
        return said

    def continuous() -> list[list[str]]:
        with ContinuousEngine(
            model, processor, queue_limit=10**6, max_regions=len(asked)
        ) as engine:
            handles = []
            for number, one in enumerate(asked):
                features = tokens_of(captioner, one)
                handles.append(
                    [
                        engine.submit(features, prompt, key=number, max_new_tokens=TOKENS)
                        for prompt in prompts
                    ]
                )
            return [[handle.result().text for handle in row] for row in handles]

    def ours() -> list[list[str]]:
        inputs, high = joined(asked)
        found = answers(
            model, processor, inputs, [questions] * len(asked), hr_features=high,
            max_new_tokens=TOKENS,
        )  # fmt: skip
        return [[one.text for one in row] for row in found]

    ours()  # warm
    count = len(asked) * len(questions)
    by_stock, by_engine, by_us = timed(stock), timed(continuous), timed(ours)
    pairs = [divmod(number * 7, len(prompts)) for number in range(STOCK)]
    same = [by_us[2][at % len(asked)][which] for at, which in pairs] == by_stock[2]
    rows = {
        "generate, one at a time": (by_stock[0] * count / STOCK, by_stock[1] * count / STOCK),
        "continuous engine": by_engine[:2],
        "own batch": by_us[:2],
    }
    return {
        "answers": count,
        "regions": len(asked),
        "same_answers": bool(same and by_engine[2] == by_us[2]),
        "ways": {
            name: {"seconds": wall, "cpu_seconds": cpu, "answers_per_second": count / wall}
            for name, (wall, cpu) in rows.items()
        },
    }


@dataclass
class Request:
    """One arrival."""

    due: float
    asked: Asked
    number: int
    first: float = math.nan
    last: float = math.nan
    refused: bool = False
    left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def questions(self) -> list[str]:
        """What it asks."""
        names = ("Category Name", "Color", "Shape")
        return [region_instruction(name) for name in names] + (
            [dense_instruction()] if self.number % 3 == 0 else []
        )

    def told(self, done: bool, now: float) -> None:
        with self.lock:
            self.first = now if math.isnan(self.first) else self.first
            if done:
                self.left -= 1
                if not self.left:
                    self.last = now


def arrivals(asked: list[Asked], rate: float, seconds: float) -> list[Request]:
    """Requests at random (Poisson) times, from now + 0.2 s on."""
    rng = random.Random(f"{rate}/{seconds}")
    at, out = time.perf_counter() + 0.2, []
    end = at + seconds
    while (at := at + rng.expovariate(rate)) < end:
        out.append(Request(at, asked[len(out) % len(asked)], len(out)))
        out[-1].left = len(out[-1].questions)
    return out


def wait_for(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


def engine_load(captioner: FineCaption, requests: list[Request]) -> None:
    """Each request joins the continuous engine as it comes."""
    watchers = []

    def watch(request: Request, handle: Any) -> None:
        for _ in handle:
            request.told(False, time.perf_counter())
        request.told(True, time.perf_counter())

    with ContinuousEngine(captioner.model, captioner.processor) as engine:
        for request in requests:
            wait_for(request.due)
            features = tokens_of(captioner, request.asked)
            for question in request.questions:
                prompt = captioner.processor.prompt_ids(question)
                try:
                    handle = engine.submit(
                        features, prompt, key=request.number, max_new_tokens=TOKENS
                    )
                except QueueFull:
                    request.refused = True
                    break
                watchers.append(threading.Thread(target=watch, args=(request, handle)))
                watchers[-1].start()
        for watcher in watchers:
            watcher.join()


def batch_load(captioner: FineCaption, requests: list[Request]) -> None:
    """A worker takes all requests that wait, and answers them as one batch."""
    waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

    def work() -> None:
        while True:
            batch = [waiting.get()]
            while not waiting.empty():
                batch.append(waiting.get())
            own = [request for request in batch if request is not None]
            if own:
                inputs, high = joined([request.asked for request in own])
                for piece in answer_stream(
                    captioner.model, captioner.processor, inputs, [r.questions for r in own],
                    hr_features=high, max_new_tokens=TOKENS,
                ):  # fmt: skip
                    own[piece.region].told(piece.done, time.perf_counter())
            if None in batch:
                return

    worker = threading.Thread(target=work)
    worker.start()
    for request in requests:
        wait_for(request.due)
        waiting.put(request)
    waiting.put(None)
    worker.join()


def as_they_come(
    captioner: FineCaption, asked: list[Asked], rates: list[float], seconds: float
) -> list[dict[str, Any]]:
    """Part 2."""
    out = []
    for rate in rates:
        for name, load in (("continuous engine", engine_load), ("own batches", batch_load)):
            requests = arrivals(asked, rate, seconds)
            _, cpu, _ = timed(partial(load, captioner, requests))
            done = [r for r in requests if not r.refused]
            first = np.array([r.first - r.due for r in done])
            last = np.array([r.last - r.due for r in done])
            out.append(
                {
                    "rate": rate,
                    "way": name,
                    "requests": len(requests),
                    "refused": len(requests) - len(done),
                    "first_p50": float(np.quantile(first, 0.5)),
                    "last_p50": float(np.quantile(last, 0.5)),
                    "last_p95": float(np.quantile(last, 0.95)),
                    "cpu_seconds_per_request": cpu / len(requests),
                }
            )
    return out


def tables(results: dict[str, Any]) -> str:
    """Markdown."""
    once = results["at_once"]
    ours = once["ways"]["own batch"]
    lines = [
        f"{once['answers']} questions on {once['regions']} regions, all at once; the same answers: "
        f"{'yes' if once['same_answers'] else 'NO'}",
        "",
        "| way | seconds | answers/s | processor seconds | against own batch |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in once["ways"].items():
        lines.append(
            f"| {name} | {row['seconds']:.2f} | {row['answers_per_second']:.1f} "
            f"| {row['cpu_seconds']:.2f} | {row['cpu_seconds'] / ours['cpu_seconds']:.1f} |"
        )
    lines += [
        "",
        "| requests/s | way | first text, median | done, median | done, 95 % | refused "
        "| processor ms a request |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results["as_they_come"]:
        lines.append(
            f"| {row['rate']:g} | {row['way']} | {row['first_p50'] * 1e3:.0f} ms "
            f"| {row['last_p50'] * 1e3:.0f} ms | {row['last_p95'] * 1e3:.0f} ms "
            f"| {row['refused']} of {row['requests']} "
            f"| {row['cpu_seconds_per_request'] * 1e3:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--regions", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=12.0, help="of arrivals, at each rate")
    parser.add_argument("--rates", type=float, nargs="+", default=[2.0, 6.0, 18.0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "continuous.json")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    captioner = FineCaption.from_pretrained(wanted.model)
    asked = regions(captioner, wanted.regions)
    results = {
        "model": captioner.name,
        "threads": wanted.threads,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "at_once": at_once(captioner, asked),
        "as_they_come": as_they_come(captioner, asked, wanted.rates, wanted.seconds),
    }
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(wanted.json, json.loads(json.dumps(results)))
    print(tables(results))


if __name__ == "__main__":
    main()
