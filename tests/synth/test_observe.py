from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.io.masks import box_mask_iou
from finecaption_synth import vocabulary as voc
from finecaption_synth.art import DRAW
from finecaption_synth.art.core import Look
from finecaption_synth.observe import MIN_AREA, Observed, observe, part_colour
from finecaption_synth.scene import Figure, Scene, unseen
from finecaption_synth.truth import INTERACTIONS, RegionTruth

World = Sequence[tuple[Scene, Observed]]

RELATION, INTERACTION = "Relative Location with Other Objects", "Interaction with Other Objects"
OPPOSITE = {
    "to the left of": {"to the right of"}, "to the right of": {"to the left of"},
    "in front of": {"behind", "inside"}, "behind": {"in front of"}, "inside": {"in front of"},
    "on": {"under"}, "under": {"on"},
    "holding": {"held by"}, "held by": {"holding"},
    "sitting on": {"sat on by"}, "sat on by": {"sitting on"},
    "standing on": {"supporting"}, "supporting": {"standing on"},
    "encircling": {"encircled by"}, "encircled by": {"encircling"},
    "leaning on": {"leaned on by"}, "leaned on by": {"leaning on"},
    "wearing": {"worn by"}, "worn by": {"wearing"},
}  # fmt: skip

PEOPLE = {name for name, c in voc.CATEGORIES.items() if c.group == "person"}

# Facet -> the values that it can take; colours are hair's too.
VALUES: dict[str, tuple[str, ...]] = {
    "colour": (*voc.COLOURS, *voc.HAIR_COLOURS), "category": (*voc.CATEGORIES, *voc.PARTS),
    "pose": voc.POSES + voc.ANIMAL_POSES, "build": voc.BUILDS + voc.ANIMAL_BUILDS,
    "expression": voc.EXPRESSIONS, "tone": voc.SKIN_TONES, "texture": voc.SKIN_TEXTURES,
    "coat": voc.COATS, "style": voc.HAIR_STYLES, "garment": voc.GARMENTS, "shoes": voc.SHOES,
    "accessory": voc.ACCESSORIES, "age": voc.AGES, "material": voc.MATERIALS,
    "shape": tuple(s for c in voc.CATEGORIES.values() for s in c.shapes),
    "state": (*(s for c in voc.CATEGORIES.values() for s in c.states), *voc.MOVING, voc.OCCUPIED),
    "facing": voc.FACINGS, "pitch": voc.PITCHES, "effect": voc.EFFECTS,
    "text": (*voc.WORDS, "no text"),
}  # fmt: skip
# These can be out of sight while their region is in view.
HIDEABLE = {"expression", "tone", "texture", "style", "colour", "shoes"}

MAN = Look(
    category="man", colour="blue", accent="orange", uid="m", pose="standing", build="average",
    expression="happy", skin="tan", skin_texture="smooth", hair_style="short",
    hair_colour="brown", garment="coat", shoes="boots", accessory="no accessories", age="adult",
    state="idle",
)  # fmt: skip
BALL = Look("ball", "red", "blue", "b", material="wood", shape="round", state="resting")


def figure(look: Look, x: float, y: float, scale: float = 1.0) -> Figure:
    look = replace(look, scale=scale)
    return Figure(look, DRAW[look.category](look), x, y, scale)


def staged(*figures: Figure, light: str = "soft", setting: str = "meadow") -> Observed:
    """A scene made by hand; figures far to near."""
    return observe(Scene("train", 0, 0, setting, "eye level", light, 1, figures, ()))


def wholes(observed: Observed) -> list[RegionTruth]:
    return [r for r in observed.truth.regions if r.part_of is None]


def figure_behind(scene: Scene, observed: Observed, region: int) -> int:
    """The index of the figure that a region is (a part) of."""
    return int(observed.ids[observed.masks[region]][0]) // 16 - 1


def values(region: RegionTruth, attribute: str, facet: str) -> tuple[str, ...]:
    return region.attributes[attribute][facet]


