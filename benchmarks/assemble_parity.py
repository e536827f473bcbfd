"""A tiny model from five files in upstream's formats, the parity of every format, and a caption.

    python benchmarks/assemble_parity.py [--json FILE]

Writes the five files (OpenAI CLIP archive, Alpha-CLIP .pth, timm ConvNeXt .safetensors, Meta SAM
.pth, a Llama folder; random weights), assembles them through the command line, describes a drawn
picture with the result, then compares each source format with an independent implementation: the
cases are those of the tests (tests/assemble/parity.py).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import transformers

from finecaption.attributes import ATTRIBUTE_NAMES, region_instruction
from finecaption.captioner import FineCaption
from finecaption.cli import main as finecaption

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1e-5


def the_tests(name: str) -> ModuleType:
    """A module of tests/assemble, which is a package without an installed parent."""
    folder = ROOT / "tests" / "assemble"
    if "assemble_tests" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "assemble_tests", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        sys.modules["assemble_tests"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"assemble_tests.{name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--json", type=Path, default=ROOT / "benchmarks/results/assemble_parity.json"
    )
    path = parser.parse_args().json
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # not about heads that are not compared
    upstream, parity = the_tests("upstream"), the_tests("parity")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = tuple(region_instruction(attribute) for attribute in ATTRIBUTE_NAMES)
        files = upstream.five_files(folder / "files", texts)
        options = [word for part, file in files.items() for word in (f"--{part}", file)]
        out = folder / "model"
        if finecaption(["assemble", "--preset", "tiny", *options, "--out", str(out)]):
            return 1
        caption = _caption(out)
        print(f"\nsays of a region, with random weights: {caption!r}\n")
        rows = []
        print(f"{'format':<36}{'against':<24}largest difference (float32)")
        for number, (case, (against, run)) in enumerate(parity.CASES.items()):
            place = folder / str(number)
            place.mkdir()
            rows.append({"format": case, "against": against, "max_diff": run(place, files)})
            print(f"{case:<36}{against:<24}{rows[-1]['max_diff']:.1e}")
    worst = max(row["max_diff"] for row in rows)
    print(f"\nworst {worst:.1e}, limit {LIMIT:.0e}")
    report = {
        "limit": LIMIT, "worst": worst, "rows": rows, "caption": caption,
        "torch": torch.__version__, "transformers": transformers.__version__,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if worst < LIMIT else 1


def _caption(folder: Path) -> str:
    """One answer about the upper left quarter of a picture in two colours."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = (200, 30, 30)
    mask = np.zeros((48, 64), bool)
    mask[:24, :32] = True
    model = FineCaption.from_pretrained(folder, device="cpu")
    result = model.caption(picture, mask=mask, attributes="Color", max_new_tokens=8)
    return result.regions[0].captions["Color"]


if __name__ == "__main__":
    raise SystemExit(main())
