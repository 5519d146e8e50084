# SPDX-License-Identifier: MIT
"""What is wrong in action(type="omazuremonitor"): see rsyslog_config.sh."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from azure import write_secret  # noqa: E402
from journald import wait_for  # noqa: E402
from rsyslogd import Destination, Rsyslogd, action, message, status  # noqa: E402
from tap import check, equal, run  # noqa: E402

URL = 'endpoint="http://127.0.0.1:4318/v1/logs"'
DCE = 'dce="https://x.westeurope-1.ingest.monitor.azure.com"'
DCR = 'dcr="dcr-0123456789abcdef0123456789abcdef"'
INSIGHTS = 'connection_string="InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=http://127.0.0.1/"'
TENANT, CLIENT = (f'{k}_id="22222222-2222-2222-2222-222222222222"' for k in ("tenant", "client"))
KEEP = 'action.resumeRetryCount="-1"'
OURS = r'omazuremonitor: action "x"(, parameter \S+)?: '

# What is wrong; the parameters behind name="x"; a line that is printed. {out} is the test's directory.
WRONG = [
    ("an unknown parameter", f'{URL} endpont="y"', r"parameter 'endpont' not known"),
    ("an unknown parameter of a group", f'{URL} batch.size="1"', r"parameter 'batch\.size' not known"),
    ("a parameter twice", f"{URL} {URL}", r"parameter 'endpoint' not known"),  # is how rsyslog says that
    ("a key that is about journald", f'{URL} journal.units="a"', r"parameter 'journal\.units' not known"),
    ("a key that the module has no use for", f'{URL} state.spool_after="5s"', r"parameter 'state\.spool_after' not known"),
    ("a URL of another scheme", 'endpoint="ftp://127.0.0.1"', OURS + r"endpoint: 'ftp://127\.0\.0\.1' is not an http or https URL"),
    ("a URL without a scheme", 'endpoint="127.0.0.1:4318"', OURS + r"endpoint: .* is not an http or https URL \(scheme, host"),
    ("a password in a URL", 'endpoint="http://a:planted@127.0.0.1/"', OURS + r"endpoint: a URL with a user name or password"),
    ("a size that is none", f'{URL} state.spool_max_bytes="lots"',
     OURS + r"\S*spool_max_bytes: 'lots' is not a number such as 8192 or 64K"),
    ("a size that is too small", f'{URL} state.spool_max_bytes="1K"', OURS + r"\S*spool_max_bytes: '1K' is not between 4194304 and"),
    ("a spool that is too small for a request", f'{URL} state.spool_max_bytes="8M" batch.max_request_bytes="4M"',
     OURS + r"state\.spool_max_bytes=8388608 is less than four times batch\.max_request_bytes=4194304"),
    ("a time that is none", f'{URL} batch.schedule_delay="soon"', OURS + r"\S*schedule_delay: 'soon' is not a duration such as"),
    ("a number out of range", f'{URL} export.concurrency="0"', OURS + r"\S*concurrency: '0' is not between 1 and 64"),
    ("a body that is too small", f'{URL} max_body_bytes="3"', OURS + r"max_body_bytes: '3' is not between"),
    ("a directory that is relative", f'{URL} state.directory="spool"', OURS + r"\S*directory: 'spool' is not an absolute path"),
    ("a secret in a header", f'{URL} header="Authorization: Bearer planted"', OURS + r"header: .*Authorization.*headers_file="),
    ("a secret among headers", f'{URL} header=["X-Tenant: a", "X-Api-Key: planted"]', OURS + r"header: .*X-Api-Key.*headers_file="),
    ("no destination", "", OURS + r"no destination: set endpoint=, dce= and dcr=, or connection_string="),
    ("an empty destination", 'endpoint=""', OURS + r"no destination: set endpoint="),
    ("dce= without dcr=", DCE, OURS + r".*dce= needs dcr"),
    ("dcr= that is none", f'{DCE} dcr="a"', OURS + r"dcr: 'a' is not the immutable id .*az monitor data-collection rule show"),
    ("a connection string that is none", 'connection_string="a"', OURS + r"the connection string: .*copy the whole string"),
    ("two destinations", f"{URL} {DCE} {DCR}", OURS + r".*each name a destination; use one of them"),
    ("two destinations, one of them Application Insights", f"{URL} {INSIGHTS}", OURS + r".*each name a destination; use one"),
    ("a template that does not exist", f'{URL} template="nope"', r"Could not find template \d 'nope' - action disabled"),
    ("a meta.template= that does not exist", f'{URL} meta.template="nope"', r"Could not find template \d 'nope'"),
    ("an attributes.template= that does not exist", f'{URL} attributes.template="nope"', r"Could not find template \d 'nope'"),
    ("config= that does not exist", 'config="{out}/nope.conf"', OURS + r"config: .*/nope\.conf: No such file"),
    ("config= with a wrong value", 'config="{out}/mistake.conf"', OURS + r"config: .*/mistake\.conf:4: schedule_delay: 'never' is not"),
    ("config= with an unknown key", 'config="{out}/unknown.conf"', OURS + r"config: .*/unknown\.conf:2: unknown key 'endpont'"),
    ("auth= that is none", f'{DCE} {DCR} auth="magic"', OURS + r"auth: 'magic' is none of auto, none, default"),
    ("auth= without a tenant", f'{DCE} {DCR} auth="client_secret" {CLIENT} client_secret_file="/s"', OURS + r".*tenant_id= .*is set"),
    ("auth= without a client", f'{DCE} {DCR} auth="client_secret" {TENANT} client_secret_file="/s"', OURS + r".*client_id= .*is set"),
    ("headers_file= that does not exist", f'{URL} headers_file="{{out}}/nope"', OURS + r"headers_file: cannot read .*/nope: No such"),
    ("tls_ca_file= that does not exist", f'{URL} tls_ca_file="{{out}}/nope"', OURS + r"tls_ca_file: cannot read .*/nope: No such"),
    ("resource= that is none", f'{URL} resource="a"', OURS + r"resource: 'a' is not name=value"),
]
# The same of whole actions.
WRONG_NAMES = [
    ("a name with a slash", f'name="a/b" {URL}', r'omazuremonitor: action name="a/b": .*letters, digits'),
    ("a name that leads elsewhere", f'name=".." {URL}', r'omazuremonitor: action name="\.\.": .*not begin with'),
    ("a name that is too long", f'name="{"a" * 128}" {URL}', r'omazuremonitor: action name="a+": .*up to 127'),
]


def checked(out, actions, **others):
    """rsyslogd -N1 of these actions' parameters: (exit code, what it says)."""
    rules = "".join(f'action(type="omazuremonitor" {a})\n' for a in actions)
    return Rsyslogd(f"{out}/rsyslogd", rules, **others).check()


