"""Statistics of single outcomes that are zero on average if the model is right."""

from __future__ import annotations

from typing import NamedTuple

from skhlm._typing import Floats


class Excess(NamedTuple):
    """A statistic of outcomes, and what is expected of it given eta: arrays of one shape.

    ``value`` has mean 0, this ``variance`` and this ``third`` central moment. ``scale`` is its mean
    for one unit of what it is about. Where outcomes are rare it jumps by ``step``.
    """

    value: Floats
    variance: Floats
    third: Floats
    scale: Floats
    step: float
