"""Writers of published formats."""
