"""How far an answer can be trusted: confidence, unknown images, and the evidence for a word."""
