"""Which pixels of an array or image belong to the region: the one rule for values and colors.

- An alpha channel counts if some pixel's alpha is below 128; the region is then alpha >= 128 and
  the colors say nothing. Any other alpha says nothing, and the colors decide.
- A palette is read by its colors, never by its indices.
- Two tones: the region is what is not black. Where neither is black, it is the light tone, and
  the other must be dark (below half of the range).
- Several grays whose brightest is below half of the range, and several hues: label numbers and
  label colors. The region is everything but 0 or black.
- Several grays up to the bright half of the range: a gray mask, from half of the range on, if the
  grays in between lie on the way from dark to light, as those of soft borders do. Where they fill
  areas of their own they may be labels, and the mask is refused.
- A lossy file (JPEG; WebP and AVIF with noise beside its brightest value) cannot hold label
  numbers: it is a gray mask, from half of its brightest value on. Areas of one gray in between are
  refused.

Who knows what the values mean gives `labels`: the region is then the pixels of these values.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from PIL import Image, ImageChops

from finecaption.errors import InputError

_FEW = 8
"""Up to so many grays are looked at one by one; more are noise or soft borders beside areas."""
_MANY = 64
"""More grays or colors than this are shades: a mask of one image seldom has as many labels."""
_VOID = (224, 224, 192)
"""The color of VOC's border "not labeled", index 255 of its palette: VOCdevkit/VOCcode."""
_ROWS = 512  # that are counted at a time
_DARK = 0.15  # of the brightest value: what is dark; and as far below it: what is light
_AREA = 0.05  # of the light pixels: an area that is not overlooked
_FAINT = 16  # brightest value of a lossy file that is noise on black
_NOISE = 8  # difference of neighboring values that it makes
_GRAY_NOISE = 16  # difference of channels that the color conversion of lossy files makes

Labels = Collection[int]


def opaque_part(picture: Image.Image) -> np.ndarray | None:
    """The region that transparency marks, alpha >= 128: bool (H, W); None if no pixel's alpha is
    below 128, or there is none."""
    own = "A" in picture.getbands() or "a" in picture.getbands()
    if not (own or "transparency" in picture.info):
        return None
    alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
    opaque: np.ndarray = alpha >= 128
    return None if opaque.all() else opaque


def of_picture(picture: Image.Image, field: str, labels: Labels | None = None) -> np.ndarray:
    """The region of a mask image: bool (H, W), by the module's rule.

    Args:
        picture: decoded and upright.
        field: what messages call it.
        labels: gray values, or indices of a palette, that make the region.

    Raises:
        InputError: what the values mean is not clear.
    """
    if labels is not None:
        return _labeled(_numbers(picture, field), labels, field)
    opaque = opaque_part(picture)
    if opaque is not None:
        return opaque
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture)
        if values.dtype.kind == "f":
            return of_array(values, field)
        return _of_grays(values, field)
    if picture.mode in ("1", "L"):
        return of_array(np.asarray(picture), field, lossy=picture.format in ("JPEG", "MPO"))
    rgb = picture.convert("RGB")
    lossy = picture.format in ("JPEG", "MPO") or (
        picture.format in ("WEBP", "AVIF") and _is_noisy(_lightness(rgb))
    )
    return _of_colors(rgb, picture, field, lossy)


def _is_noisy(values: np.ndarray) -> bool:
    """Whether there are values right below the brightest, as lossy compression leaves them."""
    levels = _levels(values)
    return len(levels) > 2 and levels[-1] >= _FAINT and levels[-1] - levels[-2] < _NOISE