def test_regions_are_numbered_wholes_first(world: World) -> None:
    for _, observed in world:
        regions = observed.truth.regions
        assert [r.region_id for r in regions] == list(range(1, len(regions) + 1))
        assert list(observed.masks) == [r.region_id for r in regions]
        kinds = [r.part_of is not None for r in regions]
        assert kinds == sorted(kinds)


def test_masks_of_figures_are_disjoint_and_hold_their_parts(world: World) -> None:
    parts = 0
    for _, observed in world:
        masks = [observed.masks[r.region_id] for r in wholes(observed)]
        assert all(m.shape == (512, 512) and m.dtype == bool for m in masks)
        assert not masks or sum(m.astype(int) for m in masks).max() <= 1
        for region in observed.truth.regions:
            mask = observed.masks[region.region_id]
            if region.part_of is None:
                assert mask.sum() >= MIN_AREA
            else:
                whole = observed.masks[region.part_of]
                assert mask.sum() >= MIN_AREA / 2 and not (mask & ~whole).any()
                parts += 1
    assert parts > 20


def test_masks_are_those_of_the_figures_that_the_truth_tells_of(world: World) -> None:
    for scene, observed in world:
        for region in observed.truth.regions:
            index = figure_behind(scene, observed, region.region_id)
            look = scene.figures[index].look
            mask = observed.masks[region.region_id]
            if region.part_of is None:
                assert np.array_equal(mask, observed.ids // 16 == index + 1)
                assert (region.category, region.colour) == (look.category, look.colour)
            else:
                assert len(np.unique(observed.ids[mask])) == 1
                assert region.colour == part_colour(look, region.category)


def test_a_box_is_ambiguous_for_a_third_of_the_entities(world: World) -> None:
    overlaps = [
        box_mask_iou(observed.masks[r.region_id]) for _, observed in world for r in wholes(observed)
    ]
    assert len(overlaps) > 100
    assert np.mean(np.array(overlaps) < 0.6) >= 1 / 3


def test_all_eighteen_attributes_occur_and_nothing_else(world: World) -> None:
    found = Counter(n for _, o in world for r in o.truth.regions for n in r.attributes)
    assert set(found) == set(ATTRIBUTE_NAMES)


def test_each_region_has_every_attribute_that_its_category_can_have(world: World) -> None:
    half_seen = {
        "Facial Expression",
        "Skin Texture and Color",
        "Hair",
        "Clothing Shoes Accessories",
    }
    for _, observed in world:
        for region in observed.truth.regions:
            names, all_names = set(region.attributes), set(voc.applicable(region.category))
            assert names <= all_names
            lacking = all_names - names
            if region.category == "chair":
                state = region.attributes["State or Activity"]["state"]
                assert (state == (voc.OCCUPIED,)) == (region.interaction is not None)
            assert not lacking or (lacking <= half_seen and region.category in PEOPLE), lacking


def test_areas_are_those_of_the_masks(world: World) -> None:
    for _, observed in world[:5]:
        for region in observed.truth.regions:
            assert region.area == observed.masks[region.region_id].mean() > 0


def test_a_part_has_the_shape_of_its_whole_and_a_mover_does_what_the_pose_says(
    world: World,
) -> None:
    found = set()
    for _, observed in world:
        by_id = {r.region_id: r for r in observed.truth.regions}
        for region in observed.truth.regions:
            if region.category in ("roof", "shade") and region.part_of:
                whole = by_id[region.part_of]
                assert region.attributes["Shape"] == whole.attributes["Shape"]
                found.add("part")
            pose = region.attributes.get("Body Pose/Gesture", {}).get("pose", ("",))
            if pose[0] in voc.MOVING:
                assert region.attributes["State or Activity"]["state"] == pose
                found.add("mover")
    assert found == {"part", "mover"}


def test_values_fit_the_vocabulary(world: World) -> None:
    kinds = {"relation": voc.RELATIONS, "interaction": INTERACTIONS}
    nouns = {*voc.CATEGORIES, *voc.PARTS}
    for _, observed in world:
        for region in observed.truth.regions:
            for name, facets in region.attributes.items():
                for facet, accepted in facets.items():
                    assert accepted and len(set(accepted)) == len(accepted)
                    for value in accepted:
                        if "|" in value:
                            kind, noun = value.split("|")
                            assert kind in kinds[facet] and noun in nouns
                        elif facet in kinds:
                            assert value in ("alone", "none")
                        elif value == voc.HIDDEN:
                            assert facet in HIDEABLE and name != "Color"
                        else:
                            assert value in VALUES[facet], (name, facet)


@pytest.mark.parametrize("attribute, facet", [(RELATION, "relation"), (INTERACTION, "interaction")])
def test_what_is_said_of_a_pair_is_said_from_both_sides(
    world: World, attribute: str, facet: str
) -> None:
    said = Counter()
    for _, observed in world:
        by_id = {r.region_id: r for r in observed.truth.regions}
        for region in observed.truth.regions:
            link = region.relation if facet == "relation" else region.interaction
            accepted = values(region, attribute, facet)
            if link is None:
                assert accepted in (("alone",), ("none",))
                continue
            assert accepted[0] == link.value
            other = by_id[link.other]
            assert other.region_id != region.region_id
            assert (link.category, link.colour) == (other.category, other.colour)
            said[link.kind] += 1
            if region.part_of is not None and link.kind != "worn by":
                continue  # a wheel is attached to a car; of the car, that goes without saying
            back = {f"{kind}|{region.category}" for kind in OPPOSITE[link.kind]}
            assert back & set(values(other, attribute, facet)), (region, other)
    assert len(said) >= 7


def test_relations_agree_with_where_things_are(world: World) -> None:
    for scene, observed in world:
        for region in wholes(observed):
            link = region.relation
            if link is None:
                continue
            a = figure_behind(scene, observed, region.region_id)
            b = figure_behind(scene, observed, link.other)
            (ax0, _, ax1, ay1), (bx0, by0, bx1, by1) = scene.figures[a].box, scene.figures[b].box
            if link.kind in ("to the left of", "to the right of"):
                shift = (ax0 + ax1 - bx0 - bx1) / 2
                assert (shift < 0) == (link.kind == "to the left of") and abs(shift) >= 40
            elif link.kind in ("in front of", "behind"):
                assert (a > b) == (link.kind == "in front of")
            elif link.kind == "on":
                # A sitter's feet reach a little below the chair.
                assert a > b and ay1 <= by1 + 10 and bx0 < (ax0 + ax1) / 2 < bx1
            elif link.kind == "inside":
                assert scene.figures[b].look.category == "hoop"
                assert bx0 <= ax0 and ax1 <= bx1 and by0 < ay1


def test_interactions_are_the_bonds_of_the_scene_and_what_is_worn(world: World) -> None:
    for scene, observed in world:
        bonds = {(a, b): kind for a, kind, b in scene.bonds}
        for region in wholes(observed):
            a = figure_behind(scene, observed, region.region_id)
            for value in values(region, INTERACTION, "interaction"):
                kind = value.partition("|")[0]
                if kind == "wearing":
                    worn = [r for r in observed.truth.regions if r.part_of == region.region_id]
                    assert value in {f"wearing|{r.category}" for r in worn}
                elif kind != "none":
                    pairs = [k for k in bonds if a in k]
                    assert {bonds[p] for p in pairs} & {kind, *OPPOSITE[kind]}


def test_effects_follow_the_light_and_the_ground(world: World) -> None:
    for scene, observed in world:
        for region in wholes(observed):
            figure = scene.figures[figure_behind(scene, observed, region.region_id)]
            (effect,) = values(region, "Associative Visual Effect", "effect")
            if figure.look.state == "switched on":
                wanted = "glow"
            elif figure.grounded and scene.setting in ("frozen lake", "gallery"):
                wanted = "reflection"
            elif figure.grounded and scene.light != "soft":
                wanted = f"shadow to the {scene.light}"
            else:
                wanted = "no effect"
            assert effect == wanted


def test_unseen_are_the_regions_of_held_out_combinations(
    world: World, strange_world: World
) -> None:
    assert not any(observed.unseen for _, observed in world)
    for scene, observed in strange_world:
        strange = {
            r.region_id
            for r in wholes(observed)
            if unseen(scene.figures[figure_behind(scene, observed, r.region_id)].look)
        }
        assert strange == observed.unseen
    assert sum(bool(observed.unseen) for _, observed in strange_world) >= 10


def test_a_person_alone_and_from_the_front_hides_nothing() -> None:
    (man,) = wholes(staged(figure(MAN, 256, 440)))
    told = {v for facets in man.attributes.values() for vs in facets.values() for v in vs}
    assert voc.HIDDEN not in told
    assert values(man, "Facial Expression", "expression") == ("happy",)
    assert values(man, "Clothing Shoes Accessories", "shoes") == ("boots",)
    assert values(man, RELATION, "relation") == ("alone",) and man.relation is None


def test_from_behind_the_face_cannot_be_seen_but_the_hair_can() -> None:
    look = replace(MAN, facing="back", accessory="glasses")
    (man,) = wholes(staged(figure(look, 256, 440)))
    for attribute, facet in (
        ("Facial Expression", "expression"),
        ("Skin Texture and Color", "tone"),
        ("Skin Texture and Color", "texture"),
    ):
        assert values(man, attribute, facet) == (voc.HIDDEN,)
    assert values(man, "Hair", "style") == ("short",)
    assert values(man, "Clothing Shoes Accessories", "accessory") == ("no accessories",)


def test_what_others_cover_cannot_be_seen() -> None:
    man = figure(MAN, 256, 440)
    x0, y0, x1, y1 = man.box
    plain = figure(BALL, 0, 0)
    scale = 0.45 * (y1 - y0) / (plain.box[3] - plain.box[1])
    ball = figure(BALL, (x0 + x1) / 2, y1 + 6, scale)
    feet, other = wholes(staged(man, ball))
    assert values(feet, "Clothing Shoes Accessories", "shoes") == (voc.HIDDEN,)
    assert values(feet, "Facial Expression", "expression") == ("happy",)
    assert values(feet, RELATION, "relation") == ("behind|ball",)
    assert values(other, RELATION, "relation") == ("in front of|man",)
    head, _ = wholes(staged(man, replace(ball, y=y0 + 0.45 * (y1 - y0))))
    assert values(head, "Facial Expression", "expression") == (voc.HIDDEN,)
    assert values(head, "Hair", "colour") == (voc.HIDDEN,)
    assert values(head, "Clothing Shoes Accessories", "shoes") == ("boots",)


def test_what_is_covered_altogether_is_no_region() -> None:
    small = figure(BALL, 256, 400, 0.8)
    big = figure(replace(BALL, uid="c", colour="green"), 256, 430, 3.0)
    (region,) = wholes(staged(small, big))
    assert region.colour == "green"


def test_words_are_told_as_they_are_drawn() -> None:
    sign = Look(
        "sign", "red", "white", "s", material="wood", shape="square", state="clean", text="ZOO"
    )
    (region,) = wholes(staged(figure(sign, 256, 440)))
    assert values(region, "Visible Text", "text") == ("ZOO",)
    (region,) = wholes(staged(figure(replace(sign, text=None), 256, 440)))
    assert values(region, "Visible Text", "text") == ("no text",)


def test_observing_is_repeatable(world: World) -> None:
    scene, observed = world[3]
    again = observe(scene)
    assert again.svg == observed.svg and again.truth == observed.truth
    assert all(np.array_equal(again.masks[k], m) for k, m in observed.masks.items())
