"""Importing the metrics brings in nothing heavy, and nothing of the model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "src/finecaption/metrics").glob("*.py"))


def test_no_metric_imports_torch_or_the_model() -> None:
    names = [f"finecaption.metrics.{path.stem}" for path in FILES if path.stem != "__init__"]
    assert len(names) > 15
    code = f"import sys, {', '.join(names)}; print('|'.join(sys.modules))"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.strip().split("|"))
    heavy = {"torch", "transformers", "openai", "bert_score", "pandas", "matplotlib"}
    assert not loaded & heavy
    assert not {n for n in loaded if n.startswith(("finecaption.model", "finecaption.captioner"))}
