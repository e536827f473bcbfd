"""Training: what each stage trains, on what, and how it is run."""
