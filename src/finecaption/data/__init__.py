"""Datasets as streams of `RegionSample`: readers, writers, stored forms, mixtures.

Nothing here imports torch when it is imported.
"""
