"""Image + masks + text -> tensors, saved beside the weights.

Legend: B images, R regions, N sequences, s / S the side of the low / high resolution square, T
the image tokens per region.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerBase
from transformers.processing_utils import MultiModalData, ProcessorMixin

from finecaption.errors import InputError
from finecaption.io.images import load_image
from finecaption.io.masks import as_mask, check_mask_size, load_mask

from .chat_templates import OWN, rendered_in_time
from .configuration import FineCaptionConfig
from .preparation import prepare_image, prepare_mask, whole_image_mask

_SENTENCE_START = re.compile(r"(?:\A|(?<=[.!?])\s+)[\"“(]?[^\W\d_]")


class FineCaptionImageProcessor:
    """Images and masks to the model's squares, with PIL and numpy.

    Pixels and masks stay raw uint8: the model normalizes them, each tower with its own statistics,
    so ConvNeXt and SAM share one tensor and an image travels at a byte a channel. A plain class,
    kept by the processor as two numbers: some supported transformers releases cannot load any image
    processor by `AutoImageProcessor` where torchvision is missing.
    """

    model_input_names = ["pixel_values", "pixel_values_clip", "region_masks", "image_index"]

    def __init__(self, clip_size: int = 336, image_size: int = 1024) -> None:
        """
        Args:
            clip_size: s, the side of CLIP's square.
            image_size: S, the side of ConvNeXt's and SAM's.
        """
        self.clip_size = clip_size
        self.image_size = image_size

    def image_inputs(self, image: Any) -> dict[str, np.ndarray]:
        """The mask-independent inputs of one image.

        Args:
            image: anything that `finecaption.io.images.load_image` opens.

        Returns:
            `pixel_values` uint8 (1, 3, S, S) and `pixel_values_clip` uint8 (1, 3, s, s).

        Raises:
            InputError: the image cannot be read.
        """
        clip, high = prepare_image(load_image(image), self.clip_size, self.image_size)
        return {
            "pixel_values": np.ascontiguousarray(high.transpose(2, 0, 1))[None],
            "pixel_values_clip": np.ascontiguousarray(clip.transpose(2, 0, 1))[None],
        }

    def region_inputs(self, mask: Any, size: tuple[int, int]) -> np.ndarray:
        """One region's soft mask, uint8 (1, s, s).

        Args:
            mask: array (H, W), PIL image, or path of a mask file; None is the whole image.
            size: (width, height) of the image, which the mask must have.

        Raises:
            InputError: the mask is unreadable, empty, or of another size than the image.
        """
        if mask is None:
            return whole_image_mask(size, self.clip_size)[None]
        if isinstance(mask, (str, os.PathLike, bytes, Image.Image)):
            values = load_mask(mask, size)
        else:
            values = as_mask(mask)
            check_mask_size(values, size)
        return prepare_mask(values, self.clip_size)[None]

    def __call__(
        self,
        images: Any,
        masks: Any = None,
        image_index: Sequence[int] | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """
        Args:
            images: one image or a list of B.
            masks: None (one whole-image region an image), one mask, or a list of R, each a mask
                or None.
            image_index: the image of each region. If left out: region i is of image i, or all
                are of the only image.
            return_tensors: "pt", "np" or None.

        Returns:
            `pixel_values` (B, 3, S, S), `pixel_values_clip` (B, 3, s, s), `region_masks` (R, s, s),
            all uint8; `image_index` int64 (R,) only if regions and images do not pair up.

        Raises:
            InputError: unusable images or masks, or numbers of them that do not fit.
        """
        pictures = [load_image(image) for image in _flat(images)]
        if not pictures:
            raise InputError("images: none given; give at least one image")
        if masks is None:
            regions: list[Any] = [None] * (
                len(pictures) if image_index is None else len(image_index)
            )
        else:
            regions = list(masks) if isinstance(masks, (list, tuple)) else [masks]
        index = _picture_of_region(image_index, len(regions), len(pictures))
        encoded = [self.image_inputs(picture) for picture in pictures]
        data: dict[str, Any] = {
            name: np.concatenate([entry[name] for entry in encoded])
            for name in ("pixel_values", "pixel_values_clip")
        }
        data["region_masks"] = np.concatenate(
            [
                self.region_inputs(mask, pictures[at].size)
                for mask, at in zip(regions, index, strict=True)
            ]
        )
        if index != list(range(len(pictures))):
            data["image_index"] = np.asarray(index, np.int64)
        return BatchFeature(data, tensor_type=return_tensors)


class FineCaptionProcessor(ProcessorMixin):
    """Image, masks and prompts to everything that `generate` and `forward` take."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        clip_size: int = 336,
        image_size: int = 1024,
        image_seq_length: int = 1024,
        image_token: str = "<image>",
        capitalise: bool = False,
        chat_template: str | None = None,
    ) -> None:
        """
        Args:
            tokenizer: must know `image_token` as one token.
            clip_size, image_size: s and S.
            image_seq_length: T, the tokens that one image token in a prompt becomes.
            image_token: the placeholder.
            capitalise: whether answers need their capitals back (a tokenizer in lower case).
            chat_template: Jinja; the tokenizer's if None.
        """
        self.clip_size = clip_size
        self.image_size = image_size
        self.image_processor = FineCaptionImageProcessor(clip_size, image_size)
        self.image_seq_length = image_seq_length
        self.image_token = image_token
        self.capitalise = capitalise
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        if self.image_token_id is None or self.image_token_id == tokenizer.unk_token_id:
            raise ValueError(
                f"the tokenizer has no token {image_token!r}: add it, or name another."
            )
        super().__init__(tokenizer, chat_template=chat_template or tokenizer.chat_template)

    @classmethod
    def for_config(
        cls, config: FineCaptionConfig, tokenizer: PreTrainedTokenizerBase, **kwargs: Any
    ) -> FineCaptionProcessor:
        """The processor that belongs to a model of this config.

        Raises:
            ValueError: the tokenizer's image token is not the config's.
        """
        kwargs.setdefault("image_token", tokenizer.convert_ids_to_tokens(config.image_token_id))
        processor = cls(
            tokenizer,
            clip_size=config.clip_size,
            image_size=config.image_size,
            image_seq_length=config.image_seq_length,
            **kwargs,
        )
        if processor.image_token_id != config.image_token_id:
            raise ValueError(
                f"the tokenizer's {processor.image_token!r} is id {processor.image_token_id}, the "
                f"config's image_token_id is {config.image_token_id}: make them equal."
            )
        return processor

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", *self.image_processor.model_input_names]

    def prompt(self, instruction: str, answer: str | None = None, image: bool = True) -> str:
        """One turn through the chat template, image token not yet expanded.

        Args:
            instruction: the user's text (from `finecaption.attributes`).
            answer: the assistant's text; None ends where the assistant would begin.
            image: whether the turn has an image.
        """
        return self.conversation([(instruction, answer)], image)

    def conversation(self, turns: Sequence[tuple[str, str | None]], image: bool = True) -> str:
        """Several turns on one region through the chat template, image token not yet expanded.

        Args:
            turns: (instruction, answer) in order; the answer of the last may be None, which ends
                where the assistant would begin.
            image: whether the first turn has an image; later ones never have.
        """
        messages: list[dict[str, Any]] = []
        for instruction, answer in turns:
            content = [{"type": "image"}] if image and not messages else []
            content.append({"type": "text", "text": instruction})
            messages.append({"role": "user", "content": content})
            if answer is not None:
                said = [{"type": "text", "text": answer}]
                messages.append({"role": "assistant", "content": said})
        pending = not turns or turns[-1][1] is None

        def render() -> str:
            return self.apply_chat_template(messages, add_generation_prompt=pending)

        return render() if self.chat_template in OWN else rendered_in_time(render)

    def turn_ids(self, instruction: str) -> list[int]:
        """Token ids of a further question: what follows an answer and its end token.

        `prompt_ids(first)`, answer, `turn_ids(second)`, answer, ... are together the tokens of
        `conversation`, wherever the template ends an answer with the end token.

        Raises:
            ValueError: the template rewrites earlier turns when a new one comes.
        """
        before = self.conversation([(instruction, "")], image=False)
        whole = self.conversation([(instruction, ""), (instruction, None)], image=False)
        if not whole.startswith(before):
            raise ValueError("the chat template changes earlier turns when another follows")
        return self.tokenizer(whole.removeprefix(before), add_special_tokens=False)["input_ids"]

    def prompt_ids(self, instruction: str, answer: str | None = None) -> list[int]:
        """Token ids of `prompt(...)`, with T placeholders."""
        text = self._expand(self.prompt(instruction, answer))
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def shared_prefix(self, instructions: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """What several prompts on one region have in common, and what each adds.

        Returns:
            Ids of the longest common prefix (with the T placeholders; at most all but one token of
            the shortest prompt, so that every rest has a token to predict from) and the rests.
        """
        prompts = [self.prompt_ids(instruction) for instruction in instructions]
        if not prompts:
            raise InputError("instructions: none given; give at least one")
        length = min(len(prompt) for prompt in prompts) - 1
        first = prompts[0]
        for prompt in prompts[1:]:
            same = next((i for i in range(length) if prompt[i] != first[i]), length)
            length = min(length, same)
        return first[:length], [prompt[length:] for prompt in prompts]

    def answer(self, ids: Any) -> str:
        """Generated token ids (one sequence, without the prompt) -> the caption as text."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return prettify(text) if self.capitalise else text.strip()

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        masks: Any = None,
        image_index: Sequence[int] | None = None,
        return_tensors: str | None = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """
        Args:
            images, masks, image_index: as for `FineCaptionImageProcessor`.
            text: one prompt or N, through the chat template already (`prompt`), with one image
                token for each region; regions fill them in order.
            return_tensors: "pt", "np" or None (lists).
            kwargs: to the tokenizer (`padding_side`, `max_length`, ...). Batches are padded unless
                `padding` says otherwise, on the tokenizer's side (left, for generation).

        Returns:
            `input_ids` and `attention_mask` int64 (N, L) if there is text; the image processor's
            tensors if there are images.

        Raises:
            InputError: unusable images or masks, or an image token too many or too few.
        """
        data: dict[str, Any] = {}
        regions = 0
        if images is not None:
            data.update(self.image_processor(images, masks, image_index))
            regions = len(data["region_masks"])
        elif masks is not None:
            raise InputError("masks: given without images; give the images too")
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            found = sum(prompt.count(self.image_token) for prompt in texts)
            if found != regions:
                raise InputError(
                    f"text: has {found} image tokens ({self.image_token}), but there are {regions} "
                    "regions; write one image token for each region"
                )
            bos = self.tokenizer.bos_token
            kwargs.setdefault("padding", True)
            kwargs.setdefault(
                "add_special_tokens", not (bos and all(t.startswith(bos) for t in texts))
            )
            encoded = self.tokenizer(
                [self._expand(prompt) for prompt in texts],
                **{k: v for k, v in kwargs.items() if k not in _NOT_THE_TOKENIZERS},
            )
            data = {**encoded, **data}
        return BatchFeature(data, tensor_type=return_tensors)

    def _expand(self, text: str) -> str:
        return text.replace(self.image_token, self.image_token * self.image_seq_length)

    def _get_num_multimodal_tokens(
        self, image_sizes: Sequence[Any] | None = None, **kwargs: Any
    ) -> MultiModalData:
        """What transformers-based servers ask: T tokens per image, whatever its size."""
        if image_sizes is None:
            return MultiModalData()
        count = len(image_sizes)
        return MultiModalData(
            num_image_tokens=[self.image_seq_length] * count, num_image_patches=[1] * count
        )


# Arguments that transformers' own pipelines pass to every processor.
_NOT_THE_TOKENIZERS = frozenset(
    {"images_kwargs", "text_kwargs", "common_kwargs", "videos", "audio"}
)


def _flat(images: Any) -> list[Any]:
    """One image, a list, or transformers' list of lists -> a list."""
    if not isinstance(images, (list, tuple)):
        return [images]
    return [picture for entry in images for picture in _flat(entry)]


def _picture_of_region(image_index: Sequence[int] | None, regions: int, pictures: int) -> list[int]:
    if image_index is None:
        if regions == pictures:
            return list(range(pictures))
        if pictures == 1:
            return [0] * regions
        raise InputError(
            f"masks: {regions} for {pictures} images; give image_index, the image of each mask"
        )
    index = [int(at) for at in image_index]
    if len(index) != regions:
        raise InputError(f"image_index: has {len(index)} entries for {regions} regions")
    wrong = [at for at in index if not 0 <= at < pictures]
    if wrong:
        raise InputError(f"image_index: {wrong[0]} is not one of the {pictures} images (0-based)")
    return index


def prettify(text: str) -> str:
    """Capital letters at the start of sentences; spaces at the ends and doubled spaces go."""
    text = re.sub(r"\s+", " ", text).strip()
    return _SENTENCE_START.sub(lambda match: match.group().upper(), text)


__all__ = ["FineCaptionImageProcessor", "FineCaptionProcessor", "prettify"]
