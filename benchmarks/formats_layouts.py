"""A few rendered scenes in the layout of every dataset format that can be read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.data.convert import convert
from finecaption.data.sources import open_source
from finecaption.data.sources.results import COCO_DESCRIPTION
from finecaption.io import masks
from finecaption.io.compressed_masks import encode_base64_gzip
from finecaption_synth.dataset import render_split


@dataclass
class Thing:
    """A region with what is said of it."""

    number: int
    mask: np.ndarray
    said: dict[str, str]
    dense: str

    @property
    def name(self) -> str:
        """The category, bare."""
        words = self.said["Category Name"].rstrip(".").split()
        return " ".join(words[words[0].lower() in ("a", "an") :])

    @property
    def box(self) -> tuple[int, int, int, int]:
        """xyxy, pixels."""
        return masks.box_from_mask(self.mask)

    @property
    def xywh(self) -> list[int]:
        """COCO's box."""
        x0, y0, x1, y1 = self.box
        return [x0, y0, x1 - x0, y1 - y0]

    @property
    def rle(self) -> dict[str, Any]:
        """Compressed."""
        return masks.encode_rle(self.mask)

    @property
    def polygons(self) -> list[list[int]]:
        """COCO polygons of the outer borders; small ones are left out."""
        loops = [loop.flatten().tolist() for loop in masks.contours(self.mask)]
        return [loop for loop in loops if len(loop) >= 8] or loops


@dataclass
class Scene:
    """A picture with its things."""

    number: int
    file: Path
    size: tuple[int, int]
    things: list[Thing]
    caption: str

    def copy(self, to: Path) -> None:
        """The picture under another name: as JPEG, where the name says so."""
        to.parent.mkdir(parents=True, exist_ok=True)
        Image.open(self.file).convert("RGB").save(to, quality=92)


def draw(folder: Path, count: int) -> list[Scene]:
    """Scenes of the drawn world, as plain values."""
    if not (folder / "index.json").exists():
        for _ in render_split("test", count, 0, folder, workers=1):
            pass
    found: dict[str, Scene] = {}
    things: dict[tuple[str, str], Thing] = {}
    for sample in open_source("synth", folder):
        scene = found.setdefault(
            sample.image_id,
            Scene(len(found) + 1, Path(str(sample.image)), sample.size, [], ""),
        )
        if sample.task == "cgic":
            scene.caption = sample.text
            continue
        key = sample.image_id, str(sample.region_id)
        if key not in things:
            things[key] = Thing(len(scene.things) + 1, sample.region().mask, {}, "")
            scene.things.append(things[key])
        if sample.task == "rdc":
            things[key].dense = sample.text
        else:
            things[key].said.setdefault(str(sample.attribute), sample.text)
    return list(found.values())


def save(path: Path, value: Any) -> None:
    """JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def coco_images(scenes: list[Scene], suffix: str = "jpg") -> list[dict[str, Any]]:
    """COCO's `images`."""
    return [
        {"id": s.number, "file_name": f"{s.number:012}.{suffix}", "width": s.size[0],
         "height": s.size[1]}
        for s in scenes
    ]  # fmt: skip


def coco_instances(scenes: list[Scene], to: Path) -> Path:
    """Polygons, which have no holes; the first thing of a picture as RLE."""
    numbered = [(s, t) for s in scenes for t in s.things]
    annotations = [
        {"id": k, "image_id": s.number, "category_id": k, "iscrowd": 0, "bbox": t.xywh,
         "area": int(t.mask.sum()), "segmentation": t.polygons if t.number > 1 else t.rle}
        for k, (s, t) in enumerate(numbered, 1)
    ]  # fmt: skip
    categories = [{"id": k, "name": t.name} for k, (_, t) in enumerate(numbered, 1)]
    save(
        to / "annotations/instances_val2017.json",
        {"images": coco_images(scenes), "annotations": annotations, "categories": categories},
    )
    for scene in scenes:
        scene.copy(to / f"val2017/{scene.number:012}.jpg")
    return to


