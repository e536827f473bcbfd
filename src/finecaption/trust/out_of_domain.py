"""Detects images unlike those that a model was trained on, whose captions are guesses.

A Gaussian is fitted to the model's own high-resolution features of images that it knows: the
full covariance along the principal components, one variance for what they leave (probabilistic
PCA, Tipping & Bishop 1999). The score of an image is its Mahalanobis distance, divided by the
square root of the number of features; the threshold is a quantile of the scores of known images
that were not fitted to. The statistics lie beside the weights as `domain.safetensors`.

Legend: C channels, g the side of the feature grid, F = 2 C features an image, N images, K
principal components.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.errors import InputError
from finecaption.io.geometry import Size, place_in_square
from finecaption.results import Notice

DOMAIN_FILE = "domain.safetensors"
QUANTILE = 0.995
"""Share of known images that get no notice."""

_COMPONENTS = 64
_FITTED_SHARE = 0.6  # of the images; the rest sets the threshold


def pool_features(hr_features: np.ndarray, size: Size) -> np.ndarray:
    """The detector's features: mean and standard deviation of each channel over the image.

    Args:
        hr_features: (C, g, g), what `encode_image` gave for one image.
        size: (width, height) of the image; the padding around it does not count.

    Returns:
        float32 (2 C,).
    """
    grid = hr_features.shape[-1]
    left, top, right, bottom = place_in_square(size, grid).box
    inside = hr_features[:, top:bottom, left:right].reshape(hr_features.shape[0], -1)
    inside = inside.astype(np.float64)
    return np.concatenate([inside.mean(axis=1), inside.std(axis=1)]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class OutOfDomainDetector:
    """The fitted statistics; see the module."""

    mean: np.ndarray
    """(F,)"""
    spread: np.ndarray
    """(F,), standard deviations."""
    components: np.ndarray
    """(K, F), orthonormal rows, of the standardised features."""
    variances: np.ndarray
    """(K,), along the components."""
    rest: float
    """Variance of each dimension that the components leave."""
    threshold: float
    quantile: float = QUANTILE
    knows: str = "pictures"
    """What the fitted images are, in words, for the notice."""

    def score(self, features: np.ndarray) -> np.ndarray:
        """Out-of-domain score of (F,) or (N, F) features: about 1 for known images, else more.

        Raises:
            ValueError: another number of features than was fitted.
        """
        if features.shape[-1] != self.mean.shape[0]:
            raise ValueError(
                f"{features.shape[-1]} features, but the domain file was fitted to "
                f"{self.mean.shape[0]}: fit it again for this model."
            )
        z = (features.astype(np.float64) - self.mean) / self.spread
        along = z @ self.components.T.astype(np.float64)
        left = np.maximum((z**2).sum(-1) - (along**2).sum(-1), 0.0)
        squared = (along**2 / self.variances).sum(-1) + left / self.rest
        return np.sqrt(squared / z.shape[-1])

    def check(self, features: np.ndarray) -> Notice | None:
        """A notice if the (F,) features of an image are stranger than the threshold allows."""
        score = float(self.score(features))
        if score <= self.threshold:
            return None
        return Notice(
            score,
            self.threshold,
            f"This image does not look like the {self.knows} that the model was trained on. It "
            "knows nothing else, so its captions are guesses and probably wrong. "
            "To describe photographs, you need a model trained on them; see docs/photographs.md.",
        )

    def check_features(self, hr_features: np.ndarray, size: Size) -> Notice | None:
        """`check` of an image of (width, height), from its (C, g, g) features."""
        return self.check(pool_features(hr_features, size))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes `domain.safetensors` (float16, under 300 kB for mini) into a model's folder."""
        from safetensors.numpy import save_file

        from finecaption.io.atomic import replacing  # saving alone needs it

        path = Path(folder) / DOMAIN_FILE
        figures = {
            "rest": self.rest,
            "threshold": self.threshold,
            "quantile": self.quantile,
            "knows": self.knows,
        }
        arrays = {
            "mean": self.mean.astype(np.float32),
            "spread": self.spread.astype(np.float32),
            "components": self.components.astype(np.float16),
            "variances": self.variances.astype(np.float32),
        }
        with replacing(path) as part:
            save_file(arrays, part, metadata={"domain": json.dumps(figures)})
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> OutOfDomainDetector | None:
        """The statistics in a model's folder; None if it has none.

        Raises:
            InputError: the file is broken.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(folder) / DOMAIN_FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="np") as file:
                figures = json.loads((file.metadata() or {})["domain"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no iterator of its own
            return cls(**arrays, **figures)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: is broken ({error}); fetch the model again") from error


def fit(
    features: np.ndarray,
    quantile: float = QUANTILE,
    components: int = _COMPONENTS,
    knows: str = "pictures",
) -> OutOfDomainDetector:
    """Fits to the first part of the images and calibrates on the rest.

    Args:
        features: (N, F), `pool_features` of known images in random order.
        quantile: share of the known images to accept.
        components: K at most.
        knows: what the images are, in words.

    Raises:
        ValueError: fewer than 20 images.
    """
    count = len(features)
    if count < 20:
        raise ValueError(f"{count} images are too few to fit to: give 20 or more.")
    split = int(count * _FITTED_SHARE)
    seen = features[:split].astype(np.float64)
    mean = seen.mean(axis=0)
    spread = np.maximum(seen.std(axis=0), 1e-6 + 1e-3 * np.abs(mean))
    z = (seen - mean) / spread
    kept = max(1, min(components, split // 4, features.shape[1] - 1))
    _, singular, rows = np.linalg.svd(z, full_matrices=False)
    variances = singular**2 / (split - 1)
    left = features.shape[1] - kept
    rest = max(float(variances[kept:].sum()) / left, 1e-6)
    model = OutOfDomainDetector(
        mean=mean.astype(np.float32),
        spread=spread.astype(np.float32),
        # rounded as they will be on disk, so that the threshold fits what is loaded
        components=rows[:kept].astype(np.float16),
        variances=np.maximum(variances[:kept], 1e-6).astype(np.float32),
        rest=rest,
        threshold=0.0,
        quantile=quantile,
        knows=knows,
    )
    threshold = float(np.quantile(model.score(features[split:]), quantile, method="higher"))
    return OutOfDomainDetector(**{**model.__dict__, "threshold": threshold})


def features_of(model: Any, pictures: Iterable[Image.Image | np.ndarray]) -> np.ndarray:
    """Pooled features of images, (N, F).

    Args:
        model: `FineCaptionForConditionalGeneration`.
        pictures: RGB, PIL or uint8 (H, W, 3).
    """
    import torch

    from finecaption.model.preparation import place_image

    side = model.config.image_size
    found: list[np.ndarray] = []
    batch: list[np.ndarray] = []
    sizes: list[Size] = []

    def flush() -> None:
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).to(model.device)
            maps = model.encode_image(pixels).float().cpu().numpy()
        found.extend(pool_features(m, size) for m, size in zip(maps, sizes, strict=True))
        batch.clear()
        sizes.clear()

    for entry in pictures:
        picture = Image.fromarray(entry) if isinstance(entry, np.ndarray) else entry
        batch.append(place_image(picture, side))
        sizes.append(picture.size)
        if len(batch) == 16:
            flush()
    if batch:
        flush()
    return np.stack(found)


def fit_domain(
    folder: str | os.PathLike[str],
    pictures: Iterable[Image.Image | np.ndarray],
    *,
    quantile: float = QUANTILE,
    knows: str = "synthetic scenes",
    model: Any = None,
) -> OutOfDomainDetector:
    """Fits the detector to images that a saved model knows, and writes it into its folder.

    Args:
        folder: of the model.
        pictures: known ones that it was not trained on, in random order; a thousand are enough.
        quantile, knows: see `fit`.
        model: the loaded model, if it is available.
    """
    if model is None:
        from finecaption.model.loading import read_weights

        model = read_weights(Path(folder)).float().eval()
    fitted = fit(features_of(model, pictures), quantile, knows=knows)
    fitted.save(folder)
    return fitted
