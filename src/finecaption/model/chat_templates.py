"""Chat templates (Jinja), saved beside the weights as `chat_template.jinja`.

Messages are transformers': `{"role": ..., "content": "text" or [{"type": "image"}, {"type":
"text", "text": ...}]}`. A template writes one image token for a region; the processor repeats it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from finecaption.errors import InputError

T = TypeVar("T")

SECONDS = 5.0
"""To render a chat template; ours take less than a millisecond."""


class _Late(BaseException):
    """Not an Exception, which a template's filters might catch."""


def rendered_in_time(render: Callable[[], T], seconds: float = SECONDS) -> T:
    """What `render` returns.

    A template is a program that comes with the weights, and may loop for ever. Jinja compiles it to
    Python, so that another thread can raise an error in it (PyThreadState_SetAsyncExc).

    Raises:
        InputError: it takes longer.
    """
    lock, done = threading.Lock(), False
    me = ctypes.c_ulong(threading.get_ident())

    def stop() -> None:
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(me, ctypes.py_object(_Late))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    try:
        timer.start()
        try:
            return render()
        finally:
            with lock:
                done = True
            timer.cancel()
    except _Late:
        raise InputError(
            f"chat_template: takes over {seconds:g} s to render; take the published model's"
        ) from None


_CONTENT = (
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{{ '@IMAGE@' }}"
    "{%- elif part['type'] == 'text' -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
)

_WORD_LEVEL = (
    "{{- '<bos>' -}}{%- for message in messages -%}"
    "{{- '<' + message['role'] + '>' -}}"
    + _CONTENT
    + "{%- if message['role'] == 'assistant' -%}{{ '<eos>' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<assistant>' }}{%- endif -%}"
)

_LLAMA3 = (
    "{{- '<|begin_of_text|>' -}}{%- for message in messages -%}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}"
    + _CONTENT
    + "{{- '<|eot_id|>' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}"
)


def word_level_template(image_token: str = "<image>") -> str:
    """mini's: `<bos><user><image>text<assistant>answer<eos>`."""
    return _WORD_LEVEL.replace("@IMAGE@", image_token)


def llama3_template(image_token: str = "<|reserved_special_token_0|>") -> str:
    """Llama 3's own headers, with an image token where the message has an image."""
    return _LLAMA3.replace("@IMAGE@", image_token)


OWN = frozenset({word_level_template(), llama3_template()})
"""Templates that are known to end."""

__all__ = ["OWN", "llama3_template", "rendered_in_time", "word_level_template"]
