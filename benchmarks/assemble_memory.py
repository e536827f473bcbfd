"""Peak memory of `finecaption assemble` on a generated 3 GB model, against the usual way.

    python benchmarks/assemble_memory.py [--gigabytes 3] [--shard 1GB] [--json FILE]

Generates checkpoints with random weights (one safetensors file a part, bfloat16), then, each in a
process of its own, assembles them with the command line, and in the usual way: every part by
`from_pretrained`, copied into a whole model, `save_pretrained`. Reported are the largest resident
set of each process (mapped pages of files count), the limit that was set (largest shard + 2 GB),
and the ratio of the two ways. Both results are compared tensor by tensor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GB = 10**9
ALLOWANCE = 2 * GB
HIDDEN, INNER, WORDS = 2048, 5632, 32000
# bytes of one layer of that language model, in bfloat16
LAYER = 2 * (2 * HIDDEN**2 + 2 * HIDDEN * HIDDEN // 4 + 3 * HIDDEN * INNER)


def generate(folder: Path, size: int) -> dict[str, str]:
    """Parts of about `size` bytes in all, nearly all of it in the language model's one file.

    Written value by value from one block of noise, so that generating is quick.
    """
    import torch
    from transformers import (
        AutoModelForCausalLM,
        CLIPVisionConfig,
        CLIPVisionModel,
        ConvNextConfig,
        ConvNextModel,
        LlamaConfig,
        PreTrainedTokenizerFast,
        SamVisionConfig,
        SamVisionModel,
    )

    from finecaption.assemble.plan import Entry
    from finecaption.assemble.write import write_shards
    from finecaption.model import build_word_tokenizer

    tokenizer: PreTrainedTokenizerFast = build_word_tokenizer(["describe this region"])
    llm = LlamaConfig(
        vocab_size=WORDS, hidden_size=HIDDEN, intermediate_size=INNER,
        num_hidden_layers=max(1, round((size - 0.6 * GB) / LAYER)), num_attention_heads=16,
        num_key_value_heads=4, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    clip = CLIPVisionConfig(
        hidden_size=512, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=8,
        image_size=336, patch_size=14,
    )  # fmt: skip
    convnext = ConvNextConfig(depths=[3, 3, 9, 3], hidden_sizes=[96, 192, 384, 768])
    sam = SamVisionConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=6, global_attn_indexes=[2, 5],
        mlp_dim=1536,
    )  # fmt: skip
    with torch.device("meta"):
        models: dict[str, Any] = {
            "clip": CLIPVisionModel(clip),
            "convnext": ConvNextModel(convnext),
            "sam": SamVisionModel(sam),
            "llm": AutoModelForCausalLM.from_config(llm),
        }
    block = torch.randn(1 << 24).mul_(0.02).to(torch.bfloat16)

    def noise(shape: tuple[int, ...]) -> torch.Tensor:
        count = torch.Size(shape).numel()
        return block.repeat(-(-count // len(block)))[:count].reshape(shape)

    for part, model in models.items():
        (folder / part).mkdir(parents=True)
        model.config.save_pretrained(folder / part)
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        entries = [Entry(n, s, lambda s=s: noise(s)) for n, s in shapes.items()]  # type: ignore[misc] # bound now
        write_shards(entries, folder / part, "bfloat16", 1 << 40)
    tokenizer.save_pretrained(folder / "llm")
    return {part: str(folder / part) for part in models}


def usual_way(folder: Path, assembled: Path, out: Path) -> None:
    """Every part loaded, copied into a whole model, saved. The configuration is the other's."""
    import torch
    from transformers import AutoModelForCausalLM, CLIPVisionModel, ConvNextModel, SamVisionModel

    from finecaption.model import FineCaptionConfig, FineCaptionForConditionalGeneration

    kind: dict[str, Any] = {"dtype": torch.bfloat16}
    config = FineCaptionConfig.from_pretrained(assembled)
    torch.set_default_dtype(torch.bfloat16)
    model = FineCaptionForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    assert model.convnext is not None and model.sam is not None
    llm = AutoModelForCausalLM.from_pretrained(folder / "llm", **kind)
    model.language_model.load_state_dict(llm.model.state_dict())
    model.lm_head.load_state_dict(llm.lm_head.state_dict())
    clip = CLIPVisionModel.from_pretrained(folder / "clip", **kind)
    model.clip.vision.load_state_dict(clip.state_dict())
    convnext = ConvNextModel.from_pretrained(folder / "convnext", **kind)
    model.convnext.model.load_state_dict(convnext.state_dict())
    sam = SamVisionModel.from_pretrained(folder / "sam", **kind)
    model.sam.model.load_state_dict(sam.state_dict())
    model.save_pretrained(out, max_shard_size="1GB")


