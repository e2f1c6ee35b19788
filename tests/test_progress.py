"""Progress: one bar whose end does not move, lines where there is no terminal, seconds left."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from itertools import pairwise

import pytest

from skhlm import progress as progress_module
from skhlm.progress import Lines, Progress, Stand, View, aside, in_words, progress_of
from tests.terminals import on_terminal


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


class Seen(View):
    """A view that only remembers."""

    def __init__(self, seen):
        self.seen = seen

    def draw(self, stand):
        self.seen.append(stand)

    close = draw


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(clock):
    return Progress(clock)


def test_a_part_takes_its_share_of_what_is_left(progress):
    with progress.part(0.5, clear=True):
        progress.reach(0.4)
        assert progress.stand().done == pytest.approx(0.2)
    assert progress.stand().done == pytest.approx(0.5)
    with progress.part(0.5, clear=True):
        progress.reach(0.5)
        assert progress.stand().done == pytest.approx(0.625)
    assert progress.stand().done == pytest.approx(0.75)


def test_parts_of_parts(progress):
    with progress.part(0.5, "fold 1"):
        with progress.part(0.5, "sampling", clear=True):
            assert progress.stand().doing == "fold 1, sampling"
        assert progress.stand().done == pytest.approx(0.25)
        with progress.part(1.0, "checking", clear=True):
            progress.reach(0.5)
            assert progress.stand().done == pytest.approx(0.375)
    assert progress.stand().done == pytest.approx(0.5)


def test_however_many_rounds_there_are_the_end_is_not_reached_before_it(progress):
    seen = []
    for _ in range(20):
        with progress.part(0.8, clear=True):
            for tenth in range(11):
                progress.reach(tenth / 10)
                seen.append(progress.stand().done)
    assert seen == sorted(seen)
    assert seen[-1] < 1


def test_it_never_falls(progress):
    with progress.part(1.0, clear=True):
        progress.reach(0.7)
        progress.reach(0.2)
        assert progress.stand().done == pytest.approx(0.7)


def test_a_part_that_cannot_tell_creeps_and_does_not_arrive(progress, clock):
    with progress.part(0.5):
        seen = []
        for _ in range(1000):
            seen.append(progress.stand().done)
            clock.wait(1)
        assert all(before < after for before, after in pairwise(seen))
        assert seen[-1] < 0.5
        before = seen[-1]
    with progress.part(0.1):
        assert progress.stand().done >= before


def test_seconds_left_are_what_is_left_at_the_rate_of_the_part(progress, clock):
    with progress.part(0.2):
        clock.wait(30)
        assert progress.stand().left is None
    with progress.part(1.0, clear=True):
        assert progress.stand().left is None
        clock.wait(10)
        progress.reach(0.25)
        assert progress.stand().left == pytest.approx(30)
        clock.wait(12)
        assert progress.stand().left == pytest.approx(18)
        clock.wait(30)
        assert progress.stand().left == 0


def test_of_a_series_the_rate_is_that_of_all(progress, clock):
    with progress.series():
        for done in range(4):
            with progress.part(1 / (5 - done)):
                with progress.part(0.1):
                    clock.wait(7)
                with progress.part(0.5, clear=True):
                    clock.wait(1)
                    progress.reach(1)
                clock.wait(2)
        assert progress.stand().left == pytest.approx(10)


def test_a_task_that_fails_is_not_done(progress):
    with pytest.raises(KeyError), progress.part(0.5, clear=True):
        progress.reach(0.5)
        raise KeyError
    assert progress.stand().done == pytest.approx(0.25)
    with progress.part(0.5, clear=True):
        assert progress.stand().done == pytest.approx(0.25)


def test_how_things_stand_in_words():
    assert str(Stand(0.5, "sampling", 12.4, 7.2)) == "sampling, 12 s, about 7 s left"
    assert str(Stand(0.5, "", 12.4, 0.0)) == "12 s, about 1 s left"
    assert str(Stand(1.0, "", 200.0, 0.0)) == "3 min 20 s"
    assert in_words(3599.7) == "1 h 0 min"


def test_nothing_is_said_to_be_whole_before_it_is():
    assert Stand(0.9999, "", 1.0, None).percent == 99
    assert Stand(1.0, "", 1.0, None).percent == 100
    assert Stand(0.29, "", 1.0, None).percent == 29


def test_lines_come_ever_more_rarely(capsys):
    lines = Lines("task")
    for second in range(300):
        lines.draw(Stand(second / 300, "at it", float(second), None))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "task: 0%, at it, 2 s"
    assert [line.rsplit(", ")[-1] for line in told] == [
        *("2 s", "4 s", "8 s", "16 s", "32 s", "1 min 4 s"),
        *("2 min 4 s", "3 min 4 s", "4 min 4 s"),
    ]


def test_nothing_is_shown_unasked(capsys):
    with progress_of("task", 0) as progress, progress.part(0.5), aside():
        pass
    assert capsys.readouterr() == ("", "")


def test_a_task_within_a_task_is_a_part_of_it(capsys):
    with progress_of("outer", 1) as outer, outer.part(0.5), progress_of("inner", 1) as inner:
        assert inner is outer
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("outer: 100%, ")


def test_every_part_with_a_name_is_seen_however_short(monkeypatch):
    seen = []
    monkeypatch.setattr(progress_module, "_OFTEN", 60.0)
    monkeypatch.setattr(progress_module, "_view", lambda _: Seen(seen))
    names = [f"part {k}" for k in range(50)]
    with progress_of("task", 1) as progress:
        for name in names:
            with progress.part(0.1, name):
                pass
    told = [stand.doing for stand in seen if stand.doing]
    assert list(dict.fromkeys(told)) == names
    done = [stand.done for stand in seen]
    assert done == sorted(done)


def test_warnings_are_what_they_were_afterwards():
    before = warnings.showwarning
    with progress_of("task", 1):
        pass
    assert warnings.showwarning is before


def fit(**parameters):
    """A program that fits sleepstudy."""
    given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    program = f"""
        from skhlm import HLMRegressor
        from skhlm.datasets import load_sleepstudy
        X, y = load_sleepstudy(return_X_y=True)
        HLMRegressor("subject", family="normal", random_state=0, {given}).fit(X, y)
    """
    return [sys.executable, "-c", textwrap.dedent(program)]


def test_a_fit_on_a_terminal_is_one_bar_that_moves_from_its_beginning_to_its_end():
    shown = on_terminal(fit(verbose=1))
    assert (shown.code, shown.out) == (0, "")
    assert shown.terminal.count("\n") == 1
    percents = shown.percents
    assert percents == sorted(percents)
    assert percents[0] <= 5 and percents[-1] == 100
    assert len({*percents}) >= 4
    assert any("sampling" in picture for picture in shown.pictures)


@pytest.mark.parametrize("columns", [30, 200])
def test_the_bar_keeps_to_one_line(columns):
    shown = on_terminal(fit(verbose=1), columns)
    assert shown.percents[-1] == 100
    assert max(map(len, shown.pictures)) <= columns


def test_a_warning_stands_in_a_line_of_its_own():
    shown = on_terminal(fit(verbose=1, chains=2, iter_warmup=10, iter_sampling=4))
    lines = [text.rstrip("\r").split("\r")[-1] for text in shown.terminal.split("\n")]
    (told,) = [line for line in lines if "ConvergenceWarning" in line]
    assert "|" not in told
    assert shown.percents[-1] == 100


def test_without_a_terminal_there_are_lines():
    done = subprocess.run(fit(verbose=1), capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "\r" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("skhlm: 100%, ")


def test_a_fit_is_silent_on_a_terminal_unless_asked():
    assert on_terminal(fit()).terminal == ""
