"""What the objectives ask of a pool of synthetic scenes: the `options` of a stage.

Free of torch and of the synthetic world, so that recipes are read without either.
"""

from __future__ import annotations

from dataclasses import dataclass

from finecaption.errors import InputError


@dataclass(frozen=True)
class SceneCaptions:
    """Captions of a scene.

    Attributes:
        regions: the most regions of a scene.
        questions: the most attribute questions on a region.
        whole: probability of the whole-image question; 1 asks nothing else.
        balanced: probability that the scene is chosen for one of its regions, and that region for
            a class label that is drawn uniformly among their kinds: faces, clothes and materials
            are on few regions, and are what is learned last (docs/log.md).
        conversations: probability that half of a region's questions come as one conversation, in
            which later ones see the earlier answers; the others are single questions, as in the
            paper.
        labeled: regions more of which only the classes are asked, where the stage asks for classes.
        region_labels: weight of the region's classes beside the captions; 0 is the paper.
        patch_labels: weight of the classes of every patch; 0 is the paper.
    """

    regions: int = 4
    questions: int = 10
    whole: float = 0.15
    balanced: float = 0.0
    conversations: float = 0.5
    labeled: int = 0
    region_labels: float = 0.0
    patch_labels: float = 0.0

    def __post_init__(self) -> None:
        if not (self.regions or self.whole or (self.region_labels and self.labeled)):
            raise InputError("regions=0, whole=0 and labeled=0: the stage asks nothing")


@dataclass(frozen=True)
class SceneCrops:
    """Class maps of crops.

    Attributes:
        crop: side of the crops as a fraction of the image's; 0 takes whole images of the fixed
            pool.
        window: of crops, scenes that are in use at once.
        uses: crops per scene before it is replaced by a new one.
    """

    crop: float = 0.0
    window: int = 0
    uses: float = 0.0


@dataclass(frozen=True)
class SceneContrast:
    """Images and regions against their texts.

    Attributes:
        regions: whether regions are contrasted too (Alpha-CLIP), beside whole images.
    """

    regions: bool = True


@dataclass(frozen=True)
class SceneClicks:
    """Class maps and clicks.

    Attributes:
        decoder_only: start from the finished model and fit the click decoder alone.
    """

    decoder_only: bool = False
