/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/control_client.h"
#include "cli/journald_sync.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/timespan.h"

#define DEFAULT_TIMEOUT "10s"
#define EXPLAIN_LIMIT_USEC AZM_USEC_PER_SEC /* for the question why, when the time is up */

static void print_help(void)
{
    printf("Usage: azmonlog flush [OPTION...]\n\n"
           "Waits until everything that was logged before is acknowledged by the destination:\n"
           "the last line of a script.\n\n"
           "      --timeout TIME         how long to wait at most (" DEFAULT_TIMEOUT ")\n"
           "  -c, --config FILE          configuration of the running azmonlog\n"
           "                             (" AZM_DEFAULT_CONFIG ")\n"
           "      --state-directory DIR  [state] directory=\n"
           "      --control PATH         [state] control=, its control socket\n"
           "  -h, --help                 this text\n\n"
           "Needs write permission on the control socket: root or its group. Lines on the\n"
           "standard output of services are only covered when root calls.\n"
           "Exit codes: 0 all is acknowledged, 3 no azmonlog is running, 75 not in time.\n");
}

/* Logged messages may still be on their way into the journal, which is all that azmonlog sees. Files of another journal
 * have no journald here that could be asked. */
static int sync_journald(const char *path, uint64_t deadline_usec, struct azm_journald_sync *ret, struct azm_error *err)
{
    _cleanup_free_ char *folder = NULL;
    const char *name;
    json_t *journal;
    int r;

    *ret = (struct azm_journald_sync){0};
    r = azm_control_call(path, json_pack("{s:s}", "command", "journal"), deadline_usec, &journal, err);
    if (r < 0)
        return r;
    name = json_string_value(json_object_get(journal, "namespace"));
    if (!json_is_false(json_object_get(journal, "journald"))) {
        folder = azm_journald_folder(name ? name : "");
        r = folder ? azm_journald_sync(folder, deadline_usec, ret, err) : azm_error_set(err, ENOMEM, "out of memory");
    }
    json_decref(journal);
    return r;
}

static json_t *flush_message(const struct azm_journald_sync *sync)
{
    if (sync->markers == 0)
        return json_pack("{s:s}", "command", "flush");
    return json_pack("{s:s, s:s, s:i}", "command", "flush", "marker", sync->marker, "markers", (int)sync->markers);
}

/* The time is up: says what azmonlog says of it, if it says anything. */
static void say_why(const char *path, const char *timeout, const struct azm_error *waited_for)
{
    const char *state, *reason, *remedy;
    json_t *status = NULL, *error;

    azm_log(AZM_LOG_ERROR, "not everything is acknowledged after %s: %s", timeout, waited_for->words);
    if (azm_control_call(path, json_pack("{s:s}", "command", "status"), cli_deadline(EXPLAIN_LIMIT_USEC), &status,
                         NULL) < 0) {
        azm_log(AZM_LOG_ERROR, "azmonlog does not answer the question why");
        return;
    }
    state = json_string_value(json_object_get(status, "state"));
    error = json_object_get(status, "error");
    reason = json_string_value(json_object_get(error, "reason"));
    remedy = json_string_value(json_object_get(error, "remedy"));
    if (state && reason) {
        const char *destination = json_string_value(json_object_get(status, "destination"));

        azm_log(AZM_LOG_ERROR, "delivery is %s%s%s: %s%s%s", state, destination ? " by " : "",
                destination ? destination : "", reason, remedy ? "; " : "", remedy ? remedy : "");
    } else if (state)
        azm_log(AZM_LOG_ERROR, "azmonlog is %s; azmonlog status tells more", state);
    json_decref(status);
}

static int flush(const char *path, uint64_t timeout_usec, const char *timeout)
{
    uint64_t deadline = cli_deadline(timeout_usec);
    struct azm_journald_sync sync;
    struct azm_error err = {0};
    json_t *answer = NULL;
    const char *refused;
    int r;

    r = sync_journald(path, deadline, &sync, &err);
    if (r == 0) {
        r = azm_control_call(path, flush_message(&sync), deadline, &answer, &err);
        if (r == -ETIMEDOUT && sync.markers > 0)
            azm_error_set(&err, r, "azmonlog has not delivered its way up to the marker that this command has logged");
        else if (r == -ETIMEDOUT)
            azm_error_set(&err, r, "azmonlog has not delivered what is in the journal");
    }
    if (r == -ETIMEDOUT) {
        say_why(path, timeout, &err);
        return AZM_EXIT_UNDELIVERED;
    }
    if (r == -ECONNRESET) {
        azm_log(AZM_LOG_ERROR,
                "azmonlog has ended before everything was acknowledged; its next start delivers the rest");
        return AZM_EXIT_UNDELIVERED;
    }
    if (r < 0)
        return cli_fail(r, &err);
    refused = json_string_value(json_object_get(answer, "error"));
    if (json_is_true(json_object_get(answer, "ok")))
        r = AZM_EXIT_OK;
    else {
        azm_log(AZM_LOG_ERROR, "azmonlog answers: %s", refused ? refused : "neither ok nor an error");
        r = json_is_true(json_object_get(answer, "again")) ? AZM_EXIT_UNDELIVERED : AZM_EXIT_FAILURE;
    }
    json_decref(answer);
    return r;
}

int cmd_flush(int argc, char **argv)
{
    enum { OPT_TIMEOUT = 256 };
    static const struct option options[] = {
        {"timeout", required_argument, NULL, OPT_TIMEOUT},
        {"config", required_argument, NULL, 'c'},
        {"state-directory", required_argument, NULL, CLI_OPT_STATE_DIRECTORY},
        {"control", required_argument, NULL, CLI_OPT_CONTROL},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    _cleanup_(azm_config_free) struct azm_config config = {0};
    const char *path = NULL, *timeout = DEFAULT_TIMEOUT;
    _cleanup_free_ char *control = NULL;
    struct cli_overrides overrides = {0};
    uint64_t timeout_usec;
    int c, r;

    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) >= 0)
        switch (c) {
        case OPT_TIMEOUT:
            timeout = optarg;
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
            return cli_bad_option("flush");
        }
    if (optind < argc)
        return cli_no_argument("flush", argv[optind]);
    if (azm_parse_timespan(timeout, AZM_USEC_PER_SEC, &timeout_usec) < 0) {
        azm_log(AZM_LOG_ERROR, "--timeout: '%s' is not a duration such as 500ms, 10s or 5min", timeout);
        return AZM_EXIT_USAGE;
    }
    r = cli_load_client_config(&config, path, &overrides);
    if (r != 0)
        return r;
    control = cli_control_path(&config);
    if (!control) {
        azm_log(AZM_LOG_ERROR, "out of memory");
        return AZM_EXIT_FAILURE;
    }
    return flush(control, timeout_usec, timeout);
}
