"""A command with its standard error, or both outputs, on a pseudo terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass

PERCENT = re.compile(r" *(\d+)%\|")


@dataclass(frozen=True)
class Shown:
    """What came of a command: exit code, its standard output, what the terminal was sent."""

    code: int
    out: str
    terminal: str

    @property
    def pictures(self):
        """What was drawn, one over the other, in the terminal's last line."""
        return [text for text in re.split(r"[\r\n]+", self.terminal) if text.strip()]

    @property
    def percents(self):
        """How far the bars were that were drawn."""
        return [int(found[1]) for text in self.pictures if (found := PERCENT.search(text))]


def on_terminal(command, columns=80, out_too=False, **environment):
    """Run a command whose standard error is a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=theirs if out_too else subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, **environment},
    )
    os.close(theirs)
    shown = _read(ours)
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    return Shown(process.returncode, (out or b"").decode(), shown.decode())


def _read(descriptor):
    """All that is sent to a terminal; its end is an error of Linux."""
    found = []
    while True:
        try:
            piece = os.read(descriptor, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        found.append(piece)
    return b"".join(found)
