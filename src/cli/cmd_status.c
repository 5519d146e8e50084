/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/control_client.h"
#include "cli/status_text.h"
#include "core/clock.h"
#include "core/log.h"

#define ANSWER_LIMIT_USEC (5 * AZM_USEC_PER_SEC)

static void print_help(void)
{
    printf("Usage: azmonlog status [OPTION...]\n\n"
           "Asks the running azmonlog where the records are, what holds them, and what to do.\n\n"
           "      --json                 one line of JSON\n"
           "  -c, --config FILE          configuration of the one to ask\n"
           "                             (" AZM_DEFAULT_CONFIG ")\n"
           "      --state-directory DIR  [state] directory=\n"
           "      --control PATH         [state] control=, its control socket\n"
           "  -h, --help                 this text\n\n"
           "Needs write permission on the control socket: root or its group.\n"
           "Exit codes: 0 it runs and has answered, 3 no azmonlog is running.\n");
}

static int print(const json_t *status, bool json)
{
    if (json) {
        json_dumpf(status, stdout, JSON_COMPACT);
        fputc('\n', stdout);
    } else
        azm_status_print(stdout, status, azm_realtime_usec(&azm_system_clock));
    if (fflush(stdout) == 0 || errno == EPIPE)
        return AZM_EXIT_OK;
    azm_log(AZM_LOG_ERROR, "cannot write: %m");
    return AZM_EXIT_FAILURE;
}

static int status(const struct azm_config *config, bool json)
{
    _cleanup_free_ char *path = cli_control_path(config);
    struct azm_error err = {0};
    const char *refused;
    json_t *answer;
    int r;

    if (path)
        r = azm_control_call(path, json_pack("{s:s}", "command", "status"), cli_deadline(ANSWER_LIMIT_USEC), &answer,
                             &err);
    else
        r = azm_error_set(&err, ENOMEM, "out of memory");
    if (r < 0)
        return cli_fail(r, &err);
    refused = json_string_value(json_object_get(answer, "error"));
    if (refused) {
        azm_error_set(&err, EPROTO, "azmonlog answers: %s", refused);
        r = cli_fail(-EPROTO, &err);
    } else
        r = print(answer, json);
    json_decref(answer);
    return r;
}

int cmd_status(int argc, char **argv)
{
    enum { OPT_JSON = 256, OPT_STATE_DIRECTORY, OPT_CONTROL };
    static const struct option options[] = {
        {"json", no_argument, NULL, OPT_JSON},
        {"config", required_argument, NULL, 'c'},
        {"state-directory", required_argument, NULL, OPT_STATE_DIRECTORY},
        {"control", required_argument, NULL, OPT_CONTROL},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    _cleanup_(azm_config_free) struct azm_config config = {0};
    struct cli_overrides overrides = {0};
    const char *path = NULL;
    bool json = false;
    int c, r;

    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) >= 0)
        switch (c) {
        case OPT_JSON:
            json = true;
            break;
        case 'c':
            path = optarg;
            break;
        case OPT_STATE_DIRECTORY:
            cli_override(&overrides, "state", "directory", optarg, "--state-directory");
            break;
        case OPT_CONTROL:
            cli_override(&overrides, "state", "control", optarg, "--control");
            break;
        case 'h':
            print_help();
            return AZM_EXIT_OK;
        default: /* getopt has said what is wrong */
            azm_log(AZM_LOG_ERROR, "azmonlog status --help lists the options");
            return AZM_EXIT_USAGE;
        }
    if (optind < argc) {
        azm_log(AZM_LOG_ERROR, "status takes no argument '%s'; azmonlog status --help", argv[optind]);
        return AZM_EXIT_USAGE;
    }
    r = cli_load_client_config(&config, path, &overrides);
    return r != 0 ? r : status(&config, json);
}