def coco_captions(scenes: list[Scene], to: Path) -> Path:
    annotations = [
        {"id": 10 * s.number + k, "image_id": s.number, "caption": text}
        for s in scenes
        for k, text in enumerate([s.caption, s.things[0].said["One-Sentence Description"]])
    ]
    save(
        to / "annotations/captions_val2017.json",
        {"images": coco_images(scenes), "annotations": annotations},
    )
    for scene in scenes:
        scene.copy(to / f"val2017/{scene.number:012}.jpg")
    return to


def id_map(scene: Scene, path: Path) -> list[Thing]:
    """The panoptic PNG: id = R + 256 G + 256^2 B, later things above; those still seen."""
    ids = np.zeros(scene.things[0].mask.shape, np.int64)
    for thing in scene.things:
        ids[thing.mask] = 1000 * thing.number + 7
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)
    return [t for t in scene.things if (ids == 1000 * t.number + 7).any()]


def panoptic(scenes: list[Scene], to: Path, file: str, captions: bool) -> Path:
    annotations = []
    names: dict[str, int] = {}
    for scene in scenes:
        segments = []
        for thing in id_map(scene, to / f"panoptic_val2017/{scene.number:012}.png"):
            segment = {"id": 1000 * thing.number + 7, "iscrowd": 0, "bbox": thing.xywh,
                       "area": int(thing.mask.sum()),
                       "category_id": names.setdefault(thing.name, len(names) + 1)}  # fmt: skip
            segments.append(segment | ({"description": thing.dense} if captions else {}))
        annotations.append({"image_id": scene.number, "file_name": f"{scene.number:012}.png",
                            "segments_info": segments})  # fmt: skip
        scene.copy(to / f"val2017/{scene.number:012}.jpg")
    categories = [{"id": number, "name": name, "isthing": 1} for name, number in names.items()]
    save(
        to / "annotations" / file,
        {"images": coco_images(scenes), "annotations": annotations, "categories": categories},
    )
    return to


def coco_panoptic(scenes: list[Scene], to: Path) -> Path:
    return panoptic(scenes, to, "panoptic_val2017.json", captions=False)


def pix2cap(scenes: list[Scene], to: Path) -> Path:
    return panoptic(scenes, to, "pix2cap_coco_val.json", captions=True)


def ureca(scenes: list[Scene], to: Path) -> Path:
    annotations = [
        {"id": 10 * s.number + t.number, "image_id": s.number, "segmentation": t.rle,
         "caption": t.dense}
        for s in scenes for t in s.things
    ]  # fmt: skip
    save(to / "test.json", {"images": coco_images(scenes), "annotations": annotations})
    for scene in scenes:
        scene.copy(to / f"images/{scene.number:012}.jpg")
    return to / "test.json"


def compositioncap(scenes: list[Scene], to: Path) -> Path:
    """This project's reading of the layout: its keys are not public."""
    records = []
    for s in scenes:
        entities = [
            {"entity_id": str(t.number), "mask": encode_base64_gzip(t.mask),
             "attributes": t.said, "dense_caption": t.dense}
            for t in s.things
        ]  # fmt: skip
        records.append({"image": f"{s.number}.png", "height": s.size[1], "width": s.size[0],
                        "global_caption": s.caption, "entities": entities})  # fmt: skip
        s.copy(to / f"images/{s.number}.png")
    save(to / "test.json", records)
    return to / "test.json"


def dlc_bench(scenes: list[Scene], to: Path) -> Path:
    annotations, names, questions = [], {}, {}
    for s in scenes:
        for t in s.things:
            number = 10 * s.number + t.number
            annotations.append({"id": number, "image_id": s.number, "category_id": 1,
                                "segmentation": t.rle, "iscrowd": 0, "isfake": 0})  # fmt: skip
            names[str(number)] = t.name
            questions[str(number)] = [{"question": "Is it drawn?", "choices": [["Yes", 1]]}]
        s.copy(to / f"images/{s.number:012}.jpg")
    save(
        to / "annotations.json",
        {"images": coco_images(scenes), "annotations": annotations,
         "categories": [{"id": 1, "name": "thing"}]},
    )  # fmt: skip
    save(to / "class_names.json", names)
    save(to / "qa.json", questions)
    return to