def of_array(
    values: np.ndarray, field: str, labels: Labels | None = None, lossy: bool = False
) -> np.ndarray:
    """The region of an array (H, W) of bool, integers or floats: bool (H, W).

    Raises:
        InputError: negative, not finite, floats outside 0..1, of another type, or not clear.
    """
    if labels is not None:
        return _labeled(values, labels, field)
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise InputError(
                f"{field}: float values must lie in 0..1, without NaN; threshold logits first"
            )
        return np.asarray(values >= 0.5)
    if values.dtype.kind in "ui":
        if values.min() < 0:
            raise InputError(f"{field}: holds negative values; give 0 outside and 1 inside")
        return _of_grays(values, field, lossy)
    raise InputError(f"{field}: dtype {values.dtype} is not a mask's; give bool, ints or floats")


def _labeled(values: np.ndarray, labels: Labels, field: str) -> np.ndarray:
    wanted = sorted(labels)
    if not wanted or not all(isinstance(n, int) and not isinstance(n, bool) for n in wanted):
        raise InputError(f"{field}: labels must be whole numbers, at least one; got {labels!r}")
    chosen = np.isin(values, wanted)
    if not chosen.any():
        there = ", ".join(str(level) for level in _levels(values)[:20])
        raise InputError(f"{field}: has no pixel of label {_listed(wanted)}; it has {there}")
    return chosen


def _numbers(picture: Image.Image, field: str) -> np.ndarray:
    """Label numbers of a picture: gray values or indices."""
    if picture.mode in ("RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"):
        rgb = np.asarray(picture.convert("RGB"))
        if (rgb[..., :1] != rgb).any():
            raise InputError(
                f"{field}: is in color, so that its pixels have no label numbers; give a gray or "
                "palette image"
            )
        return rgb[..., 0]
    if picture.mode in ("LA", "La"):
        return np.asarray(picture.convert("LA"))[..., 0]
    return np.asarray(picture).astype(np.int64)


def _levels(values: np.ndarray) -> list[int]:
    """The distinct values, ascending."""
    if values.max() >= 1 << 16:
        return [int(v) for v in np.unique(values)]
    found = np.zeros(1 << 16, bool)
    for begin in range(0, len(values), _ROWS):  # counting takes eight bytes a pixel
        part = values[begin : begin + _ROWS].ravel()
        found |= np.bincount(part.astype(np.int64), minlength=1 << 16) > 0
    return [int(v) for v in np.flatnonzero(found)]


