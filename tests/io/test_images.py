from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from finecaption.errors import InputError
from finecaption.io.images import MAX_BYTES, load_image, picture_size, without_long_texts
from finecaption.io.masks import load_mask

RAMP = np.stack(np.meshgrid(np.arange(0, 256, 32), np.arange(0, 256, 64)), axis=2).astype(np.uint8)
PICTURE = Image.fromarray(np.concatenate([RAMP, RAMP[..., :1] // 2], axis=2))  # 8 x 4


def encode(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def pixels(source: object) -> np.ndarray:
    picture = load_image(source)  # type: ignore[arg-type] # any source
    assert picture.mode == "RGB"
    return np.asarray(picture)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_every_way_in_gives_the_same_pixels(tmp_path: Path) -> None:
    data, path = encode(PICTURE), tmp_path / "ä ö.png"
    path.write_bytes(data)
    expected = np.asarray(PICTURE)
    with path.open("rb") as file:
        for source in (path, str(path), data, bytearray(data), file, PICTURE, expected):
            assert np.array_equal(pixels(source), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation: int) -> None:
    expected = np.asarray(PICTURE)
    stored = {  # how a camera held that way stores the upright picture
        1: expected,
        2: expected[:, ::-1],
        3: expected[::-1, ::-1],
        4: expected[::-1],
        5: expected.transpose(1, 0, 2),
        6: np.rot90(expected, 1),
        7: np.rot90(expected.transpose(1, 0, 2), 2),
        8: np.rot90(expected, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert np.array_equal(pixels(data), expected)
    assert np.array_equal(pixels(Image.open(io.BytesIO(data))), expected)
    assert np.array_equal(pixels(load_image(data)), expected)  # it is not turned twice


def test_a_broken_exif_block_does_not_matter() -> None:
    data = encode(PICTURE, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", quality=95)
    assert pixels(data).shape == (4, 8, 3)


def test_sixteen_bits_are_scaled() -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    expected = np.repeat(np.array([[0, 1, 128, 255]], np.uint8)[..., None], 3, axis=2)
    assert np.array_equal(pixels(encode(Image.fromarray(values))), expected)
    assert np.array_equal(pixels(encode(Image.fromarray(values), "TIFF")), expected)
    assert np.array_equal(pixels(values), expected)
    assert np.array_equal(pixels(Image.fromarray(values.astype(np.int32))), expected)


def test_floats_are_scaled() -> None:
    expected = [0, 64, 255]
    for values in ([0, 0.25, 1], [0, 64, 255], [0, 16448, 65535]):
        tiff = encode(Image.fromarray(np.array([values], np.float32)), "TIFF")
        assert pixels(tiff)[0, :, 0].tolist() == expected
    assert pixels(np.array([[0, 0.25, 1]]))[0, :, 0].tolist() == expected
    assert pixels(np.array([[0.0, 64, 255]]))[0, :, 0].tolist() == expected
    assert pixels(Image.fromarray(np.array([[-1.0, 1.0]], np.float32)))[0, :, 0].tolist() == [
        0,
        255,
    ]
    assert pixels(Image.fromarray(np.full((2, 2), -5, np.int32))).max() == 0


def test_cmyk() -> None:
    data = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = pixels(data)[4, 4].tolist()
    assert red > 230 and green < 40 and blue < 40


def test_palette_and_one_bit() -> None:
    flat = Image.new("P", (2, 1), 1)
    flat.putpalette([0, 0, 0, 10, 200, 30])
    assert pixels(encode(flat))[0, 0].tolist() == [10, 200, 30]
    assert pixels(encode(Image.new("1", (2, 2), 1))).min() == 255


def test_transparency_lies_on_white() -> None:
    rgba = Image.new("RGBA", (3, 1), (0, 0, 0, 0))
    rgba.putpixel((1, 0), (0, 0, 0, 255))
    rgba.putpixel((2, 0), (255, 0, 0, 128))
    assert pixels(encode(rgba))[0].tolist() == [[255] * 3, [0] * 3, [255, 127, 127]]
    grey = Image.new("LA", (1, 1), (0, 0))
    assert pixels(encode(grey)).tolist() == [[[255] * 3]]
    keyed = Image.new("P", (2, 1), 0)
    keyed.putpalette([9, 9, 9, 50, 60, 70])
    keyed.putpixel((1, 0), 1)
    assert pixels(encode(keyed, transparency=0))[0].tolist() == [[255] * 3, [50, 60, 70]]
    rgb = encode(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))
    assert pixels(rgb).tolist() == [[[255] * 3]]
    assert pixels(np.zeros((2, 2, 4), np.uint8)).min() == 255


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame(form: str) -> None:
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    data = encode(first, form, save_all=True, append_images=[second])
    assert pixels(data)[0, 0, 0] > 200
    assert pixels(data)[0, 0, 2] < 50


def test_huge_pictures_are_refused_before_decoding() -> None:
    for width, height in ((20_000, 10_000), (12_000, 10_000), (10_001, 10_000)):
        with pytest.raises(InputError, match="pixels.*limit.*100,000,000.*smaller"):
            load_image(png_header(width, height))
    with pytest.raises(InputError, match="8 x 4 = 32 pixels, over the limit of 31"):
        load_image(PICTURE, max_pixels=31)
    with pytest.raises(InputError, match="limit of 31"):
        load_image(np.asarray(PICTURE), max_pixels=31)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_an_image_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=rf"has no pixels \({size[0]} x {size[1]}\)"):
        load_image(Image.new("RGB", size))


def test_an_image_of_exactly_the_limit_is_taken() -> None:
    for source in (PICTURE, np.asarray(PICTURE), encode(PICTURE)):
        assert load_image(source, max_pixels=32).size == (8, 4)
    one = Image.new("RGB", (1, 1), (1, 2, 3))
    assert pixels(one).tolist() == [[[1, 2, 3]]]


def test_the_name_in_an_error_is_that_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(encode(PICTURE)[:40])
    with path.open("rb") as file, pytest.raises(InputError, match=f"^{path}: "):
        load_image(file)
    with pytest.raises(InputError, match="^image bytes: "):
        load_image(path.read_bytes())
    with pytest.raises(InputError, match="^image: "):
        load_image(io.BytesIO(path.read_bytes()))
    (tmp_path / "whole.png").write_bytes(encode(PICTURE))
    whole = tmp_path / "whole.png"
    whole.write_bytes(encode(PICTURE))
    with Image.open(whole) as image, pytest.raises(InputError, match=f"^{whole}: 8 x 4"):
        load_image(image, max_pixels=31)
    for address in ("http://a.example/x.png", "https://a.example/x.png"):
        with pytest.raises(InputError, match=f"^{address}: web addresses are not fetched"):
            load_image(address)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[7]], np.uint8), [7]),
        (np.array([[True, False]]), [255, 0]),
        (np.array([[[0], [7]]], np.uint8), [0, 7]),
        (np.array([[0, 128, 129, 65535]], np.uint16), [0, 0, 1, 255]),
        (np.array([[0.0, 1.0]]), [0, 255]),
        (np.array([[0.5 / 255, 1.5 / 255]]), [0, 2]),  # rounded, to even
        (np.array([[0.0, 1.5]]), [0, 2]),  # over 1: of 255
        (np.array([[0.0, 255.0]]), [0, 255]),
    ],
)
def test_values_of_arrays(array: np.ndarray, expected: list[int]) -> None:
    found = pixels(array)
    assert found[0, :, 0].tolist() == expected
    assert (found == found[..., :1]).all()