def folder(scenes: list[Scene], to: Path) -> Path:
    for s in scenes:
        s.copy(to / f"scene {s.number}.jpg")
        (to / f"scene {s.number}.txt").write_text(s.caption, "utf-8")
        for t in s.things:
            base = f"scene {s.number}.{t.number}"
            (to / f"{base}.mask.png").write_bytes(masks.encode_png(t.mask))
            lines = [f"{name}: {text}" for name, text in t.said.items()]
            (to / f"{base}.txt").write_text("\n".join(lines), "utf-8")
    return to


def grand(scenes: list[Scene], to: Path) -> Path:
    for s in scenes:
        objects = [
            {"id": t.number, "bbox": [float(v) for v in t.box], "segmentation": t.rle,
             "labels": [t.name.replace(" ", "_")],
             "attributes": [f"Assistant: {t.said['One-Sentence Description']}"]}
            for t in s.things
        ]  # fmt: skip
        record = {"objects": objects, "floating_objects": [],
                  "short_captions": [{"caption": s.caption, "details": []}]}  # fmt: skip
        save(to / f"part_1/sa_{s.number}.json", {f"sa_{s.number}.jpg": record})
        s.copy(to / f"sam/sa_{s.number}.jpg")
    return to / "part_1"


def jsonl(scenes: list[Scene], to: Path) -> Path:
    """In the folder of its images: those of other folders are not copied into a store."""
    del scenes
    path = to.parent / "synth" / "own.jsonl"
    convert(open_source("synth", to.parent / "synth"), path, "jsonl")
    return path


def results(scenes: list[Scene], to: Path) -> Path:
    lines = []
    for s in scenes:
        s.copy(to / f"{s.number}.jpg")
        regions = [
            {"id": str(t.number), "mask": t.rle, "captions": dict(t.said), "dense": t.dense}
            for t in s.things
        ]
        record = {"id": str(s.number), "image": f"{s.number}.jpg", "regions": regions}
        lines.append(json.dumps({**record, "global": s.caption}))
    path = to / "captions.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def results_coco(scenes: list[Scene], to: Path) -> Path:
    images, annotations = [], []
    for s, image in zip(scenes, coco_images(scenes), strict=True):
        s.copy(to / str(image["file_name"]))
        images.append({**image, "caption": s.caption})
        for t in s.things:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": t.xywh,
                    "segmentation": t.rle,
                    "region": str(t.number),
                    "captions": dict(t.said),
                    "dense": t.dense,
                }
            )
    info = {"description": COCO_DESCRIPTION}
    path = to / "captions.coco.json"
    save(path, {"info": info, "images": images, "annotations": annotations})
    return path


def synth(scenes: list[Scene], to: Path) -> Path:
    del scenes  # they were drawn here
    return to


def llava_pretrain(scenes: list[Scene], to: Path) -> Path:
    records = []
    for s in scenes:
        asked = "Describe the image concisely."
        value = f"{asked}\n<image>" if s.number % 2 else f"<image>\n{asked}"
        records.append({"id": f"{s.number:09}", "image": f"00453/{s.number:09}.jpg",
                        "conversations": [{"from": "human", "value": value},
                                          {"from": "gpt", "value": s.caption}]})  # fmt: skip
        s.copy(to / f"00453/{s.number:09}.jpg")
    save(to / "blip_laion_cc_sbu_558k.json", records)
    return to


