# SPDX-License-Identifier: MIT
"""TAP for tests in Python, as tap.sh has it for shell. Each test is a program beside a .sh of its name, which runs it by
run_python; its cases are functions that get a directory of their own. Standard library only."""
import os
import sys
import time
import traceback

count = failed = 0


def check(what, ok, *diagnostics):
    """`diagnostics`: what to print if it is not so; a function is called then."""
    global count, failed
    count += 1
    print(f"{'ok' if ok else 'not ok'} {count} - {what}", flush=True)
    if not ok:
        failed += 1
        for d in diagnostics:
            for line in str(d() if callable(d) else d).splitlines():
                print(f"#   {line[:500]}")
    return ok


def equal(what, got, expected, *diagnostics):
    return check(what, got == expected, f"got      {got}", f"expected {expected}", *diagnostics)


def skip(what, why):
    global count
    count += 1
    print(f"ok {count} - {what} # SKIP {why}", flush=True)


def skip_all(why):
    """Before any other line; ends the test."""
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def note(text):
    print(f"# {text}", flush=True)


def run(*cases):
    """Each case gets the path of an empty directory. An exception fails its case and lets the others run."""
    for case in cases:
        note(f"--- {case.__name__}: {(case.__doc__ or '').splitlines()[0] if case.__doc__ else ''}")
        out = f"{sys.argv[1]}/{case.__name__}"
        os.mkdir(out)
        since = time.monotonic()
        try:
            case(out)
            note(f"took {time.monotonic() - since:.1f} s")
        except Exception:
            check(f"{case.__name__} comes to its end", False, traceback.format_exc())
    print(f"1..{count}")
    sys.exit(1 if failed else 0)
