"""Training from scratch on scenes: the pool, what is asked of it, recipes and the run of one."""
