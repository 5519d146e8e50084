/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/control_client.h"
#include "cli/status_collect.h"
#include "core/clock.h"
#include "source/journal.h"
#include "source/place.h"
#include "store/checkpoint.h"
#include "store/spool_peek.h"

/* --- one that does not run --- */

static json_t *time_or_null(uint64_t realtime_usec)
{
    char text[AZM_TIME_TEXT_MAX];

    azm_time_print(realtime_usec, text);
    return *text ? json_string(text) : json_null();
}

/* When a process last left a trace in its state directory: it replaces its checkpoint there, and touches its lock when
 * it ends. 0: never, as far as can be seen. */
static uint64_t last_trace(int dir_fd)
{
    uint64_t latest = 0;
    struct stat st;

    for (size_t i = 0; i < 2; i++)
        if (fstatat(dir_fd, i == 0 ? "." : "lock", &st, 0) >= 0)
            latest = MAX(latest, (uint64_t)st.st_mtim.tv_sec * AZM_USEC_PER_SEC +
                                     (uint64_t)st.st_mtim.tv_nsec / AZM_NSEC_PER_USEC);
    return latest;
}

/* Where it will go on. */
static json_t *saved_position(int dir_fd)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    char *cursor = NULL;
    struct azm_place place;

    if (azm_checkpoint_load(dir_fd, AZM_JOURNAL_CHECKPOINT, &lines, NULL) > 0)
        cursor = strstr((char *)lines.data, "cursor=");
    if (!cursor)
        return json_pack("{s:s, s:n}", "cursor", "", "received");
    cursor += strlen("cursor=");
    cursor[strcspn(cursor, "\n")] = '\0';
    return json_pack("{s:s, s:o}", "cursor", cursor, "received",
                     azm_place_parse(cursor, &place) ? time_or_null(place.realtime_usec) : json_null());
}

static json_t *left_spool(const char *state_directory)
{
    _cleanup_free_ char *path = NULL;
    struct azm_spool_peek spool;

    if (asprintf(&path, "%s/spool.db", state_directory) < 0) {
        path = NULL;
        return json_null();
    }
    if (azm_spool_peek(path, &spool) <= 0)
        return json_null();
    return json_pack("{s:b, s:o, s:I}", "active", 1, "records",
                     spool.known ? json_integer((json_int_t)spool.records) : json_null(), "bytes",
                     (json_int_t)spool.bytes);
}

static json_t *describe_down(const struct azm_config *c, const char *reason)
{
    _cleanup_close_ int dir = open(c->state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t seen = dir >= 0 ? last_trace(dir) : 0;

    return json_pack(
        "{s:{s:s, s:o, s:s, s:s}, s:o, s:o}", "health", "condition", "down", "since", time_or_null(seen), "reason",
        reason, "remedy",
        "look at systemctl status azmonlog; journalctl -u azmonlog says why it ended. What is in the journal "
        "waits there",
        "acknowledged", dir >= 0 ? saved_position(dir) : json_null(), "spool", left_spool(c->state_directory));
}

/* --- whoever it is --- */

/* 0, and what it says of itself, or what is known if it does not; or -EACCES. */
static int ask(const struct status_target *t, json_t **ret, struct azm_error *err)
{
    _cleanup_free_ char *path = cli_control_path(t->config);
    const char *refused;
    int r;

    if (path)
        r = azm_control_call(path, json_pack("{s:s}", "command", "status"), cli_deadline(t->limit_usec), ret, err);
    else
        r = azm_error_set(err, ENOMEM, "out of memory");
    if (r == -EACCES)
        return r;
    if (r >= 0) {
        refused = json_string_value(json_object_get(*ret, "error"));
        if (!refused)
            return 0;
        azm_error_set(err, EPROTO, "azmonlog answers: %s", refused);
        json_decref(*ret);
    }
    *ret = describe_down(t->config, err->words);
    return 0;
}

static bool is_down(const json_t *status)
{
    return !json_object_get(status, "version");
}

int cli_collect_status(const struct status_target *t, json_t **ret, struct azm_error *err)
{
    json_t *own = NULL, *all = json_array(),
           *actions = t->actions ? cli_ask_actions(cli_deadline(t->limit_usec)) : NULL;
    int r = ask(t, &own, err);

    if (actions)
        cli_find_stranded(actions);
    /* Where only rsyslogd's actions are to run they are all there is. */
    if (own && (t->expected || json_array_size(actions) == 0 || !is_down(own)))
        json_array_append(all, own);
    if (actions)
        json_array_extend(all, actions);
    json_decref(own);
    json_decref(actions);
    *ret = all;
    return r;
}
