# SPDX-License-Identifier: MIT
"""What sanitizers report, and which of it is ours. rsyslogd is not ours to judge: ThreadSanitizer does not see its atomics, and it
frees little when it ends in a hurry. Standard library only."""
import os
import re

SUPPRESSIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../analyze/suppressions")
LEAK = re.compile(r"(?:Ind|D)irect leak of [^\n]*\n(?: +#\d[^\n]*\n)+")
RSYSLOGD = re.compile(r"sbin/rsyslogd|\(rsyslogd\+0x")
OF_RSYSLOGD = re.compile(r"#1 .*(sbin/rsyslogd|/rsyslog/|libestr|libfastjson)")


def judged(text):
    """What a process has reported, as (reports, those of them that are rsyslogd's own)."""
    ours, others = [], []
    for report in re.split("^=+$", text, flags=re.M):
        if "LeakSanitizer: detected" in report:
            for leak in LEAK.findall(report):
                (others if OF_RSYSLOGD.search(leak) else ours).append(leak)
        elif "WARNING: ThreadSanitizer" in report:
            (ours if "omazuremonitor.so" in report or not RSYSLOGD.search(report) else others).append(report)
        elif re.search("ERROR: [A-Za-z]*Sanitizer|LeakSanitizer has|runtime error|FATAL: ", report):
            ours.append(report)
    return ours, others
