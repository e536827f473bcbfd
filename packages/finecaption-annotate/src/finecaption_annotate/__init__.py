"""Annotation tools of finecaption: captions by any model, review by people, pages on datasets."""
