"""Continuous batching for servers, on transformers' own engine: requests come and go at any step.

That engine takes token ids and nothing else. Here a region's image tokens are written into a table,
and its placeholders in the prompt become ids from the vocabulary's size on, which the embedding
layer looks up in that table. An id stands for one row of one region and for no other later on,
because the engine recognises prefixes that it has already computed by their ids: two questions on
one region share its prefix, and two regions never do.

    id = V + (turn * S + slot) * T + row

A region has a slot of the table; once nobody uses it, the slot is lent again, with the next turn.
So the table does not grow, and `(id - V) mod (S * T)` finds the row. Ids are 32-bit: when they run
out (33 million regions of 64 tokens), the engine empties itself and begins anew.

Legend: V words of the vocabulary, S slots, T image tokens a region, D the language model's width.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import itertools
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Generator, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from finecaption.errors import FineCaptionError, InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor

_LAST_ID = 2**31 - 1  # the engine keeps ids as int32
_POLL = 0.05  # seconds between looks at whether the engine is still alive


class QueueFull(FineCaptionError):
    """As many requests as the engine takes are unfinished; ask again later."""


class EngineStopped(FineCaptionError):
    """The engine was stopped, or has failed; its message says which."""


class Cancelled(FineCaptionError):
    """The request was cancelled."""


@dataclass(frozen=True)
class Answer:
    """A finished answer."""

    text: str
    ids: tuple[int, ...]
    """Generated tokens, the end token included if it was reached."""
    logprob: float
    """Mean natural log-probability of `ids`; 0 if there are none."""


class Handle:
    """A request under way: await it, iterate over it (plain or async), or call `result`.

    Iterating gives the text so far, each time that it has grown.
    """

    def __init__(self, engine: ContinuousEngine, request_id: str, region: _Region) -> None:
        self.request_id = request_id
        self._engine = engine
        self._region = region
        self._future: Future[Answer] = Future()
        self._future.set_running_or_notify_cancel()  # a cancelled task must not cancel it silently
        self._lock = threading.Lock()
        self._text = ""
        self._listeners: list[Any] = []

    def result(self, timeout: float | None = None) -> Answer:
        """Waits for the answer.

        Raises:
            TimeoutError: it is not there after `timeout` seconds.
            EngineStopped, Cancelled: it will never be.
        """
        return self._future.result(timeout)

    def done(self) -> bool:
        """Whether the answer, or its failure, is there."""
        return self._future.done()

    def cancel(self) -> None:
        """Gives the request up; nothing if it is finished."""
        self._engine._cancel(self)

    def __await__(self) -> Generator[Any, None, Answer]:
        return asyncio.wrap_future(self._future).__await__()

    def __iter__(self) -> Iterator[str]:
        news: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listen(news.put)
        while (text := news.get()) is not None:
            yield text
        self.result()  # raises what went wrong

    async def __aiter__(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[str | None] = asyncio.Queue()

        def tell(text: str | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody reads any more
                loop.call_soon_threadsafe(news.put_nowait, text)

        self._listen(tell)
        while (text := await news.get()) is not None:
            yield text
        await self

    def _listen(self, listener: Any) -> None:
        with self._lock:
            if self._text:
                listener(self._text)
            if self._future.done():
                listener(None)
            else:
                self._listeners.append(listener)

    def _grown(self, text: str) -> None:
        with self._lock:
            if text != self._text:
                self._text = text
                for listener in self._listeners:
                    listener(text)

    def _finish(self, answer: Answer | None, error: Exception | None = None) -> None:
        with self._lock:
            if self._future.done():
                return
            if error is not None:
                self._future.set_exception(error)
            elif answer is not None:
                self._future.set_result(answer)
            listeners, self._listeners = self._listeners, []
            for listener in listeners:
                listener(None)


class _Region:
    """A region in the table."""

    def __init__(self, slot: int, first_id: int) -> None:
        self.slot = slot
        self.first_id = first_id
        self.users = 0
        self.primed = False  # whether its prefix is in the engine's cache
        self.waiting: list[tuple[Handle, dict[str, Any]]] | None = None  # for the first to prime it


class _Exhausted(Exception):
    """No id is left."""


class _Slots:
    """Which region has which slot; the longest unused is lent again."""

    def __init__(self, count: int, tokens: int, vocabulary: int, last_id: int) -> None:
        self._span = tokens
        self._vocabulary = vocabulary
        self._count = count
        self._turns = (last_id + 1 - vocabulary) // (count * tokens)
        if self._turns < 1:
            raise InputError(f"regions: {count} of {tokens} tokens have no room in 32-bit ids")
        self.begin_anew()

    def begin_anew(self) -> None:
        self._turn = [0] * self._count
        self._regions: OrderedDict[Hashable, _Region] = OrderedDict()  # least recently used first
        self._free = list(range(self._count))

    def take(self, key: Hashable) -> tuple[_Region, bool] | None:
        """The region of a key, and whether it is new; None if every slot is in use."""
        region = self._regions.get(key)
        if region is not None:
            self._regions.move_to_end(key)
            return region, False
        if not self._free:
            idle = next((k for k, r in self._regions.items() if not r.users), None)
            if idle is None:
                return None
            self._free.append(self._regions.pop(idle).slot)
        slot = self._free[-1]
        if self._turn[slot] >= self._turns:
            raise _Exhausted
        number = self._turn[slot] * self._count + slot
        region = _Region(self._free.pop(), self._vocabulary + number * self._span)
        self._turn[slot] += 1
        self._regions[key] = region
        return region, True


class _Embedding(nn.Module):
    """Words by their embeddings, ids beyond them by the table's rows."""

    def __init__(self, words: nn.Embedding, rows: torch.Tensor) -> None:
        super().__init__()
        self.words = words
        self.register_buffer("rows", rows, persistent=False)  # (S * T, D)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(..., L) -> (..., L, D)"""
        beyond = ids - self.words.num_embeddings
        words = self.words(ids.clamp(max=self.words.num_embeddings - 1))
        seen = self.rows[(beyond.clamp(min=0) % self.rows.shape[0]).long()]
        return torch.where((beyond >= 0).unsqueeze(-1), seen.to(words.dtype), words)


