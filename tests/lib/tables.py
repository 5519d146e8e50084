# SPDX-License-Identifier: MIT
"""What the programs' own tables say: azmonlog's commands and options, the configuration's keys, the module's parameters."""
import os
import re
import subprocess

SOURCE = os.environ["srcdir"]
BUILD = os.environ["builddir"]
AZMONLOG = os.environ["AZMONLOG"]


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def read(path):
    with open(f"{SOURCE}/{path}", encoding="utf-8") as f:
        return f.read()


def commands():
    """Name -> summary: the help is printed from the table that main() goes by."""
    part = re.search(r"^Commands:\n(.*?)\n\n", output(AZMONLOG, "--help"), re.M | re.S).group(1)
    return dict(re.match(r" +(\S+) +(.+)", line).groups() for line in part.splitlines())


def options(command):
    """Long name -> (its letter or None, takes an argument)."""
    lines = output(f"{BUILD}/tests/packaging/print_options", command).splitlines()
    rows = [line.split("\t") for line in lines]
    return {name: (None if letter == "-" else f"-{letter}", argument == "ARGUMENT") for name, letter, argument in rows}


def keys():
    """(section, key) -> its default; None for a list."""
    rows = [line.split("\t") for line in output(f"{BUILD}/tests/packaging/print_config", "keys").splitlines()]
    return {(section, key): None if preset == "*" else preset for section, key, preset in rows}


def parameters():
    """Name -> is it a list? None where the module is not built."""
    program = f"{BUILD}/tests/packaging/print_parameters"
    if not os.path.exists(program):
        return None
    rows = [line.split("\t") for line in output(program).splitlines()]
    return {row[0]: len(row) == 2 for row in rows}
