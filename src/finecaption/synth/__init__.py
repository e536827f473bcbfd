"""The drawn world: scenes with exact truth, as pictures, masks and captions."""
