/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/cli.h"

/* The options that choose the journal and what of it, for every command that reads it; named as journalctl names them.
 */

enum { /* beside the short ones */
       CLI_OPT_DIRECTORY = 512,
       CLI_OPT_NAMESPACE,
       CLI_OPT_FILE,
       CLI_OPT_SYSTEM,
       CLI_OPT_USER,
};

#define CLI_JOURNAL_SHORT_OPTIONS "u:t:p:"
/* clang-format off: its versions do not agree on this */
#define CLI_JOURNAL_LONG_OPTIONS                                                                                       \
    {"directory", required_argument, NULL, CLI_OPT_DIRECTORY},                                                         \
        {"namespace", required_argument, NULL, CLI_OPT_NAMESPACE}, {"file", required_argument, NULL, CLI_OPT_FILE},    \
        {"system", no_argument, NULL, CLI_OPT_SYSTEM}, {"user", no_argument, NULL, CLI_OPT_USER},                      \
        {"unit", required_argument, NULL, 'u'}, {"identifier", required_argument, NULL, 't'},                          \
        {"priority", required_argument, NULL, 'p'}
/* clang-format on */

#define CLI_JOURNAL_HELP                                                                                               \
    "      --directory DIR         a folder of journal files instead of the machine's\n"                               \
    "      --namespace NAME        this journal namespace\n"                                                           \
    "      --file FILE             this journal file (may be given several times)\n"                                   \
    "      --system, --user        only the system's journal, only this user's\n"                                      \
    "  -u, --unit UNIT             only this unit (several: any of them)\n"                                            \
    "  -t, --identifier NAME       only this SYSLOG_IDENTIFIER (several: any of them)\n"                               \
    "  -p, --priority PRIORITY     only this priority and more important ones\n"

/* Takes over one option that getopt_long has found: true if it is one of these. */
bool cli_journal_option(struct cli_overrides *o, int option, const char *value);
