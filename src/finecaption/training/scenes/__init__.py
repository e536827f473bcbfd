"""Synthetic scenes as training data: rendered scenes, their classes, questions and items."""
