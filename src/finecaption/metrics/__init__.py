"""How good captions are, whoever wrote them.

=============  ===================================================================================
captions       BLEU, ROUGE-L, METEOR, CIDEr, BERTScore of captions against references
uniqueness     whether captions tell the regions of one image apart
semiou         overlap of the words of a category name
drawn          hallucination and abstention, against the synthetic world's truth
dlc            DLC-Bench: questions on a description, answered by a text judge
clair, rubric  other judges: the same image? right, complete and free of inventions?
judge          the model behind all three, at any OpenAI-compatible address; answers are kept
=============  ===================================================================================

The other files are parts of these. Nothing here imports the model, and torch is imported by the
BERTScore alone, when it is asked for.
"""

from __future__ import annotations