def measure(words: list[str]) -> tuple[int, float]:
    """(largest resident set in bytes, seconds) of a process of its own.

    Raises:
        RuntimeError: it failed.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words[:3])} ended with code {process.returncode}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit, time.perf_counter() - start


def same(first: Path, second: Path) -> int:
    """How many tensors of two models agree bit by bit; the adapter is random in both.

    Raises:
        AssertionError: one differs.
    """
    import torch

    from finecaption.assemble.checkpoints import open_folder

    ours, theirs = open_folder(first), open_folder(second)
    names = [name for name in ours.shapes if not name.startswith("model.adapter.")]
    for name in names:
        assert torch.equal(ours.get(name), theirs.get(name)), name
    return len(names)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--shard", default="1GB")
    parser.add_argument(
        "--json", type=Path, default=ROOT / "benchmarks/results/assemble_memory.json"
    )
    parser.add_argument("--generate", nargs=2, help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--usual", nargs=3, help=argparse.SUPPRESS)  # likewise
    arguments = parser.parse_args()
    if arguments.generate:
        generate(Path(arguments.generate[0]), int(arguments.generate[1]))
        return 0
    if arguments.usual:
        usual_way(*map(Path, arguments.usual))
        return 0
    here = str(Path(__file__).resolve())
    with tempfile.TemporaryDirectory() as name:
        parts, out, usual = (str(Path(name) / part) for part in ("parts", "out", "usual"))
        measure([here, "--generate", parts, str(int(arguments.gigabytes * GB))])
        idle, _ = measure(["-c", "import finecaption.assemble.build"])
        options = [
            w for p in ("clip", "convnext", "sam", "llm") for w in (f"--{p}", f"{parts}/{p}")
        ]
        ours, seconds = measure(
            ["-m", "finecaption", "assemble", "--preset", "8b", *options, "--max-shard-size",
             arguments.shard, "--out", out]
        )  # fmt: skip
        theirs, their_seconds = measure([here, "--usual", parts, out, usual])
        sizes = [file.stat().st_size for file in Path(out).glob("*.safetensors")]
        equal = same(Path(out), Path(usual))
    limit = max(sizes) + ALLOWANCE
    report = {
        "model_bytes": sum(sizes), "shards": len(sizes), "largest_shard": max(sizes),
        "limit": limit, "peak": ours, "peak_of_imports": idle, "peak_usual_way": theirs,
        "ratio": theirs / ours, "seconds": seconds, "seconds_usual_way": their_seconds,
        "equal_tensors": equal, "within_limit": ours < limit,
    }  # fmt: skip
    print(
        f"\nmodel {sum(sizes) / GB:.2f} GB in {len(sizes)} shards of up to {max(sizes) / GB:.2f} GB"
    )
    print(f"{'':<22}{'peak memory':>14}{'seconds':>10}")
    print(f"{'imports alone':<22}{idle / GB:>11.2f} GB")
    print(f"{'finecaption assemble':<22}{ours / GB:>11.2f} GB{seconds:>10.0f}")
    print(f"{'the usual way':<22}{theirs / GB:>11.2f} GB{their_seconds:>10.0f}")
    print(f"limit {limit / GB:.2f} GB (largest shard + 2 GB); the usual way: {theirs / ours:.1f} x")
    print(f"{equal} tensors equal bit by bit")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if ours < limit else 1


if __name__ == "__main__":
    raise SystemExit(main())
