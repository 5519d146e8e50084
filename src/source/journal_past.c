/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "source/journal.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"

/* A stretch of the past is what journald received in it, not what lies between two places: where a clock was set back
 * the times of entries go back as well, in reading order. So each entry is asked for its time.
 *
 * libsystemd finds a time by bisection, file by file, which goes by the order of times in there. Within a boot journald
 * begins another file when the clock goes back, so that this holds; but the next boot goes on in the same file, and its
 * clock may be behind. So entries are looked for in a stretch that is longer by this on both sides: up to so much a
 * clock may have been behind.
 *
 * Where several boots and several files lie beside each other libsystemd's order depends on where a handle began, and
 * in the one order it passes over entries that it gives in the other. So every handle begins where counting began, and
 * walks from there to where it is to be: what was counted is what is read. */
#define SLACK_USEC (3600 * AZM_USEC_PER_SEC)

bool azm_journal_in_past(const struct azm_journal *s, uint64_t realtime_usec)
{
    return !azm_journal_reads_past(s) || (realtime_usec >= s->past.since_usec && realtime_usec < s->past.until_usec);
}

/* One entry further, on top of a vacuum: see step in journal_read.c. 1 and the entry's time, 0, -errno. */
static int step(sd_journal *j, int (*further)(sd_journal *j), uint64_t *ret_usec)
{
    int r = further(j);

    for (int i = 1; r == -EBADMSG && i < AZM_EBADMSG_TRIES; i++) {
        r = sd_journal_process(j);
        if (r >= 0)
            r = further(j);
    }
    if (r > 0 && sd_journal_get_realtime_usec(j, ret_usec) < 0)
        *ret_usec = 0; /* it cannot even say when it was */
    return r;
}

/* The journal stands on an entry with this time: does none of the stretch come any more? `all`: all that is known of
 * has come. Else only one that was written since the journal was opened tells that, for a clock may have been far
 * ahead. */
static bool is_over(const struct azm_journal *s, sd_journal *j, uint64_t usec, bool all)
{
    uint64_t monotonic_usec;
    sd_id128_t boot;

    return (all && usec >= s->past.until_usec + SLACK_USEC) ||
           (sd_journal_get_monotonic_usec(j, &monotonic_usec, &boot) >= 0 && sd_id128_equal(boot, s->boot) &&
            monotonic_usec >= s->opened_usec);
}

static int seek_begin(const struct azm_journal *s, sd_journal *j)
{
    uint64_t since = s->past.since_usec;

    return sd_journal_seek_realtime_usec(j, since > SLACK_USEC ? since - SLACK_USEC : 0);
}

/* Goes to where each walk begins, onto the entry before: 1; 0 if there is none; -errno. */
static int begin_walk(struct azm_journal *s, uint64_t *ret_usec)
{
    int r = seek_begin(s, s->j);

    if (r >= 0)
        r = step(s->j, sd_journal_previous, ret_usec);
    return r != 0 ? r : sd_journal_seek_head(s->j);
}

struct lone_count {
    const struct azm_journal *s;
    uint64_t entries;
};

/* What is in a file by itself. One that cannot be read is another's affair. */
static int count_file(void *userdata, const struct azm_file_news *news)
{
    struct lone_count *c = userdata;
    const char *paths[] = {news->path, NULL};
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_error err;
    uint64_t usec;

    if (news->state != AZM_FILE_GOOD || sd_journal_open_files(&j, paths, 0) < 0 ||
        azm_journal_select(j, c->s->config, NULL, &err) < 0 || seek_begin(c->s, j) < 0)
        return 0;
    while (step(j, sd_journal_next, &usec) > 0 && !is_over(c->s, j, usec, true))
        c->entries += azm_journal_in_past(c->s, usec);
    return 0;
}

/* How many entries the files have, one by one: where clocks have jumped, three entries in three files may each be the
 * earlier one of the next, and then libsystemd gives some of them in no order. */
static uint64_t count_in_files(const struct azm_journal *s)
{
    struct azm_journal_files files = {0};
    struct lone_count c = {.s = s};

    (void)azm_journal_files_scan(&files, s->config, count_file, &c);
    azm_journal_files_free(&files);
    return c.entries;
}

/* Counts the entries, and notes the last one, and the cursor of the one before the first ("": there is none): 0 or
 * -errno. */
static int count(struct azm_journal *s, char ret_before[static AZM_PLACE_TEXT_MAX])
{
    uint64_t in_files = count_in_files(s);
    struct azm_place p, before;
    uint64_t usec;
    int r = begin_walk(s, &usec);
    bool has_before = r > 0 && azm_place_current(s->j, &before) >= 0;

    while (r >= 0 && (r = step(s->j, sd_journal_next, &usec)) > 0 &&
           !is_over(s, s->j, usec, s->past.total >= in_files)) {
        if (azm_place_current(s->j, &p) < 0)
            continue;
        if (azm_journal_in_past(s, usec)) {
            s->past.total++;
            s->past.last = p;
        } else if (s->past.total == 0) {
            has_before = true;
            before = p;
        }
    }
    if (r >= 0 && s->past.total < in_files)
        azm_log(
            AZM_LOG_WARNING,
            "the files of the journal have %" PRIu64
            " more entries of that time than libsystemd gives of them together: copies, or what it leaves out where "
            "clocks have jumped; --file FILE, with one file after the other, exports everything",
            in_files - s->past.total);
    *ret_before = '\0';
    if (has_before)
        azm_place_print(&before, ret_before);
    return MIN(r, 0);
}

