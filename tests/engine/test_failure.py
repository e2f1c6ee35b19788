"""What is said of a run that failed, where the disk does not say it itself."""

from __future__ import annotations

import shutil

from skhlm.engine.failure import explain_failure


def test_a_directory_that_goes_while_we_look_at_it(tmp_path, monkeypatch):
    def disk_usage(directory):
        raise FileNotFoundError(2, "No such file or directory", directory)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    error = explain_failure(RuntimeError("Error during sampling."), tmp_path)
    assert str(error) == "The Stan program failed: Error during sampling."
