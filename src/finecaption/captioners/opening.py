"""From a name to a captioner."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finecaption.captioners.checkpoint import TransformersCaptioner, read_config
from finecaption.captioners.own import FineCaptionCaptioner, shipped
from finecaption.captioners.protocol import Captioner
from finecaption.captioners.table2 import CHECKPOINTS, OPENAI_MODELS, REASONS
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.captioner import FineCaption
    from finecaption.captioners.describing import Describer

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
    """A captioner by name. Weights are loaded when it is first asked.

    Args:
        name: a shipped model ("finecaption-mini"); a folder of ours, or of any vision-language
            model of transformers; a model by its short name ("qwen2-vl-7b", see
            `table2.CHECKPOINTS`) or its repository ("Qwen/Qwen2-VL-7B-Instruct"), looked for in the
            local cache; "gpt-4o"; or `openai:MODEL@ADDRESS`.
        device: of torch; cuda if there is one, by default.
        dtype: of foreign checkpoints' weights, such as "bfloat16".
        shown: how a region is shown (see `visual_prompts.VISUAL_PROMPTS`); None for the family's
            own way. Our own models take the mask itself.
        batch_size: queries at once, of foreign checkpoints.
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
    if read_config(folder).get("model_type") == "finecaption":
        if shown is not None:
            raise InputError(f"shown: {name} takes the mask itself; leave the setting out")
        return FineCaptionCaptioner(
            folder, name=own_name, device=device, max_new_tokens=max_new_tokens
        )
    return TransformersCaptioner(
        folder, name=own_name or name.rstrip("/").rpartition("/")[2], shown=shown, device=device,
        dtype=dtype, batch_size=batch_size, max_new_tokens=max_new_tokens,
    )  # fmt: skip


def open_describer(name: str, **settings: Any) -> FineCaption | Describer:
    """What `finecaption caption --model NAME` asks: our own model itself, with its confidence and
    its clicks, or any other one behind the same two methods.

    Args:
        name, settings: as for `open_captioner`.

    Raises:
        InputError: as `open_captioner`.
    """
    from finecaption.captioners.describing import Describer

    captioner = open_captioner(name, **settings)
    if isinstance(captioner, FineCaptionCaptioner):
        return captioner.model
    return Describer(captioner)


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
    inside = shipped(name)
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
