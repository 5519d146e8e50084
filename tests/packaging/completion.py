# SPDX-License-Identifier: MIT
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
import tables  # noqa: E402
from tap import check, equal, run, skip  # noqa: E402

LIMIT_SECONDS = 60
VERBS = ["list", "purge", "resend", "show"]
COMMANDS = tables.commands()
# words that are all what may stand there
CHOICES = {
    "--priority": "any emerg alert crit err warning notice info debug",
    "--start": "boot now oldest today yesterday",
    "--since": "now today yesterday",
    "--until": "now today yesterday",
    "--reason": "refused suspect too_large partial",
}
FOLDER_OPTIONS = ["--directory", "--state-directory"]
FILE_OPTIONS = ["--config", "--control", "--file"]


def all_names(command, option=None):
    names = []
    for name, (letter, argument) in tables.options(command).items():
        names += [name] + ([letter] if letter else [])
    return sorted(names)


# --- bash: the function that it calls for a TAB, called so ---

def bash(words, cwd="/", path=""):
    """What bash offers for the last of the words; `path`: where it finds programs first."""
    script = ('source "$1"; shift; function=$(complete -p azmonlog); function=${function#*-F }; function=${function%% *}; '
              'compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "$function" azmonlog "${@: -1}" "${@: -2:1}"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    file = f"{tables.SOURCE}/packaging/completion/azmonlog"
    done = subprocess.run(["bash", "--norc", "--noprofile", "-c", script, "bash", file, *words], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd, timeout=LIMIT_SECONDS,
                          env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"})
    return sorted(line for line in done.stdout.splitlines() if line)


def bash_commands(out):
    equal("bash: the commands", bash(["azmonlog", ""]), sorted([*COMMANDS, "help", "-h", "--help", "-V", "--version"]))
    equal("bash: what begins with c", bash(["azmonlog", "c"]), ["cat", "check"])
    equal("bash: nothing for a command that is none", bash(["azmonlog", "nonsense", ""]), [])


def bash_options(out):
    for command in COMMANDS:
        equal(f"bash: {command}: every option, and no other", bash(["azmonlog", command, "-"]), all_names(command))
        longs = sorted(tables.options(command))
        equal(f"bash: {command}: the long ones", bash(["azmonlog", command, "--"]), longs)


def bash_arguments(out):
    """Behind an option that takes an argument stand no options; behind one that takes none they do."""
    for command in COMMANDS:
        names = all_names(command)
        wrong = []
        for name, (letter, argument) in tables.options(command).items():
            for spelling in filter(None, (name, letter)):
                offered = [w for w in bash(["azmonlog", command, spelling, "-"]) if w in names]
                if bool(offered) == argument:
                    wrong.append(f"{spelling}: {offered}")
        equal(f"bash: {command}: which options take an argument", wrong, [])


def bash_values(out):
    os.mkdir(f"{out}/folder")
    open(f"{out}/file", "w", encoding="utf-8").close()
    for option, words in CHOICES.items():
        command = next(c for c in COMMANDS if option in tables.options(c))
        equal(f"bash: {option}", bash(["azmonlog", command, option, ""]), sorted(words.split()))
        equal(f"bash: {option}=", bash(["azmonlog", command, option, "="]), sorted(words.split()))
        first = words.split()[0]
        equal(f"bash: {option}={first[0]}", bash(["azmonlog", command, option, "=", first[:2]]),
              sorted(w for w in words.split() if w.startswith(first[:2])))
    for option in FOLDER_OPTIONS:
        equal(f"bash: {option}: folders", bash(["azmonlog", "run", option, "f"], cwd=out), ["folder"])
    for option in FILE_OPTIONS:
        equal(f"bash: {option}: files", bash(["azmonlog", "run", option, "f"], cwd=out), ["file", "folder"])
    equal("bash: what to do with the quarantine", bash(["azmonlog", "quarantine", ""]), VERBS)
    equal("bash: that, once", bash(["azmonlog", "quarantine", "list", ""]), [])
    equal("bash: that, behind options", bash(["azmonlog", "quarantine", "--reason", "partial", "p"]), ["purge"])


def make_journalctl(out):
    """A journalctl for whose answer everybody with a logger(1) is good. Returns its folder."""
    os.mkdir(f"{out}/bin")
    with open(f"{out}/bin/journalctl", "w", encoding="utf-8") as f:
        f.write(f"""#!/bin/sh
case $2 in
_SYSTEMD_UNIT) printf '%s\\n' ssh.service cron.service ;;
SYSLOG_IDENTIFIER) printf '%s\\n' cron '$(touch {out}/executed)' '`touch {out}/executed`' 'c d' ;;
esac
""")
    os.chmod(f"{out}/bin/journalctl", 0o755)
    return f"{out}/bin"


def bash_values_of_the_journal(out):
    """What stands in the journal is text: anybody can have written it, and root may be who presses TAB."""
    path = make_journalctl(out)
    equal("bash: units", bash(["azmonlog", "run", "-u", ""], path=path), ["cron.service", "ssh.service"])
    equal("bash: units that begin with s", bash(["azmonlog", "cat", "--unit", "s"], path=path), ["ssh.service"])
    equal("bash: identifiers, quoted", bash(["azmonlog", "run", "-t", "c"], path=path), ["c\\ d", "cron"])
    equal("bash: also evil ones", bash(["azmonlog", "run", "-t", "$"], path=path), [f"\\$\\(touch\\ {out}/executed\\)"])
    equal("bash: all", len(bash(["azmonlog", "run", "-t", ""], path=path)), 4)
    check("bash: nothing of it is executed", not os.path.exists(f"{out}/executed"))


# --- zsh: a TAB at a terminal ---

class Zsh:
    """zsh -f at a terminal of its own. What it says up to PROMPT is the answer to what was typed."""
    PROMPT = "READY>"

    def __init__(self, out, path, cwd="/"):
        os.makedirs(f"{out}/functions", exist_ok=True)
        shutil.copy(f"{tables.SOURCE}/packaging/completion/_azmonlog", f"{out}/functions/_azmonlog")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe("zsh", ["zsh", "-f", "-i"],
                       {"PATH": f"{path}:{os.environ['PATH']}", "TERM": "dumb", "HOME": out, "PS1": "", "LC_ALL": "C",
                        "COLUMNS": "400", "LINES": "200"})
        self.text = ""
        self.type(f"stty cols 400 rows 200; unsetopt zle_bracketed_paste 2>/dev/null; unset zle_bracketed_paste; "
                  f"fpath=({out}/functions $fpath); autoload -Uz compinit; compinit -u -d {out}/zcompdump; "
                  "setopt list_rows_first no_list_ambiguous; unsetopt auto_menu menu_complete list_packed; "
                  "LISTMAX=0; zstyle ':completion:*' insert-tab false; zstyle ':completion:*' list-grouped false; "
                  # what is offered goes into a file, a line each
                  "compadd() { local -a offered; "
                  "if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd \"$@\"; return; fi; "
                  f"builtin compadd -O offered \"$@\"; (( $#offered )) && print -rl -- $offered >>{out}/offered; "
                  "builtin compadd \"$@\" }; "
                  f"PS1='{self.PROMPT}'\n")
        self.wait(self.PROMPT, since=0, times=2)
        self.out = out

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, what, since, times=1):
        limit = time.monotonic() + LIMIT_SECONDS
        while self.text.count(what, since) < times:
            if time.monotonic() > limit:
                raise TimeoutError(f"no {what!r} in {self.text[since:]!r}")
            if select.select([self.fd], [], [], 1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")

    def offers(self, line):
        """What a TAB at the end of this line offers."""
        path = f"{self.out}/offered"
        open(path, "w", encoding="utf-8").close()
        since = len(self.text)
        self.type(line + "\t")
        # ^A and ^K take the line away; the quotes tell the answer from what was typed
        self.type("\x01\x0becho 'D'one\n")
        self.wait("Done", since)
        with open(path, encoding="utf-8") as f:
            return sorted(set(f.read().split("\n")) - {""})

    def end(self):
        os.close(self.fd)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def zsh_cases(out):
    if not shutil.which("zsh"):
        skip("zsh", "zsh is not installed")
        return
    os.mkdir(f"{out}/folder")
    open(f"{out}/file", "w", encoding="utf-8").close()
    zsh = Zsh(out, make_journalctl(out), cwd=out)
    try:
        equal("zsh: the commands", zsh.offers("azmonlog "), sorted(COMMANDS))
        equal("zsh: options without a command", zsh.offers("azmonlog -"), ["--help", "--version", "-V", "-h"])
        for command in COMMANDS:
            longs = sorted(tables.options(command))
            equal(f"zsh: {command}: every long option, and no other", zsh.offers(f"azmonlog {command} --"), longs)
            letters = sorted(letter for letter, _ in tables.options(command).values() if letter)
            offered = zsh.offers(f"azmonlog {command} -")
            equal(f"zsh: {command}: every letter, and no other", [w for w in offered if not w.startswith("--")], letters)
            wrong = []
            for name, (letter, argument) in tables.options(command).items():
                if name == "--help": # nothing goes with it
                    continue
                offered = [w for w in zsh.offers(f"azmonlog {command} {name} --") if w.startswith("--")]
                if bool(offered) == argument:
                    wrong.append(f"{name}: {offered}")
            equal(f"zsh: {command}: which options take an argument", wrong, [])
        for option, words in CHOICES.items():
            command = next(c for c in COMMANDS if option in tables.options(c))
            equal(f"zsh: {option}", zsh.offers(f"azmonlog {command} {option} "), sorted(words.split()))
        for option in FOLDER_OPTIONS:
            equal(f"zsh: {option}: folders", zsh.offers(f"azmonlog run {option} f"), ["folder", "functions"])
        for option in FILE_OPTIONS:
            equal(f"zsh: {option}: files", zsh.offers(f"azmonlog run {option} f"), ["file", "folder", "functions"])
        equal("zsh: units", zsh.offers("azmonlog run -u "), ["cron.service", "ssh.service"])
        equal("zsh: identifiers", len(zsh.offers("azmonlog cat --identifier ")), 4)
        check("zsh: nothing of them is executed", not os.path.exists(f"{out}/executed"))
        equal("zsh: what to do with the quarantine", zsh.offers("azmonlog quarantine "), VERBS)
    finally:
        zsh.end()
    described = dict(re.findall(r"^    '([a-z]+):(.*)'$", tables.read("packaging/completion/_azmonlog"), re.M))
    equal("zsh: commands are described as azmonlog --help does", described, COMMANDS)


def the_verbs(out):
    done = subprocess.run([tables.AZMONLOG, "quarantine"], stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS,
                          check=False)
    asked = re.search(r"quarantine: (.*)\?", done.stderr)
    equal("azmonlog quarantine takes these verbs", sorted(re.split(r", | or ", asked.group(1))) if asked else done.stderr, VERBS)


def every_choice_is_one(out):
    """What is offered is not refused: run says so of the configuration before it looks for the destination."""
    for option, key in (("--priority", None), ("--start", None), ("--since", None), ("--until", None), ("--reason", None)):
        for word in CHOICES[option].split():
            command = next(c for c in COMMANDS if option in tables.options(c))
            rest = {"quarantine": ["list"], "backfill": ["--since", "@0"]}.get(command, [])
            done = subprocess.run([tables.AZMONLOG, command, *rest, option, word, "--config", f"{out}/none"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=False)
            check(f"azmonlog {command} {option} {word}", done.returncode == 78 and f"{out}/none" in done.stderr, done.stderr)


run(the_verbs, every_choice_is_one, bash_commands, bash_options, bash_arguments, bash_values, bash_values_of_the_journal, zsh_cases)