def open_images(scenes: list[Scene], to: Path) -> Path:
    """Masks at half the picture's size, as they often are."""
    rows = ["MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"]
    names = []
    for s in scenes:
        image_id = f"{s.number:016x}"
        s.copy(to / f"test/{image_id}.jpg")
        for t in s.things:
            small = masks.resize_mask(t.mask, (s.size[0] // 2, s.size[1] // 2))
            if not small.any():
                continue
            label, name = f"/m/0{s.number}{t.number}", f"{image_id}_m0{s.number}{t.number}_b.png"
            (to / "test-masks-0").mkdir(exist_ok=True)
            Image.fromarray(small).save(to / "test-masks-0" / name)
            x0, y0, x1, y1 = t.box
            w, h = s.size
            rows.append(f"{name},{image_id},{label},b,{x0 / w},{x1 / w},{y0 / h},{y1 / h},0.9,"
                        "0.2 0.4 1")  # fmt: skip
            names.append(f'{label},"{t.name}"')
    (to / "test-annotations-object-segmentation.csv").write_text("\n".join(rows) + "\n")
    (to / "class-descriptions-boxable.csv").write_text("\n".join(names) + "\n", "utf-8")
    return to


def osprey(scenes: list[Scene], to: Path) -> Path:
    records = []
    for s in scenes:
        said = [
            {"from": who, "value": text}
            for t in s.things
            for who, text in (
                ("human", f"What colour has <region{t.number}>?"),
                ("gpt", t.said["Color"]),
            )
        ]
        records.append({"id": s.number, "file_name": f"{s.number:012}.jpg", "width": s.size[0],
                        "height": s.size[1], "conversations": said,
                        "annotation": [{"segmentation": t.polygons, "bbox": t.xywh}
                                       for t in s.things]})  # fmt: skip
        s.copy(to / f"train2017/{s.number:012}.jpg")
    save(to / "osprey_conversation.json", records)
    return to


def refcoco(scenes: list[Scene], to: Path) -> Path:
    refs, annotations = [], []
    for s in scenes:
        for t in s.things:
            number = 10 * s.number + t.number
            annotations.append({"id": number, "image_id": s.number, "category_id": 1, "iscrowd": 0,
                                "bbox": t.xywh, "segmentation": t.polygons})  # fmt: skip
            text = t.said["One-Sentence Description"].rstrip(".").lower()
            sentence = {"raw": text, "sent": text, "tokens": text.split(), "sent_id": number}
            refs.append({"ref_id": number, "ann_id": number, "image_id": s.number, "split": "train",
                         "category_id": 1, "file_name": f"{s.number:012}_{number}.jpg",
                         "sent_ids": [number], "sentences": [sentence]})  # fmt: skip
        s.copy(to / f"train2014/{s.number:012}.jpg")
    save(
        to / "refcoco/instances.json",
        {"images": coco_images(scenes), "annotations": annotations,
         "categories": [{"id": 1, "name": "thing"}]},
    )  # fmt: skip
    (to / "refcoco/refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    return to / "refcoco"


def visual_genome(scenes: list[Scene], to: Path) -> Path:
    records = []
    for s in scenes:
        regions = [
            {"region_id": 10 * s.number + t.number, "image_id": s.number, "x": t.xywh[0],
             "y": t.xywh[1], "width": t.xywh[2], "height": t.xywh[3],
             "phrase": t.said["One-Sentence Description"]}
            for t in s.things
        ]  # fmt: skip
        records.append({"id": s.number, "regions": regions})
        s.copy(to / f"VG_100K/{s.number}.jpg")
    save(to / "region_descriptions.json", records)
    return to


LAYOUTS: dict[str, Callable[[list[Scene], Path], Path]] = {
    "synth": synth,  # first: jsonl is converted from it
    "coco-captions": coco_captions,
    "coco-instances": coco_instances,
    "coco-panoptic": coco_panoptic,
    "compositioncap": compositioncap,
    "dlc-bench": dlc_bench,
    "folder": folder,
    "grand": grand,
    "jsonl": jsonl,
    "llava-pretrain": llava_pretrain,
    "open-images": open_images,
    "osprey": osprey,
    "pix2cap": pix2cap,
    "refcoco": refcoco,
    "results": results,
    "results-coco": results_coco,
    "ureca": ureca,
    "visual-genome": visual_genome,
}


def make(name: str, scenes: list[Scene], out: Path) -> tuple[Path, list[str]]:
    """Writes one format's sample; its path, and the options that its reader needs."""
    to = out / name
    to.mkdir(parents=True, exist_ok=True)
    path = LAYOUTS[name](scenes, to)
    return path, ["--images", str(to / "sam")] if name == "grand" else []