class ContinuousEngine:
    """Greedy answers to requests that come and go, with prefixes shared by region.

    The model's weights are shared with the caller's, not copied; the caller's model stays as it is
    and can be used meanwhile (to encode pictures, say).
    """

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        processor: FineCaptionProcessor,
        *,
        page_size: int = 8,
        num_blocks: int = 2048,
        max_batch_tokens: int = 512,
        max_rows: int = 32,
        max_regions: int = 64,
        queue_limit: int = 256,
    ) -> None:
        """
        Args:
            page_size: tokens of the cache that are shared or not as one; at least 4.
            num_blocks: pages a layer: the cache holds `page_size * num_blocks` tokens.
            max_batch_tokens: tokens a step; a longer prompt goes through in parts.
            max_rows: requests a step; others wait.
            max_regions: S, regions in the table at a time.
            queue_limit: unfinished requests, beyond which `submit` refuses.

        Raises:
            InputError: a number out of range; a transformers release without continuous batching.
        """
        for name, value, least in (
            ("page_size", page_size, 4), ("num_blocks", num_blocks, 1),
            ("max_batch_tokens", max_batch_tokens, 1), ("max_rows", max_rows, 1),
            ("max_regions", max_regions, 1), ("queue_limit", queue_limit, 1),
        ):  # fmt: skip
            if value < least:
                raise InputError(f"{name}: must be {least} or more; got {value}")
        self.processor = processor
        self.image_tokens = int(model.config.image_seq_length)
        self.image_token_id = int(model.config.image_token_id)
        self.capacity = page_size * num_blocks
        self.queue_limit = queue_limit
        self._context = int(model.config.text_config.max_position_embeddings)
        self._config = _settings(
            page_size=page_size,
            num_blocks=num_blocks,
            max_batch_tokens=max_batch_tokens,
            max_requests_per_batch=max_rows,
            use_cuda_graph=False,  # the trunk counts placeholders, which a captured graph cannot
            return_logprobs=True,
        )
        words = model.get_input_embeddings().weight.shape[0]
        self._slots = _Slots(max_regions, self.image_tokens, words, _LAST_ID)
        self._model, self._rows = _with_table(model, max_regions * self.image_tokens)
        self._ends = _end_ids(model)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._handles: dict[str, Handle] = {}
        self._numbers = itertools.count()
        self._manager: Any = None
        self._dispatcher: threading.Thread | None = None
        self._accepts = self._renews = False

    # --- its life ---------------------------------------------------------------------------

    def start(self) -> ContinuousEngine:
        """Begins to take requests. Once stopped, or failed, an engine can be started again."""
        if self._accepts:
            return self
        self.stop(timeout=0)  # what is left of one that has failed
        with self._lock:
            self._manager = self._new_manager()
            self._accepts = True
        self._dispatcher = threading.Thread(
            target=self._dispatch, name="finecaption-continuous", daemon=True
        )
        self._dispatcher.start()
        return self

    def stop(self, timeout: float | None = None) -> None:
        """Takes no more requests, finishes those that it has, and ends its threads.

        Args:
            timeout: seconds after which unfinished requests fail with EngineStopped; None: never.
        """
        with self._idle:
            self._accepts = False
            flushed = self._idle.wait_for(lambda: not self._handles, timeout)
            manager, self._manager = self._manager, None
        if manager is not None:
            manager.stop(block=True, hard_stop=not flushed)
        if self._dispatcher is not None:
            self._dispatcher.join()
            self._dispatcher = None
        self._fail_all("the engine was stopped")

    def __enter__(self) -> ContinuousEngine:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def unfinished(self) -> int:
        """Requests that are waiting or running."""
        with self._lock:
            return len(self._handles)

    def _new_manager(self) -> Any:
        from transformers import GenerationConfig

        manager = self._model.init_continuous_batching(
            generation_config=GenerationConfig(
                do_sample=False, eos_token_id=sorted(self._ends) or -1, pad_token_id=0
            ),
            continuous_batching_config=self._config,
        )
        manager.start()
        return manager

    # --- requests ---------------------------------------------------------------------------

    def submit(
        self,
        region_tokens: torch.Tensor,
        prompt_ids: Sequence[int],
        *,
        max_new_tokens: int = 256,
        key: Hashable = None,
    ) -> Handle:
        """Queues a question on a region.

        Args:
            region_tokens: (T, D) or (1, T, D) from `encode_regions`.
            prompt_ids: from `FineCaptionProcessor.prompt_ids`: T placeholders among them.
            max_new_tokens: cap on the answer.
            key: names picture and mask; requests with equal keys share the prefix, and the first
                one's `region_tokens` stand for all. None: a region of its own.

        Raises:
            QueueFull: too many unfinished requests, or regions in use.
            EngineStopped: it does not run.
            InputError: the prompt does not fit the region, the context or the cache.
        """
        self._check(region_tokens, prompt_ids, max_new_tokens)
        with self._idle:
            if not self._accepts or self._manager is None:
                raise EngineStopped("the continuous engine is not running; start it")
            if len(self._handles) >= self.queue_limit:
                raise QueueFull(f"{self.queue_limit} requests are unfinished; ask again later")
            region = self._region(region_tokens, object() if key is None else key)
            handle = Handle(self, f"finecaption-{next(self._numbers)}", region)
            request = {
                "input_ids": self._with_region(prompt_ids, region),
                "max_new_tokens": max_new_tokens,
            }
            region.users += 1
            self._handles[handle.request_id] = handle
            if region.primed:
                self._send(handle, request)
            elif region.waiting is None:
                region.waiting = []
                self._send(handle, request)
            else:  # until the first has put the prefix into the cache, so that it is computed once
                region.waiting.append((handle, request))
        return handle

    def _check(self, tokens: torch.Tensor, prompt: Sequence[int], new: int) -> None:
        wanted = (self.image_tokens, self._rows.shape[-1])
        if tuple(tokens.shape[-2:]) != wanted or tokens.numel() != wanted[0] * wanted[1]:
            raise InputError(f"region_tokens: must be {wanted}; got {tuple(tokens.shape)}")
        count = sum(token == self.image_token_id for token in prompt)
        if count != self.image_tokens:
            raise InputError(
                f"prompt_ids: have {count} image placeholders for {self.image_tokens} image tokens"
            )
        if new < 1:
            raise InputError(f"max_new_tokens: must be 1 or more; got {new}")
        most = min(self._context, self.capacity)
        if len(prompt) + new > most:
            raise InputError(
                f"max_new_tokens: {new} behind {len(prompt)} tokens of prompt exceed {most}, "
                f"the {'context' if most == self._context else 'cache'}; ask for fewer"
            )

    def _region(self, tokens: torch.Tensor, key: Hashable) -> _Region:
        if self._renews:
            raise QueueFull("the engine is beginning anew; ask again later")
        try:
            taken = self._slots.take(key)
        except _Exhausted:
            self._renews = True
            if self._handles:
                raise QueueFull("the engine is beginning anew; ask again later") from None
            self._renew()
            taken = self._slots.take(key)
        if taken is None:
            raise QueueFull("every region of the table is in use; ask again later")
        region, new = taken
        if new:
            first = region.slot * self.image_tokens
            with torch.no_grad():
                rows = self._rows[first : first + self.image_tokens]
                rows.copy_(tokens.reshape(rows.shape))
            if rows.is_cuda:  # the engine computes on a stream of its own
                torch.cuda.current_stream(rows.device).synchronize()
        return region

    def _with_region(self, prompt: Sequence[int], region: _Region) -> list[int]:
        beyond = itertools.count(region.first_id)
        return [next(beyond) if token == self.image_token_id else token for token in prompt]

    def _send(self, handle: Handle, request: dict[str, Any]) -> None:
        sent = self._manager and self._manager.add_request(
            request_id=handle.request_id, streaming=True, eos_token_id=sorted(self._ends), **request
        )
        if sent is None:
            self._close(handle, None, EngineStopped("the engine was stopped, or has failed"))

    def _cancel(self, handle: Handle) -> None:
        with self._idle:
            if handle.request_id not in self._handles:
                return
            if self._manager is not None:
                self._manager.cancel_request(handle.request_id)
            self._close(handle, None, Cancelled("the request was cancelled"))

    # --- answers, in a thread of their own ----------------------------------------------------

    def _dispatch(self) -> None:
        while True:
            manager = self._manager
            if manager is None:
                return
            output = manager.get_result(timeout=_POLL)
            if output is not None:
                self._take(output)
            elif self._has_failed(manager):
                cause = manager.background_thread_status.fatal_error
                self._fail_all(f"the engine has failed ({cause})")
                time.sleep(_POLL)

    def _has_failed(self, manager: Any) -> bool:
        with self._lock:  # not while it is being replaced
            failed = manager is self._manager and not manager.is_running()
            self._accepts = self._accepts and not failed
            return failed

    def _take(self, output: Any) -> None:
        handle = self._handles.get(output.request_id)
        if handle is None:  # cancelled
            return
        ids = list(output.generated_tokens)
        said = ids[:-1] if ids and ids[-1] in self._ends else ids
        text = self.processor.answer(said)
        if output.error is not None:
            with self._idle:
                self._close(handle, None, EngineStopped(f"the engine has failed ({output.error})"))
            return
        handle._grown(text)
        with self._idle:
            if output.is_finished():
                marks = output.logprobs
                mean = sum(marks) / len(marks) if marks else 0.0
                self._close(handle, Answer(text, tuple(ids), mean))
            else:
                self._release(handle._region)

    def _release(self, region: _Region) -> None:
        """Sends the requests that waited for a region's prefix."""
        region.primed = True
        waiting, region.waiting = region.waiting or [], None
        for handle, request in waiting:
            if not handle.done():
                self._send(handle, request)

    def _close(self, handle: Handle, answer: Answer | None, error: Exception | None = None) -> None:
        if self._handles.pop(handle.request_id, None) is None:
            return
        handle._finish(answer, error)
        handle._region.users -= 1
        self._release(handle._region)
        if not self._handles:
            if self._renews:
                self._renew()
            self._idle.notify_all()

    def _renew(self) -> None:
        """A new cache, which knows no prefix, so that ids can be given out again from the first."""
        self._manager.stop(block=True)  # at once: it has nothing left to do
        self._manager = self._new_manager()
        self._slots.begin_anew()
        self._renews = False

    def _fail_all(self, why: str) -> None:
        with self._idle:
            for handle in list(self._handles.values()):
                self._close(handle, None, EngineStopped(why))


