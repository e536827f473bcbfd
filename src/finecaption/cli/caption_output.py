"""What `finecaption caption` prints and saves for one image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from finecaption.cli.console import note
from finecaption.errors import InputError

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from finecaption.results import CaptionResult

_IMAGE_TYPES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def print_result(result: CaptionResult, as_json: bool) -> None:
    """Onto stdout: JSON, styled for a terminal, or one answer a line."""
    if as_json:
        print(result.to_json(indent=2))
        return
    from rich.console import Console

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # terminals that cannot show a sign
    console = Console(highlight=False)
    if console.is_terminal:
        _print_styled(result, console)
    else:
        print("\n".join(_plain(result)))


def _sections(result: CaptionResult) -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, [(name, text)]) for each region and the whole image."""
    sections = []
    for number, entry in enumerate(result.regions, 1):
        x0, y0, x1, y1 = entry.region.box
        lines = list(entry.captions.items())
        if entry.dense is not None:
            lines.append(("In detail", entry.dense))
        sections.append((f"Region {number} (box {x0},{y0},{x1},{y1})", lines))
    if result.whole is not None:
        sections.append(("Whole image", [("In detail", result.whole)]))
    return sections


def _plain(result: CaptionResult) -> list[str]:
    """One answer a line, for pipes."""
    lines = [] if result.notice is None else [f"Notice: {result.notice.text}", ""]
    for number, (title, answers) in enumerate(_sections(result)):
        lines += [""] * bool(number) + [title]
        lines += [f"  {name}: {text}" for name, text in answers]
    return lines


def _print_styled(result: CaptionResult, console: Console) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    if result.notice is not None:
        console.print(Panel(Text(result.notice.text), title="Notice", border_style="yellow"))
    for title, answers in _sections(result):
        console.print()
        console.print(Text(title, style="bold"))
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", max_width=38)
        table.add_column(ratio=1)
        for name, text in answers:
            table.add_row(Text(f"  {name}"), Text(text))
        console.print(table)


def check_save(path: Path, image: str) -> None:
    """Before the model is loaded.

    Raises:
        InputError: an image cannot be saved under this name, or it would overwrite the given one.
    """
    if path.suffix.lower() not in _IMAGE_TYPES:
        raise InputError(f"--save {path}: must end in {', '.join(_IMAGE_TYPES)}")
    if path.is_dir():
        raise InputError(f"--save {path}: is a folder; give a file name")
    if not path.parent.is_dir():
        raise InputError(f"--save {path}: there is no folder {path.parent}; make it first")
    if image != "-" and path.exists() and path.resolve() == Path(image).resolve():
        raise InputError(f"--save {path}: would overwrite the image itself; give another name")


def save_image(path: Path, image: Image.Image, result: CaptionResult) -> None:
    """Writes the annotated image, under a temporary name first.

    Raises:
        InputError: it cannot be written.
    """
    from finecaption.draw import annotate
    from finecaption.io.atomic import replacing

    notice = None if result.notice is None else result.notice.text
    annotated = annotate(image, result.regions, result.whole, notice)
    try:
        with replacing(path) as part:
            annotated.save(part, _IMAGE_TYPES[path.suffix.lower()])
    except OSError as error:
        raise InputError(f"--save {path}: cannot be written ({error})") from error
    note(f"saved {path}")


def peak_memory() -> str:
    """Peak memory of the process, and of torch on the GPU, in GB (10^9 bytes)."""
    import torch

    parts = []
    try:
        import resource
    except ImportError:  # Windows
        parts.append("that of the process is not known on this system")
    else:
        # Kilobytes, but on macOS bytes (getrusage's manual).
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        parts.append(f"{peak / 1e9:.2f} GB resident")
    if torch.cuda.is_available():
        peak = sum(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count())))
        parts.append(f"{peak / 1e9:.2f} GB on the GPU")
    return f"peak memory: {', '.join(parts)}"
