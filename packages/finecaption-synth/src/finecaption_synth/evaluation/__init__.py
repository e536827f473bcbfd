"""Evaluation against the ground truth of the synthetic world."""