def _with_table(
    model: FineCaptionForConditionalGeneration, rows: int
) -> tuple[FineCaptionForConditionalGeneration, torch.Tensor]:
    """A second model on the same weights whose embedding layer knows the table, and the table."""
    shared: dict[int, Any] = {id(value): value for value in model.parameters()}
    twin = copy.deepcopy(model, shared)
    words = twin.get_input_embeddings()
    table = torch.zeros(rows, words.weight.shape[-1], dtype=model.dtype, device=model.device)
    twin.set_input_embeddings(_Embedding(words, table))
    return twin.eval(), table


def _settings(**wanted: Any) -> Any:
    """transformers' ContinuousBatchingConfig.

    Raises:
        InputError: the release has none, or one without these settings.
    """
    import transformers

    known = getattr(transformers, "ContinuousBatchingConfig", None)
    takes = set(inspect.signature(known).parameters) if known is not None else set()
    lacks = sorted(set(wanted) - takes)
    if known is None or lacks:
        raise InputError(
            f"continuous batching: transformers {transformers.__version__} lacks {', '.join(lacks)}"
            "; it is tested with 5.23"
        )
    return known(**wanted)


def _end_ids(model: FineCaptionForConditionalGeneration) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = model.config.text_config.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or ())


__all__ = ["Answer", "Cancelled", "ContinuousEngine", "EngineStopped", "Handle", "QueueFull"]
