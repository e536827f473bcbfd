"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Picture = Annotated[str, typer.Argument(metavar="IMAGE", help="Picture file.")]
Model = Annotated[str, typer.Option(metavar="NAME|FOLDER", help="The model.")]
MODEL = "finecaption-mini"
Device = Annotated[str | None, typer.Option(help="cpu or cuda (default: cuda if there is one).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

# of what listens
Host = Annotated[
    str | None,
    typer.Option(help="Address to listen on (default: 127.0.0.1; 0.0.0.0 is every one)."),
]
Port = Annotated[int | None, typer.Option(help="Port (default: 8000; 0 takes a free one).")]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Settings: a .toml or a .env file.")
]

# of data sets
Src = Annotated[Path, typer.Argument(metavar="SRC", help="File or folder of the data set.")]
Images = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Its pictures, if they are elsewhere.")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out what is wrong, count it and list it.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Remove the output first.")]
