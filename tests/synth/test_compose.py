from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from finecaption_synth import compose
from finecaption_synth.compose import (
    PART_NAMES,
    body_id,
    figure_of,
    ids_svgs,
    part_id,
    render_ids,
    render_rgb,
    scene_svg,
)
from finecaption_synth.observe import Observed
from finecaption_synth.scene import Scene, sample_scene

World = Sequence[tuple[Scene, Observed]]


def without(svg: str, unwanted: Callable[[ET.Element], bool]) -> str:
    """The SVG without some of its elements."""
    ET.register_namespace("", compose.NAMESPACE)
    root = ET.fromstring(svg)

    def prune(node: ET.Element) -> None:
        for child in list(node):
            if unwanted(child):
                node.remove(child)
            else:
                prune(child)

    prune(root)
    return ET.tostring(root, encoding="unicode")


def grown(mask: np.ndarray) -> np.ndarray:
    """The mask with two pixels more all around: two anti-aliased edges, of it and what is next."""
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(5))) > 0


def test_ids_of_bodies_and_parts_read_back() -> None:
    for figure in range(9):
        assert figure_of(body_id(figure)) == (figure, None)
        for part in PART_NAMES:
            assert figure_of(part_id(figure, part)) == (figure, part)
    assert figure_of(0)[0] < 0


def test_masks_lie_where_figures_are_drawn(world: World) -> None:
    """Taking a figure away changes the picture exactly where its mask is."""
    overlaps = []
    for scene, observed in world[:3]:
        matter = without(observed.svg, lambda e: e.get("class") == "fx")
        full = render_rgb(matter).astype(int)
        for index in range(len(scene.figures)):
            mask = observed.ids // 16 - 1 == index
            if mask.sum() < 400:
                continue
            key = str(index)
            rest = render_rgb(without(matter, lambda e, key=key: e.get("data-figure") == key))
            changed = np.abs(full - rest).max(axis=2) > 3
            name = scene.figures[index].look.category
            assert (changed & ~grown(mask)).sum() <= 0.005 * mask.sum(), name
            # Where it has the very colour of what is behind it, nothing changes.
            assert (mask & ~grown(changed)).sum() <= 0.05 * mask.sum(), name
            overlaps.append((changed & mask).sum() / (changed | mask).sum())
    assert len(overlaps) > 5 and np.mean(overlaps) > 0.93


def test_light_is_no_matter(world: World) -> None:
    fx = [ob for _, ob in world if ob.svg.count('class="fx"') > 3][:3]
    for observed in fx:
        dark = without(observed.svg, lambda e: e.get("class") == "fx")
        assert np.array_equal(render_ids(ids_svgs(dark)[0]), observed.ids)
        assert not np.array_equal(render_rgb(dark, 128), render_rgb(observed.svg, 128))


def test_figures_alone_painted_in_order_make_the_scene(world: World) -> None:
    for scene, observed in world[:4]:
        together, alone = ids_svgs(observed.svg)
        assert len(alone) == len(scene.figures)
        painted = np.zeros((256, 256), dtype=np.int32)
        for index, svg in enumerate(alone):
            ids = render_ids(svg, 256)
            assert set(np.unique(ids // 16)) <= {0, index + 1}
            painted = np.where(ids > 0, ids, painted)
        assert np.array_equal(painted, render_ids(together, 256))


def test_ids_are_those_of_figures_and_their_parts(world: World) -> None:
    groups = {"hat", "wheels", "roof", "shade", "flowers", "bag", "scarf"}
    found = set()
    for scene, observed in world:
        assert observed.ids.shape == (512, 512) and observed.ids.dtype == np.int32
        for value in np.unique(observed.ids):
            if not value:
                continue
            index, part = figure_of(int(value))
            assert 0 <= index < len(scene.figures)
            if part:
                found.add(part)
                assert f'data-part="{part}"' in scene.figures[index].drawing.svg
    assert found == groups


@pytest.mark.parametrize("size", [64, 200])
def test_pictures_are_rgb_of_any_size(size: int) -> None:
    svg = scene_svg(sample_scene("train", 0, 0))
    picture = render_rgb(svg, size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    assert picture.std() > 10


def test_shadows_fall_to_the_side_that_the_light_says() -> None:
    """With long shadows, the ground beside the figures gets darker on that side."""
    wanted = {"left": 0, "right": 0}
    for i in range(80):
        scene = sample_scene("train", 2, i)
        ground = [f for f in scene.figures if f.look.age and f.look.facing in ("front", "back")]
        scene = replace(scene, figures=tuple(ground[-1:]), bonds=())
        standing = [f for f in scene.figures if compose.casts_shadow(scene, f)]
        if scene.light == "soft":
            assert not standing
        elif scene.figures:
            figure = scene.figures[0]
            svg = scene_svg(scene)
            dark = without(svg, lambda e: e.get("class") == "fx")
            drop = render_rgb(dark, 128).sum(2).astype(int) - render_rgb(svg, 128).sum(2)
            drop[render_ids(ids_svgs(svg)[0], 128) > 0] = 0
            middle = round((figure.box[0] + figure.box[2]) / 8)
            left, right = (drop[:, :middle] > 60).sum(), (drop[:, middle:] > 60).sum()
            assert (left > right) == (scene.light == "left"), i
            wanted[scene.light] += 1
    assert min(wanted.values()) > 0


def test_reflections_are_in_ice_and_polished_floors_only(world: World) -> None:
    settings = {s.setting for s, _ in world if any(compose.is_reflected(s, f) for f in s.figures)}
    assert settings == {"frozen lake", "gallery"}
