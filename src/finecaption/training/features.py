"""The large towers' features on disk: run once per image, then read, where neither tower moves.

An image's features do not depend on any mask, so one file serves all its regions, questions and
epochs. At the paper's size a file is 8 MB in bf16: CompositionCap's 5,392 images take 45 GB,
LLaVA-Pretrain's 558K would take 4.7 TB, which is why it is off unless a folder is named.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from finecaption.errors import InputError
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.parts import named_part_parameters
from finecaption.model.processing import FineCaptionProcessor
from finecaption.types import RegionSample


def towers_key(model: FineCaptionForConditionalGeneration) -> str:
    """A hash of the two large towers' weights and of what else their features depend on."""
    digest = hashlib.sha256(str((model.config.image_size, model.config.convnext_norm_eps)).encode())
    for part in ("convnext", "sam"):
        for name, parameter in named_part_parameters(model, part):
            digest.update(name.encode())
            values = parameter.detach().flatten()
            # A thousandth of a large tensor tells two checkpoints apart; all of a small one.
            values = values[:: max(1, values.numel() // 65536)]
            digest.update(values.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


class FeatureCache:
    """Features by image, in a folder of its own for each pair of towers."""

    def __init__(self, root: str | Path, key: str) -> None:
        """
        Args:
            root: folder; several runs can share it.
            key: of the towers, see `towers_key`.
        """
        self.folder = Path(root) / key

    def path(self, sample: RegionSample) -> Path:
        """The file of a sample's image; it changes with the image.

        Raises:
            InputError: the image's file is gone.
        """
        if isinstance(sample.image, np.ndarray):
            name = hashlib.sha256(sample.image.tobytes()).hexdigest()
        else:
            try:
                found = os.stat(sample.image)
            except OSError as error:
                raise InputError(f"{sample.image}: cannot be read ({error})") from None
            told = f"{Path(sample.image).resolve()}/{found.st_size}/{found.st_mtime_ns}"
            name = hashlib.sha256(told.encode()).hexdigest()
        return self.folder / name[:2] / f"{name[:32]}.safetensors"

    def __call__(self, sample: RegionSample) -> torch.Tensor:
        """(C_hr, g, g) of a sample's image.

        Raises:
            InputError: it has not been filled in.
        """
        path = self.path(sample)
        if not path.exists():
            raise InputError(f"{path}: no features of this image; fill the cache first")
        return load_file(path)["features"]

    @torch.no_grad()
    def fill(
        self,
        model: FineCaptionForConditionalGeneration,
        processor: FineCaptionProcessor,
        samples: Iterable[RegionSample],
        rank: int = 0,
        world: int = 1,
        say: Callable[[str], None] | None = None,
    ) -> int:
        """Runs the towers on every image that has no file yet.

        Args:
            samples: one an image is enough.
            rank, world: of several processes, each takes its share.

        Returns:
            How many were run here.
        """
        device = next(model.parameters()).device
        told = list(samples)[rank::world]
        done = 0
        was_training = model.training
        model.eval()
        for sample in told:
            path = self.path(sample)
            if path.exists():
                continue
            inputs = processor.image_processor.image_inputs(sample.image)
            pixels = torch.from_numpy(inputs["pixel_values"]).to(device)
            features = model.encode_image(pixels)[0].contiguous().cpu()
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
            save_file({"features": features}, temporary)
            temporary.replace(path)
            done += 1
            if say is not None and done % 500 == 0:
                say(f"features of {done} of {len(told)} images")
        model.train(was_training)
        return done
