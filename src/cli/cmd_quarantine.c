/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/quarantine.h"
#include "core/log.h"
#include "export/quarantine_note.h"
#include "store/state_dir.h"

#define UID_BEGINNING_MIN 4

static const struct verb {
    const char *name;
    bool sends;  /* needs the whole configuration */
    bool choose; /* needs to be told which records */
    bool json;
    int (*run)(const struct quarantine_call *call);
} verbs[] = {
    {"list", false, false, true, quarantine_list},
    {"show", false, false, false, quarantine_show},
    {"resend", true, true, false, quarantine_resend},
    {"purge", false, true, false, quarantine_purge},
};

static void print_help(void)
{
    printf("Usage: azmonlog quarantine list|show [OPTION...] [UID...]\n"
           "       azmonlog quarantine resend|purge [OPTION...] UID...|--all\n\n"
           "Records that the destination does not take wait in the state directory, while\n"
           "everything else is delivered.\n\n"
           "  list    which records, since when, why, and the server's own words\n"
           "  show    the records themselves, as OTLP/JSON\n"
           "  resend  sends them again; what is delivered leaves the quarantine\n"
           "  purge   deletes them\n\n"
           "UID is the beginning of a log.record.uid, 4 digits or more.\n\n"
           "      --all                  all records (resend, purge)\n"
           "      --reason REASON        only those with this reason: refused, suspect,\n"
           "                             too_large or partial\n"
           "      --json                 list: one line of JSON\n"
           "  -c, --config FILE          configuration\n"
           "                             (" AZM_DEFAULT_CONFIG ")\n"
           "      --state-directory DIR  [state] directory=\n"
           "  -h, --help                 this text\n\n"
           "The destination has taken most of the records with reason partial, so resend\n"
           "--all leaves them out; name them, or add --reason partial.\n"
           "All of this works while azmonlog run goes on, and without it.\n"
           "Exit codes: 0 success, 1 not all records were taken, 75 resend was stopped (no\n"
           "connection, credentials, the server is busy): try again.\n");
}

int quarantine_flush_output(void)
{
    if (fflush(stdout) == 0 || errno == EPIPE)
        return AZM_EXIT_OK;
    azm_log(AZM_LOG_ERROR, "cannot write: %m");
    return AZM_EXIT_FAILURE;
}

/* --- which records --- */

static bool has_reason(const struct quarantine_call *call, const struct azm_quarantine_line *l)
{
    return !call->reason || (!l->damaged && strcmp(l->reason, call->reason) == 0);
}

/* Those whose uid begins so: all with the same one. */
static int choose_uid(const struct quarantine_call *call, const struct azm_quarantine_lines *lines,
                      const char *beginning, bool *chosen)
{
    const char *uid = NULL;

    for (size_t i = 0; i < lines->n; i++) {
        const struct azm_quarantine_line *l = &lines->items[i];

        if (l->damaged || !has_reason(call, l) || strncasecmp(l->uid, beginning, strlen(beginning)) != 0)
            continue;
        if (uid && strcmp(uid, l->uid) != 0) {
            azm_log(AZM_LOG_ERROR, "several uids begin with '%s'; give more digits", beginning);
            return AZM_EXIT_USAGE;
        }
        uid = l->uid;
        chosen[i] = true;
    }
    if (uid)
        return AZM_EXIT_OK;
    azm_log(AZM_LOG_ERROR, "no record in the quarantine has a uid that begins with '%s'%s%s", beginning,
            call->reason ? " and reason " : "", call->reason ? call->reason : "");
    return AZM_EXIT_FAILURE;
}

int quarantine_choose(const struct quarantine_call *call, const struct azm_quarantine_lines *lines, bool **ret_chosen,
                      size_t *ret_n)
{
    int code = AZM_EXIT_OK;

    *ret_n = 0;
    *ret_chosen = calloc(lines->n + 1, sizeof **ret_chosen);
    if (!*ret_chosen) {
        azm_log(AZM_LOG_ERROR, "out of memory");
        return AZM_EXIT_FAILURE;
    }
    for (int i = 0; i < call->n_uids && code == AZM_EXIT_OK; i++)
        code = choose_uid(call, lines, call->uids[i], *ret_chosen);
    for (size_t i = 0; i < lines->n; i++) {
        if (call->n_uids == 0)
            (*ret_chosen)[i] = has_reason(call, &lines->items[i]);
        *ret_n += (*ret_chosen)[i];
    }
    return code;
}

/* --- purge --- */

