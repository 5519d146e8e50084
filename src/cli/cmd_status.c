/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/status_collect.h"
#include "cli/status_health.h"
#include "cli/status_text.h"
#include "cli/watch.h"
#include "core/clock.h"
#include "core/log.h"

#define ANSWER_LIMIT_USEC (5 * AZM_USEC_PER_SEC)
#define WATCH_LIMIT_USEC (2 * AZM_USEC_PER_SEC) /* keys wait for it */

static void print_help(void)
{
    printf("Usage: azmonlog status [OPTION...]\n\n"
           "Asks the running azmonlog where the records are, what holds them, and what to do;\n"
           "without -c, --state-directory and --control also each action of rsyslogd, by\n"
           "/var/spool/azmonlog/*/control. The first line says how it is, and since when.\n\n"
           "      --watch                a live screen; q ends it\n"
           "      --json                 one line of JSON\n"
           "  -c, --config FILE          configuration of the one to ask\n"
           "                             (" AZM_DEFAULT_CONFIG ")\n"
           "      --state-directory DIR  [state] directory=\n"
           "      --control PATH         [state] control=, its control socket\n"
           "  -h, --help                 this text\n\n"
           "Needs write permission on the control socket: root or its group.\n"
           "Exit codes: 0 well, 1 behind or throttled, 2 held, 3 down (of several: the highest).\n");
}

/* Of a terminal; what goes elsewhere is plain, with a line for each thing. */
static struct azm_status_style choose_style(void)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    struct azm_status_style style = {0};
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return style;
    style.colour = !(no_colour && *no_colour) && term && *term && strcmp(term, "dumb") != 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0)
        style.width = size.ws_col;
    return style;
}

/* azmonlog's own is the answer, and the actions are a member of it. */
static void print_json(const json_t *statuses)
{
    json_t *first = json_array_get(statuses, 0), *all = NULL, *actions = json_array(), *status;
    size_t i;

    if (first && !json_object_get(first, "action"))
        all = json_incref(first);
    json_array_foreach(statuses, i, status)
    {
        if (status != all)
            json_array_append(actions, status);
    }
    if (!all)
        all = json_object();
    if (json_array_size(actions) > 0)
        json_object_set(all, "actions", actions);
    json_dumpf(all, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(actions);
    json_decref(all);
}

static int print(const json_t *statuses, bool json)
{
    const struct azm_status_style style = choose_style();

    if (json)
        print_json(statuses);
    else
        azm_status_print_all(stdout, statuses, azm_realtime_usec(&azm_system_clock), &style);
    if (fflush(stdout) == 0 || errno == EPIPE)
        return AZM_EXIT_OK;
    azm_log(AZM_LOG_ERROR, "cannot write: %m");
    return AZM_EXIT_FAILURE;
}

static int status(const struct status_target *target, bool json)
{
    struct azm_error err;
    json_t *statuses;
    int r = cli_collect_status(target, &statuses, &err), k = 0, code = r < 0 ? cli_fail(r, &err) : 0;

    if (json_array_size(statuses) > 0) {
        k = print(statuses, json);
        if (r >= 0)
            code = status_exit_code(status_worst(statuses));
    }
    json_decref(statuses);
    return k != 0 ? k : code;
}

int cmd_status(int argc, char **argv)
{
    enum { OPT_JSON = 256, OPT_WATCH };
    static const struct option options[] = {
        {"json", no_argument, NULL, OPT_JSON},
        {"watch", no_argument, NULL, OPT_WATCH},
        {"config", required_argument, NULL, 'c'},
        {"state-directory", required_argument, NULL, CLI_OPT_STATE_DIRECTORY},
        {"control", required_argument, NULL, CLI_OPT_CONTROL},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    _cleanup_(azm_config_free) struct azm_config config = {0};
    struct cli_overrides overrides = {0};
    const char *path = NULL;
    bool json = false, watch = false;
    struct status_target target;
    int c, r;

    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) >= 0)
        switch (c) {
        case OPT_JSON:
            json = true;
            break;
        case OPT_WATCH:
            watch = true;
            break;
        case 'c':
            path = optarg;
            break;
        case 'h':
            print_help();
            return AZM_EXIT_OK;
        default:
            if (cli_config_option(&overrides, c, optarg))
                break;
            return cli_bad_option("status");
        }
    if (optind < argc)
        return cli_no_argument("status", argv[optind]);
    if (json && watch) {
        azm_log(AZM_LOG_ERROR, "status: either --json or --watch");
        return AZM_EXIT_USAGE;
    }
    r = cli_load_client_config(&config, path, &overrides);
    if (r != 0)
        return r;
    target = (struct status_target){
        .config = &config,
        .actions = !path && overrides.n == 0,
        .expected = cli_names_destination(path),
        .limit_usec = watch ? WATCH_LIMIT_USEC : ANSWER_LIMIT_USEC,
    };
    return watch ? cli_watch(&target) : status(&target, json);
}
