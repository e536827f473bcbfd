"""The wire format as pydantic models, which validate requests and generate the OpenAPI schema.

Numbers are bounded here, so that nothing further in meets NaN, infinity or an integer that does
not fit a float.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MOST_COUNTS = 2_000_000  # characters, or run lengths, of one RLE
MOST_VERTICES = 20_000  # numbers of one polygon

Pixel = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
# fail_fast: of a long list, the first wrong value is told, and the others are not looked at
Coordinates = Annotated[list[Pixel], Field(min_length=6, max_length=MOST_VERTICES, fail_fast=True)]
Click = tuple[Pixel, Pixel] | tuple[Pixel, Pixel, bool]
Box = tuple[Pixel, Pixel, Pixel, Pixel]


Ignored = Annotated[Any, BeforeValidator(lambda value: None)]
"""A field of any kind, of which nothing is kept."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


def _box_alone(value: Any) -> Any:
    return {"box": value} if isinstance(value, list) else value


class RegionModel(_Strict):
    """One region, in one form: `size` and `counts` (COCO RLE), `polygon`, `mask`, or `box` and
    `points`, of which the click segmenter makes the mask. Pixels of the upright image."""

    size: tuple[int, int] | None = Field(None, description="RLE: [height, width].")
    counts: (
        Annotated[str, Field(max_length=MOST_COUNTS)]
        | Annotated[
            list[Annotated[int, Field(ge=0, le=100_000_000)]],
            Field(max_length=MOST_COUNTS // 4, fail_fast=True),
        ]
        | None
    ) = Field(None, description="RLE: compressed (text) or run lengths.")
    polygon: (
        Coordinates | Annotated[list[Coordinates], Field(min_length=1, max_length=256)] | None
    ) = Field(
        None, description="[x0, y0, x1, y1, ...] or a list of those; their union is referred to."
    )
    mask: str | None = Field(
        None,
        description="A mask image (PNG) of the image's size as data URI or base64, or base64 "
        "of gzip of H x W bytes.",
    )
    label: int | Annotated[list[int], Field(min_length=1, max_length=256)] | None = Field(
        None, description="The values of the mask image's pixels that make the region."
    )
    box: Box | None = Field(None, description="x0, y0, x1, y1 around the thing.")
    points: Annotated[list[Click], Field(fail_fast=True)] | None = Field(
        None, description="Clicks [x, y] on the thing; [x, y, false] is not on it.", min_length=1
    )

    @model_validator(mode="after")
    def _one_form(self) -> RegionModel:
        forms = (
            {"size", "counts"}, {"polygon"}, {"mask"}, {"mask", "label"}, {"box"}, {"points"},
            {"box", "points"},
        )  # fmt: skip
        values = {name for name, value in self if value is not None}
        if values not in forms:
            raise ValueError(
                'a region is one of {"size": [height, width], "counts": ...}, {"polygon": [...]}, '
                '{"mask": "data:image/png;base64,..."} (perhaps with "label"), '
                '{"box": [x0, y0, x1, y1]}, {"points": [[x, y], ...]}, or box and points together'
            )
        return self


RegionField = Annotated[RegionModel, BeforeValidator(_box_alone)]


class Sampling(_Strict):
    """How answers are written: OpenAI's names, and some of ours."""

    temperature: float | None = Field(None, ge=0, le=2, description="0, the default: greedy.")
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(
        None, ge=-(2**63), le=2**64, description="The same seed draws the same answers."
    )
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    beams: int | None = Field(None, ge=1, le=8, description="Beam search; with temperature 0 only.")
    length: Literal["brief", "sentence", "paragraph"] | None = Field(
        None, description="Answers are cut after their first clause or sentence; or not."
    )
    guidance: float | None = Field(
        None, ge=0, le=10, description="Above 0: what sets the region apart counts more."
    )


# --- /v1/chat/completions ------------------------------------------------------------------------


class TextPart(_Strict):
    """A part of a message: text."""

    type: Literal["text"]
    text: str = Field(max_length=100_000)


class ImageUrl(_Strict):
    """Where an image is: a data URI, or a web address if the server allows them."""

    url: str
    detail: str | None = Field(None, description="Ignored: every image is seen in full detail.")


class ImagePart(_Strict):
    """A part of a message: an image."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(BaseModel):
    """A message of the conversation. Only the last of the user is answered."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: (
        Annotated[str, Field(max_length=100_000)]
        | Annotated[list[Part], Field(max_length=64)]
        | None
    ) = None


