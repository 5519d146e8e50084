# SPDX-License-Identifier: MIT
"""The simulation of a fleet: pace.py beside src/export/pace.c, with random calls at random times, the same random numbers and
the state after each; and what a small fleet does. See test_fleet_sim.sh."""
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import fleet_sim
import tap
from fleet import RULE_REQUESTS, Fleet, Rule
from pace import MINUTE, SECOND, Pace

SEED = int(os.environ.get("SEED", "1"))


def calls(dice, n):
    """n calls, (letter, sent, now, Retry-After, random): requests that pass, fail, are held and throttled, in phases, some of
    them begun before the last failure."""
    now, weights = 1000 * SECOND, {}
    for i in range(n):
        if i % 40 == 0:
            weights = {"o": dice.random(), "f": dice.random() ** 2, "h": dice.random() ** 4, "t": dice.random() ** 2, "s": 0.5}
        now += dice.choice((1000, 50_000, SECOND, 5 * SECOND, 20 * SECOND, MINUTE)) * dice.randint(0, 3) + dice.randint(0, 999)
        call = dice.choices(list(weights), weights.values())[0]
        retry_after = dice.choice((0, 0, 1, SECOND // 2, SECOND, 30 * SECOND, 3600 * SECOND)) if call in "ft" else 0
        yield call, now - dice.randint(0, 3 * SECOND), now, retry_after, dice.getrandbits(64)


def same_as_pace_c(out):
    """Sequences with several windows and delays."""
    dice = random.Random(SEED)
    tap.note(f"SEED={SEED}")
    for window, initial, retry_max in ((4, SECOND, 30 * SECOND), (1, 20_000, 100_000), (64, SECOND, 3600 * SECOND)):
        sequence = list(calls(dice, 4000))
        lines = f"{window} {initial} {retry_max} {300 * SECOND}\n" + "".join(" ".join(map(str, c)) + "\n" for c in sequence)
        printed = subprocess.run([os.environ["PACE_TRACE"]], input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout
        real = [tuple(map(int, line.split())) for line in printed.splitlines()]
        model, number = None, 0
        pace = Pace(lambda: number, window, initial, retry_max, 300 * SECOND)
        tap.equal(f"window {window}: pace.c answers each call", len(real), len(sequence))
        for i, (call, sent, now, retry_after, number) in enumerate(sequence):
            if call == "s":
                pace.sent(now)
            elif call == "o":
                pace.success(sent, now)
            elif call == "t":
                pace.throttled(sent, now, retry_after)
            else:
                pace.failure(sent, now, call == "h", retry_after)
            model = (pace.wait(now), *pace.state())
            if model != real[i]:
                break
        tap.equal(f"window {window}: the model agrees after each of {len(sequence)} calls", model, real[i], f"call {i}: {sequence[i]}")
        tap.check(f"window {window}: something happens", max(r[2] for r in real) > 3 and max(r[6] for r in real) > 0, real[-1])


def a_rule(out):
    """So many requests in a minute of its clock, then 429 and when the next one begins."""
    r = Rule()
    tap.equal("as many as it takes", {r.take(5 * MINUTE + i, 1000)[0] for i in range(RULE_REQUESTS)}, {204})
    tap.equal("one more waits for the next minute", r.take(5 * MINUTE + 40 * SECOND, 1000), (429, 20 * SECOND))
    tap.equal("then there is room again", r.take(6 * MINUTE, 1000), (204, 0))
    tap.equal("bytes count as well", [r.take(6 * MINUTE, size)[0] for size in (10**9, 10**9, 10**8)], [204, 429, 204])


def all_is_delivered(out):
    """An outage of ten minutes: everything comes, as many requests as before it are enough, and the small fleet is not throttled."""
    outage = (5 * MINUTE, 15 * MINUTE)
    f = Fleet(50, 1, 1.0, 10 * SECOND, outage)
    minutes = f.run(25 * MINUTE)
    written = sum(h.written(25 * MINUTE) for h in f.hosts)
    tap.check("everything written is delivered, but for what is in a batch", 0 < written - f.delivered < 50 * 20, written - f.delivered)
    tap.equal("no 429", sum(m["throttled"] for m in minutes), 0)
    before, during, after = minutes[3]["requests"], minutes[12]["requests"], minutes[15]["requests"]
    tap.check("a probe now and then in the outage: no more than requests before it", during < before, f"{before} {during}")
    tap.check("what has gathered comes in few requests", after < 3 * before, f"{before} {after}")
    tap.check("in the first minute", minutes[16]["waiting"] <= minutes[3]["waiting"] * 1.5, f"{minutes[3]} {minutes[16]}")


def throttled_fleet(out):
    """Five times as many requests as a rule takes: hosts slow down, and what is written is delivered all the same."""
    f = Fleet(100, 1, 1.0, SECOND, rule_requests=1200)
    minutes = f.run(15 * MINUTE)
    tap.note("; ".join(f"{m['accepted']} and {m['throttled']}" for m in minutes))
    tap.check("it was too much", minutes[0]["requests"] > 1200 and minutes[0]["throttled"] >= 50, minutes[0])
    tap.check("then few are refused", sum(m["throttled"] for m in minutes[1:]) < sum(m["accepted"] for m in minutes[1:]) / 5, minutes)
    tap.check("and no more wait than a minute's records", minutes[-1]["waiting"] < 100 * 60, minutes[-1])


def table_and_json(out):
    """The program prints its table and leaves its figures."""
    result = fleet_sim.simulate("outage-10m", 30, 1)
    fleet_sim.show(result)
    tap.check("it has drained", result["drained_after_minutes"] is not None and result["drained_after_minutes"] <= 3, result["minutes"][-1])
    tap.equal("every request has an answer",
              [m for m in result["minutes"][:-1] if m["requests"] != m["accepted"] + m["throttled"] + m["unreachable"]], [])


tap.run(same_as_pace_c, a_rule, all_is_delivered, throttled_fleet, table_and_json)
