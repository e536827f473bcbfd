"""How long a click takes to light up in the studio, through the running server.

    python benchmarks/studio_click.py [--clicks 40] [--out benchmarks/results/studio_click.json]

A studio is started with the shipped model; each example is opened, then clicked on at random places
by POST /studio-api/segment over HTTP, as the page does. The answer holds the mask, which the page
draws in the next frame.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.captioner import FineCaption
from finecaption.io.atomic import write_json
from finecaption.server.running import in_background
from finecaption.server.settings import Settings
from finecaption.studio import create_studio
from finecaption.studio.examples import EXAMPLES

KEY = "x-studio-session"


def post(address: str, value: Any, key: str) -> Any:
    """The JSON answer."""
    headers = {KEY: key, "content-type": "application/json"}
    data = b"" if value is None else json.dumps(value).encode()
    request = urllib.request.Request(address, data, headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def measure(address: str, clicks: int) -> tuple[list[float], list[float]]:
    """Seconds of each opening and each click."""
    rng = random.Random(0)
    opening, clicking = [], []
    names = list(EXAMPLES)
    for name in names:
        began = time.perf_counter()
        opened = post(f"{address}/open?example_name={name}", None, "")
        opening.append(time.perf_counter() - began)
        for _ in range(-(-clicks // len(names))):
            point = [rng.uniform(5, 506), rng.uniform(5, 506)]
            began = time.perf_counter()
            post(f"{address}/segment", {"point": point}, opened["session"])
            clicking.append(time.perf_counter() - began)
    return opening, clicking


def main() -> None:
    """Measures, prints, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/studio_click.json"))
    given = parser.parse_args()
    settings = Settings(port=0, log_level="warning")
    studio = create_studio(settings, FineCaption.from_pretrained())
    with in_background(studio, settings) as server:
        opening, clicking = measure(f"{server.url}/studio-api", given.clicks)
    times = np.array(clicking) * 1e3
    milliseconds = {
        "click, median": round(float(np.median(times)), 1),
        "click, 95 %": round(float(np.quantile(times, 0.95)), 1),
        "click, most": round(float(times.max()), 1),
        "open, median": round(1e3 * float(np.median(opening)), 1),
    }
    result = {
        "model": "finecaption-mini",
        "clicks": len(times),
        "milliseconds": milliseconds,
        "hardware": f"{os.cpu_count()} CPU cores, shared with other work",
    }
    for name, value in milliseconds.items():
        print(f"{name:14} {value:8.1f} ms")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(given.out, result)


if __name__ == "__main__":
    main()