@pytest.mark.parametrize("value", [255.1, -0.1])
def test_floats_outside_of_both_ranges_are_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"0\.\.1 or 0\.\.255"):
        load_image(np.array([[0.0, value]]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], [0, 255]),
        ([0.0, 1.5], [0, 2]),
        ([0.0, 255.0], [0, 255]),
        ([0.0, 255.5], [0, 1]),
        ([0.0, 65535.0], [0, 255]),
        ([0.0, 65536.0], [0, 255]),  # of no usual range: stretched
        ([100.0, 70000.0], [0, 255]),
        ([-1.0, 3.0], [0, 255]),
        ([-1.0, -1.0], [0, 0]),  # one value says nothing
        ([1.0, 1.0], [255, 255]),
        ([0.0, 0.0], [0, 0]),
    ],
)
def test_ranges_of_gray_in_floats(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert pixels(image)[0, :, 0].tolist() == expected


def test_gray_without_a_number_is_refused() -> None:
    image = Image.fromarray(np.array([[np.nan, 1.0]], np.float32))
    with pytest.raises(InputError, match="color mode F cannot be converted"):
        load_image(image)


def test_what_cannot_be_opened_says_which_and_why(tmp_path: Path) -> None:
    empty, text, cut = tmp_path / "empty.png", tmp_path / "text.png", tmp_path / "cut.png"
    empty.write_bytes(b"")
    text.write_text("not an image")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    cut.write_bytes(encode(Image.fromarray(noise))[:5000])
    for path, message in (
        (tmp_path / "none.png", "no such file"),
        (tmp_path, "is a folder"),
        (empty, "is empty"),
        (text, "not an image"),
        (cut, "broken"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load_image(path)
        assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="not fetched"):
        load_image("https://example.org/a.png")
    with pytest.raises(InputError, match="cannot be read"):
        load_image("a\0b.png")
    with pytest.raises(InputError, match="binary mode"):
        load_image(io.StringIO("text"))  # type: ignore[arg-type] # wrong on purpose
    with pytest.raises(InputError, match="int is not supported"):
        load_image(7)  # type: ignore[arg-type] # wrong on purpose


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 10, 12), np.uint8), "channels last"),
        (np.zeros((10, 12, 5), np.uint8), r"\(H, W, 3\)"),
        (np.zeros(5, np.uint8), "shape 5"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.full((2, 2, 3), np.nan), "NaN"),
        (np.full((2, 2, 3), -0.5), "normalization"),
        (np.zeros((2, 2, 3), np.int64), "dtype int64"),
    ],
)
def test_unusable_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=f"image array.*{message}"):
        load_image(array)


