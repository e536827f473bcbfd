"""Chat templates (Jinja), saved beside the weights as `chat_template.jinja`.

Messages are transformers': `{"role": ..., "content": "text" or [{"type": "image"}, {"type":
"text", "text": ...}]}`. A template writes one image token for a region; the processor repeats it.
"""

from __future__ import annotations

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


__all__ = ["llama3_template", "word_level_template"]
