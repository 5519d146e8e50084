/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"

/* Looking at the journal beside the reading, with a handle that is opened for the purpose: where its end is, what
 * waits. */

/* A new handle on the journal's last entry: 1; 0 if there is none; -errno. */
static int open_at_tail(struct azm_journal *s, sd_journal **ret, struct azm_error *err)
{
    int r;

    r = azm_journal_open_handle(s->config, ret, err);
    if (r < 0)
        return r;
    r = sd_journal_seek_tail(*ret);
    if (r >= 0)
        r = sd_journal_previous(*ret);
    return r < 0 ? azm_journal_error(err, r, "cannot go to its end") : r;
}

int azm_journal_take_tail(struct azm_journal *s, struct azm_error *err)
{
    uint64_t now = azm_monotonic_usec(&azm_system_clock);
    _cleanup_journal_ sd_journal *j = NULL;
    int r;

    if (s->tail_usec > 0 && (!s->tail_wanted || now < s->tail_usec + AZM_JOURNAL_TAIL_USEC))
        return 0;
    s->tail_usec = now;
    s->tail_wanted = false;
    free(s->tail);
    s->tail = NULL;
    r = open_at_tail(s, &j, err);
    if (r > 0)
        r = sd_journal_get_cursor(j, &s->tail);
    if (r >= 0 && s->tail)
        r = sd_journal_get_usage(j, &s->tail_bytes);
    return r < 0 ? r : 1;
}

/* Are there n entries with this message? Whoever logged it, and in whatever scope: a user's are in a file of their own.
 */
static int has_message(struct azm_journal *s, const char *message, unsigned n, struct azm_error *err)
{
    struct azm_config everybody = *s->config; /* its pointers stay the other's */
    _cleanup_journal_ sd_journal *j = NULL;
    _cleanup_free_ char *match = NULL;
    int r;

    if (asprintf(&match, "MESSAGE=%s", message) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    everybody.scope = AZM_SCOPE_ALL;
    r = azm_journal_open_handle(&everybody, &j, err);
    if (r < 0)
        return r;
    r = sd_journal_add_match(j, match, 0);
    if (r >= 0)
        r = sd_journal_seek_head(j);
    for (r = MIN(r, 0); r >= 0 && n > 0; n--) {
        r = sd_journal_next(j);
        if (r == 0)
            return 0;
    }
    return r < 0 ? azm_journal_error(err, r, "cannot look for a message") : 1;
}

int azm_journal_mark(struct azm_source *source, const char *message, unsigned n, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    _cleanup_journal_ sd_journal *j = NULL;
    int r;

    if (message && azm_journal_is_machines(s->config)) { /* nobody logs into files from elsewhere */
        r = has_message(s, message, n, err);
        if (r <= 0)
            return r;
    }
    s->marked = false;
    r = open_at_tail(s, &j, err);
    if (r < 0)
        return r;
    if (r > 0)
        s->marked = azm_place_current(j, &s->mark) >= 0;
    return 1;
}

bool azm_journal_passed(struct azm_source *source)
{
    struct azm_journal *s = azm_journal_of(source);
    struct azm_place now;

    if (!s->marked)
        return true;
    azm_journal_keep_cursor(s);
    if (!s->cursor || !azm_place_parse(s->cursor, &now))
        return false;
    if (sd_id128_equal(now.seqnum_id, s->mark.seqnum_id))
        return now.seqnum >= s->mark.seqnum;
    return sd_id128_equal(now.boot, s->mark.boot) && now.monotonic_usec > s->mark.monotonic_usec;
}

/* How old is the first entry that waits? 1; 0 if none does; -errno. */
static int look_at_first_waiting(struct azm_journal *s, uint64_t *ret_usec)
{
    _cleanup_journal_ sd_journal *j = NULL;
    uint64_t now = azm_realtime_usec(&azm_system_clock), then;
    int r;

    r = azm_journal_open_selecting(s, &j, NULL);
    if (r >= 0)
        r = *s->acknowledged ? sd_journal_seek_cursor(j, s->acknowledged) : sd_journal_seek_head(j);
    if (r >= 0)
        r = sd_journal_next(j);
    if (r > 0 && *s->acknowledged && sd_journal_test_cursor(j, s->acknowledged) > 0)
        r = sd_journal_next(j);
    if (r > 0)
        r = sd_journal_get_realtime_usec(j, &then) < 0 ? -EBADMSG : 1;
    if (r > 0)
        *ret_usec = now > then ? now - then : 0;
    return r;
}

static void name_journal(const struct azm_config *c, char *ret, size_t size)
{
    if (c->journal_files.n > 0)
        snprintf(ret, size, "%s%s", c->journal_files.items[0].key, c->journal_files.n > 1 ? " and other files" : "");
    else if (*c->journal_directory)
        snprintf(ret, size, "%s", c->journal_directory);
    else if (*c->journal_namespace)
        snprintf(ret, size, "namespace %s", c->journal_namespace);
    else
        snprintf(ret, size, "the machine's%s",
                 c->scope == AZM_SCOPE_SYSTEM ? " system journal"
                 : c->scope == AZM_SCOPE_USER ? ", this user's journal"
                                              : "");
}

int azm_journal_get_status(struct azm_source *source, struct azm_source_status *ret, struct azm_error *err)
{
    struct azm_journal *s = azm_journal_of(source);
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_place tail, acknowledged;
    int r;

    *ret = (struct azm_source_status){.losses = s->losses};
    name_journal(s->config, ret->name, sizeof ret->name);
    snprintf(ret->cursor, sizeof ret->cursor, "%s", s->acknowledged);
    if (azm_place_parse(s->acknowledged, &acknowledged))
        ret->acknowledged_usec = acknowledged.realtime_usec;
    r = look_at_first_waiting(s, &ret->lag_usec);
    if (r <= 0) {
        ret->lag_known = r == 0;
        return 0;
    }
    r = open_at_tail(s, &j, err);
    if (r < 0)
        return r;
    if (r > 0 && ret->acknowledged_usec > 0 && azm_place_current(j, &tail) >= 0 && tail.seqnum > acknowledged.seqnum &&
        (sd_id128_equal(tail.seqnum_id, acknowledged.seqnum_id) || sd_id128_equal(tail.boot, acknowledged.boot))) {
        ret->lag_known = true;
        ret->lag_up_to = azm_journal_filters(s->config);
        ret->lag_records = tail.seqnum - acknowledged.seqnum;
    }
    return 0;
}
