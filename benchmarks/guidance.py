"""What region guidance does to the shipped model's answers: the evaluation at several strengths.

    python benchmarks/guidance.py [--limit 100] [--strengths 0 0.5 1]

`finecaption eval` on synth:test with logits r + g (r - w), r for the region and w for the whole
picture's mask. The same regions and questions at each strength g. Writes
benchmarks/results/guidance.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from finecaption.captioners import ModelSpec
from finecaption.decoding import Decoding
from finecaption.eval.data import EvalImage
from finecaption.eval.run import evaluate
from finecaption.request import Request
from finecaption_synth.evaluation.scenes import SynthSource

ROOT = Path(__file__).resolve().parents[1]


class Guided:
    """A model that answers at one strength."""

    clicks, capabilities = False, frozenset()

    def __init__(self, name: str, strength: float) -> None:
        self.spec = ModelSpec(name)
        self.name = name
        self.decoding = Decoding(guidance=strength, max_new_tokens=64)
        self.seconds = 0.0

    @property
    def identity(self) -> dict[str, Any]:
        return {**self.spec.identity, "guidance": self.decoding.guidance}

    @cached_property
    def captioner(self) -> Any:
        return self.spec.open()

    def open(self) -> Guided:
        _ = self.captioner
        return self

    def caption_batch(self, requests: Sequence[Request], *, progress: Any = None) -> list[Any]:
        began = time.perf_counter()
        found = self.captioner.caption_batch([replace(r, decoding=self.decoding) for r in requests])
        self.seconds += time.perf_counter() - began
        return found


class Held:
    """A source whose pictures are drawn once for all strengths."""

    def __init__(self, source: SynthSource) -> None:
        self._source = source
        self._drawn = {"pictures": source.pictures(), "twins": source.twins()}
        self._held: dict[str, list[EvalImage]] = {"pictures": [], "twins": []}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def _again(self, kind: str) -> Iterator[EvalImage]:
        held = self._held[kind]
        for at in itertools.count():
            if at == len(held):
                held.append(next(self._drawn[kind]))
            yield held[at]

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        """From the first on: a run here is never resumed."""
        return self._again("pictures")

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        """As `pictures`."""
        return self._again("twins")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--limit", type=int, default=100, help="regions")
    parser.add_argument("--twins", type=int, default=25, help="pairs of twins")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/guidance.json")
    args = parser.parse_args(argv)
    rows = []
    source = Held(SynthSource("test"))
    for strength in args.strengths:
        subject = Guided(args.model, strength)
        with tempfile.TemporaryDirectory() as out:
            scores = evaluate(
                subject, source, out, tasks=("aarc",), limit=args.limit,
                twins=args.twins, clicks=0,
            )  # fmt: skip
        rows.append({"guidance": strength, "seconds": subject.seconds, "scores": scores})
    result = {"model": Path(args.model).name, "limit": args.limit, "rows": rows}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{'g':>5} {'mean, %':>8} {'95 %':>12} {'twins, %':>9} {'seconds':>8}")
    for row in rows:
        found = row["scores"]
        low, high = found["mean_interval"]
        twins = found["twins"]["accuracy"] if found.get("twins") else float("nan")
        print(f"{row['guidance']:>5g} {100 * found['mean_accuracy']:>8.1f} "
              f"{100 * low:>5.1f}-{100 * high:.1f} {100 * twins:>9.1f} "
              f"{row['seconds']:>8.1f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
