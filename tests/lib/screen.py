# SPDX-License-Identifier: MIT
"""A terminal for a program, by tmux, which keys are sent to and which is looked at. Standard library only."""
import os
import re
import shutil
import subprocess

from journald import PATIENCE, wait_for

ENDED = "it has ended with"


def missing():
    """Why there can be no screen; None: there can."""
    return None if shutil.which("tmux") else "tmux is not installed"


class Screen:
    """Runs the command (a list) in a terminal of this size; a server of its own, with its socket in `out`."""

    def __init__(self, out, command, width=80, height=24, **environment):
        self.socket = f"{out}/tmux"
        self.environment = {"LC_ALL": "C.UTF-8", **environment}
        words = " ".join("'" + w.replace("'", "'\\''") + "'" for w in
                         ["env", *(f"{k}={v}" for k, v in self.environment.items()), *command])
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                  f"{words}; echo {ENDED} $?; exec sleep 1000")

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout

    def lines(self):
        """What is to be seen, without blanks at the ends."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").split("\n")[:-1]]

    def escapes(self):
        """The same as one text, with colours."""
        return self.tmux("capture-pane", "-p", "-e")

    def size(self):
        width, height = self.tmux("display-message", "-p", "#{pane_width} #{pane_height}").split()
        return int(width), int(height)

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))
        wait_for(lambda: self.size() == (width, height), "tmux to have the size")

    def comes(self, pattern, line=None):
        """Waits until the text, or the line with this index, has this pattern; returns whether it came."""
        def there():
            lines = self.lines()
            return re.search(pattern, "\n".join(lines) if line is None else lines[line], re.M)
        try:
            wait_for(there, pattern)
        except TimeoutError:
            return False
        return True

    def close(self):
        self.tmux("kill-server")  # its own
