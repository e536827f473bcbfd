"""`/v1/chat/completions` and `/v1/models`: what the OpenAI clients speak."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from finecaption.errors import FineCaptionError, InputError
from finecaption.io import strict_json
from finecaption.request import WHOLE, Request, instruction_for
from finecaption.server.batching import Ticket
from finecaption.server.errors import ApiError, error_body, input_error, log
from finecaption.server.jobs import Cancelled, ServerJob
from finecaption.server.metrics import Metrics
from finecaption.server.questions import understand
from finecaption.server.region_field import to_region
from finecaption.server.routing import ERRORS, JsonRoute
from finecaption.server.schemas import (
    ChatCompletion,
    ChatRequest,
    ErrorResponse,
    ImagePart,
    ModelInfo,
    ModelList,
    TextPart,
)
from finecaption.server.service import Service, service_of
from finecaption.types import Region

if TYPE_CHECKING:
    from finecaption.results import CaptionResult, CaptionUpdate

router = APIRouter(prefix="/v1", route_class=JsonRoute, tags=["OpenAI"])


@router.get("/models", responses={401: ERRORS[401], 503: ERRORS[503]})
async def models(request: HttpRequest) -> ModelList:
    """The list of served models, which has one entry."""
    return ModelList(data=[_info(service_of(request))])


@router.get(
    "/models/{name}",
    responses={401: ERRORS[401], 404: {"model": ErrorResponse}, 503: ERRORS[503]},
)
async def model(request: HttpRequest, name: str) -> ModelInfo:
    """One model."""
    service = service_of(request)
    info = _info(service)
    service.check_model(name)
    return info


def _info(service: Service) -> ModelInfo:
    if not service.engine.ready:
        raise ApiError(503, "the model is not loaded", headers={"Retry-After": "5"})
    return ModelInfo(id=service.engine.captioner.name, created=service.created)


class _Chat(NamedTuple):
    """A request in progress."""

    body: ChatRequest
    service: Service
    name: str
    """Of what is asked: an attribute, "dense" or "global"."""
    request: Request
    digest: bytes
    limit: int
    """Cap on the answer, in tokens."""
    stops: tuple[str, ...]
    id: str
    created: int
    deadline: float

    def usage(self, text: str) -> dict[str, int]:
        """Token counts of the model's own tokenizer."""
        prompt = self.service.count_prompt(instruction_for(self.name))
        answer = self.service.count_answer(text)
        self.service.metrics.tokens.labels("prompt").inc(prompt)
        self.service.metrics.tokens.labels("completion").inc(answer)
        self.service.metrics.answers.inc()
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }

    def reason(self, text: str, stopped: bool) -> str:
        """The reason why the answer ended."""
        capped = "decoding" in self.service.engine.captioner.capabilities
        cut = capped and not stopped and self.service.count_answer(text) >= self.limit
        return "length" if cut else "stop"


@router.post(
    "/chat/completions",
    response_model=None,
    responses={
        200: {"model": ChatCompletion, "content": {"text/event-stream": {}}},
        404: {"model": ErrorResponse, "description": "No such model."},
        **ERRORS,
    },
)
async def chat_completions(request: HttpRequest, body: ChatRequest) -> Response:
    """Answers the user's last message: one question on one image, or on a region of it.

    The region is the alpha of an RGBA image, or the field `region`. The text is an attribute's
    name, a question after one, or asks to describe region or image in detail.
    """
    service = service_of(request)
    deadline = service.deadline()
    ticket = service.admit()
    try:
        chat = await _prepare(service, ticket, body, deadline)
        if body.stream:
            return await _stream(request, chat, ticket)
        with service.room():
            job = service.engine.ask(chat.request, chat.digest)
        result: CaptionResult = await service.outcome(request, job, deadline)
        record = await service.images.run(_completion, chat, result)
    except BaseException:
        ticket.close()
        raise
    ticket.close()
    return JSONResponse(record)


async def _prepare(service: Service, ticket: Ticket, body: ChatRequest, deadline: float) -> _Chat:
    service.check_model(body.model)
    unsupported = body.unsupported()
    if unsupported is not None:
        message = f"{unsupported}: this model cannot do that; leave it out"
        raise ApiError(400, message, param=unsupported, code="unsupported_parameter")
    text, url = _last_question(body)
    with service.room():
        loaded = await service.images.load(
            url, alpha=body.region is None, field="image_url", hold=ticket.hold
        )
        ticket.hold(loaded.picture.width * loaded.picture.height)  # the mask, or its RLE
    regions: tuple[Any, ...] = ()
    if body.region is not None:
        most = service.settings.max_points
        region = await service.images.run(
            lambda: to_region(body.region, loaded.picture.size, max_points=most)  # type: ignore[arg-type]  # it is not None
        )
        regions = (region,)
    elif loaded.mask is not None:
        regions = (Region(loaded.mask),)
    asked = understand(text, bool(regions))
    decoding = service.decoding(body, body.max_completion_tokens or body.max_tokens)
    asked_regions = () if asked.whole else regions
    request = Request(loaded.picture, asked_regions, *asked, decoding)
    stops = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return _Chat(
        body,
        service,
        asked.names[0],
        request,
        loaded.digest,
        decoding.tokens,
        tuple(stop for stop in stops if stop),
        f"chatcmpl-{uuid.uuid4().hex}",
        int(time.time()),
        deadline,
    )


