"""Images, masks and geometry: what comes in, as checked arrays and plain numbers. No torch."""
