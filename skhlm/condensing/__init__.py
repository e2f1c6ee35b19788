"""More rows than memory: what the likelihood needs of them, gathered a block at a time."""
