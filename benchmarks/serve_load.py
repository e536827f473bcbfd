"""The server under load: is every answer right, how long it takes, what memory it needs.

    python benchmarks/serve_load.py prepare --work out/serve_load.json
    python benchmarks/serve_load.py load --work out/serve_load.json --clients 64 --seconds 60
    python benchmarks/serve_load.py kills --work out/serve_load.json --times 3

1. `prepare` draws 16 scenes of the test split and asks the captioner itself, one question at a
   time, what `finecaption caption` would print: 192 questions on regions, 16 on whole pictures.
2. `load` starts `finecaption serve` and lets 64 clients send these questions, in an order of their
   own, as fast as answers come; every eighth is streamed. A client that is refused (429) waits as
   long as Retry-After says. Every answer is compared with that of step 1, the server's resident
   memory is read twice a second. Then the same against a rival in the same run: the same server,
   one request at a time (FINECAPTION_BATCH=1).
3. `kills` ends the server with SIGKILL under load, again and again, and starts it anew; clients try
   again until they are answered.

Results go to benchmarks/results/serve_load.json, a part each.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import platform
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from finecaption.io.atomic import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/serve_load.json"
MODEL = "finecaption-mini"
SCENES, REGIONS = 16, 2
QUESTIONS = ("Category Name", "Color", "One-Sentence Description", "Shape", "Visible Text", "dense")


@dataclass(frozen=True)
class Piece:
    """One question and its right answer."""

    body: bytes
    """Of a chat request."""
    streamed: bytes
    """The same, streamed."""
    answer: str


@dataclass
class Tally:
    """What became of the requests."""

    seconds: list[float] = field(default_factory=list)
    """Of every answer that was right."""
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    broken: int = 0
    """Connections that ended without an answer."""
    streamed: int = 0

    def summary(self, wall: float) -> dict[str, Any]:
        """Figures for the table; `wall` in seconds."""
        ordered = sorted(self.seconds) or [0.0]

        def percentile(share: float) -> float:
            return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

        return {
            "requests": sum(self.statuses.values()) + self.broken,
            "answered": len(self.seconds),
            "streamed": self.streamed,
            "refused_429": self.statuses[429],
            "wrong": len(self.wrong),
            "other_statuses": {
                str(status): count
                for status, count in self.statuses.items()
                if status not in (200, 429)
            },
            "broken_connections": self.broken,
            "wall_seconds": round(wall, 1),
            "answers_per_second": round(len(self.seconds) / wall, 2),
            "latency_seconds": {
                "p50": percentile(0.5), "p90": percentile(0.9), "p99": percentile(0.99),
                "max": round(ordered[-1], 3),
            },
        }  # fmt: skip


def piece(uri: str, text: str, answer: str) -> Piece:
    """A chat request on a picture."""
    content = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": uri}},
    ]
    body = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
    return Piece(json.dumps(body).encode(), json.dumps({**body, "stream": True}).encode(), answer)


async def _once(client: httpx.AsyncClient, one: Piece, stream: bool) -> tuple[int, str, float]:
    """Status, text and the seconds that Retry-After says."""
    headers = {"content-type": "application/json"}
    body = one.streamed if stream else one.body
    got = await client.post("/v1/chat/completions", content=body, headers=headers)
    if got.status_code != 200:
        return got.status_code, got.text, float(got.headers.get("retry-after", "0"))
    if not stream:
        return 200, got.json()["choices"][0]["message"]["content"], 0.0
    lines = re.findall(r"^data: (.+)$", got.text, re.MULTILINE)
    if lines[-1:] != ["[DONE]"]:
        return 200, f"a stream without its end: {got.text[-200:]}", 0.0
    chunks = [json.loads(line) for line in lines[:-1]]
    deltas = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    return 200, "".join(deltas), 0.0


async def _client(
    url: str, work: Sequence[Piece], number: int, goes_on: Callable[[], bool], tally: Tally,
    again: bool,
) -> None:  # fmt: skip
    rng = random.Random(number)
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        while goes_on():
            one, stream = rng.choice(work), rng.random() < 1 / 8
            start = time.monotonic()
            while True:  # with `again`, until it is answered
                try:
                    status, text, wait = await _once(client, one, stream)
                except httpx.TransportError:
                    tally.broken += 1
                    status, text, wait = 0, "", 0.2
                else:
                    tally.statuses[status] += 1
                if status == 200 or not again:
                    break
                await asyncio.sleep(wait or 0.2)
            if status == 200:
                tally.streamed += stream
                if text == one.answer:
                    tally.seconds.append(time.monotonic() - start)
                else:
                    tally.wrong.append(f"{text!r} for {one.answer!r}")
            elif status == 429:
                await asyncio.sleep(wait)


async def load(
    url: str, work: Sequence[Piece], clients: int, seconds: float, *, again: bool = False,
    tally: Tally | None = None, enough: Callable[[], bool] = lambda: False,
) -> tuple[Tally, float]:  # fmt: skip
    """Lets clients ask for so many seconds; every request that is begun is seen to its end.

    Args:
        again: whether what fails or is refused is asked again until it is answered.
        tally: to count in, for a caller that looks at it meanwhile.
        enough: ends it before the time is up.

    Returns:
        The tally, and the seconds until the last answer.
    """
    tally = tally or Tally()
    start = time.monotonic()

    def goes_on() -> bool:
        return time.monotonic() < start + seconds and not enough()

    await asyncio.gather(*(_client(url, work, n, goes_on, tally, again) for n in range(clients)))
    return tally, time.monotonic() - start


# --- the server as a process ---------------------------------------------------------------------


class Server:
    """`finecaption serve`, as a process."""

    def __init__(self, port: int | None = None, **settings: Any) -> None:
        """`settings` go through the environment; `start` is called by hand."""
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "FINECAPTION_PORT": str(self.port),
            "FINECAPTION_LOG_LEVEL": "warning",
            **{f"FINECAPTION_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it is ready."""
        begin = time.monotonic()
        command = [sys.executable, "-m", "finecaption", "serve"]
        self.process = subprocess.Popen(command, env=self._env)
        while True:
            assert self.process.poll() is None, "the server has ended"
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return time.monotonic() - begin
            except httpx.TransportError:
                pass
            assert time.monotonic() - begin < 600, "the server does not get ready"
            time.sleep(0.1)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal, and waits; the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(120)

    def memory(self) -> float:
        """Resident megabytes."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(found[1]) / 1e3 if found else 0.0


def _free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


# --- the three parts -----------------------------------------------------------------------------


def prepare(path: Path, scenes: int) -> None:
    """Draws, asks the captioner, writes the work."""
    import numpy as np
    from PIL import Image

    from finecaption import FineCaption
    from finecaption_synth.compose import render_rgb
    from finecaption_synth.observe import observe
    from finecaption_synth.scene import sample_scene

    def uri(picture: Image.Image) -> str:
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()

    captioner = FineCaption.from_pretrained(MODEL)
    work = []
    for index in range(scenes):
        seen = observe(sample_scene("test", 11, index))
        picture = Image.fromarray(render_rgb(seen.svg, 512))
        wholes = [region.region_id for region in seen.truth.regions if region.part_of is None]
        for region in wholes[:REGIONS]:
            mask = np.asarray(seen.masks[region], bool)
            marked = picture.copy()
            marked.putalpha(Image.fromarray(mask.astype(np.uint8) * 255))
            sent = uri(marked)
            for name in QUESTIONS:
                if name == "dense":
                    said = captioner.caption(picture, mask=mask, dense=True).regions[0].dense
                    text = "Describe the masked region in detail."
                else:
                    result = captioner.caption(picture, mask=mask, attributes=[name])
                    said, text = result.regions[0].captions[name], name
                work.append({"uri": sent, "text": text, "answer": said})
        said = captioner.caption(picture, whole=True).whole
        work.append({"uri": uri(picture), "text": "Describe the picture.", "answer": said})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(work))
    print(f"{len(work)} questions on {scenes} pictures: {path}")


def read_work(path: Path) -> list[Piece]:
    """What `prepare` wrote."""
    return [piece(one["uri"], one["text"], one["answer"]) for one in json.loads(path.read_text())]


def _measured(
    work: Sequence[Piece], clients: int, seconds: float, **settings: Any
) -> dict[str, Any]:
    server = Server(**settings)
    record: dict[str, Any] = {"settings": settings, "start_seconds": round(server.start(), 1)}
    memory: list[float] = [server.memory()]

    async def run() -> tuple[Tally, float]:
        async def watch() -> None:
            while True:
                memory.append(server.memory())
                await asyncio.sleep(0.5)

        watching = asyncio.ensure_future(watch())
        try:
            return await load(server.url, work, clients, seconds)
        finally:
            watching.cancel()

    try:
        tally, wall = asyncio.run(run())
        record.update(tally.summary(wall))
        figures = httpx.get(f"{server.url}/metrics", timeout=30).text
        record["exit_code"] = server.end()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.end(signal.SIGKILL)
    count, total = (
        float(re.search(rf"^finecaption_batch_requests_{name} (\S+)$", figures, re.M)[1])  # type: ignore[index]  # it is there
        for name in ("count", "sum")
    )
    record["mean_batch"] = round(total / max(count, 1), 1)
    third = max(1, len(memory) // 3)
    record["memory_mb"] = {
        "idle": round(memory[0]),
        "first_third_max": round(max(memory[:third])),
        "last_third_max": round(max(memory[-third:])),
        "max": round(max(memory)),
        "each_5_seconds": [round(value) for value in memory[::10]],
    }
    if tally.wrong:
        record["first_wrong"] = tally.wrong[:5]
    return record


def run_load(
    work: Sequence[Piece], clients: int, seconds: float, rival_seconds: float
) -> dict[str, Any]:
    """Both servers, one after the other."""
    ours = _measured(work, clients, seconds, queue=48)
    rival = _measured(work, clients, rival_seconds, queue=48, batch=1)
    ratio = ours["answers_per_second"] / max(rival["answers_per_second"], 1e-9)
    return {"clients": clients, "batched": ours, "one_at_a_time": rival, "ratio": round(ratio, 2)}


def run_kills(work: Sequence[Piece], clients: int, times: int, gap: float) -> dict[str, Any]:
    """SIGKILL under load, `gap` seconds after the server is ready, and a new start, repeated."""
    server = Server(queue=48)
    starts = [server.start()]

    async def run() -> tuple[Tally, float]:
        async def kill() -> None:
            for _ in range(times):
                await asyncio.sleep(gap)
                server.end(signal.SIGKILL)
                starts.append(await asyncio.to_thread(server.start))

        killing = asyncio.ensure_future(kill())
        # until the last start, and a little more: each start takes about as long as the first
        seconds = times * (gap + starts[0] * 1.2) + gap
        result = await load(server.url, work, clients, seconds, again=True)
        await killing
        return result

    try:
        tally, wall = asyncio.run(run())
        code = server.end()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.end(signal.SIGKILL)
    return {
        "clients": clients, "kills": times, **tally.summary(wall), "last_exit_code": code,
        "start_seconds": [round(value, 1) for value in starts],
    }  # fmt: skip


def table(part: str, record: dict[str, Any]) -> str:
    """The part as text."""
    rows = (
        [("batched", record["batched"]), ("one at a time", record["one_at_a_time"])]
        if part == "load"
        else [("kills", record)]
    )
    lines = [f"{'':14} answered  per s   p50    p90    p99   429  wrong  other  broken  max MB"]
    for name, row in rows:
        late = row["latency_seconds"]
        memory = row.get("memory_mb", {}).get("max", "")
        lines.append(
            f"{name:14} {row['answered']:8} {row['answers_per_second']:6.1f} {late['p50']:6.2f} "
            f"{late['p90']:6.2f} {late['p99']:6.2f} {row['refused_429']:5} {row['wrong']:6} "
            f"{sum(row['other_statuses'].values()):6} {row['broken_connections']:7} {memory:>7}"
        )
    if part == "load":
        lines.append(
            f"batched against one at a time, answers a second: {record['ratio']:.2f} times"
        )
    return "\n".join(lines)


def write(part: str, record: dict[str, Any], path: Path = RESULT) -> None:
    """Puts a part into the results, leaving the others."""
    record = {**record, "machine": f"{os.cpu_count()} CPUs, {platform.machine()}",
              "threads": os.environ.get("OMP_NUM_THREADS", "all")}  # fmt: skip
    every = json.loads(path.read_text()) if path.is_file() else {}
    every[part] = record
    write_json(path, every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("prepare", "load", "kills"))
    parser.add_argument("--work", type=Path, default=ROOT / "out/serve_load.json")
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rival-seconds", type=float)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--gap", type=float, default=6)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    if given.part == "prepare":
        prepare(given.work, given.scenes)
        return
    work = read_work(given.work)
    if given.part == "load":
        rival = given.rival_seconds or given.seconds
        record = run_load(work, given.clients, given.seconds, rival)
    else:
        record = run_kills(work, given.clients, given.times, given.gap)
    write(given.part, record, given.out)
    print(table(given.part, record))


if __name__ == "__main__":
    main()