class StreamOptions(BaseModel):
    """Whether the last chunk of a stream tells the usage."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = Field(None, description="Ignored.")


class ChatRequest(Sampling):
    """A question about an image or a region of it, as OpenAI clients send it."""

    model: str = Field(max_length=256)
    messages: list[Message] = Field(min_length=1, max_length=256, fail_fast=True)
    region: RegionField | None = Field(
        None, description="The region asked about; without, an RGBA image's alpha."
    )
    max_tokens: int | None = Field(None, ge=1, le=2**31 - 1)
    max_completion_tokens: int | None = Field(None, ge=1, le=2**31 - 1)
    n: int | None = Field(None, ge=1, le=128, description="Only 1.")
    stop: (
        Annotated[str, Field(max_length=1000)]
        | Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=4)]
        | None
    ) = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    # taken and ignored: they cannot change the answer of this model
    user: Ignored = None
    metadata: Ignored = None
    store: Ignored = None
    service_tier: Ignored = None
    safety_identifier: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_retention: Ignored = None
    parallel_tool_calls: Ignored = None
    reasoning_effort: Ignored = None
    verbosity: Ignored = None

    # refused unless they ask for what happens anyway
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None

    def unsupported(self) -> str | None:
        """The first field that asks for something this model cannot do."""
        neutral: dict[str, tuple[Any, ...]] = {
            "n": (1,),
            "presence_penalty": (0,),
            "frequency_penalty": (0,),
            "logit_bias": ({},),
            "logprobs": (False,),
            "top_logprobs": (0,),
            "response_format": ({"type": "text"},),
            "modalities": (["text"],),
            "tools": ([],),
            "tool_choice": ("none", "auto"),
            "functions": ([],),
            "function_call": ("none", "auto"),
            "audio": (),
            "prediction": (),
            "web_search_options": (),
        }
        for name, values in neutral.items():
            value = getattr(self, name)
            if value is not None and value not in values:
                return name
        return None


class Usage(BaseModel):
    """Tokens: of the question with the image's, and of the answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerBody(BaseModel):
    """The message of the answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one answer."""

    index: int = 0
    message: AnswerBody
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class Extra(BaseModel):
    """Fields beyond OpenAI's format."""

    asked: str = Field(description='The attribute, "dense" or "global": how the text was read.')
    mask: dict[str, Any] | None = Field(None, description="The region: COCO RLE.")
    box: list[int] | None = Field(None, description="Its box: x0, y0, x1, y1.")
    confidence: float | None = Field(None, description="Probability that the answer is right.")
    notice: dict[str, Any] | None = Field(
        None, description="Given if the image is unlike those that the model knows."
    )


class ChatCompletion(BaseModel):
    """The answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    finecaption: Extra


class ModelInfo(BaseModel):
    """A served model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "finecaption"


class ModelList(BaseModel):
    """The list of served models, which has one entry."""

    object: Literal["list"] = "list"
    data: list[ModelInfo]


# --- /v1/regions, /v1/segment --------------------------------------------------------------------


class RegionsRequest(Sampling):
    """Questions about many regions of an image."""

    image: str = Field(description="Data URI, base64, or a web address if allowed.")
    regions: list[RegionField] = Field(default_factory=list, max_length=100_000, fail_fast=True)
    attributes: Literal["all"] | Annotated[list[str], Field(max_length=256)] | None = Field(
        None, description='Names or their short forms, or "all".'
    )
    dense: bool = Field(False, description="A paragraph on each region.")
    whole: bool = Field(False, description="A paragraph on the image.")
    max_tokens: int | None = Field(None, ge=1, le=2**31 - 1)
    model: str | None = Field(None, max_length=256)


class RegionAnswer(BaseModel):
    """The captions of a region."""

    mask: dict[str, Any] = Field(description="COCO RLE.")
    box: list[int] = Field(description="x0, y0, x1, y1")
    captions: dict[str, str]
    dense: str | None
    confidence: dict[str, float] | None = None


class RegionsAnswer(BaseModel):
    """The JSON of `finecaption caption --json`."""

    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    image: None
    model: str
    regions: list[RegionAnswer]
    whole: str | None = Field(alias="global")
    notice: dict[str, Any] | None
    global_confidence: float | None = None


class SegmentRequest(_Strict):
    """The object under clicks or in a box, or all objects."""

    image: str = Field(description="Data URI, base64, or a web address if allowed.")
    points: Annotated[list[Click], Field(fail_fast=True)] | None = Field(
        None, description="Clicks [x, y] on the thing; [x, y, false] is not on it."
    )
    label: int | Annotated[list[int], Field(min_length=1, max_length=256)] | None = Field(
        None, description="The values of the mask image's pixels that make the region."
    )
    box: Box | None = Field(None, description="x0, y0, x1, y1 around the thing.")
    everything: bool = Field(False, description="Masks of all things; without points and box.")
    format: Literal["rle", "png"] = Field(
        "rle", description="Masks as COCO RLE, or as data URIs of PNG."
    )
    model: str | None = Field(None, max_length=256)


class Segment(BaseModel):
    """A mask."""

    mask: dict[str, Any] | str
    box: list[int] = Field(description="x0, y0, x1, y1")
    area: int = Field(description="Pixels.")
    score: float = Field(description="Expected IoU, 0 to 1.")


class SegmentAnswer(BaseModel):
    """Masks, the best first."""

    size: list[int] = Field(description="[width, height] of the image")
    masks: list[Segment]


# --- errors --------------------------------------------------------------------------------------


class ErrorDetail(BaseModel):
    """The description of an error."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    """An error, in OpenAI's form."""

    error: ErrorDetail
