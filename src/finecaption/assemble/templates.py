"""Chat templates for other people's language models: one image token where a message has an image.

Llama 3 and ChatML (Qwen) get short templates of their own, without the system prompts that theirs
add (one of them writes today's date). Any other model keeps its own template, behind a preamble
that turns a list of parts into the string that it expects.
"""

from __future__ import annotations

from collections.abc import Container

from finecaption.model.chat_templates import llama3_template

_PARTS = (
    "{%- if message['content'] is string -%}{%- set c.text = message['content'] -%}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{%- set c.text = c.text + '@IMAGE@' -%}"
    "{%- elif part['type'] == 'text' -%}{%- set c.text = c.text + part['text'] -%}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
)

_PREAMBLE = (
    "{%- set flat = namespace(messages=[]) -%}"
    "{%- for message in messages -%}{%- set c = namespace(text='') -%}"
    + _PARTS
    + "{%- set flat.messages = flat.messages + [{'role': message['role'], 'content': c.text}] -%}"
    "{%- endfor -%}{%- set messages = flat.messages -%}"
)

_CHATML = (
    _PREAMBLE + "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}{{- '@THOUGHT@' -}}{%- endif -%}"
    "{{- message['content'] + '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n@THOUGHT@' -}}{%- endif -%}"
)

# For base models: no roles, a line break between question and answer.
_PLAIN = (
    _PREAMBLE + "{{- '@BOS@' -}}{%- for message in messages -%}{{- message['content'] -}}"
    "{%- if message['role'] == 'assistant' -%}{{- '@EOS@' -}}{%- else -%}{{- '\\n' -}}{%- endif -%}"
    "{%- endfor -%}"
)

# Qwen3's way of saying that no thinking is wanted.
_NO_THOUGHT = "<think>\\n\\n</think>\\n\\n"


def choose_template(
    own: str | None, vocabulary: Container[str], image_token: str, bos: str | None, eos: str | None
) -> tuple[str, str]:
    """The template for a tokenizer.

    Args:
        own: the tokenizer's template, if any.
        vocabulary: its tokens.
        image_token: written for each image.
        bos, eos: its special tokens.

    Returns:
        (Jinja, what it is in words).
    """
    if own and image_token in own:
        return own, "its own"
    if "<|start_header_id|>" in vocabulary:
        return llama3_template(image_token), "Llama 3"
    if "<|im_start|>" in vocabulary and "<|im_end|>" in vocabulary:
        thought = _NO_THOUGHT if own and "enable_thinking" in own else ""
        text = _CHATML.replace("@THOUGHT@", thought)
        return text.replace("@IMAGE@", image_token), "ChatML"
    if own:
        return _PREAMBLE.replace("@IMAGE@", image_token) + own, "its own, for parts"
    plain = _PLAIN.replace("@BOS@", bos or "").replace("@EOS@", eos or "")
    return plain.replace("@IMAGE@", image_token), "plain"


__all__ = ["choose_template"]
