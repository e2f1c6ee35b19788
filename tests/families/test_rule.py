"""The rule of the room: outside `skhlm/families` nobody asks which family it is."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path

import pytest

import skhlm
from skhlm.families import AUXILIARY, FAMILIES

PACKAGE = Path(skhlm.__file__).parent
ROOM = {"families", "datasets"}  # data sets stand alone, and simulate both families
PLAIN = {"baselines.py", "least_squares.py"}  # regressions that have a sigma of their own
WORDS = "cli/words.py"  # of the command line, which imports nothing; a test holds them to FAMILIES
OUTSIDE = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] not in ROOM | PLAIN and path != PACKAGE / WORDS
)
CLASSES = {type(family).__name__ for family in FAMILIES.values()}
MODULES = {type(family).__module__ for family in FAMILIES.values()}


def breaches(source):
    """Lines that name a family or one of its parameters in code, and what is wrong with them."""
    tree = ast.parse(source)
    given = set(chain.from_iterable(map(given_families, ast.walk(tree))))
    for node in ast.walk(tree):
        for what in breaches_of(node):
            if node not in given:
                yield node.lineno, what


def given_families(node):
    """Values of an argument ``family``: its default, and what a call gives it."""
    if isinstance(node, ast.arguments):
        positional = [*node.posonlyargs, *node.args]
        pairs = [
            *zip(reversed(positional), reversed(node.defaults), strict=False),
            *zip(node.kwonlyargs, node.kw_defaults, strict=True),
        ]
        return [default for argument, default in pairs if argument.arg == "family"]
    if isinstance(node, ast.Call):
        return [keyword.value for keyword in node.keywords if keyword.arg == "family"]
    return []


def breaches_of(node):
    """What is wrong with one node of a syntax tree."""
    match node:
        case ast.Constant(value=str(text)) if text in FAMILIES:
            yield f"the name of a family, {text!r}"
        case ast.Constant(value=str(text)) if text in AUXILIARY:
            yield f"the name of a family's parameter, {text!r}"
        case ast.Attribute(attr=name) if name in AUXILIARY:
            yield f"a family's parameter as an attribute, .{name}"
        case ast.Compare(left=ast.Name(id=name)) if name in AUXILIARY:
            yield f"a comparison of {name}"
        case ast.ImportFrom(module=str(module), names=names):
            some = {alias.name for alias in names} if module.startswith("skhlm.families") else set()
            if module in MODULES or some & CLASSES:
                yield "an import of one family"
        case ast.Import(names=names) if {alias.name for alias in names} & MODULES:
            yield "an import of one family"


@pytest.mark.parametrize("path", OUTSIDE)
def test_nobody_outside_asks_which_family_it_is(path):
    found = [f"{path}:{line}: {what}" for line, what in breaches((PACKAGE / path).read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        'if family == "student_t": pass',
        'if "normal" != self.family: pass',
        'if family in ("normal", "other"): pass',
        'match family:\n    case "student_t": pass',
        'names = {"student_t": 4}',
        "if nu is None: pass",
        "width = posterior.sigma",
        'has_nu = getattr(draws, "nu", None)',
        'nu = auxiliary.get("nu")',
        'sigma = aux["sigma"]',
        "from skhlm.families import StudentT",
        "from skhlm.families.student_t import NU",
        "import skhlm.families.normal as one",
        'def f(kind="normal"): pass',
        'HLMRegressor(kind="normal")',
    ],
)
def test_a_breach_is_seen(source):
    assert list(breaches(source))


@pytest.mark.parametrize(
    "source",
    [
        'def fit(family="student_t"):\n    """With family="student_t" it has a nu."""',
        'def fit(*, n, family: str = "normal"): pass',
        'HLMRegressor("g", family="normal")',
        "from skhlm.families import FAMILIES, Family\nvalues = FAMILIES[name].auxiliary",
        "from skhlm.priors import Normal",
        "variance = family.variance(eta, aux)",
    ],
)
def test_what_is_allowed(source):
    assert not list(breaches(source))