@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]), st.data())
def test_damaged_files_open_or_raise_input_error(form: str, data: st.DataObject) -> None:
    raw = bytearray(encode(PICTURE, form))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = load_image(bytes(raw), max_pixels=1_000_000)
    except InputError:
        return
    assert picture.mode == "RGB"


@pytest.mark.parametrize("form", ["TIFF", "JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_in_every_format(
    tmp_path: Path, form: str, orientation: int
) -> None:
    """Pillow turns the pixels of a TIFF file itself while it decodes them."""
    stored = np.zeros((24, 40, 3), np.uint8)
    stored[:12, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {} if form in ("TIFF", "PNG") else {"quality": 95}
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(encode(Image.fromarray(stored), form, exif=exif, **options))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("L")) > 128
    for source in (path, path.read_bytes(), Image.open(path)):
        assert np.array_equal(pixels(source)[..., 0] > 128, upright)
    loaded = Image.open(path)
    loaded.load()
    assert np.array_equal(pixels(loaded)[..., 0] > 128, upright)
    assert np.array_equal(load_mask(path), upright)
    assert picture_size(path) == picture_size(path.read_bytes()) == upright.shape[::-1]


def test_sizes_come_from_the_header(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg", exif=turned)
    (tmp_path / "b.png").write_bytes(png_header(8, 6))
    assert picture_size(tmp_path / "a.jpg") == (6, 8)
    assert picture_size(tmp_path / "b.png") == (8, 6)
    (tmp_path / "c.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"c\.png: not an image"):
        picture_size(tmp_path / "c.png")
    with pytest.raises(InputError, match=r"d\.png: no such file"):
        picture_size(tmp_path / "d.png")
    with pytest.raises(InputError, match="limit of 47"):
        picture_size(tmp_path / "b.png", max_pixels=47)


def long_texts() -> dict[str, dict[str, object]]:
    """Options of a PNG file whose text or profile is over Pillow's limits."""
    noise = np.random.default_rng(0).bytes(1_500_000).hex()
    said: dict[str, dict[str, object]] = {"profile": {"icc_profile": b"x" * 2_000_000}}
    for name, packed in (("packed", True), ("plain", False)):
        for kind in ("text", "itxt"):
            info = PngInfo()
            getattr(info, f"add_{kind}")("workflow", noise, zip=packed)
            info.add_text("author", "somebody")
            said[f"{name} {kind}"] = {"pnginfo": info}
    many = PngInfo()
    for number in range(70):
        many.add_text(f"part {number}", "x" * 1_000_000, zip=True)
    return {**said, "many": {"pnginfo": many}}


@pytest.mark.parametrize(("name", "options"), long_texts().items())
def test_long_texts_and_profiles_are_passed_over(
    tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(PICTURE, **options))
    assert np.array_equal(pixels(path), np.asarray(PICTURE)), name
    assert picture_size(path) == picture_size(path.read_bytes()) == PICTURE.size
    mask = encode(Image.fromarray(np.eye(4, 8, dtype=np.uint8) * 255), **options)
    assert np.array_equal(load_mask(mask), np.eye(4, 8) > 0)


def test_files_without_long_texts_stay_as_they_are() -> None:
    info = PngInfo()
    info.add_text("author", "somebody", zip=True)
    info.add_itxt("place", "somewhere", zip=True)
    data = encode(PICTURE, pnginfo=info)
    for same in (data, data[:60], data[:-20], encode(PICTURE, "JPEG"), b""):
        assert without_long_texts(same) is same


def test_what_never_ends_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe.png", tmp_path / "large.png"
    os.mkfifo(pipe)
    with large.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    device = Path("/dev/zero")
    for path, said in ((pipe, "a pipe"), (device, "or a device"), (large, "bytes, over the limit")):
        for read in (load_image, picture_size):
            with pytest.raises(InputError, match=f"{path}: .*{said}"):
                read(path)


def test_no_other_program_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*given: object, **more: object) -> None:
        raise AssertionError(f"{given} is started")

    monkeypatch.setattr("subprocess.Popen", started)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    for read in (load_image, picture_size):
        with pytest.raises(InputError, match="not an image that can be read"):
            read(eps)


@pytest.mark.parametrize("width", [1, 3, 8, 37])
def test_bmp_of_eight_bits_in_black_and_white(width: int) -> None:
    values = np.arange(5 * width, dtype=np.uint8).reshape(5, width) % 2
    picture = Image.fromarray(values)
    picture.putpalette([0, 0, 0, 255, 255, 255])
    stream = io.BytesIO()
    picture.save(stream, "BMP")
    assert np.array_equal(np.asarray(load_image(stream.getvalue()))[..., 0], values * 255)
