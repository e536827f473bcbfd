"""The out-of-domain detector on synthetic features, its file, and the scenes it is fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.errors import InputError
from finecaption.trust import out_of_domain as domain
from finecaption.trust.out_of_domain import OutOfDomainDetector, fit, pool_features
from finecaption_synth.domain import drawn_scenes

FEATURES = 60


def known(count: int, seed: int = 0) -> np.ndarray:
    """Correlated features: eight causes, and noise."""
    causes = np.random.default_rng(1).normal(size=(8, FEATURES))
    random = np.random.default_rng(seed)
    noise = 0.1 * random.normal(size=(count, FEATURES))
    return (random.normal(size=(count, 8)) @ causes + noise + 3).astype(np.float32)


@pytest.fixture(scope="module")
def fitted() -> OutOfDomainDetector:
    return fit(known(1000), quantile=0.99, knows="drawings")


def test_the_stated_share_of_unseen_known_pictures_is_accepted(fitted: OutOfDomainDetector) -> None:
    accepted = np.mean(fitted.score(known(4000, seed=2)) <= fitted.threshold)
    assert 0.975 <= accepted < 1.0


def test_strange_pictures_are_told(fitted: OutOfDomainDetector) -> None:
    broken = known(300, seed=3)
    # each feature alone stays in its range; only the correlations are gone
    for column in range(FEATURES):
        np.random.default_rng(column).shuffle(broken[:, column])
    assert (fitted.score(broken) > fitted.threshold).all()
    notice = fitted.check(known(1)[0] + 9)
    assert notice is not None and "drawings" in notice.text
    assert notice.to_dict()["score"] > notice.to_dict()["threshold"]
    assert fitted.check(known(1, seed=4)[0]) is None


def test_the_file_keeps_the_judgement(fitted: OutOfDomainDetector, tmp_path: Path) -> None:
    assert OutOfDomainDetector.load(tmp_path) is None
    path = fitted.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    again = OutOfDomainDetector.load(tmp_path)
    assert again is not None
    assert (again.threshold, again.quantile, again.knows) == (fitted.threshold, 0.99, "drawings")
    some = known(50, seed=5)
    np.testing.assert_allclose(again.score(some), fitted.score(some), rtol=1e-5)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / domain.DOMAIN_FILE).write_bytes(content)
    with pytest.raises(InputError, match="is broken"):
        OutOfDomainDetector.load(tmp_path)


def test_misfits_are_told(fitted: OutOfDomainDetector) -> None:
    with pytest.raises(ValueError, match="59 features, but the domain file was fitted to 60"):
        fitted.score(known(1)[:, 1:])
    with pytest.raises(ValueError, match="too few"):
        fit(known(19))


def test_padding_does_not_count() -> None:
    maps = np.random.default_rng(0).normal(size=(5, 8, 8)).astype(np.float32)
    wide = pool_features(maps, (200, 100))
    np.testing.assert_allclose(wide[:5], maps[:, 2:6].mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(wide[5:], maps[:, 2:6].std(axis=(1, 2)), rtol=1e-5)
    other = maps.copy()
    other[:, :2] = 99
    np.testing.assert_array_equal(pool_features(other, (200, 100)), wide)
    assert pool_features(maps, (1, 900)).shape == (10,)


def test_a_saved_model_is_fitted(tiny_folder: Path, tmp_path: Path) -> None:
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(40)]
    fitted = domain.fit_domain(tmp_path, pictures, knows="noise")
    loaded = OutOfDomainDetector.load(tmp_path)
    assert loaded is not None and loaded.threshold == fitted.threshold and loaded.knows == "noise"


SHIPPED = Path(domain.__file__).parents[1] / "pretrained" / "finecaption-mini"
PHOTOGRAPHS = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg")


@pytest.mark.skipif(
    not (SHIPPED / domain.DOMAIN_FILE).is_file(), reason="no model with a domain file is shipped"
)
def test_photographs_are_told_from_drawn_scenes() -> None:
    import skimage

    from finecaption.model import FineCaptionForConditionalGeneration

    fitted = OutOfDomainDetector.load(SHIPPED)
    assert fitted is not None
    model = FineCaptionForConditionalGeneration.from_pretrained(SHIPPED).float().eval()
    folder = Path(skimage.__file__).parent / "data"
    photographs = [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]
    for name, features in zip(PHOTOGRAPHS, domain.features_of(model, photographs), strict=True):
        assert fitted.check(features) is not None, name
    scenes = domain.features_of(model, drawn_scenes(12, seed=77, split="test"))
    assert np.mean(fitted.score(scenes) > fitted.threshold) < 0.1
