"""Constructors that several classes share."""

from __future__ import annotations

from types import FunctionType
from typing import Any


class NamedConstructor:
    """A base class: what Python says of wrong arguments names the class that was called.

    It would name the one that has the constructor, of which users have not heard.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give the class a constructor of its own, equal to the inherited one."""
        super().__init_subclass__(**kwargs)
        inherited: Any = cls.__init__
        if "__init__" in vars(cls) or not isinstance(inherited, FunctionType):
            return
        own = FunctionType(
            inherited.__code__,
            inherited.__globals__,
            inherited.__name__,
            inherited.__defaults__,
            inherited.__closure__,
        )
        own.__kwdefaults__, own.__annotations__ = (
            inherited.__kwdefaults__,
            inherited.__annotations__,
        )
        own.__qualname__ = f"{cls.__qualname__}.__init__"
        cls.__init__ = own  # type: ignore[method-assign]
