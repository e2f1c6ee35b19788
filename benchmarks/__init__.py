"""Measurements of the sampler: ``python -m benchmarks.sampling``."""