def _of_grays(values: np.ndarray, field: str, lossy: bool = False) -> np.ndarray:
    levels = _levels(values)
    low, high = levels[0], levels[-1]
    if lossy:
        _check_one_shade(values, high, field)
        return np.asarray(values >= max((high + 1) // 2, _FAINT))
    # signed types have no range of their own: files of 16 bits come as int32
    top = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 255 if high < 256 else 65535
    half = top // 2 + 1
    if len(levels) == 1:
        return np.asarray(values != 0)
    if low == 0 and (len(levels) == 2 or high < half):
        return np.asarray(values != 0)
    if high < half or low >= half:
        raise InputError(
            f"{field}: has the values {_listed(levels)} and no 0, so that it is not clear which is "
            f"the background; {_REMEDY}"
        )
    if 2 < len(levels) <= _MANY:
        _check_soft(values, levels, field)
    elif len(levels) > _MANY:
        _check_one_shade(values, high, field)
    return np.asarray(values >= half)


_REMEDY = (
    "save 0 outside the region and 255 inside it, or say which values are meant (label, --label)"
)


def _check_soft(values: np.ndarray, levels: list[int], field: str) -> None:
    """Raises InputError unless grays between the darkest and the brightest lie on borders."""
    low, high = levels[0], levels[-1]
    if len(levels) <= _FEW:
        between = levels[1:-1]
    else:  # noise beside dark and light does not count
        slack = (high - low) // 8
        between = [level for level in levels if low + slack < level < high - slack]
        if not between:
            return
    darker, lighter = _around(values)
    border = (darker < values) & (lighter > values)
    if len(levels) <= _FEW:
        groups = [values == level for level in between]
    else:
        groups = [(values >= between[0]) & (values <= between[-1])]
    for group in groups:
        if 2 * np.count_nonzero(group & border) < np.count_nonzero(group):
            raise InputError(
                f"{field}: has the values {_listed(levels)}, which may be the labels of several "
                f"things or the grays of one; {_REMEDY}"
            )


def _check_one_shade(values: np.ndarray, high: int, field: str) -> None:
    """Raises InputError if there are areas of one gray between dark and light: things of their
    own, blurred by compression or resizing. The grays of borders lie on lines, or are spread."""
    if not _FAINT < high < 256:
        return
    counts = np.bincount(values.ravel(), minlength=256)
    light = (high + 1) // 2 + int(counts[(high + 1) // 2 :].argmax())  # noise may be brighter
    low, top = round(_DARK * light), round((1 - _DARK) * light)
    between = counts[low:top]
    peak = low + int(between.argmax())
    alike = slice(max(low, peak - _NOISE), min(top, peak + _NOISE + 1))
    least = max(_AREA * counts[top:].sum(), 0.6 * between.sum())
    if counts[alike].sum() <= least:
        return
    darker, lighter = _around(values)
    flat = (lighter - darker <= 2 * _NOISE) & (values >= alike.start) & (values < alike.stop)
    if 2 * np.count_nonzero(flat) > least:
        raise InputError(
            f"{field}: has areas of about {peak} beside those of about {light}, which may be "
            f"several things or one; {_REMEDY}"
        )


def _around(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lowest, highest) value of each pixel's 3 x 3 pixels."""
    low = high = values
    for axis in (0, 1):
        padded = np.pad(low, [(int(a == axis),) * 2 for a in (0, 1)], "edge")
        top = np.pad(high, [(int(a == axis),) * 2 for a in (0, 1)], "edge")
        count = values.shape[axis]
        low = np.min([padded.take(range(k, k + count), axis) for k in range(3)], axis=0)
        high = np.max([top.take(range(k, k + count), axis) for k in range(3)], axis=0)
    return low, high


def _of_colors(rgb: Image.Image, picture: Image.Image, field: str, lossy: bool) -> np.ndarray:
    light = _lightness(rgb)
    found = rgb.getcolors(_MANY)
    if found is None or lossy:
        return _of_grays(light, field, lossy)
    colors: list[tuple[int, ...]] = sorted(color for _, color in found if isinstance(color, tuple))
    if picture.mode == "P" and len(colors) == 1 and len(picture.getcolors(256) or ()) > 1:
        raise InputError(
            f"{field}: every entry of its palette has the same color, {colors[0]}, so that the "
            f"colors say nothing; {_REMEDY}"
        )
    if _one_hue(colors):
        return _of_grays(light, field)
    if len(colors) == 2 and (0, 0, 0) not in colors:
        dark, bright = sorted(colors, key=max)
        if max(dark) < 128 <= max(bright):
            return np.asarray(light >= 128)
    if (0, 0, 0) not in colors:
        raise InputError(
            f"{field}: has the colors {_listed(colors)} and no black, so that it is not clear "
            f"which is the background; {_REMEDY}"
        )
    if _VOID in colors and len(colors) > 2:
        raise InputError(
            f'{field}: has {_VOID}, the color of "not labeled" in VOC, beside other colors; '
            f"{_REMEDY}"
        )
    return np.asarray(light > 0)


def _lightness(rgb: Image.Image) -> np.ndarray:
    """The largest channel of each pixel: uint8 (H, W)."""
    red, green, blue = rgb.split()
    return np.asarray(ImageChops.lighter(ImageChops.lighter(red, green), blue))


def _one_hue(colors: list[tuple[int, ...]]) -> bool:
    """Whether all are shades of the brightest, as those of a mask in one color are."""
    brightest = max(colors, key=max)
    scale = np.max(colors, axis=1, keepdims=True) / max(1, max(brightest))
    return bool((np.abs(np.asarray(colors) - scale * brightest) <= _GRAY_NOISE).all())


def _listed(values: Collection[object]) -> str:
    shown = [str(value) for value in list(values)[:10]] + ["..."] * (len(values) > 10)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
