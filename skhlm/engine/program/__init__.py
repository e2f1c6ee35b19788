"""All that knows Stan: what its program reads and writes, runs, what goes wrong."""
