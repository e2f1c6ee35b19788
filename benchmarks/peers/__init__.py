"""skhlm and other packages on the same data: ``python -m benchmarks.peers -h``."""
