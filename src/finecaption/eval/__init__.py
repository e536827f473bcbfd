"""Evaluation. Every arrow is a file, and every step can be repeated alone::

    data + model -> predictions.jsonl, twins.jsonl, clicks.jsonl -> scores.json -> table.md

data: images, masks and truth; steps: what the model is asked; records: files that survive a
kill; score, table, stages: figures; run: all of it in order.
"""

from __future__ import annotations