def everything_in(place):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(place) for f in files)


def wrong(out):
    """A line names action, parameter and remedy, and rsyslogd -N1 fails."""
    with open(f"{out}/mistake.conf", "w") as f:
        f.write("[destination]\nendpoint=http://127.0.0.1/v1/logs\n[batch]\nschedule_delay=never\n")
    with open(f"{out}/unknown.conf", "w") as f:
        f.write("[destination]\nendpont=http://127.0.0.1/v1/logs\n")
    table = [(what, f'name="x" {parameters.replace("{out}", out)}', words) for what, parameters, words in WRONG]
    for what, parameters, words in table + WRONG_NAMES:
        code, said = checked(out, [f"{parameters} {KEEP}"])
        check(what, code == 1 and re.search(words, said) and "planted" not in said, f"exit code {code}", said, words)


def one_directory_for_two(out):
    """Two actions with the same state directory would wait for each other."""
    for what, one, two in (("the same name", 'name="x"', 'name="x"'), ("no names", "", ""),
                           ("the same state.directory=", 'name="a" state.directory="/var/spool/z"',
                            'name="b" state.directory="/var/spool/z"')):
        code, said = checked(out, [f"{a} {URL} {KEEP}" for a in (one, two)])
        check(what, code == 1 and re.search(r"state directory \S+ is that of action .*state\.directory= of its own", said), code, said)
    code, said = checked(out, [f'name="{n}" {URL} {KEEP}' for n in "ab"])
    check("two names are fine", code == 0 and "omazuremonitor" not in said, code, said)