def _last_question(body: ChatRequest) -> tuple[str, str]:
    """Text and image of the last message of the user; the image may stand in an earlier one.

    Raises:
        InputError: no message of the user, no image, or several in one message.
    """
    asked = [message for message in body.messages if message.role == "user"]
    if not asked:
        raise InputError('messages: hold none with the role "user"')
    text: str | None = None
    for message in reversed(asked):
        parts = message.content if isinstance(message.content, list) else []
        if text is None:
            said = [part.text for part in parts if isinstance(part, TextPart)]
            text = message.content if isinstance(message.content, str) else "\n".join(said)
        urls = [part.image_url.url for part in parts if isinstance(part, ImagePart)]
        if len(urls) > 1:
            raise InputError(f"messages: {len(urls)} images in one message; send one")
        if urls:
            return text or "", urls[0]
    raise InputError(
        'messages: hold no image; add {"type": "image_url", "image_url": {"url": '
        '"data:image/png;base64,..."}} to the content'
    )


def _completion(chat: _Chat, result: CaptionResult) -> dict[str, Any]:
    extra: dict[str, Any] = {"asked": chat.name, "mask": None, "box": None}
    extra["confidence"] = None
    ((_, _, text),) = result.answers()
    if chat.name == WHOLE:
        extra["confidence"] = result.whole_confidence
    else:
        (caption,) = result.regions
        extra["mask"], extra["box"] = caption.region.rle, list(caption.region.box)
        extra["confidence"] = caption.confidence.get(chat.name)
    extra["notice"] = None if result.notice is None else result.notice.to_dict()
    text, stopped = cut_at(text, chat.stops)
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": chat.id,
        "object": "chat.completion",
        "created": chat.created,
        "model": chat.body.model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": chat.reason(text, stopped),
            }
        ],
        "usage": chat.usage(text),
        "finecaption": extra,
    }


def cut_at(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of the stop strings, and whether there was one."""
    found = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    return (text[: min(found)], True) if found else (text, False)


# --- streaming -----------------------------------------------------------------------------------


class Writer:
    """Answers so far -> what is new in them, as deltas that add up to the answer."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.sent = ""
        self.stopped = False
        self._stops = tuple(stops)
        self._held = max((len(stop) for stop in stops), default=1) - 1

    def add(self, text: str, done: bool) -> str:
        """Returns what can be sent now. Characters that may begin a stop string are held back."""
        text, self.stopped = cut_at(text, self._stops)
        ready = len(text) if done or self.stopped else len(text) - self._held
        # tokenizers of bytes may show half a letter, and change it with the next token
        sure = text[: max(0, ready)]
        if not sure.startswith(self.sent) or (sure.endswith("\ufffd") and not done):
            return ""
        new, self.sent = sure[len(self.sent) :], sure
        return new


class _Stream(StreamingResponse):
    """A stream of events; it releases the request's place however the connection ends."""

    def __init__(
        self, content: AsyncIterator[str], job: ServerJob, ticket: Ticket, metrics: Metrics
    ) -> None:
        super().__init__(
            content,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
        self._job, self._ticket, self._metrics = job, ticket, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._job.done.done():
                self._metrics.cancelled.labels("client").inc()
            self._job.cancel()
            self._ticket.close()


async def _stream(request: HttpRequest, chat: _Chat, ticket: Ticket) -> Response:
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[CaptionUpdate | None] = asyncio.Queue()

    def tell(update: CaptionUpdate | None) -> None:
        # closed: the server has stopped, and nobody reads
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.put_nowait, update)

    with chat.service.room():
        job = chat.service.engine.stream(chat.request, tell, chat.digest)
    job.done.add_done_callback(lambda _: tell(None))
    try:
        # the first token before the status: what is wrong with the question is found until then
        first = await chat.service.in_time(request, news.get(), chat.deadline)
        if first is None:
            job.done.result()
    except Cancelled as error:
        raise ApiError(499, "the request was canceled") from error
    except BaseException:
        job.cancel()
        raise
    return _Stream(_events(chat, job, first, news), job, ticket, chat.service.metrics)


async def _events(
    chat: _Chat,
    job: ServerJob,
    first: CaptionUpdate | None,
    news: asyncio.Queue[CaptionUpdate | None],
) -> AsyncIterator[str]:
    options = chat.body.stream_options
    with_usage = options is not None and bool(options.include_usage)
    base = {
        "id": chat.id,
        "object": "chat.completion.chunk",
        "created": chat.created,
        "model": chat.body.model,
    }

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        record = {**base, "choices": [choice], **more}
        if with_usage:
            record["usage"] = None
        return f"data: {strict_json.dumps(record)}\n\n"

    writer = Writer(chat.stops)
    confidence: float | None = None
    yield chunk({"role": "assistant", "content": ""})
    update = first
    try:
        while update is not None and not writer.stopped:
            delta = writer.add(update.text, update.finished)
            confidence = update.confidence
            if delta:
                yield chunk({"content": delta})
            left = chat.deadline - time.monotonic()
            update = await asyncio.wait_for(news.get(), max(0.0, left))
        if not writer.stopped:
            job.done.result()
    except asyncio.TimeoutError:
        late = chat.service.too_late()
        yield f"data: {strict_json.dumps(error_body(late.status_code, str(late.detail)))}\n\n"
        return
    except Cancelled:
        return
    except InputError as error:
        yield f"data: {strict_json.dumps(error_body(400, str(input_error(error).detail)))}\n\n"
        return
    # the status is out already: whatever it is can only be told in the stream
    except Exception as error:
        log.error("a stream failed", exc_info=error)
        known = isinstance(error, FineCaptionError)
        told = str(error) if known else "the server failed on this request; its log says why"
        yield f"data: {strict_json.dumps(error_body(500, told))}\n\n"
        return
    extra = {"asked": chat.name, "confidence": confidence}
    yield chunk({}, chat.reason(writer.sent, writer.stopped), finecaption=extra)
    usage = chat.usage(writer.sent)
    if with_usage:
        yield f"data: {strict_json.dumps({**base, 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"
