/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/cli.h"
#include "core/log.h"

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", "export the journal to an OTLP endpoint", cmd_run},
    {"check", "go the way of a record and say what is in the way", cmd_check},
    {"cat", "print what would be sent, as OTLP/JSON lines", cmd_cat},
    {"backfill", "export a stretch of the past, beside the running azmonlog", cmd_backfill},
    {"status", "ask the running azmonlog how it is", cmd_status},
    {"flush", "wait until what is logged by now is acknowledged", cmd_flush},
    {"quarantine", "look at refused records, send them again, or purge them", cmd_quarantine},
};

static void print_help(FILE *f)
{
    fprintf(f, "Usage: azmonlog COMMAND [OPTION...]\n\n"
               "Carries every record of the systemd journal to an OTLP endpoint, at least once.\n\n"
               "Commands:\n");
    for (size_t i = 0; i < ELEMENTSOF(commands); i++)
        fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(f, "\nazmonlog COMMAND --help tells more. Configuration: " AZM_DEFAULT_CONFIG "\n\n"
               "Options:\n"
               "  -h, --help     this text\n"
               "  -V, --version  the version\n\n"
               "Exit codes: 0 success, 1 failure, 0 to 3 how it is (status), 3 not running (flush),\n"
               "10 to 19 the step that failed (check), 64 wrong usage,\n"
               "75 not all delivered yet (run --once, backfill, flush, quarantine resend),\n"
               "77 no permission, 78 wrong configuration.\n\n"
               "Manual: azmonlog(1), azmonlog.conf(5)\n");
}

/* libsystemd has a descriptor open for each journal file, and those of a host with many users may be more than the
 * usual soft limit of 1024. What it cannot open it leaves out without a word. (That limit is for select(2), which
 * nothing here uses.) */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) >= 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed connection is an error code, not an end */
    azm_log_init(AZM_LOG_INFO);
    raise_file_limit();

    if (argc < 2) {
        print_help(stderr);
        return AZM_EXIT_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return AZM_EXIT_OK;
    }
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("azmonlog %s\n", PACKAGE_VERSION);
        return AZM_EXIT_OK;
    }
    for (size_t i = 0; i < ELEMENTSOF(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    azm_log(AZM_LOG_ERROR, "unknown command '%s'; azmonlog --help lists the commands", argv[1]);
    return AZM_EXIT_USAGE;
}
