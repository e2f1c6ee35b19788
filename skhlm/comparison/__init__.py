"""The pooled, the unpooled and the hierarchical model side by side."""

from skhlm.comparison.compare import compare

__all__ = ["compare"]
