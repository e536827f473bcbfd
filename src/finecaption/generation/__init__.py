"""Answers to many questions on many regions of many pictures at once."""

from __future__ import annotations

from .decoding import LENGTHS, MAX_NEW_TOKENS, Decoding
from .engine import Answer, Piece, answer, answer_stream, answers, describe, encode_pictures

__all__ = [
    "LENGTHS",
    "MAX_NEW_TOKENS",
    "Answer",
    "Decoding",
    "Piece",
    "answer",
    "answer_stream",
    "answers",
    "describe",
    "encode_pictures",
]
