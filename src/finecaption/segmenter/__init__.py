"""The network behind `finecaption.segment`."""
