"""What is said of a run that failed, where the disk does not say it itself."""

from __future__ import annotations

import shutil

import pytest

from skhlm.engine.program.failure import explain_failure, is_numerical


def test_a_directory_that_goes_while_we_look_at_it(tmp_path, monkeypatch):
    def disk_usage(directory):
        raise FileNotFoundError(2, "No such file or directory", directory)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    error = explain_failure(RuntimeError("Error during sampling."), tmp_path)
    assert str(error) == "The Stan program failed: Error during sampling."


def test_the_console_is_quoted_only_where_the_program_failed(tmp_path):
    (tmp_path / "hlm-stdout.txt").write_text("Error: chain 1 found no starting point\n")
    error = explain_failure(RuntimeError("Error during sampling.\n retcodes=[70]\n."), tmp_path)
    assert str(error) == "The Stan program failed: chain 1 found no starting point."
    (tmp_path / "hlm-stdout.txt").write_text("0.018 seconds (Total)\n")
    error = explain_failure(ValueError("Parsing output failed"), tmp_path)
    assert str(error) == "The Stan program failed: Parsing output failed."


@pytest.mark.parametrize(
    ("said", "numerical"),
    [("retcodes=[70]", True), ("retcodes=[74]", False), ("retcodes=[-9]", False), ("", False)],
)
def test_only_a_numerical_failure_may_be_tried_again(said, numerical):
    assert (
        is_numerical(RuntimeError(f"Error during variational inference.\n {said}\n.")) is numerical
    )
