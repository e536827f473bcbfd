"""Objectives on scenes: class maps, clicks, contrast, text, and class labels beside captions."""