def right(out):
    """A good configuration passes, without a word, and nothing is written anywhere."""
    config = write_secret(f"{out}/good.conf", "[destination]\nendpoint=http://127.0.0.1/v1/logs\n"
                                              "header=Authorization: Bearer planted\n[journal]\nunits=a\n")
    templates = ('template(name="a" type="string" string="%msg%")\n'
                 'template(name="b" type="list" option.jsonf="on") { property(outname="x" name="msg" format="jsonf") }\n')
    for what, parameters in [
            ("endpoint=", URL), ("connection_string=", INSIGHTS), ("dce= and dcr=", f"{DCE} {DCR}"),
            ("config=, with keys that are about journald", f'config="{config}"'),
            ("config=, and another destination than there", f'config="{config}" {DCE} {DCR}'),
            ("templates", f'{URL} template="a" meta.template="a" attributes.template="b"'),
            ("every group", f'{URL} batch.max_export_batch_size="100" export.compression="none" export.timeout="5s" '
                            'state.quarantine_max_bytes="1M" max_body_bytes="8K" resource=["a=b", "c=d"]'),
            ("a direct queue", f'{URL} queue.type="Direct"'),
            ("a queue with time to end", f'{URL} queue.type="LinkedList" queue.timeoutShutdown="10000"'),
            ("a header that is no secret", f'{URL} header="X-Tenant: a"')]:
        state = f"{out}/spool/x"
        code, said = checked(out, [f'name="x" state.directory="{state}" {parameters} {KEEP}'], head=templates)
        check(what, code == 0 and "omazuremonitor" not in said and "error" not in said, f"exit code {code}", said)
        check("and no state directory is made", not os.path.exists(f"{out}/spool"))
    code, said = checked(out, [f"{URL} {KEEP}"])
    check("without a name=", code == 0 and "omazuremonitor" not in said, code, said)
    equal("nothing was written", everything_in(out), [config, f"{out}/rsyslogd/rsyslog.conf"])


def losses(out):
    """What rsyslog would lose by its defaults is a warning with the text to add; rsyslogd -N1 still succeeds."""
    retry, queue = r'add to this action: action\.resumeRetryCount="-1"$', r'add to this action: queue\.timeoutShutdown="10000"$'
    linked = 'queue.type="LinkedList"'
    for what, parameters, expected in [
            ("nothing said", "", [retry]),
            ("a number of tries", 'action.resumeRetryCount="5"', [retry]),
            ("a queue", f"{linked} {KEEP}", [queue]),
            ("a queue with little time", f'{linked} queue.timeoutShutdown="100" {KEEP}', [queue]),
            ("a queue, and nothing else", linked, [retry, queue]),
            ("all of it", f'{linked} queue.timeoutShutdown="10000" {KEEP}', [])]:
        code, said = checked(out, [f'name="x" {URL} {parameters}'])
        lines = [line for line in said.splitlines() if "omazuremonitor" in line]
        check(what, code == 0 and len(lines) == len(expected) and
              all(re.search(r"omazuremonitor\[x\]: warning: .*" + e, line) for e, line in zip(expected, lines)), code, said)


def said_when_running(out):
    """A running rsyslogd says both as well: the warning, and what is wrong with an action, without which it goes on."""
    azure = Destination(f"{out}/azure")
    r = Rsyslogd(f"{out}/rsyslogd", action(azure, "good", f"{out}/good", "") +
                 f'action(type="omazuremonitor" name="bad" state.directory="{out}/bad" endpoint="nowhere")\n')
    try:
        r.start()
        r.say(message("hello"))
        wait_for(azure.records, "the good action works")
        wait_for(lambda: r.said(r'omazuremonitor\[good\]: .*action\.resumeRetryCount="-1"'), "the warning is in the log")
        wait_for(lambda: r.said(r'omazuremonitor: action "bad": endpoint: \'nowhere\''), "the mistake is in the log")
        check("the bad one has left nothing", not os.path.exists(f"{out}/bad"))
        equal("rsyslogd ends in order", r.end(), 0)
    finally:
        r.close()
        azure.close()


def shared_file(out):
    """config=: the file of azmonlog.service serves an action, too; what the action says goes before it."""
    azure = Destination(f"{out}/azure")
    secret = write_secret(f"{out}/azmonlog.conf", f"[destination]\nendpoint={azure.endpoint()}\nheader=Authorization: Bearer planted\n"
                                                  f"[batch]\nschedule_delay=1h\n[journal]\nunits=a\nspool=no\n"
                                                  f"[state]\ndirectory={out}/not-this-one\n[resource]\nservice.name=shop\n")
    r = Rsyslogd(f"{out}/rsyslogd", f'action(type="omazuremonitor" name="x" config="{secret}" state.directory="{out}/state" '
                                    f'batch.schedule_delay="50ms" {KEEP})\n')
    try:
        equal("it passes", r.check()[0], 0)
        r.start()
        r.say(message("hello"))
        wait_for(azure.records, "the message arrives")
        equal("with the file's resource", azure.records()[0]["service"], "shop")
        wait_for(azure.requests, "its request is noted")
        check("and its credentials", azure.requests()[0]["authorization"])
        check("the state is the action's own", status(f"{out}/state") and not os.path.exists(f"{out}/not-this-one"))
        equal("rsyslogd ends in order", r.end(), 0)
    finally:
        r.close()
        azure.close()


run(wrong, one_directory_for_two, right, losses, said_when_running, shared_file)
