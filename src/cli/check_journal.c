/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/control_client.h"
#include "source/journal.h"
#include "source/journal_access.h"
#include "source/sigbus.h"
#include "source/stream_source.h"
#include "store/checkpoint.h"

#define ANSWER_LIMIT_USEC (2 * AZM_USEC_PER_SEC)

/* --- the journal --- */

static void free_source(struct azm_source **s)
{
    if (*s)
        (*s)->ops->free(*s);
}

/* Reads the last entry that would be exported. */
static int read_last(const struct azm_config *config, char ret_name[static 256], uint64_t *ret_usec,
                     struct azm_error *err)
{
    const struct azm_journal_options o = {.config = config, .state_dir_fd = -1, .last = 1};
    _cleanup_(free_source) struct azm_source *source = NULL;
    struct azm_source_status status;
    struct azm_record record;
    int r = azm_journal_open(&o, &source, err);

    if (r >= 0)
        r = source->ops->next(source, &record, err);
    if (r < 0)
        return r;
    *ret_usec = r > 0 ? record.observed_time_unix_nano / AZM_NSEC_PER_USEC : 0;
    r = source->ops->get_status(source, &status, err);
    if (r >= 0)
        snprintf(ret_name, 256, "%s", status.name);
    return r;
}

static const char *reading_remedy(int error, bool machine)
{
    if (error == -EACCES && machine)
        return "the user that azmonlog runs as has to be in the group systemd-journal";
    if (error == -ENOENT)
        return machine ? "is systemd-journald running here? in a container set [journal] directory= to the host's"
                       : "check [journal] directory=: journal files are *.journal there, or in folders named by a "
                         "machine id";
    return NULL;
}

static void check_reading(struct check *c, const struct azm_config *config)
{
    char name[256], time[AZM_TIME_TEXT_MAX];
    struct azm_error err;
    uint64_t usec = 0;
    bool machine = !*config->journal_directory && config->journal_files.n == 0;
    int r;

    check_begin(c);
    azm_sigbus_install();
    r = azm_journal_check_access(config, &err);
    if (r == 0)
        azm_error_set(&err, ENOENT, "there are no journal files%s%s", *config->journal_directory ? " in " : "",
                      config->journal_directory);
    if (r > 0)
        r = read_last(config, name, &usec, &err);
    else if (r == 0)
        r = -ENOENT;
    if (r < 0) {
        check_failed(c, CHECK_JOURNAL, AZM_USEC_INFINITY, err.words, reading_remedy(r, machine));
        return;
    }
    azm_time_print(usec, time);
    check_ok(c, CHECK_JOURNAL, AZM_USEC_INFINITY, "%s; %s%s", name,
             usec > 0 ? "the newest entry was received at " : "there is no entry in it that would be exported", time);
}

/* --- the position --- */

/* What a running azmonlog says of itself: false if none runs. */
static bool ask_running(struct check *c, const struct azm_config *config)
{
    _cleanup_free_ char *path = cli_control_path(config);
    const char *state, *received;
    struct azm_error err;
    json_t *answer;

    if (!path || azm_control_call(path, json_pack("{s:s}", "command", "status"), cli_deadline(ANSWER_LIMIT_USEC),
                                  &answer, &err) < 0)
        return false;
    state = json_string_value(json_object_get(answer, "state"));
    received = json_string_value(json_object_get(json_object_get(answer, "acknowledged"), "received"));
    check_ok(c, CHECK_POSITION, AZM_USEC_INFINITY, "azmonlog runs (pid %d) and is %s; acknowledged: %s%s",
             (int)json_integer_value(json_object_get(answer, "pid")), state ? state : "there",
             received ? "what was received up to " : "nothing yet", received ? received : "");
    json_decref(answer);
    return true;
}

static void check_checkpoint(struct check *c, const char *directory, int dir_fd)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    const char *cursor, *usec;
    char time[AZM_TIME_TEXT_MAX] = "";
    struct azm_error err;
    int r = azm_checkpoint_load(dir_fd, AZM_JOURNAL_CHECKPOINT, &lines, &err);

    if (r < 0) {
        check_failed(c, CHECK_POSITION, AZM_USEC_INFINITY, err.words,
                     r == -EBADMSG ? "azmonlog run sets it aside and begins where [journal] start= says" : NULL);
        return;
    }
    cursor = r > 0 ? strstr((const char *)lines.data, "cursor=") : NULL;
    usec = cursor ? strstr(cursor, ";t=") : NULL;
    if (usec)
        azm_time_print(strtoull(usec + 3, NULL, 16), time);
    if (*time)
        check_ok(c, CHECK_POSITION, AZM_USEC_INFINITY, "not running; %s: acknowledged up to %s", directory, time);
    else
        check_ok(c, CHECK_POSITION, AZM_USEC_INFINITY, "not running; %s: nothing acknowledged yet", directory);
}

