"""Prints the machine and the versions, so that a red run elsewhere can be understood."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = (
    "torch", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "bitsandbytes",
    "numpy", "scipy", "scikit-image", "pillow", "resvg-py", "pycocotools", "datasets", "pyarrow",
    "fastapi", "uvicorn", "h11", "httpx", "gradio", "openai", "playwright", "hypothesis", "pytest",
)  # fmt: skip
VARIABLES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
             "LANG", "LC_ALL", "TZ", "PYTHONHASHSEED", "CI")  # fmt: skip


def field(path: str, *names: str) -> str:
    """The first line of a /proc file that begins with one of the names, without the name."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    found = (line for line in lines if line.partition(":")[0].strip() in names)
    return next(found, ":unknown").partition(":")[2].strip()


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            return done.stdout.strip() or done.stderr.strip()
    return "not installed"


def main() -> None:
    flags = field("/proc/cpuinfo", "flags", "Features")
    print(f"processor: {field('/proc/cpuinfo', 'model name', 'CPU part')}, {platform.machine()}")
    print(f"cores: {len(os.sched_getaffinity(0))} of {os.cpu_count()}")
    print(f"memory: {field('/proc/meminfo', 'MemTotal')}")
    print(f"system: {platform.platform()}, {' '.join(platform.libc_ver())}")
    print(f"flags: {flags}")
    tell = getattr(torch.cpu, "get_capabilities", dict)  # older releases of torch do not tell
    able = sorted(name for name, has in tell().items() if has is True)
    print(f"torch uses: {torch.backends.cpu.get_cpu_capability()}; able: {' '.join(able)}")
    print(f"threads of torch: {torch.get_num_threads()}")
    print(f"python: {platform.python_version()}")
    print(", ".join(f"{package} {installed(package)}" for package in PACKAGES))
    print(f"browser: {browser()}")
    print(", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ))


if __name__ == "__main__":
    main()
