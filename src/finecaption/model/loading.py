"""Loads a model's folder to a device in a precision that suits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from finecaption.errors import InputError
from finecaption.io.checkpoint import check_index
from finecaption.model import (
    FineCaptionConfig,
    FineCaptionForConditionalGeneration,
    FineCaptionProcessor,
)

_FP32_BYTES = 2 << 30  # checkpoints up to this size run in float32 everywhere


def load_model(
    folder: Path,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    quantize: str | None = None,
    device_map: str | dict[str, Any] | None = None,
) -> tuple[FineCaptionForConditionalGeneration, FineCaptionProcessor]:
    """Model and processor of a folder, on their device.

    Args:
        folder: from resolve_model.
        device, dtype, quantize, device_map: see finecaption.captioner.FineCaption.from_pretrained.

    Raises:
        InputError: see there.
    """
    if quantize is not None or device_map is not None:
        from finecaption.model import quantisation
    if quantize is not None:
        quantisation.check_quantisation(quantize)
    if device_map is not None:
        quantisation.check_device_map()
        if device is not None:
            raise InputError("device and device_map: give one of them")
    where = _device(device)
    if dtype is None:
        files = [file for file in folder.glob("*.safetensors") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        half = size > _FP32_BYTES and (where.type != "cpu" or _cpu_multiplies_bf16())
        dtype = torch.bfloat16 if half else torch.float32
    extra: dict[str, Any] = {}
    if quantize is not None:
        # Quantized as they are read, on their device: a model that is moved later was whole.
        extra["quantization_config"] = quantisation.quantisation_settings(quantize, dtype)
        extra["device_map"] = {"": where}
    if device_map is not None:
        extra["device_map"] = device_map
    try:
        if quantize is not None:
            quantisation.check_sizes(
                quantize, FineCaptionConfig.from_pretrained(folder, local_files_only=True)
            )
        model = read_weights(folder, dtype=dtype, **extra)
        processor = FineCaptionProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    # transformers, safetensors and tokenizers raise errors of their own for broken files
    except Exception as error:
        raise InputError(f"{folder}: the model cannot be read ({error})") from error
    return (model if extra else model.to(where)), processor


def read_weights(folder: Path, **options: Any) -> FineCaptionForConditionalGeneration:
    """The model of a folder, if its weights are whole.

    transformers only warns of weights that are missing or unknown, and gives random values to what
    is missing; here every weight must be there, no other, and all values finite.

    Args:
        folder: from resolve_model.
        options: of `from_pretrained`: dtype, quantization_config, device_map.

    Raises:
        InputError: with the names of the weights that are wrong; an index of the weights leads
            out of the folder.
    """
    check_index(folder)
    model, found = FineCaptionForConditionalGeneration.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # they are named below
        output_loading_info=True,
        **options,
    )
    mismatched = [key[0] if isinstance(key, tuple) else key for key in found["mismatched_keys"]]
    for names, wrong in (
        (found["missing_keys"], "the checkpoint lacks weights of the model"),
        (mismatched, "weights of the checkpoint have another shape than the model's"),
        (found["unexpected_keys"], "the checkpoint has weights that the model does not know"),
        (_not_finite(model), "weights are NaN or infinite"),
    ):
        if names:
            listed = sorted(str(name) for name in names)
            more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
            raise InputError(
                f"{wrong}: {', '.join(listed[:3])}{more}; copy the folder again, or make it again "
                "with the program that wrote it"
            )
    return model


def _not_finite(model: torch.nn.Module) -> list[str]:
    """Names of floating-point parameters that hold a value that is NaN or infinite."""
    return [
        name
        for name, value in model.named_parameters()
        if value.is_floating_point()
        and value.device.type != "meta"  # on disk, where device_map puts what is too large
        and not bool(torch.isfinite(value).all())
    ]


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r}: cannot be used ({reason})") from error
    return where


def _cpu_multiplies_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here, not several times slower (decision 0008)."""
    # Older releases of torch do not tell.
    tell = getattr(torch.cpu, "get_capabilities", dict)
    able: dict[str, bool] = tell()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
