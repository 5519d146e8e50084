# SPDX-License-Identifier: MIT
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from journald import PATIENCE, wait_for  # noqa: E402
from screen import ENDED, Screen  # noqa: E402
from states import CONDITIONS, States  # noqa: E402
from tap import check, equal, note, run  # noqa: E402

SIZES = ((80, 24), (200, 50))
SINCE = r"(, last seen| since) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, .* ago"
GRAPHS = ("Read", "Delivered", "Behind", "Latency", "Requests", "Retries")
BLOCKS, ASCII = "▁▂▃▄▅▆▇█", "_.:-=+*#"


def quits(screen, key, code=0):
    screen.keys(key)
    check(f"{key} ends it, with {code}", screen.comes(rf"^{ENDED} {code}$"), lambda: "\n".join(screen.lines()))


def graph(screen, name):
    """What is drawn behind this label."""
    line = next((line for line in screen.lines() if line.startswith(name)), "")
    return re.sub(r"[^" + re.escape(BLOCKS + ASCII) + "]", "", line[24:-11] if len(line) > 40 else "")


def conditions(out):
    """Two live screens, small and large, show each condition when it comes."""
    s = States(out)
    screens = []
    try:
        for width, height in SIZES:
            os.mkdir(f"{out}/{width}")
            screens.append(Screen(f"{out}/{width}", s.command("--watch"), width, height))
        for condition in CONDITIONS:
            if condition != "well":
                s.become(condition)
            word = condition if condition == "well" else condition.upper()
            for screen, (width, height) in zip(screens, SIZES):
                what = f"{condition}, {width}x{height}"
                check(f"{what}: the first line says it, and since when", screen.comes(f"^{word}{SINCE}", 0), lambda: "\n".join(screen.lines()))
                wait_for(lambda: screen.lines()[-1:] == ["q quits"], f"{what}: all of the screen")
                lines = screen.lines()
                note(f"{what}:\n" + re.sub("^", "# |", "\n".join(lines), flags=re.M))
                equal(f"{what}: it fills the screen, keys are at the bottom", (len(lines), lines[-1]), (height, "q quits"))
                text = "\n".join(lines)
                check(f"{what}: reason and what to do", (condition == "well") != bool(re.search("^Reason ", text, re.M) and re.search("^What to do ", text, re.M)), text)
                if condition != "down":
                    equal(f"{what}: the graphs", [g for g in GRAPHS if not re.search(rf"^{g} +[\d.]+.*[{BLOCKS}]|^{g} +- ", text, re.M)], [], text)
                    check(f"{what}: answers and services", re.search("^Answers +[0-9:]+  (HTTP|no)", text, re.M) and re.search("^Service, ", text, re.M) and
                          re.search("^files ", text, re.M), text)
        s.x.start()  # 429 no more: it begins anew
        s.x.script(s.x.NORMAL)
        for screen, (width, height) in zip(screens, SIZES):
            check(f"well again, {width}x{height}: the screen was open all the time", screen.comes(f"^well{SINCE}", 0), lambda: "\n".join(screen.lines()))
            quits(screen, "q")
    finally:
        for screen in screens:
            screen.close()
        s.close()


def opened_late(out):
    """Who opens it when something is wrong already sees it at once, with what was before."""
    s = States(out)
    screen = None
    try:
        wait_for(lambda: s.status()["read"]["per_second"] > 0, "an interval")
        s.become("behind")
        screen = Screen(out, s.command("--watch"))
        check("behind", screen.comes(f"^BEHIND{SINCE}", 0), lambda: "\n".join(screen.lines()))
        check("the graphs have what was read before", screen.comes(rf"^Read .*[{BLOCKS[1:]}]"), lambda: "\n".join(screen.lines()))
        quits(screen, "Q")
    finally:
        if screen:
            screen.close()
        s.close()


def resizes(out):
    """The screen follows the size of the terminal, be it ever so small."""
    s = States(out)
    screen = Screen(out, s.command("--watch"))
    try:
        check("80x24", screen.comes("^q quits$", 23) and screen.comes("^Read "), lambda: "\n".join(screen.lines()))
        for width, height in ((200, 50), (40, 10), (120, 30), (1, 1), (20, 3), (80, 24)):
            screen.resize(width, height)
            if width == 1:  # ncurses itself does not always get a character into the only cell; the next size shows that this one did no harm
                continue
            check(f"{width}x{height}: keys at the bottom", screen.comes("^q quits", height - 1), lambda: "\n".join(screen.lines()))
            check(f"{width}x{height}: the condition on top", screen.comes("^well", 0), lambda: "\n".join(screen.lines()))
        wide = [line for line in screen.lines() if len(line) > 80]
        equal("nothing is left over", (len(screen.lines()), wide), (24, []))
        quits(screen, "q")
    finally:
        screen.close()
        s.close()


