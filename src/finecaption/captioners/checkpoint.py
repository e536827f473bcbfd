"""A vision-language checkpoint of transformers as captioner, by AutoModelForImageTextToText.

torch and transformers are imported when the weights are first needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from finecaption.captioners.families import PROMPTS_VERSION, Family, family_of
from finecaption.captioners.questions import Question, QuestionCaptioner
from finecaption.captioners.visual_prompts import VISUAL_PROMPTS, show
from finecaption.errors import InputError
from finecaption.io.checkpoint import check_index, fingerprint
from finecaption.io.geometry import Size

MAX_NEW_TOKENS = 256
_FP32_BYTES = 2 << 30  # larger checkpoints keep the type that they were saved in


class Prompt(NamedTuple):
    """The input of a model for one question."""

    picture: Image.Image
    """RGB."""
    question: str
    """The user's text, without what a chat puts around it."""


class TransformersCaptioner(QuestionCaptioner):
    """A folder that `save_pretrained` of model and processor wrote, or a downloaded snapshot.

    Args:
        folder: of the checkpoint.
        name: for records; the folder's, if None.
        shown: how regions are shown: None for the family's own way, else one of
            `visual_prompts.VISUAL_PROMPTS` but "alpha", which these models drop.
        device: of torch; cuda if there is one, by default.
        dtype: of the weights, such as "bfloat16"; by default float32 up to 2 GiB of weights, and
            as they were saved above.
        batch_size: questions at once; halved by itself when memory runs out.
        max_new_tokens: cap on an answer.

    Raises:
        InputError: no checkpoint there; one of ours; a setting that is out of range.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        shown: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
        max_new_tokens: int | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.config = read_config(self.folder)
        kind = str(self.config.get("model_type", ""))
        if kind == "finecaption":
            raise InputError(f"{self.folder}: is a FineCaption model; open it with open_captioner")
        if shown is not None and (shown not in VISUAL_PROMPTS or shown == "alpha"):
            known = ", ".join(how for how in VISUAL_PROMPTS if how != "alpha")
            raise InputError(f"shown: must be one of {known}; got {shown!r}")
        self.max_new_tokens = MAX_NEW_TOKENS if max_new_tokens is None else max_new_tokens
        for field, value in (("batch_size", batch_size), ("max_new_tokens", self.max_new_tokens)):
            if value < 1:
                raise InputError(f"{field}: is {value}; it must be at least 1")
        self.family: Family = family_of(kind)
        self.name = name or self.folder.resolve().name
        self.shown, self.batch_size = shown, batch_size
        self._device, self._dtype = device, dtype
        self._model: Any = None
        self._processor: Any = None
        self._hash: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """See `finecaption.protocol.Captioner`."""
        if self._hash is None:
            self._hash = fingerprint(self.folder)
        return {
            "name": self.name,
            "kind": "transformers",
            "sha256": self._hash,
            "region": self.family.region if self.shown is None else f"visual prompt: {self.shown}",
            "settings": {
                "model_type": self.config.get("model_type"),
                "prompts": PROMPTS_VERSION,
                "max_new_tokens": self.max_new_tokens,
                "dtype": self._dtype or "auto",
                "temperature": 0,
            },
        }

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """See `QuestionCaptioner.answer`."""
        if not questions:
            return []
        self._load()
        answers = [""] * len(questions)
        for group in self._groups(questions):
            while group:
                part = group[: self.batch_size]
                try:
                    told = self._generate([self.prompt(questions[at]) for at in part])
                except RuntimeError as error:
                    if "out of memory" not in str(error).lower() or len(part) == 1:
                        raise
                    self.batch_size = len(part) // 2
                    self._free()
                    continue
                for at, text in zip(part, told, strict=True):
                    answers[at] = text
                group = group[len(part) :]
        return answers

    def _groups(self, questions: Sequence[Question]) -> list[list[int]]:
        """Numbers of the questions that may share a batch."""
        if not self.family.equal_lengths:
            return [list(range(len(questions)))]
        groups: dict[int, list[int]] = {}
        for at, one in enumerate(questions):
            tokens = self.processor.tokenizer(self.full_text(self.prompt(one).question))
            groups.setdefault(len(tokens["input_ids"]), []).append(at)
        return list(groups.values())

    def prompt(self, asked: Question) -> Prompt:
        """What a question becomes."""
        family, mask = self.family, None if asked.region is None else asked.region.mask
        if mask is None:
            prepare = family.prepare
            picture = asked.image if prepare is None else prepare(asked.image)
            return Prompt(picture, family.ask(asked.task, None, ""))
        if self.shown is not None:
            shown = show(asked.image, mask, self.shown)
            picture = shown.picture if family.prepare is None else family.prepare(shown.picture)
            from finecaption.captioners.families import question

            return Prompt(picture, question(asked.task, asked.attribute, shown.words))
        shown = family.refer(asked.image, mask, self.resized)
        return Prompt(shown.picture, family.ask(asked.task, asked.attribute, shown.words))

    def resized(self, size: Size) -> Size:
        """(width, height) of an image -> what Qwen's image processor makes of it; others keep it.

        Multiples of two patches within the processor's limits on pixels.
        """
        images: Any = getattr(self.processor, "image_processor", None)
        if not hasattr(images, "merge_size"):
            return size
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        height, width = smart_resize(
            size[1],
            size[0],
            factor=images.patch_size * images.merge_size,
            min_pixels=images.size["shortest_edge"],
            max_pixels=images.size["longest_edge"],
        )
        return int(width), int(height)

    def full_text(self, question: str) -> str:
        """The question as the model reads it, wrapped by the chat template."""
        if self.family.bare:
            return question
        template = getattr(self.processor, "chat_template", None)
        template = template or getattr(self.processor.tokenizer, "chat_template", None)
        if template is None:
            if self.family.template is None:
                raise InputError(
                    f"{self.folder}: holds no chat template (chat_template.jinja); add the one of "
                    "the published checkpoint"
                )
            return self.family.template.replace("{question}", question)
        content = [{"type": "image"}, {"type": "text", "text": question}]
        from finecaption.model.chat_templates import rendered_in_time

        text = rendered_in_time(
            lambda: self.processor.apply_chat_template(
                [{"role": "user", "content": content}],
                chat_template=template,
                add_generation_prompt=True,
                tokenize=False,
            )
        )
        return str(text)

    @property
    def processor(self) -> Any:
        """The checkpoint's processor, with PIL backends; loaded on first use.

        Raises:
            InputError: it cannot be read.
        """
        if self._processor is None:
            self._processor = _readable(
                self.folder, "processor", lambda: load_processor(self.folder)
            )
            self._processor.tokenizer.padding_side = "left"
            if self._processor.tokenizer.pad_token is None:
                self._processor.tokenizer.pad_token = self._processor.tokenizer.eos_token
        return self._processor

    def _load(self) -> None:
        if self._model is not None:
            return
        import torch
        from transformers import AutoModelForImageTextToText

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        check_index(self.folder)
        files = [file for file in self.folder.glob("*.safetensors") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        dtype = self._dtype or ("float32" if size <= _FP32_BYTES else "auto")
        model = _readable(
            self.folder,
            "model",
            lambda: AutoModelForImageTextToText.from_pretrained(
                self.folder, dtype=dtype, local_files_only=True, trust_remote_code=False
            ),
        )
        try:
            self._model = model.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"device {device!r}: cannot be used ({reason})") from error

    def _generate(self, prompts: Sequence[Prompt]) -> list[str]:
        import torch

        processor, model = self.processor, self._model
        options: dict[str, Any] = {}
        if self.family.name == "kosmos-2":  # the processor's 64 are those of the one published size
            options["num_image_tokens"] = model.config.latent_query_num
        inputs = processor(
            images=_nested([prompt.picture for prompt in prompts], self.family),
            text=[self.full_text(prompt.question) for prompt in prompts],
            padding=True,
            return_tensors="pt",
            **options,
        ).to(model.device, dtype=model.dtype)
        with torch.inference_mode():
            # greedy, whatever a checkpoint's own generation_config.json says
            rows = model.generate(
                **inputs,
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                num_beams=1,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=processor.tokenizer.pad_token_id,
                logits_processor=[_checked],
            )
        new = rows[:, inputs["input_ids"].shape[1] :]
        texts = processor.tokenizer.batch_decode(new, skip_special_tokens=True)
        return [self.family.clean(text) for text in texts]

    def _free(self) -> None:
        import gc

        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _checked(input_ids: Any, scores: Any) -> Any:
    """(n, V) scores of the next token, unless they hold NaN."""
    if bool(scores.isnan().any()):
        from finecaption.inference.sampling import not_finite

        raise not_finite()
    return scores


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint's folder.

    Raises:
        InputError: there is none, or it is not a JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no config.json; give a checkpoint's folder") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: is not an object; give a checkpoint's folder")
    return config


def load_processor(folder: Path) -> Any:
    """The processor of a checkpoint, its image processor with the PIL backend.

    Where torchvision is missing, processors with a part for videos (Qwen-VL, InternVL) are made
    without that part, since transformers cannot make it then: images do not need it.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, AutoTokenizer
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kind = PROCESSOR_MAPPING.get(type(config), None)
    parts = [] if kind is None else kind.get_attributes()
    if "video_processor" not in parts or find_spec("torchvision") is not None:
        return AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )

    class _Pictures(kind):  # type: ignore[misc, valid-type]  # a class that is known at run time
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == "video_processor" and argument is None:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    about, _ = kind.get_processor_dict(folder, local_files_only=True)
    makers: dict[str, Callable[[], Any]] = {
        "image_processor": lambda: AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        ),
        "tokenizer": lambda: AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ),
        "video_processor": lambda: None,
    }
    return _Pictures.from_args_and_dict([makers[part]() for part in parts], about)


def _nested(pictures: list[Image.Image], family: Family) -> list[Any]:
    """One list a prompt where a processor cannot tell images of one prompt from several."""
    return [[picture] for picture in pictures] if family.name == "llama-3.2-vision" else pictures


def _readable(folder: Path, what: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    # transformers, safetensors and tokenizers raise errors of their own for broken files
    except Exception as error:
        raise InputError(f"{folder}: the {what} cannot be read ({error})") from error
