"""An evaluation that is killed (kill -9) ends with the files of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_RUN = """
import sys, time
import numpy as np
from finecaption.eval.data import EvalImage, EvalRegion
from finecaption.eval.run import predict
from finecaption.results import CaptionResult, caption_of

class Source:
    identity = {"name": "made up", "n": 40}
    unseen_only, drawn = False, False
    def pictures(self, start=0):
        for i in range(start, 40):
            masks = [np.zeros((8, 8), bool) for _ in range(3)]
            for k, mask in enumerate(masks):
                mask[k : k + 2, : 1 + i % 7] = True
            regions = tuple(
                EvalRegion(k + 1, "", None, False, m, {}, {"Color": ("It is red.",)}, ("Red.",))
                for k, m in enumerate(masks)
            )
            yield EvalImage(i, f"p{i}", np.full((8, 8, 3), i, np.uint8), regions, ("All.",))
    def twins(self, start=0):
        return iter(())

class Subject:
    identity, clicks = {"name": "slow", "sha256": "0"}, False
    name, capabilities = "slow", frozenset()
    def open(self): return self
    def caption_batch(self, requests, progress=None):
        time.sleep(float(sys.argv[2]))
        return [self.one(r.questions, r.regions) for r in requests]
    def one(self, asked, regions):
        if asked.whole:
            return CaptionResult((), "whole")
        (region,), names = regions, asked.region_names
        texts = [n if n == "dense" else f"{n} {region.mask.sum()}" for n in names]
        return CaptionResult((caption_of(region, names, texts),))

predict(Subject(), Source(), sys.argv[1], batch=3)
"""


def _start(out: Path, pause: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, str(out), str(pause)], env=os.environ, close_fds=True
    )


def test_killed_and_resumed(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert _start(whole, 0.0).wait() == 0
    predictions = killed / "predictions.jsonl"
    deaths = 0
    for wanted in (4, 60):  # kilobytes are not told: as many records as are on the disk
        # 14 batches: seconds, so that the kill comes before the end on a busy machine too
        process = _start(killed, 0.3)
        ends = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < ends:
            if predictions.exists() and predictions.read_bytes().count(b"\n") >= wanted:
                process.send_signal(signal.SIGKILL)
                deaths += process.wait() == -signal.SIGKILL
                break
            time.sleep(0.01)
    if not deaths:
        pytest.fail("was never killed in the middle")
    lines = predictions.read_bytes().count(b"\n")
    assert 4 <= lines < 120
    assert _start(killed, 0.0).wait() == 0
    for name in ("predictions.jsonl", "wholes.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert len((whole / "predictions.jsonl").read_text().splitlines()) == 120