def terminals(out):
    """Any terminal and locale: ASCII where there is no UTF-8, colours unless NO_COLOR, a clear word where it cannot be."""
    s = States(out)
    try:
        for name, environment, marks in (("utf8", {}, BLOCKS), ("ascii", {"LC_ALL": "C"}, ASCII), ("console", {"TERM": "linux"}, ASCII),
                                         ("vt100", {"TERM": "vt100"}, BLOCKS), ("xterm", {"TERM": "xterm-256color"}, BLOCKS)):
            os.mkdir(f"{out}/{name}")
            screen = Screen(f"{out}/{name}", s.command("--watch"), **environment)
            try:
                check(f"{name}: the screen", screen.comes(f"^well{SINCE}", 0) and screen.comes(f"^Read .*[{re.escape(marks)}]"), lambda: "\n".join(screen.lines()))
                drawn = "".join(graph(screen, g) for g in GRAPHS)
                equal(f"{name}: the characters of its graphs", set(drawn) - set(marks), set())
                quits(screen, "q")
            finally:
                screen.close()
        for name, environment, coloured in (("colour", {"TERM": "screen"}, True), ("no_colour", {"TERM": "screen", "NO_COLOR": "1"}, False)):
            os.mkdir(f"{out}/{name}")
            screen = Screen(f"{out}/{name}", s.command("--watch"), **environment)
            try:
                screen.comes(f"^well{SINCE}", 0)
                equal(name, bool(re.search(r"\033\[[0-9;]*32m", screen.escapes())), coloured, lambda: repr(screen.escapes()[:300]))
            finally:
                screen.close()
        for term in ("dumb", "of-nobody", ""):
            name = f"term-{term}"
            os.mkdir(f"{out}/{name}")
            screen = Screen(f"{out}/{name}", s.command("--watch"), TERM=term)
            try:
                check(f"TERM={term}: says that it cannot", screen.comes(rf"cannot place text on this terminal \(TERM={term}\)") and screen.comes(f"^{ENDED} 64$"),
                      lambda: "\n".join(screen.lines()))
            finally:
                screen.close()
    finally:
        s.close()


def ends(out):
    """Whatever ends it leaves a usable terminal; without one, it ends."""
    s = States(out)
    try:
        os.mkdir(f"{out}/c")
        screen = Screen(f"{out}/c", s.command("--watch"))
        try:
            screen.comes(f"^well{SINCE}", 0)
            screen.keys("C-c")
            check("Ctrl-C ends it", screen.comes(f"^{ENDED} [0-9]+$"), lambda: "\n".join(screen.lines()))
            equal("the terminal is no screen any more", screen.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split(), ["0", "1"])
        finally:
            screen.close()
        master, slave = os.openpty()
        process = subprocess.Popen(s.command("--watch"), stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})
        os.close(slave)
        wait_for(lambda: b"well" in os.read(master, 65536), "the screen")
        os.close(master)  # the connection is gone, and no SIGHUP comes, for it is not its controlling terminal
        equal("a terminal that goes ends it", process.wait(PATIENCE), 0)
        equal("the exporter does not mind", s.condition(), "well")
    finally:
        s.close()


def several(out):
    """Actions of rsyslogd, as fake ones say: the worst is shown, Tab goes on."""
    spool, script = f"{out}/spool", os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib/fake_daemon.py"
    fakes, screen = [], None
    try:
        for name, condition in (("network", "well"), ("relay", "held")):
            os.makedirs(f"{spool}/{name}")
            fakes.append(subprocess.Popen([sys.executable, script, f"{spool}/{name}/control", f"{out}/{name}.requests",
                                           'status={"version":"1","journal":"of %s","health":{"condition":"%s"}}' % (name, condition),
                                           'trend={"error":"an older version"}']))
            wait_for(lambda: os.path.exists(f"{spool}/{name}/control"), "the fake action")
        # a terminal without another screen, which keeps what was on it: the end must not be mixed with that
        screen = Screen(out, [os.environ["AZMONLOG"], "status", "--watch"], AZMONLOG_TEST_ACTIONS=spool, TERM="linux")
        check("the worst is in the first line", screen.comes("^HELD: relay", 0), lambda: "\n".join(screen.lines()))
        check("and is shown", screen.comes(r"network well +\[relay HELD\]", 1) and screen.comes("^From +of relay$"), lambda: "\n".join(screen.lines()))
        check("a key is offered", screen.comes("^q quits   Tab: the next one$", 23), lambda: "\n".join(screen.lines()))
        screen.keys("Tab")
        check("Tab: the next one", screen.comes(r"\[network well\] +relay HELD", 1) and screen.comes("^From +of network$"), lambda: "\n".join(screen.lines()))
        check("the first line is still about the worst", screen.comes("^HELD: relay", 0), lambda: "\n".join(screen.lines()))
        quits(screen, "q")
    finally:
        if screen:
            screen.close()
        for fake in fakes:
            fake.kill()
            fake.wait()


run(conditions, opened_late, resizes, terminals, ends, several)