int quarantine_purge(const struct quarantine_call *call)
{
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines l = {0};
    _cleanup_free_ bool *chosen = NULL;
    _cleanup_close_ int lock = -1;
    struct azm_error err = {0};
    size_t n = 0;
    int r;

    r = azm_quarantine_edit(call->dir_fd, &lock, &l, &err);
    if (r < 0)
        return cli_fail(r, &err);
    r = quarantine_choose(call, &l, &chosen, &n);
    if (r != AZM_EXIT_OK)
        return r;
    for (size_t i = 0; i < l.n; i++)
        l.items[i].remove = chosen[i];
    r = azm_quarantine_commit(call->dir_fd, lock, &l, &err);
    if (r < 0)
        return cli_fail(r, &err);
    printf("%zu record%s deleted\n", n, n == 1 ? "" : "s");
    return quarantine_flush_output();
}

/* --- the command line --- */

static int wrong_usage(const char *what, const char *verb)
{
    azm_log(AZM_LOG_ERROR, "%s%s; azmonlog quarantine --help", verb, what);
    return AZM_EXIT_USAGE;
}

static int check_call(const struct verb *v, const struct quarantine_call *call, bool all)
{
    enum azm_quarantine_reason reason;

    if (call->reason && azm_quarantine_reason_parse(call->reason, &reason) < 0) {
        azm_log(AZM_LOG_ERROR, "--reason: '%s' is none of refused, suspect, too_large and partial", call->reason);
        return AZM_EXIT_USAGE;
    }
    for (int i = 0; i < call->n_uids; i++)
        if (strlen(call->uids[i]) < UID_BEGINNING_MIN) {
            azm_log(AZM_LOG_ERROR, "'%s' is too short for the beginning of a uid: %d digits or more", call->uids[i],
                    UID_BEGINNING_MIN);
            return AZM_EXIT_USAGE;
        }
    if (all && call->n_uids > 0)
        return wrong_usage(" takes either uids or --all", v->name);
    if (all && !v->choose)
        return wrong_usage(" takes no --all", v->name);
    if (v->choose && !all && call->n_uids == 0)
        return wrong_usage(" needs the uids of records, or --all", v->name);
    if (call->json && !v->json)
        return wrong_usage(" takes no --json", v->name);
    return AZM_EXIT_OK;
}

static int open_state_directory(const char *path, bool to_write)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;
    struct azm_error err;

    if (fd >= 0 && to_write && azm_state_dir_check(fd, path, &err) < 0) {
        close(fd);
        return -cli_fail(-EPERM, &err);
    }
    if (fd >= 0)
        return fd;
    if (error == ENOENT)
        azm_error_set(&err, error,
                      "there is no state directory %s: no azmonlog has run with it (another one: --state-directory, or "
                      "--config)",
                      path);
    else
        azm_error_set(&err, error, "cannot open the state directory %s: %m", path);
    return -cli_fail(-error, &err);
}

static int run(const struct verb *v, struct quarantine_call call, const char *path,
               const struct cli_overrides *overrides)
{
    _cleanup_(azm_config_free) struct azm_config config = {0};
    _cleanup_close_ int dir = -1;
    int r = v->sends ? cli_load_config(&config, path, overrides) : cli_load_client_config(&config, path, overrides);

    if (r != 0)
        return r;
    r = v->sends ? cli_check_destination(&config, path) : 0;
    if (r != 0)
        return r;
    dir = open_state_directory(config.state_directory, v->choose);
    if (dir < 0)
        return -dir;
    call.config = &config;
    call.dir_fd = dir;
    return v->run(&call);
}

int cmd_quarantine(int argc, char **argv)
{
    enum { OPT_ALL = 256, OPT_REASON, OPT_JSON };
    static const struct option options[] = {
        {"all", no_argument, NULL, OPT_ALL},
        {"reason", required_argument, NULL, OPT_REASON},
        {"json", no_argument, NULL, OPT_JSON},
        {"config", required_argument, NULL, 'c'},
        {"state-directory", required_argument, NULL, CLI_OPT_STATE_DIRECTORY},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct cli_overrides overrides = {0};
    struct quarantine_call call = {.dir_fd = -1};
    const struct verb *verb = NULL;
    const char *path = NULL;
    bool all = false;
    int c, r;

    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) >= 0)
        switch (c) {
        case OPT_ALL:
            all = true;
            break;
        case OPT_REASON:
            call.reason = optarg;
            break;
        case OPT_JSON:
            call.json = true;
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
            return cli_bad_option("quarantine");
        }
    for (size_t i = 0; optind < argc && i < ELEMENTSOF(verbs); i++)
        if (strcmp(argv[optind], verbs[i].name) == 0)
            verb = &verbs[i];
    if (!verb) {
        azm_log(AZM_LOG_ERROR, "%s%s%s: list, show, resend or purge? azmonlog quarantine --help",
                optind < argc ? "unknown command '" : "quarantine", optind < argc ? argv[optind] : "",
                optind < argc ? "'" : "");
        return AZM_EXIT_USAGE;
    }
    call.uids = argv + optind + 1;
    call.n_uids = argc - optind - 1;
    r = check_call(verb, &call, all);
    return r != AZM_EXIT_OK ? r : run(verb, call, path, &overrides);
}
