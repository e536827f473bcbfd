"""Describe regions of images: the main entry point.

    captioner = FineCaption.from_pretrained("finecaption-mini")
    result = captioner.caption("scene.png", box=(40, 60, 200, 300), attributes=["Color"])
    result.regions[0].captions["Color"]

Coordinates are pixels of the upright image, boxes x0, y0, x1, y1.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from finecaption.attributes import Attribute
from finecaption.decoding import Decoding, capped
from finecaption.errors import InputError
from finecaption.inference.batch_decoder import Answer, answer_stream, answers
from finecaption.inference.prepare import (
    EncodedImage,
    PreparedRequest,
    collate_requests,
    encode_sources,
    prepare_request,
)
from finecaption.io.checkpoint import model_identity, resolve_model
from finecaption.io.images import ImageSource
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.model.loading import load_model
from finecaption.protocol import CAPABILITIES
from finecaption.request import (
    Questions,
    Request,
    instruction_for,
    make_request,
    parse_region,
)
from finecaption.results import WHOLE, CaptionResult, CaptionUpdate, caption_of
from finecaption.trust.calibration import Calibration
from finecaption.trust.out_of_domain import OutOfDomainDetector
from finecaption.types import Region, RegionPrompt

if TYPE_CHECKING:
    from finecaption.inference.choice_scoring import ChoiceScores
    from finecaption.protocol import Capability, Progress

DEFAULT_MODEL = "finecaption-mini"


class FineCaption:
    """A model with everything it takes to answer a request: processor, click segmenter,
    out-of-domain detector, calibration. Implements `finecaption.protocol.Captioner`."""

    capabilities: frozenset[Capability] = frozenset(CAPABILITIES)

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        processor: FineCaptionProcessor,
        *,
        domain: OutOfDomainDetector | None = None,
        calibration: Calibration | None = None,
        folder: str | os.PathLike[str] | None = None,
        name: str = "",
        max_new_tokens: int | None = None,
    ) -> None:
        """
        Args:
            model, processor: see `finecaption.model`.
            domain: statistics of the images that the model knows; without, no notice is given.
            calibration: of the model's log-probabilities; without, no confidence is given.
            folder: of the checkpoint; the click segmenter is looked for there.
            name: the model's, for results.
            max_new_tokens: cap on an answer where the request sets none.
        """
        self.model = model.eval()
        self.processor = processor
        self.domain = domain
        self.calibration = calibration
        self.folder = None if folder is None else Path(folder)
        self.name = name
        self.max_new_tokens = max_new_tokens
        self._segmenter: Any = None

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str] = DEFAULT_MODEL,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        quantize: str | None = None,
        device_map: str | dict[str, Any] | None = None,
    ) -> FineCaption:
        """Load a model.

        Args:
            name_or_folder: the shipped "finecaption-mini", or a folder that `save_pretrained` of
                model and processor wrote.
            device: cuda if there is one, else cpu, if None.
            dtype: if None, float32; bfloat16 for checkpoints over 2 GiB on a GPU, or on a CPU that
                has instructions for it.
            quantize: "int8" or "nf4": the linear layers of the language model in this many bits
                (bitsandbytes). No confidence is given then: it was calibrated on the weights as
                they are saved.
            device_map: which part goes to which device (accelerate): "auto", or module names to
                devices; in place of `device`.

        Raises:
            InputError: no such model, or one that cannot be read; an unusable device; an unknown
                quantization, a package that it needs is missing, or layers of sizes that it cannot
                hold (`model.quantisation.check_sizes`).
        """
        folder = resolve_model(name_or_folder)
        model, processor = load_model(folder, device, dtype, quantize, device_map)
        return cls(
            model,
            processor,
            domain=OutOfDomainDetector.load(folder),
            calibration=None if quantize else Calibration.load(folder),
            folder=folder,
            name=folder.name,
        )

    @property
    def identity(self) -> dict[str, Any]:
        """See `finecaption.protocol.Captioner`."""
        return model_identity(self.name, self.folder, self.max_new_tokens)

    @property
    def device(self) -> str:
        """The GPU's name, or "cpu"."""
        device = self.model.device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type

    def caption(
        self,
        image: ImageSource | EncodedImage,
        *,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] | None = None,
        regions: Iterable[Any] = (),
        attributes: Sequence[str | Attribute] | str | None = None,
        dense: bool = False,
        whole: bool = False,
        max_new_tokens: int | None = None,
        decoding: Decoding | None = None,
        progress: Progress | None = None,
    ) -> CaptionResult:
        """Describe regions of an image, the whole image, or both.

        Regions are numbered: `mask`, then `box` with `points`, then `regions`. A region about which
        nothing is asked gets a sentence and a paragraph; an image without regions gets a paragraph
        about the whole.

        Args:
            image: anything `finecaption.io.images.load_image` opens, or what `encode` returned.
            mask: one region: an array (H, W), a mask file or a PIL image (`finecaption.io.masks`).
            box: one region: x0, y0, x1, y1 in pixels around it; the click segmenter finds the mask.
            points: one region: clicks (x, y) or (x, y, positive) in pixels; with `box`, they are of
                the same region.
            regions: more of them, each in a form that `finecaption.request.parse_region` reads.
            attributes: names (see `finecaption.attributes`), or "all".
            dense: whether to write a paragraph about each region.
            whole: whether to write a paragraph about the whole image.
            max_new_tokens: cap on each answer, in place of `decoding`'s.
            decoding: how answers are written (`finecaption.decoding.Decoding`); greedily if None.
            progress: called with the number of finished answers, and of all.

        Raises:
            InputError: unusable image, region or attribute; attributes without a region.
        """
        request = make_request(
            image,
            mask=mask,
            box=box,
            points=points,
            regions=regions,
            attributes=attributes,
            dense=dense,
            whole=whole,
            decoding=capped(decoding, max_new_tokens),
        )
        (result,) = self.caption_batch([request], progress=progress)
        if isinstance(result, InputError):
            raise result
        return result

    def caption_batch(
        self, requests: Sequence[Request], *, progress: Progress | None = None
    ) -> list[CaptionResult | InputError]:
        """`caption` for many requests at once: the same answers, in less time. See
        `finecaption.protocol.Captioner`."""
        prepared = self._prepare(requests)
        found: list[CaptionResult | InputError | None] = [
            one if isinstance(one, InputError) else None for one in prepared
        ]
        groups: dict[Decoding | None, dict[int, PreparedRequest]] = {}
        for at, (request, one) in enumerate(zip(requests, prepared, strict=True)):
            if not isinstance(one, InputError):
                groups.setdefault(request.decoding, {})[at] = one
        total = sum(
            len(texts) for group in groups.values() for one in group.values() for texts in one.texts
        )
        done = 0
        for decoding, group in groups.items():
            ready = list(group.values())
            rows = iter(
                answers(
                    self.model,
                    self.processor,
                    collate_requests(self.processor, ready),
                    [texts for one in ready for texts in one.texts],
                    decoding=self._decoding(decoding),
                    progress=progress
                    and (lambda count, before=done: progress(before + count, total)),
                )
            )
            for at, one in group.items():
                found[at] = self._result(one, [next(rows) for _ in one.texts], decoding)
                done += sum(map(len, one.texts))
        return [entry for entry in found if entry is not None]

    def caption_many(
        self, asks: Sequence[Request], *, decoding: Decoding | None = None, **more: Any
    ) -> list[CaptionResult | InputError]:
        """Deprecated: `caption_batch`, with the decoding in the requests."""
        warnings.warn("caption_many is now caption_batch", DeprecationWarning, stacklevel=2)
        return self.caption_batch([replace(ask, decoding=decoding) for ask in asks], **more)

    def stream(
        self, image: ImageSource | EncodedImage | Request, **asked: Any
    ) -> Iterator[CaptionUpdate]:
        """`caption`, token by token: all answers grow together.

        With beam search, only the finished answers are given.

        Args:
            image: as for `caption`, or a whole request.
            asked: the arguments of `caption`, but `progress`; none with a request.

        Raises:
            InputError: as `caption`.
        """
        if isinstance(image, Request):
            request = image
        else:
            decoding = capped(asked.pop("decoding", None), asked.pop("max_new_tokens", None))
            request = make_request(image, decoding=decoding, **asked)
        (ready,) = self._prepare([request])
        if isinstance(ready, InputError):
            raise ready
        inputs = collate_requests(self.processor, [ready])
        decoding = self._decoding(request.decoding)
        for piece in answer_stream(
            self.model, self.processor, inputs, ready.texts, decoding=decoding
        ):
            number, name = ready.label(piece.region, piece.question)
            sure = None
            if piece.logprob is not None:
                sure = self._confidence(name, piece.logprob, piece.tokens, request.decoding)
            yield CaptionUpdate(number, name, piece.text, piece.finished, sure)

    def choose(
        self,
        image: ImageSource | EncodedImage,
        region: Any,
        attribute: str,
        choices: Sequence[str],
        *,
        template: str | Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Which of given values fits an attribute of a region best?

        Args:
            image: as for `caption`.
            region: in a form that `finecaption.request.parse_region` reads.
            attribute: a name (see `finecaption.attributes`).
            choices: the values, in words.
            template: one or several sentences with {choice} in the place of the value; None: the
                model's own free answer shows how it would say it.

        Returns:
            Choice -> probability given that one of them is the answer; they sum to 1. Best first.

        Raises:
            InputError: unusable image, region, attribute, choices or template.
        """
        scores = self.choice_scores(image, region, attribute, choices, template=template)
        return scores.probabilities

    def choice_scores(
        self,
        image: ImageSource | EncodedImage,
        region: Any,
        attribute: str,
        choices: Sequence[str],
        *,
        template: str | Sequence[str] | None = None,
    ) -> ChoiceScores:
        """`choose` with log-probabilities, unknown words and the sentences that were scored.

        Warns:
            UnknownWord: choices with words that the vocabulary lacks; their probability is 0.
        """
        from finecaption.inference import choice_scoring

        encoded = self._encoded(image)
        (made,) = self._masks(encoded, [parse_region(region, encoded.size)])
        return choice_scoring.choose(
            self.model, self.processor, encoded, made, attribute, choices, template=template
        )

    def token_logprobs(
        self, image: ImageSource | EncodedImage, region: Any, name: str, answers: Sequence[str]
    ) -> list[list[float]]:
        """See `finecaption.protocol.Scoring.token_logprobs`."""
        from finecaption.inference import choice_scoring

        encoded = self._encoded(image)
        made = parse_region(Region.whole(encoded.size) if region is None else region, encoded.size)
        masks = self._masks(encoded, [made])
        ready = prepare_request(self.processor, encoded, masks, Questions(dense=True))
        inputs = collate_requests(self.processor, [ready])
        features = choice_scoring.region_features(self.model, inputs)
        prompt, ids = choice_scoring.answer_ids(self.processor, instruction_for(name), answers)
        return choice_scoring.token_logprobs(self.model, features, prompt, ids)

    def encode(self, image: ImageSource) -> EncodedImage:
        """Run the mask-independent encoders once, for several requests about one image.

        Raises:
            InputError: the image cannot be read.
        """
        (encoded,) = encode_sources(self.model, self.processor, [image], self.domain)
        if isinstance(encoded, InputError):
            raise encoded
        return encoded

    def count_prompt(self, instruction: str) -> int:
        """See `finecaption.protocol.Counting`."""
        return len(self.processor.prompt_ids(instruction))

    def count_tokens(self, text: str) -> int:
        """See `finecaption.protocol.Counting`."""
        return len(self.processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    @property
    def segmenter(self) -> Any:
        """The model's click segmenter (`finecaption.segmentation.click.Segmenter`), loaded on
        first use.

        Raises:
            InputError: the model has none.
        """
        if self._segmenter is None:
            if self.folder is None:
                raise InputError("this model has no click segmenter; give a mask")
            from finecaption.segmentation.click import Segmenter

            self._segmenter = Segmenter.from_pretrained(self.folder, self.model)
        return self._segmenter

    def _encoded(self, image: ImageSource | EncodedImage) -> EncodedImage:
        return image if isinstance(image, EncodedImage) else self.encode(image)

    def _prepare(self, requests: Sequence[Request]) -> list[PreparedRequest | InputError]:
        """Images through the encoders, each once; regions to masks."""
        images = {id(request.image): request.image for request in requests}
        fresh = {key: one for key, one in images.items() if not isinstance(one, EncodedImage)}
        made = encode_sources(self.model, self.processor, list(fresh.values()), self.domain)
        encoded = {**images, **dict(zip(fresh, made, strict=True))}
        prepared: list[PreparedRequest | InputError] = []
        for request in requests:
            image = encoded[id(request.image)]
            if isinstance(image, InputError):
                prepared.append(image)
                continue
            try:
                regions = self._masks(image, request.parse_regions(image.size))
            except InputError as error:
                prepared.append(error)
                continue
            prepared.append(prepare_request(self.processor, image, regions, request.questions))
        return prepared

    def _masks(
        self, encoded: EncodedImage, regions: Iterable[Region | RegionPrompt]
    ) -> list[Region]:
        """Prompts become masks by the click segmenter."""
        found = []
        clickable: Any = None
        for region in regions:
            if isinstance(region, RegionPrompt):
                prompt = region.within(encoded.size)
                if clickable is None:
                    clickable = self.segmenter.encode(encoded.image, encoded.hr_features)
                mask = self.segmenter.predict(clickable, prompt.points, box=prompt.box).mask
                region = Region(mask)
            found.append(region)
        return found

    def _decoding(self, decoding: Decoding | None) -> Decoding:
        """With this captioner's cap where the request has none."""
        given = decoding or Decoding()
        return given if given.max_new_tokens else capped(given, self.max_new_tokens) or given

    def _result(
        self,
        request: PreparedRequest,
        rows: Sequence[Sequence[Answer]],
        decoding: Decoding | None,
    ) -> CaptionResult:
        names = request.questions.region_names
        captions = []
        for region, row in zip(request.regions, rows, strict=False):
            sure = [
                self._confidence(name, one.logprob, one.tokens, decoding)
                for name, one in zip(names, row, strict=True)
            ]
            captions.append(caption_of(region, names, [one.text for one in row], sure))
        whole = rows[-1][0] if request.questions.whole else None
        return CaptionResult(
            tuple(captions),
            whole=None if whole is None else whole.text,
            notice=request.encoded.notice,
            image=request.encoded.name,
            model=self.name,
            whole_confidence=None
            if whole is None
            else self._confidence(WHOLE, whole.logprob, whole.tokens, decoding),
        )

    def _confidence(
        self, name: str, logprob: float, tokens: int, decoding: Decoding | None
    ) -> float | None:
        # Only greedy, complete answers have log-probabilities like those that were calibrated.
        if self.calibration is None or not (decoding or Decoding()).plain:
            return None
        return self.calibration.probability(name, logprob, tokens)


__all__ = ["DEFAULT_MODEL", "EncodedImage", "FineCaption"]
