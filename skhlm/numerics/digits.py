"""Numbers in messages, with enough digits to be told from a bound."""

from __future__ import annotations

_MOST = 17  # that a float has


def told_apart(value: float, bound: float, digits: int, style: str = "f") -> str:
    """A number with so many digits, or with more where the bound would be printed alike.

    ``style`` is "f" for digits behind the point, "g" for significant ones.

    Examples
    --------
    >>> from skhlm.numerics.digits import told_apart
    >>> told_apart(0.7012, 0.7, 2), told_apart(0.7212, 0.7, 2)
    ('0.701', '0.72')
    """
    enough = (d for d in range(digits, _MOST) if f"{value:.{d}{style}}" != f"{bound:.{d}{style}}")
    return f"{value:.{next(enough, digits)}{style}}"


def significant(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, and thousands apart.

    Examples
    --------
    >>> from skhlm.numerics.digits import significant
    >>> significant(123456.7), significant(0.0012345)
    ('123,500', '0.001234')
    """
    return f"{float(f'{value:.{digits}g}'):,.12g}"
