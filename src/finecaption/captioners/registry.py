"""Opens captioners by name, now or later."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from finecaption.captioners.checkpoint import TransformersCaptioner, read_config
from finecaption.captioners.table2 import CHECKPOINTS, OPENAI_MODELS, REASONS
from finecaption.errors import InputError
from finecaption.io.checkpoint import model_identity, shipped_folder
from finecaption.protocol import Captioner

SEGMENTER_FILE = "segmenter.json"

_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
_UNWANTED = ["original/*", "consolidated*"]  # the same weights in another form


def open_captioner(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    shown: str | None = None,
    batch_size: int = 8,
    max_new_tokens: int | None = None,
    download: bool = False,
    served: Mapping[str, Any] | None = None,
) -> Captioner:
    """A captioner by name: our own loaded, others when they are first asked.

    Args:
        name: a shipped model ("finecaption-mini"); a folder of ours, or of any vision-language
            model of transformers; a model by its short name ("qwen2-vl-7b", see
            `table2.CHECKPOINTS`) or its repository ("Qwen/Qwen2-VL-7B-Instruct"), looked for in the
            local cache; "gpt-4o"; or `openai:MODEL@ADDRESS`.
        device: of torch; cuda if there is one, by default.
        dtype: of other checkpoints' weights, such as "bfloat16".
        shown: how a region is shown (see `visual_prompts.VISUAL_PROMPTS`); None for the family's
            own way. Our own models take the mask itself.
        batch_size: questions at once, of other checkpoints.
        max_new_tokens: cap on an answer.
        download: whether a model that is not on this machine may be fetched.
        served: further settings of `served.ServedCaptioner`.

    Raises:
        InputError: nothing of that name, or it cannot be run; the message says what to do.
    """
    more = dict(served or {})
    if max_new_tokens is not None:
        more["max_tokens"] = max_new_tokens
    if shown is not None:
        more["shown"] = shown
    if name.startswith("openai:"):
        from finecaption.captioners.served import ServedCaptioner, parse_address

        model, address = parse_address(name)
        return ServedCaptioner(address, model, **more)
    if name in OPENAI_MODELS and not Path(name).is_dir():
        from finecaption.captioners.served import open_openai

        return open_openai(name, **more)
    folder = find_folder(name, download=download)
    own_name = name if re.fullmatch(r"[\w.-]+", name) else None
    if _is_ours(folder):
        if shown is not None:
            raise InputError(f"shown: {name} takes the mask itself; leave the setting out")
        if max_new_tokens is not None and max_new_tokens < 1:
            raise InputError(f"max_new_tokens: is {max_new_tokens}; it must be at least 1")
        from finecaption.captioner import FineCaption

        opened = FineCaption.from_pretrained(folder, device)
        opened.max_new_tokens = max_new_tokens
        return opened
    return TransformersCaptioner(
        folder,
        name=own_name or name.rstrip("/").rpartition("/")[2],
        shown=shown,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
    )


@dataclass(frozen=True)
class ModelSpec:
    """A captioner by name that is not open yet: it can be compared, and pickled for a worker.

    Fields as the arguments of `open_captioner`.
    """

    name: str
    device: str | None = None
    max_new_tokens: int | None = None

    @cached_property
    def folder(self) -> Path | None:
        """Of the checkpoint; None for a served model.

        Raises:
            InputError: there is no such model here.
        """
        served = self.name.startswith("openai:") or self.name in OPENAI_MODELS
        return None if served and not Path(self.name).is_dir() else find_folder(self.name)

    def check(self) -> None:
        """Makes sure that there is such a model, without loading weights.

        Raises:
            InputError: there is none here; the message says what to do.
        """
        if self.folder is None:
            self.open()  # of a served model that asks nobody yet

    @property
    def label(self) -> str:
        """A short name for lists: of the folder, or of the model on its server."""
        if self.folder is not None and (self.ours or Path(self.name).is_dir()):
            return self.folder.resolve().name
        return self.name.removeprefix("openai:").partition("@")[0]

    @property
    def ours(self) -> bool:
        """Whether it is a checkpoint of finecaption."""
        return self.folder is not None and _is_ours(self.folder)

    @property
    def clicks(self) -> bool:
        """Whether it has a click segmenter."""
        return self.ours and (self.folder / SEGMENTER_FILE).is_file()  # type: ignore[operator]  # ours has one

    @property
    def identity(self) -> Mapping[str, Any]:
        """See `finecaption.protocol.Captioner`; without loading weights.

        Raises:
            InputError: there is no such model here.
        """
        if self.ours:
            folder = self.folder
            assert folder is not None
            return model_identity(folder.resolve().name, folder, self.max_new_tokens)
        return self.open().identity  # these load their weights when they are first asked

    def open(self) -> Captioner:
        """The captioner.

        Raises:
            InputError: as `open_captioner`.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()  # front ends show progress of their own
        logging.set_verbosity_error()
        return open_captioner(self.name, device=self.device, max_new_tokens=self.max_new_tokens)


def _is_ours(folder: Path) -> bool:
    return read_config(folder).get("model_type") == "finecaption"


def find_folder(name: str, *, download: bool = False) -> Path:
    """The folder with a model's weights.

    Args:
        name: as for `open_captioner`, without addresses.
        download: see there.

    Raises:
        InputError: it is not here, or cannot be run at all; the message says what to do.
    """
    given = Path(name)
    if (given / "config.json").is_file():
        return given
    inside = shipped_folder(name)
    if inside is not None:
        return inside
    if name in REASONS:
        raise InputError(f"model {name!r}: cannot be run by its name: {REASONS[name]}")
    repository = CHECKPOINTS.get(name)
    if repository is None and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) and not given.exists():
        repository = name
    if repository is None:
        raise InputError(_unknown(name, given))
    return _snapshot(name, repository, download)


def _unknown(name: str, given: Path) -> str:
    if given.exists():
        return f"model {name!r}: holds no config.json; give a checkpoint's folder"
    known = ["finecaption-mini", *CHECKPOINTS, *OPENAI_MODELS, *REASONS]
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"names: {', '.join(known)}"
    return f"model {name!r}: no such model or folder; {hint}"


def _snapshot(name: str, repository: str, download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repository,
            local_files_only=not download,
            allow_patterns=_WANTED,
            ignore_patterns=_UNWANTED,
        )
    except LocalEntryNotFoundError as error:
        what = (
            "cannot be fetched; check the network"
            if download
            else "allow the download, or give a folder"
        )
        raise InputError(f"model {name!r}: {repository} is not on this machine; {what}") from error
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"model {name!r}: {repository} cannot be fetched ({reason}); gated models need a "
            "token that their owner has let in"
        ) from error
    if not (Path(folder) / "config.json").is_file():
        raise InputError(
            f"model {name!r}: what is here of {repository} has no config.json; fetch it again"
        )
    return Path(folder)