int azm_journal_walk_past(struct azm_journal *s, const char *cursor)
{
    uint64_t usec;
    int r = begin_walk(s, &usec);

    if (*cursor == '\0')
        return MIN(r, 0);
    while (r >= 0 && sd_journal_test_cursor(s->j, cursor) <= 0)
        if ((r = step(s->j, sd_journal_next, &usec)) <= 0 || is_over(s, s->j, usec, false))
            return MIN(r, 0);
    return r < 0 ? r : 1;
}

/* Says so if the journal does not reach so far back. */
static void tell_beginning(struct azm_journal *s)
{
    char begins[AZM_TIME_TEXT_MAX];
    uint64_t usec;

    if (sd_journal_seek_head(s->j) < 0 || step(s->j, sd_journal_next, &usec) <= 0 || usec <= s->past.since_usec)
        return;
    azm_time_print(usec, begins);
    azm_log(AZM_LOG_NOTICE,
            "the oldest entry of the journal%s is from %s; what was received before is not there to be read",
            s->selects ? " that is selected" : "", begins);
}

int azm_journal_find_past(struct azm_journal *s)
{
    char before[AZM_PLACE_TEXT_MAX];
    int r;

    s->past.total = s->past.read = 0;
    tell_beginning(s);
    r = count(s, before);
    s->past.done = s->past.total == 0;
    return r < 0 || s->past.done ? r : azm_journal_walk_past(s, before);
}

/* Does the journal stand on the last one, and were all others given? (After a vacuum an order may be another one.) */
static bool is_last(const struct azm_journal *s)
{
    struct azm_place p;

    return s->past.read >= s->past.total && azm_place_current(s->j, &p) >= 0 && azm_place_equal(&p, &s->past.last);
}

bool azm_journal_note_past(struct azm_journal *s)
{
    uint64_t usec = 0;
    bool in;

    if (!azm_journal_reads_past(s))
        return true;
    (void)sd_journal_get_realtime_usec(s->j, &usec);
    in = azm_journal_in_past(s, usec);
    s->past.read += in;
    s->past.done = in ? is_last(s) : is_over(s, s->j, usec, s->past.read >= s->past.total);
    return in;
}

/* Is this place behind the last entry, in reading order? */
static bool is_behind(const struct azm_journal *s, const struct azm_place *p)
{
    const struct azm_place *last = &s->past.last;

    if (sd_id128_equal(p->seqnum_id, last->seqnum_id))
        return p->seqnum > last->seqnum;
    if (sd_id128_equal(p->boot, last->boot))
        return p->monotonic_usec > last->monotonic_usec;
    return p->realtime_usec > last->realtime_usec;
}

/* How many of the missing entries come behind the last one, where the numbers tell: `g` ends with the first one that is
 * left. */
static uint64_t count_behind(const struct azm_journal *s, const struct azm_gap *g)
{
    const struct azm_place *last = &s->past.last;
    bool one_counter = azm_journal_is_machines(s->config) || sd_id128_equal(g->to.seqnum_id, last->seqnum_id);

    return one_counter && g->to.seqnum > last->seqnum ? g->to.seqnum - last->seqnum - 1 : 0;
}

bool azm_journal_clip_gap(struct azm_journal *s, struct azm_gap *g)
{
    uint64_t behind;

    if (!azm_journal_reads_past(s))
        return true;
    if (azm_place_equal(&g->from, &s->past.last) || is_behind(s, &g->from))
        return false;
    if (g->reason != AZM_GAP_VACUUMED || !is_behind(s, &g->to))
        return true;
    behind = count_behind(s, g);
    if (g->counted && g->entries <= behind)
        return false;
    g->entries -= g->counted ? behind : 0;
    g->to = s->past.last; /* that one is gone, too */
    return true;
}

int azm_journal_print_past(const struct azm_journal *s, struct azm_buf *out)
{
    const struct azm_past *past = &s->past;
    char last[AZM_PLACE_TEXT_MAX];

    if (past->total == 0)
        return 0;
    azm_place_print(&past->last, last);
    return azm_buf_printf(out, "past=%" PRIu64 " %" PRIu64 " %s\n", past->read, past->total, last);
}

int azm_journal_parse_past(struct azm_journal *s, const char *key, const char *value)
{
    struct azm_past *past = &s->past;
    int n = 0;

    if (strcmp(key, "past") != 0)
        return 0;
    if (sscanf(value, "%" SCNu64 " %" SCNu64 " %n", &past->read, &past->total, &n) != 2 || past->total == 0 ||
        !azm_place_parse(value + n, &past->last))
        return -EBADMSG;
    return 1;
}

void azm_journal_get_progress(struct azm_source *source, uint64_t *ret_read, uint64_t *ret_total)
{
    const struct azm_past *past = &azm_journal_of(source)->past;

    *ret_read = past->read;
    *ret_total = past->total;
}
