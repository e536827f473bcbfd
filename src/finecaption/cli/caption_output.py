"""What `finecaption caption` prints and saves for one picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from finecaption.errors import InputError

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from finecaption.results import CaptionResult

_PICTURE_TYPES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


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
    """(title, [(name, text)]) for each region and the whole picture."""
    sections = []
    for number, entry in enumerate(result.regions, 1):
        x0, y0, x1, y1 = entry.region.box
        lines = list(entry.captions.items())
        if entry.dense is not None:
            lines.append(("In detail", entry.dense))
        sections.append((f"Region {number} (box {x0},{y0},{x1},{y1})", lines))
    if result.whole is not None:
        sections.append(("Whole picture", [("In detail", result.whole)]))
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
        InputError: a picture cannot be saved under this name, or would overwrite the given one.
    """
    if path.suffix.lower() not in _PICTURE_TYPES:
        raise InputError(f"--save {path}: must end in {', '.join(_PICTURE_TYPES)}")
    if path.is_dir():
        raise InputError(f"--save {path}: is a folder; give a file name")
    if not path.parent.is_dir():
        raise InputError(f"--save {path}: there is no folder {path.parent}; make it first")
    if image != "-" and path.exists() and path.resolve() == Path(image).resolve():
        raise InputError(f"--save {path}: would overwrite the picture itself; give another name")


def save_image(path: Path, picture: Image.Image, result: CaptionResult) -> None:
    """The annotated picture, under a temporary name first.

    Raises:
        InputError: it cannot be written.
    """
    from finecaption.draw import annotate
    from finecaption.io.atomic import replacing

    notice = None if result.notice is None else result.notice.text
    drawn = annotate(picture, result.regions, result.whole, notice)
    try:
        with replacing(path) as part:
            drawn.save(part, _PICTURE_TYPES[path.suffix.lower()])
    except OSError as error:
        raise InputError(f"--save {path}: cannot be written ({error})") from error
    typer.echo(f"saved {path}", err=True)


def peak_memory() -> str:
    """What the process held at most, and torch on the GPU, in GB (10^9 bytes)."""
    import torch

    said = []
    try:
        import resource
    except ImportError:  # Windows
        said.append("of the process: not known on this system")
    else:
        # Kilobytes, but on macOS bytes (getrusage's manual).
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        said.append(f"{peak / 1e9:.2f} GB resident")
    if torch.cuda.is_available():
        peak = sum(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count())))
        said.append(f"{peak / 1e9:.2f} GB on the GPU")
    return f"peak memory: {', '.join(said)}"
