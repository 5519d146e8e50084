#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What each rule of [redact], and rules of [filter], cost a record of the bench's journal, alone, and all of them: CPU time, compiled and interpreted, and
instructions. See README.md."""
import argparse
import ctypes
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from bench import ENVIRONMENT, cpu_model, journal_of, save  # noqa: E402
from instructions import count  # noqa: E402

RECORDS, ROUNDS, COUNTED = 20000, 10, 2000


def forbid_making_code():
    """As MemoryDenyWriteExecute= of systemd does (Linux 6.3): patterns are interpreted then."""
    if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) < 0:
        os._exit(99)


def measure(program, journal, before=None):
    """rule -> nanoseconds a record; None where the kernel cannot forbid to make code. And what else is known."""
    r = subprocess.run([program, journal, str(RECORDS), str(ROUNDS)], env=ENVIRONMENT, stdout=subprocess.PIPE, preexec_fn=before, check=False)
    if r.returncode == 99:
        return None, None
    if r.returncode:
        sys.exit(f"bench-redact: {program} has failed")
    said = json.loads(r.stdout)
    return {name: usec * 1000 / said["records"] / said["rounds"] for name, usec in said.pop("cpu_usec").items()}, said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--instructions", action="store_true", help="count them as well, by callgrind")
    parser.add_argument("--json")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    os.makedirs(f"{build}/bench", exist_ok=True)
    program, journal = f"{build}/tests/bench/redact_stages", journal_of(RECORDS, f"{build}/bench")
    load = os.getloadavg()[0]
    compiled, said = measure(program, journal)
    interpreted, _ = measure(program, journal, forbid_making_code)
    instructions = {}
    if options.instructions:
        totals, _ = count(program, journal, str(COUNTED), "1")
        instructions = dict(zip(compiled, (n // COUNTED for n in totals)))
    print(f"{said['records']} records, {said['bytes'] / said['records']:.0f} bytes in {said['texts'] / said['records']:.1f} names and texts each; "
          f"{cpu_model()}, load {load:.1f}\n")
    print(f"{'rules':<24}{'ns a record':>12}{'interpreted':>13}{'instructions':>14}{'found':>8}")
    for name, ns in compiled.items():
        print(f"{name:<24}{ns:>12,.0f}" + (f"{interpreted[name]:>13,.0f}" if interpreted else f"{'':>13}") +
              (f"{instructions[name]:>14,}" if instructions else f"{'':>14}") + (f"{said['found'][name]:>8}" if name in said["found"] else ""))
    save({"compiled_ns": compiled, "interpreted_ns": interpreted, "instructions": instructions, **said},
         options.json or f"{build}/bench/redact.json")


if __name__ == "__main__":
    main()
