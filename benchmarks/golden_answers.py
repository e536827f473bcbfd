"""Greedy answers of the shipped model, to hold a change of the code against.

    python benchmarks/golden_answers.py --write benchmarks/results/golden_answers.json
    python benchmarks/golden_answers.py --check benchmarks/results/golden_answers.json

Of each example image: masks, boxes and clicks, all 18 attributes, the paragraphs on region and
image, their confidence, and the probabilities of given values. `--check` prints each difference
and exits with 1 if there is any. The file names the weights it was made with; with other weights
there is nothing to compare.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"

ASKED: dict[str, dict[str, Any]] = {
    "room.png": {
        "regions": [
            EXAMPLES / "twins" / "rabbit.png",
            EXAMPLES / "twins" / "hoop.png",
            (151, 311, 382, 452),
            {"points": [(434, 315), (225, 347, False)]},
        ]
    },
    "park.png": {"regions": [(129, 122, 228, 334), {"points": [(358, 389)]}]},
    "street.png": {"regions": [(14, 78, 502, 348), {"box": (310, 411, 469, 479)}]},
}


def answers() -> dict[str, Any]:
    """Everything that is compared."""
    from finecaption import FineCaption

    captioner = FineCaption.from_pretrained("finecaption-mini", device="cpu")
    assert captioner.folder is not None
    weights = hashlib.sha256((captioner.folder / "model.safetensors").read_bytes()).hexdigest()
    found: dict[str, Any] = {"weights": weights}
    for name, asked in ASKED.items():
        encoded = captioner.encode(EXAMPLES / name)
        result = captioner.caption(encoded, attributes="all", dense=True, whole=True, **asked)
        record = result.to_dict()
        record["image"] = name
        found[name] = record
        found[f"{name}, nothing asked"] = {
            **captioner.caption(encoded, **asked).to_dict(), "image": name,
        }  # fmt: skip
        scores = captioner.choose(encoded, asked["regions"][0], "Color", ["red", "blue", "brown"])
        found[f"{name}, choose"] = {key: round(value, 6) for key, value in scores.items()}
    return json.loads(json.dumps(_rounded(found)))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else value


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """A line for each leaf that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys((*old, *new))
        return [line for k in keys for line in differences(old.get(k), new.get(k), f"{where}/{k}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for at, (a, b) in pairs for line in differences(a, b, f"{where}[{at}]")]
    return [] if old == new else [f"{where}: was {old!r}, is {new!r}"]


def main() -> None:
    parser = argparse.ArgumentParser()
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--write", type=Path)
    which.add_argument("--check", type=Path)
    args = parser.parse_args()
    found = answers()
    if args.write is not None:
        args.write.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        return
    known = json.loads(args.check.read_text("utf-8"))
    if known["weights"] != found["weights"]:
        raise SystemExit("other weights: there is nothing to compare")
    lines = differences(known, found)
    print("\n".join(lines) or "identical")
    raise SystemExit(bool(lines))


if __name__ == "__main__":
    main()
