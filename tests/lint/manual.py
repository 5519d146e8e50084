# SPDX-License-Identifier: MIT
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
import tables  # noqa: E402
from tap import check, equal, run, skip  # noqa: E402

PAGES = sorted(os.path.basename(p) for p in glob.glob(f"{tables.SOURCE}/man/*.[1-9]"))
# what every command has, and its page tells once
HELP = {"--help"}


def words(line):
    """The words of a macro's line, without punctuation that stands alone."""
    return [w for w in line.split() if w not in (",", ".", ";", ":", "(", ")", "|")]


def section(page, kind, title):
    """The lines of a .Sh or .Ss, up to the next one."""
    text = tables.read(f"man/{page}")
    found = re.search(rf"^\.{kind} {re.escape(title)}(?:\\&)?\n(.*?)(?=^\.S[hs] |\Z)", text, re.M | re.S)
    if not found:
        raise LookupError(f"{page} has no .{kind} {title}")
    return found.group(1)


# --- mandoc ---

def lint(out):
    for page in PAGES:
        what = f"mandoc has nothing to say about {page}"
        if not shutil.which("mandoc"):
            skip(what, "mandoc is not installed")
            continue
        done = subprocess.run(["mandoc", "-Tlint", page], cwd=f"{tables.SOURCE}/man", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        # which pages of others are installed here is not a matter of ours; our own are looked at below
        said = [line for line in done.stdout.splitlines()
                if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
        equal(what, said, [])


def references(out):
    for page in PAGES:
        named = re.findall(r"^\.Xr (azmonlog\S*|omazuremonitor) (\d)", tables.read(f"man/{page}"), re.M)
        equal(f"{page}: each page of ours that it refers to is there",
              [f"{name}.{number}" for name, number in named if f"{name}.{number}" not in PAGES], [])
    makefile = tables.read("Makefile.am")
    installed = " ".join(re.findall(r"^dist_man_MANS \+?= (.*)$", makefile, re.M)).split()
    equal("every page is installed", sorted(installed), [f"man/{page}" for page in PAGES])


# --- azmonlog(1) ---

def synopses():
    """Command -> the lines of its synopses."""
    found = {}
    for part in section("azmonlog.1", "Sh", "SYNOPSIS").split(".Nm\n")[1:]:
        lines = part.splitlines()
        if lines[0].startswith(".Cm "):
            found.setdefault(lines[0].split()[1], []).extend(lines)
    return found


def options_in(lines):
    """--long or -s, as they stand behind Fl."""
    found = set()
    for line in lines:
        found |= {f"-{name}" for name in re.findall(r"\bFl (\S+)", line)}
    return found


def journal_options():
    part = section("azmonlog.1", "Ss", "azmonlog run")
    items = re.search(r"(\.It Fl -directory.*?)^Which journal", part, re.M | re.S).group(1).splitlines()
    return {o for o in options_in(items) if o.startswith("--")}


def azmonlog_1(out):
    said = synopses()
    equal("azmonlog(1): a synopsis for every command", sorted(said), sorted(tables.commands()))
    for command in tables.commands():
        known = tables.options(command)
        letters = {letter: name for name, (letter, _) in known.items() if letter}
        got = {letters.get(o, o) for o in options_in(said[command])}
        if any("JOURNAL OPTION" in line for line in said[command]):
            got |= journal_options()
        equal(f"azmonlog(1): {command}: the options of its synopsis", sorted(got), sorted(set(known) - HELP))

    # each is told of, with its letter and its argument
    text = tables.read("man/azmonlog.1")
    items = [line for line in text.splitlines() if line.startswith(".It Fl ")]
    taken = set()
    for command in tables.commands():
        for name, (letter, _) in tables.options(command).items():
            taken |= {name, letter}
    equal("azmonlog(1): no option that there is not", sorted(options_in(text.splitlines()) - taken - {"-V", "--version"}), [])
    for command in tables.commands():
        wrong = []
        for name, (letter, argument) in sorted(tables.options(command).items()):
            if name in HELP:
                continue
            told = [i for i in items if re.search(rf"\bFl {re.escape(name[1:])}(?=\s|$)", i)]
            full = [i for i in told if (" Ar " in i) == argument and (not letter or f"Fl {letter[1:]} ," in i)]
            if not full:
                wrong.append(f"{name} ({letter}, {'with' if argument else 'without'} argument): {told}")
        equal(f"azmonlog(1): {command}: each option with its letter and argument", wrong, [])


def help_of_commands(out):
    for command in tables.commands():
        text = tables.output(tables.AZMONLOG, command, "--help")
        listed = {}
        for letter, pair in re.findall(r"^  (?:(-\w), |    )((?:--[a-z-]+(?:, )?)+)", text, re.M):
            for name in pair.split(", "):
                listed[name] = letter or None
        expected = {name: letter for name, (letter, _) in tables.options(command).items()}
        equal(f"azmonlog {command} --help: every option with its letter", sorted(listed.items(), key=str),
              sorted(expected.items(), key=str))


# --- azmonlog.conf(5), azmonlog.conf ---

def azmonlog_conf_5(out):
    keys = tables.keys()
    for name in dict.fromkeys(name for name, _ in keys):
        part = section("azmonlog.conf.5", "Sh", f"[{name}]".replace('"', r"\(dq"))
        got = {}
        for line in re.findall(r"^\.It Cm (.*)$", part, re.M):
            for word in words(line):
                key, _, default = word.rstrip(",").partition("=")
                got[key] = default
        expected = {key: preset or "" for (where, key), preset in keys.items() if where == name and key != "*"}
        equal(f"azmonlog.conf(5): [{name}]: every key with its default, and no other", sorted(got.items()),
              sorted(expected.items()))


def sample(out):
    with open(f"{out}/azmonlog.conf", "w", encoding="utf-8") as f:
        f.write(tables.output(f"{tables.BUILD}/tests/packaging/print_config"))
    done = subprocess.run(["diff", "-u", f"{tables.SOURCE}/packaging/azmonlog.conf", f"{out}/azmonlog.conf"],
                          stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    check("packaging/azmonlog.conf is what the table makes (else: make update-conf)", done.returncode == 0, done.stdout)


# --- omazuremonitor(5) ---

def omazuremonitor_5(out):
    known = tables.parameters()
    if known is None:
        skip("omazuremonitor(5): every parameter", "omazuremonitor.so is not built")
        return
    part = section("omazuremonitor.5", "Sh", "PARAMETERS")
    own, rest = part.split("The keys of\n")
    of_keys, of_rsyslog = rest.split("Of rsyslog's own parameters")
    got = set()
    for line in re.findall(r"^\.It Cm (.*?) No ", own, re.M):
        got |= {w.rstrip("=") for w in words(line)}
    lists = set()
    for line, behind in re.findall(r"^\.Cm (.*)\n(?=(.*)$)", of_keys, re.M):
        got |= set(words(line))
        if re.match(r"\((a list|lists)\b", behind):
            lists |= set(words(line))
    # those that the module only looks at; it reads all names in small letters
    looked_at = {"action.resumeretrycount", "queue.timeoutshutdown"}
    told = {w.split("=")[0].lower() for w in re.findall(r"^\.It Cm (\S+)", of_rsyslog, re.M)}
    check("omazuremonitor(5): rsyslog's parameters that the module looks at", looked_at <= told, told)
    equal("omazuremonitor(5): every parameter, and no other", sorted(got),
          sorted(set(known) - looked_at - {"queue.type"}))
    equal("omazuremonitor(5): which are lists", sorted(lists), sorted(name for name, is_list in known.items() if is_list))


# --- azmonlog.service(8) ---

def azmonlog_service_8(out):
    what = "azmonlog.service(8): every setting of the unit with its value, and no other"
    if not os.path.exists(f"{tables.SOURCE}/packaging/systemd/azmonlog.service.in"):
        skip(what, "there is no packaging/systemd/azmonlog.service.in")
        return
    unit = tables.read("packaging/systemd/azmonlog.service.in")
    settings = re.findall(r"^[A-Z]\w+=.*$", unit[unit.index("[Service]"):unit.index("[Install]")], re.M)
    expected = {s for s in settings if not re.search(r"@[a-z_]+@|^Exec", s)} # what is filled in is told in words
    told = set()
    for line in re.findall(r"^\.(?:It |Pq |Po )?Cm (.*)$", tables.read("man/azmonlog.service.8"), re.M):
        told |= {re.sub(r" [:,.]$", "", setting) for setting in line.split(" , ")}
    told = {t for t in told if re.match(r"[A-Z]\w+=", t) and t != "ExecStart="}
    equal(what, sorted(told), sorted(expected))


run(lint, references, azmonlog_1, help_of_commands, azmonlog_conf_5, sample, omazuremonitor_5, azmonlog_service_8)
