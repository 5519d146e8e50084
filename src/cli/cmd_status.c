/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/cli.h"
#include "cli/control_client.h"
#include "cli/status_text.h"
#include "core/clock.h"
#include "core/log.h"

#define ANSWER_LIMIT_USEC (5 * AZM_USEC_PER_SEC)

static void print_help(void)
{
    printf("Usage: azmonlog status [OPTION...]\n\n"
           "Asks the running azmonlog where the records are, what holds them, and what to do;\n"
           "without options also each action of rsyslogd, by /var/spool/azmonlog/*/control.\n\n"
           "      --json                 one line of JSON\n"
           "  -c, --config FILE          configuration of the one to ask\n"
           "                             (" AZM_DEFAULT_CONFIG ")\n"
           "      --state-directory DIR  [state] directory=\n"
           "      --control PATH         [state] control=, its control socket\n"
           "  -h, --help                 this text\n\n"
           "Needs write permission on the control socket: root or its group.\n"
           "Exit codes: 0 it runs and has answered, 3 no azmonlog is running.\n");
}

static int end_of_output(void)
{
    if (fflush(stdout) == 0 || errno == EPIPE)
        return AZM_EXIT_OK;
    azm_log(AZM_LOG_ERROR, "cannot write: %m");
    return AZM_EXIT_FAILURE;
}

static void print_actions(const json_t *actions, bool first)
{
    const json_t *action;
    size_t i;

    json_array_foreach(actions, i, action)
    {
        printf("%s", first && i == 0 ? "" : "\n");
        azm_status_print(stdout, action, azm_realtime_usec(&azm_system_clock));
    }
}

/* `answer`: NULL if no azmonlog runs; `actions`: NULL if there are none, or nobody asks for them. */
static int print(json_t *answer, json_t *actions, bool json)
{
    if (json) {
        json_t *all = answer ? json_incref(answer) : json_object();

        if (actions)
            json_object_set(all, "actions", actions);
        json_dumpf(all, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(all);
    } else {
        if (answer)
            azm_status_print(stdout, answer, azm_realtime_usec(&azm_system_clock));
        print_actions(actions, !answer);
    }
    return end_of_output();
}

/* The answer of the azmonlog with this configuration: 0 or an exit code. */
static int ask(const struct azm_config *config, json_t **ret)
{
    _cleanup_free_ char *path = cli_control_path(config);
    struct azm_error err = {0};
    const char *refused;
    int r;

    if (path)
        r = azm_control_call(path, json_pack("{s:s}", "command", "status"), cli_deadline(ANSWER_LIMIT_USEC), ret, &err);
    else
        r = azm_error_set(&err, ENOMEM, "out of memory");
    if (r < 0)
        return cli_fail(r, &err);
    refused = json_string_value(json_object_get(*ret, "error"));
    if (!refused)
        return 0;
    azm_error_set(&err, EPROTO, "azmonlog answers: %s", refused);
    json_decref(*ret);
    *ret = NULL;
    return cli_fail(-EPROTO, &err);
}

static int status(const struct azm_config *config, bool json, bool with_actions)
{
    json_t *answer = NULL, *actions = with_actions ? cli_ask_actions(cli_deadline(ANSWER_LIMIT_USEC)) : NULL;
    int r = ask(config, &answer), k = 0;

    if (json_array_size(actions) == 0) {
        json_decref(actions);
        actions = NULL;
    }
    if (answer || actions)
        k = print(answer, actions, json);
    json_decref(answer);
    json_decref(actions);
    return r != 0 ? r : k;
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
        default:
            return cli_bad_option("status");
        }
    if (optind < argc)
        return cli_no_argument("status", argv[optind]);
    r = cli_load_client_config(&config, path, &overrides);
    return r != 0 ? r : status(&config, json, !path && overrides.n == 0);
}
