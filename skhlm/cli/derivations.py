"""A predictor made of an amount, ``log_spend=log(1 + spend)``, read by a closed grammar."""

from __future__ import annotations

import ast
import operator
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhlm.inputs.columns import listed, suggestion

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    name: getattr(np, name) for name in ("log", "log1p", "log2", "log10", "sqrt", "exp", "tanh")
}
_ELSEWHERE = {"ln": "log", "log_e": "log", "lg": "log10", "ld": "log2", "sqr": "sqrt"}
_FORM = (
    "such as log_spend=log(spend), root=sqrt(spend) or hill=spend**2/(spend**2 + 100), with + - * "
    f"/ ** ( ), numbers and {', '.join(_FUNCTIONS)}"
)


@dataclass(frozen=True)
class Derivation:
    """A predictor, and the syntax tree of what it is in terms of one name."""

    predictor: str
    expression: ast.expr
    text: str

    def of(self, feature: str, values: Any) -> Any:
        """Its values where the feature has these."""
        try:
            return _value(self.expression, feature, values)
        except KeyError as error:
            raise ValueError(
                f"--derive {self.text!r}: there is no {error.args[0]!r}. It is made of "
                f"{feature!r}, the column of --feature, which may also be called x."
            ) from error


def read_derivation(text: str) -> Derivation:
    """One predictor from its words.

    Raises
    ------
    ArgumentTypeError
        When the text is none.

    Examples
    --------
    >>> from skhlm.cli.derivations import read_derivation
    >>> read_derivation("root=sqrt(spend)/2").of("spend", 16.0).item()
    2.0
    """
    predictor, equals, expression = text.partition("=")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        tree = None
    if tree is not None and (unknown := _unknown_function(tree)) is not None:
        raise ArgumentTypeError(f"in {text!r} {unknown} Functions are {listed(_FUNCTIONS)}")
    if tree is None or not equals or not predictor.strip() or not _is_closed(tree):
        raise ArgumentTypeError(f"{text!r} is no predictor made of the amount, {_FORM}")
    return Derivation(predictor.strip(), tree, text)


def derive(terms: Sequence[Derivation], feature: str) -> Callable[[Any], dict[str, Any]] | None:
    """From amounts to the predictors made of them; None where there are none."""
    if not terms:
        return None
    return lambda values: {term.predictor: term.of(feature, values) for term in terms}


def _unknown_function(tree: ast.AST) -> str | None:
    """What is said of the first function that is none, by its name elsewhere or its spelling."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        name = node.func.id
        if name in _ELSEWHERE:
            return f"{name} is called {_ELSEWHERE[name]} here."
        if name not in _FUNCTIONS:
            return f"there is no function {name!r}.{suggestion(name, list(_FUNCTIONS))}"
    return None


def _is_closed(tree: ast.AST) -> bool:
    """Whether it is arithmetic of numbers, names and known functions, and nothing else."""
    if isinstance(tree, ast.Constant):
        return type(tree.value) in (int, float)
    if isinstance(tree, ast.Name):
        return True
    if isinstance(tree, ast.BinOp):
        return type(tree.op) in _OPERATORS and _is_closed(tree.left) and _is_closed(tree.right)
    if isinstance(tree, ast.UnaryOp):
        return type(tree.op) in _OPERATORS and _is_closed(tree.operand)
    if isinstance(tree, ast.Call):
        is_known = isinstance(tree.func, ast.Name) and tree.func.id in _FUNCTIONS
        return is_known and len(tree.args) == 1 and not tree.keywords and _is_closed(tree.args[0])
    return False


def _value(tree: ast.AST, feature: str, values: Any) -> Any:
    """The value of a closed tree."""
    if isinstance(tree, ast.Constant):
        return np.float64(tree.value)  # type: ignore[arg-type]
    if isinstance(tree, ast.Name):
        return {feature: values, "x": values}[tree.id]
    if isinstance(tree, ast.UnaryOp):
        return _OPERATORS[type(tree.op)](_value(tree.operand, feature, values))
    if isinstance(tree, ast.BinOp):
        sides = (_value(side, feature, values) for side in (tree.left, tree.right))
        return _OPERATORS[type(tree.op)](*sides)
    call: Any = tree
    return _FUNCTIONS[call.func.id](_value(call.args[0], feature, values))
