"""Answers to many questions about many regions of many images at once."""
