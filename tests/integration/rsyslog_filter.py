# SPDX-License-Identifier: MIT
"""filter.*= of omazuremonitor.so: see rsyslog_filter.sh."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from journald import wait_for  # noqa: E402
from rsyslogd import SHIPPED, Destination, Rsyslogd, action, message, status  # noqa: E402
from tap import check, equal, run  # noqa: E402


class Setup:
    def __init__(self, out, more):
        self.azure, self.state = Destination(f"{out}/azure"), f"{out}/state"
        self.r = Rsyslogd(f"{out}/rsyslogd", self.rules(more))

    def rules(self, more):
        return action(self.azure, "x", self.state, f"{SHIPPED} {more}")

    def __enter__(self):
        self.r.start()
        return self

    def __exit__(self, *_):
        self.r.close()
        self.azure.close()

    def counts(self):
        """What each rule has left out."""
        return {(r["kind"], r["rule"]): r["times"] for r in status(self.state).get("rules", [])}

    def bodies(self):
        return [r.get("body") for r in self.azure.records()]

    def told(self):
        """What the rate limit has told, each once."""
        return {r["uid"]: r["attributes"] for r in self.azure.records() if "azmonlog.held_back.records" in r["attributes"]}.values()

    def told_records(self):
        return sum(a["azmonlog.held_back.records"] for a in self.told())


def rules(out):
    """By the names that the records have; what is left out leaves no row and is counted."""
    more = ('filter.exclude=["service.name=web && body^=GET /health", "syslog.d@1.secret~.", "host.name=printer"]\n'
            'filter.include=["severity~^(info|warning)$"] filter.sample=["warning 0"]')
    with Setup(out, more) as s:
        s.r.say(message("GET /health", app="web"), message("GET /order", app="web"), message("GET /health", app="db"),
                message("hidden", data='[d@1 secret="x"]'), message("out of paper", host="printer"), message("a debug one", pri=15),
                message("a warning", pri=12), message("the last"))
        wait_for(lambda: "the last" in s.bodies(), "the last message")
        equal("what is left", sorted(s.bodies()), ["GET /health", "GET /order", "the last"])
        equal("how many are left out, by which rule", s.counts(),
              {("exclude", "service.name=web && body^=GET /health"): 1, ("exclude", "syslog.d@1.secret~."): 1, ("exclude", "host.name=printer"): 1,
               ("include", "(none matches)"): 1, ("sample", "warning 0"): 1})
        wait_for(lambda: s.r.statistics("x").get("filtered") == 4 and s.r.statistics("x").get("sampled") == 1, "impstats")
        s.r.check_clean(check)


def rate_limit(out):
    """What is held back is told by the clock, also when nothing more comes; all are accounted for."""
    with Setup(out, 'filter.rate_limit="5" filter.rate_burst="20" filter.rate_interval="1s"') as s:
        s.r.say(*(message(f"flood {i}", app="noisy") for i in range(300)), message("critical", app="noisy", pri=10), message("other", app="calm"))
        wait_for(lambda: len([b for b in s.bodies() if b.startswith("flood")]) + s.told_records() == 300, "all of the flood, or what was told")
        check("others are not held back", {"critical", "other"} <= set(s.bodies()), s.bodies()[-5:])
        check("most of it was", s.told_records() > 200, s.told_records())
        equal("by the service", {a["azmonlog.held_back.service"] for a in s.told()}, {"noisy"})
        check("as azmonlog's own", all(r["service"] == "azmonlog" for r in s.azure.records() if "azmonlog.held_back.records" in r["attributes"]))
        wait_for(lambda: s.r.statistics("x").get("rate_limited") == s.told_records(), "impstats")
        s.r.check_clean(check)


def killed(out):
    """SIGKILL while nothing is told yet: the next start tells it, once."""
    with Setup(out, 'filter.rate_limit="1" filter.rate_burst="100" filter.rate_interval="1h"') as s:
        s.r.say(*(message(f"flood {i}") for i in range(1000)))
        wait_for(lambda: len(s.azure.records()) + s.counts().get(("rate_limit", "1"), 0) >= 1000, "all messages")
        arrived = len(s.azure.records())
        equal("nothing is told", len(s.told()), 0)
        s.r.end(signal.SIGKILL)
        s.r.configure(s.rules('filter.rate_limit="1" filter.rate_burst="100" filter.rate_interval="1s"'))
        s.r.start()
        wait_for(lambda: s.told(), "what was held back")
        equal("all of it", s.told_records(), 1000 - arrived)
        s.r.check_clean(check)
        s.r.start()
        s.r.say(message("the end"))
        wait_for(lambda: "the end" in s.bodies(), "the last message")
        equal("and not again", (len(s.told()), s.told_records()), (1, 1000 - arrived))
        s.r.check_clean(check)


def bad_rules(out):
    """rsyslogd -N1 names action and parameter."""
    azure = Destination(f"{out}/azure")
    try:
        for n, (more, words) in enumerate([('filter.exclude="body~("', "filter.exclude: exclude: the pattern is wrong"),
                                           ('filter.sample="loud 1%"', "filter.sample: sample: 'loud' is no severity")]):
            r = Rsyslogd(f"{out}/{n}", action(azure, "x", f"{out}/state", f"{SHIPPED} {more}"))
            code, said = r.check()
            check(f"refused: {more}", code != 0 and f'action "x", parameter {words}' in said, said)
    finally:
        azure.close()


run(rules, rate_limit, killed, bad_rules)