static bool parent_is_writable(const char *path)
{
    const char *slash = strrchr(path, '/'); /* it is absolute */
    char parent[PATH_MAX];

    snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0;
}

static void check_position(struct check *c, const struct azm_config *config)
{
    const char *directory = config->state_directory;
    _cleanup_close_ int fd = -1;
    struct azm_error err;

    check_begin(c);
    if (ask_running(c, config))
        return;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && !parent_is_writable(directory)) {
        azm_error_set(&err, EACCES, "%s is not there, and the directory above it does not let us make it", directory);
        check_failed(c, CHECK_POSITION, AZM_USEC_INFINITY, err.words,
                     "make it for the user that azmonlog runs as, or run this as that user; StateDirectory= of the "
                     "service does it");
    } else if (fd < 0 && errno == ENOENT)
        check_ok(c, CHECK_POSITION, AZM_USEC_INFINITY, "not running; %s is not there yet, azmonlog run makes it",
                 directory);
    else if (fd < 0 || faccessat(fd, ".", W_OK, AT_EACCESS) < 0) {
        azm_error_set(&err, errno, "%s: %m", directory);
        check_failed(c, CHECK_POSITION, AZM_USEC_INFINITY, err.words,
                     "[state] directory= has to be a directory that azmonlog may write into");
    } else
        check_checkpoint(c, directory, fd);
}

/* --- rsyslogd's actions --- */

/* Which logs an action gets is a matter of rsyslogd's configuration, which cannot be known here. */
static void check_actions(struct check *c, const struct azm_config *config)
{
    bool local = !*config->journal_directory && !*config->journal_namespace && config->journal_files.n == 0;
    _cleanup_(azm_buf_free) struct azm_buf words = {0};
    const json_t *action;
    json_t *actions;
    size_t i;

    check_begin(c);
    actions = local ? cli_ask_actions(cli_deadline(ANSWER_LIMIT_USEC)) : NULL;
    json_array_foreach(actions, i, action)
    {
        const char *name = json_string_value(json_object_get(action, "action"));

        azm_buf_printf(&words, "%s%s", i == 0 ? "rsyslogd exports too, by its action " : ", ", name);
    }
    if (words.len > 0 && azm_buf_append(&words, "", 1) == 0)
        check_ok_if(c, CHECK_RSYSLOG, (const char *)words.data,
                    "make sure that no action gets this machine's own logs as well: they would be paid for twice");
    json_decref(actions);
}

/* --- the stream of a relay --- */

/* Asks the engine how the group stands, and takes nothing. */
static int look_at_stream(const struct azm_config *config, struct azm_source_status *ret, struct azm_error *err)
{
    _cleanup_(free_source) struct azm_source *source = NULL;
    uint64_t end = azm_monotonic_usec(&azm_system_clock) + 2 * config->timeout_usec, timeout;
    int r = azm_stream_source_open(config, AZM_STREAM_LOOK, &azm_system_clock, &source, err);

    while (r >= 0 && (r = source->ops->process(source, err)) >= 0) {
        struct pollfd p;
        int events;

        source->ops->get_status(source, ret, err);
        if (ret->stream.known || *ret->reason)
            return 0;
        if (azm_monotonic_usec(&azm_system_clock) > end)
            return azm_error_set(err, ETIMEDOUT, "%s does not answer", ret->name);
        source->ops->poll(source, &p.fd, &events, &timeout, err);
        p.events = (short)events;
        poll(&p, 1, 50);
    }
    return r;
}

static void check_stream(struct check *c, const struct azm_config *config)
{
    struct azm_source_status s = {0};
    struct azm_error err;

    check_begin(c);
    if (look_at_stream(config, &s, &err) < 0)
        check_failed(c, CHECK_JOURNAL, AZM_USEC_INFINITY, err.words, NULL);
    else if (*s.reason)
        check_failed(c, CHECK_JOURNAL, AZM_USEC_INFINITY, s.reason, s.remedy);
    else if (s.stream.lag_known && s.stream.no_group)
        check_ok(c, CHECK_JOURNAL, AZM_USEC_INFINITY,
                 "the stream %s: %" PRIu64 " messages that the group has not acknowledged", s.name, s.stream.lag);
    else if (s.stream.lag_known)
        check_ok(c, CHECK_JOURNAL, AZM_USEC_INFINITY,
                 "the stream %s: %" PRIu64 " messages not taken yet, %" PRIu64
                 " taken and not acknowledged, by %" PRIu64 " relays",
                 s.name, s.stream.lag, s.stream.pending, s.stream.consumers);
    else
        check_ok(c, CHECK_JOURNAL, AZM_USEC_INFINITY, "the stream %s can be read", s.name);
    check_skipped(c, CHECK_POSITION, "the stream knows where the relays of the group stand");
}

void check_journal(struct check *c, const struct azm_config *config)
{
    if (*config->relay_from) {
        check_stream(c, config);
        return;
    }
    check_reading(c, config);
    check_position(c, config);
    check_actions(c, config);
}
