"""Nothing is sent to a terminal raw."""

from __future__ import annotations

import pandas as pd
import pytest

from skhlm.cli.console import complain, say
from skhlm.printable import printable
from tests.cli.running import COMMAND, QUICK, run
from tests.terminals import on_terminal

CLEAR, TITLE = "\x1b[2J", "\x1b]0;owned\x07"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plain, é, 東京\n\ttab", "plain, é, 東京\n\ttab"),
        (CLEAR, r"\x1b[2J"),
        ("a\rb\x08\x7f\x9b2J", r"a\rb\x08\x7f\x9b2J"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
    ],
)
def test_control_characters_are_told_by_their_codes(text, told):
    assert printable(text) == told


def test_what_is_said_is_printable(capsys):
    say(f"one{CLEAR}")
    complain(f"two\n{CLEAR}")
    assert capsys.readouterr() == ("one\\x1b[2J\n", "two \\x1b[2J\n")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A file whose levels and columns command terminals, and a model of it."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = pd.DataFrame({"g": [f"a{CLEAR}", f"b{TITLE}", "c"] * 20, f"x{CLEAR}": range(60)})
    rows.assign(y=[i % 7 for i in range(60)]).to_csv(folder / "d.csv", index=False)
    run("fit", folder / "d.csv", "--target", "y", *QUICK, "-o", folder / "m.skhlm")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "m.skhlm", "--of", "group_effects"],
        ["summary", "m.skhlm"],
        ["summary", "m.skhlm", "-o", "-"],
        ["predict", "m.skhlm", "d.csv"],
        ["diagnose", "m.skhlm"],
        ["curve", "m.skhlm", "--feature", "nothing"],
        ["fit", "d.csv", "--target", "nothing", "-o", "n.skhlm"],
        ["fit", "d.csv", "--target", "y", *QUICK, "-o", f"n{CLEAR}.skhlm"],
    ],
)
def test_a_terminal_is_sent_no_escapes_of_others(hostile, monkeypatch, arguments):
    monkeypatch.chdir(hostile)
    sent = on_terminal([*COMMAND, *arguments], out_too=True).terminal
    assert len(sent) > 20
    assert CLEAR not in sent and TITLE not in sent


def test_a_pipe_is_sent_what_there_is(hostile, capsys):
    assert run("predict", hostile / "m.skhlm", hostile / "d.csv") == 0
    assert CLEAR in capsys.readouterr().out
