"""The engine: takes questions on regions at any time, answers them as they get done."""

from __future__ import annotations

import inspect
import itertools
import threading
import time
from collections.abc import Hashable, Sequence
from typing import Any

import torch

from finecaption.continuous.handle import Answer, Cancelled, EngineStopped, Handle, QueueFull
from finecaption.continuous.table import Exhausted, Slots, TableRegion, with_table
from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor

_LAST_ID = 2**31 - 1  # the engine keeps ids as int32
_POLL = 0.05  # seconds between looks at whether the engine is still alive


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
        self._slots = Slots(max_regions, self.image_tokens, words, _LAST_ID)
        self._model, self._rows = with_table(model, max_regions * self.image_tokens)
        self._ends = _end_ids(model)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._handles: dict[str, tuple[Handle, TableRegion]] = {}
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
            handle = Handle(f"finecaption-{next(self._numbers)}", self._cancel)
            request = {
                "input_ids": self._with_region(prompt_ids, region),
                "max_new_tokens": max_new_tokens,
            }
            region.users += 1
            self._handles[handle.request_id] = handle, region
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

    def _region(self, tokens: torch.Tensor, key: Hashable) -> TableRegion:
        if self._renews:
            raise QueueFull("the engine is beginning anew; ask again later")
        try:
            taken = self._slots.take(key)
        except Exhausted:
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

    def _with_region(self, prompt: Sequence[int], region: TableRegion) -> list[int]:
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
        found = self._handles.get(output.request_id)
        if found is None:  # cancelled
            return
        handle, region = found
        ids = list(output.generated_tokens)
        said = ids[:-1] if ids and ids[-1] in self._ends else ids
        text = self.processor.answer(said)
        if output.error is not None:
            with self._idle:
                self._close(handle, None, EngineStopped(f"the engine has failed ({output.error})"))
            return
        handle.grow(text)
        with self._idle:
            if output.is_finished():
                marks = output.logprobs
                mean = sum(marks) / len(marks) if marks else 0.0
                self._close(handle, Answer(text, tuple(ids), mean))
            else:
                self._release(region)

    def _release(self, region: TableRegion) -> None:
        """Sends the requests that waited for a region's prefix."""
        region.primed = True
        waiting, region.waiting = region.waiting or [], None
        for handle, request in waiting:
            if not handle.done():
                self._send(handle, request)

    def _close(self, handle: Handle, answer: Answer | None, error: Exception | None = None) -> None:
        found = self._handles.pop(handle.request_id, None)
        if found is None:
            return
        handle.finish(answer, error)
        _, region = found
        region.users -= 1
        self._release(region)
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
            for handle, _ in list(self._handles.values()):
                self._close(handle, None, EngineStopped(why))


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
