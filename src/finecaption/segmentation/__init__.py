"""Regions from clicks, boxes or nothing: segmenters and automatic masks."""
