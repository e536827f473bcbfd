"""Three ways to share a prefix in a decode step's attention: time and memory.

    python benchmarks/prefix_attention.py

R regions with Q questions each, P tokens of prefix, S own tokens a question so far:

    copied    each question has its own copy of the prefix, as stock generate has
    one       one sequence a region that holds the prefix and all questions' tokens; a mask says
              which of them each question sees (what the engine does)
    two-part  attention to the shared prefix and to the own tokens apart, merged by their sums of
              exponentials

Processor time of one thread, best of several. All three give the same numbers, which is checked.
Writes benchmarks/results/prefix_attention.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[1]


class Shape(NamedTuple):
    """H key heads, G query heads for each, of `width`."""

    name: str
    regions: int
    questions: int
    heads: int
    group: int
    width: int
    prefix: int
    own: int


SHAPES = (
    Shape("mini, first steps", 8, 18, 4, 1, 48, 72, 8),
    Shape("mini, later", 8, 18, 4, 1, 48, 72, 20),
    Shape("mini, six left", 8, 6, 4, 1, 48, 72, 20),
    Shape("Llama-3.1-8B", 2, 18, 8, 4, 128, 1040, 20),
)


def best(function: Callable[[], Any], repeats: int) -> float:
    """Milliseconds."""
    function()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        function()
        found.append(time.process_time() - began)
    return min(found) * 1e3


def repeat(x: torch.Tensor, group: int) -> torch.Tensor:
    """(N, H, L, width) -> (N, H * G, L, width): what transformers does where there is a mask."""
    if group == 1:
        return x
    n, heads, length, width = x.shape
    return x[:, :, None].expand(-1, -1, group, -1, -1).reshape(n, heads * group, length, width)


def measure(shape: Shape, repeats: int) -> dict[str, Any]:
    """Milliseconds a layer and megabytes of keys and values a layer, for each way."""
    _, r, q, h, g, d, p, s = shape
    n = r * q
    random = torch.Generator().manual_seed(0)

    def noise(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=random)

    query = noise(n, h * g, 1, d)
    k_prefix, v_prefix, k_own, v_own = (
        noise(r, h, p, d), noise(r, h, p, d), noise(n, h, s, d), noise(n, h, s, d),
    )  # fmt: skip
    k_copied, v_copied = (
        torch.cat([a.repeat_interleave(q, 0), b], 2)
        for a, b in ((k_prefix, k_own), (v_prefix, v_own))
    )
    k_one, v_one = (
        torch.cat([a, b.view(r, q, h, s, d).transpose(1, 2).reshape(r, h, q * s, d)], 2)
        for a, b in ((k_prefix, k_own), (v_prefix, v_own))
    )
    owner = torch.cat([torch.full((p,), -1), torch.arange(q).repeat_interleave(s)])
    sees = (owner == torch.arange(q)[:, None]) | (owner < 0)
    mask = sees.expand(r, 1, q, -1).contiguous()

    def copied() -> torch.Tensor:
        return F.scaled_dot_product_attention(query, repeat(k_copied, g), repeat(v_copied, g))

    def one() -> torch.Tensor:
        lines = query.view(r, q, h * g, d).transpose(1, 2)
        found = F.scaled_dot_product_attention(
            lines, repeat(k_one, g), repeat(v_one, g), attn_mask=mask
        )
        return found.transpose(1, 2).reshape(n, h * g, 1, d)

    def two_part() -> torch.Tensor:
        scale = d**-0.5
        lines = query.view(r, q, h, g, d).transpose(1, 2).reshape(r, h, q * g, d)
        a = lines @ k_prefix.transpose(-1, -2) * scale
        b = query.view(n, h, g, d) @ k_own.transpose(-1, -2) * scale
        top_a, top_b = a.amax(-1, keepdim=True), b.amax(-1, keepdim=True)
        a, b = (a - top_a).exp_(), (b - top_b).exp_()

        def rows(x: torch.Tensor) -> torch.Tensor:
            return x.view(r, h, q, g, -1).transpose(1, 2).reshape(n, h, g, -1)

        sum_a, out_a, top_a = rows(a.sum(-1, keepdim=True)), rows(a @ v_prefix), rows(top_a)
        top = torch.maximum(top_a, top_b)
        a_share, b_share = (top_a - top).exp_(), (top_b - top).exp_()
        out = (out_a * a_share + b @ v_own * b_share) / (
            sum_a * a_share + b.sum(-1, keepdim=True) * b_share
        )
        return out.view(n, h * g, 1, d)

    with torch.inference_mode():
        for way in (one, two_part):
            torch.testing.assert_close(way(), copied(), rtol=1e-4, atol=1e-5)
        times = {way.__name__: best(way, repeats) for way in (copied, one, two_part)}
    shared = 2 * 4 * (k_prefix.numel() + k_own.numel()) / 1e6
    megabytes = {"copied": 2 * 4 * k_copied.numel() / 1e6, "one": shared, "two_part": shared}
    return {**shape._asdict(), "milliseconds": times, "megabytes": megabytes}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument(
        "--json", type=Path, default=ROOT / "benchmarks/results/prefix_attention.json"
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = [measure(shape, args.repeats) for shape in SHAPES]
    ways = ("copied", "one", "two_part")
    print(f"{'':>20}" + "".join(f"{way + ' ms':>13}{'MB':>7}" for way in ways))
    for row in rows:
        cells = "".join(
            f"{row['milliseconds'][way]:>13.2f}{row['megabytes'][way]:>7.1f}" for way in ways
        )
        print(f"{row['name']:>20}{cells}")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps({"rows": rows, "torch": torch.__version__}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
