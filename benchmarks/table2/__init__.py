"""Table 2 of the paper in miniature: nine ways of telling a model which region is meant."""
