# SPDX-License-Identifier: MIT
"""Another local user, as which tests do what he may. Needs root, and setpriv (util-linux). Standard library only."""
import subprocess

STRANGER = 1500


def as_stranger(*command):
    """The words that run `command` as him."""
    return ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *command]


def run_as_stranger(*command):
    """Returns the subprocess.CompletedProcess, with output as text."""
    return subprocess.run(as_stranger(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
