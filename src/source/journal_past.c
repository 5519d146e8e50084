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
 * clock may have been behind. Nothing less ends the stretch, the last entry that was found in it neither: where several
 * boots and several files lie beside each other libsystemd's order depends on where a handle began. */
#define SLACK_USEC (3600 * AZM_USEC_PER_SEC)

bool azm_journal_in_stretch(const struct azm_journal *s, uint64_t realtime_usec)
{
    return !azm_journal_has_stretch(s) ||
           (realtime_usec >= s->stretch.since_usec && realtime_usec < s->stretch.until_usec);
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

/* The journal stands on an entry with this time: does none of the stretch come any more? One that was written since the
 * journal was opened tells that, too: beside a flood nothing else would for an hour. */
static bool is_over(const struct azm_journal *s, uint64_t usec)
{
    uint64_t monotonic_usec;
    sd_id128_t boot;

    return usec >= s->stretch.until_usec + SLACK_USEC ||
           (sd_journal_get_monotonic_usec(s->j, &monotonic_usec, &boot) >= 0 && sd_id128_equal(boot, s->boot) &&
            monotonic_usec >= s->opened_usec);
}

/* Counts the entries, and takes over the places of the first and the last one: 0 or -errno. */
static int count(struct azm_journal *s, struct azm_place *ret_first)
{
    struct azm_stretch *w = &s->stretch;
    struct azm_place p;
    uint64_t usec;
    int r;

    r = sd_journal_seek_realtime_usec(s->j, w->since_usec > SLACK_USEC ? w->since_usec - SLACK_USEC : 0);
    while (r >= 0 && (r = step(s->j, sd_journal_next, &usec)) > 0 && !is_over(s, usec)) {
        if (!azm_journal_in_stretch(s, usec) || azm_place_current(s->j, &p) < 0)
            continue;
        if (w->total++ == 0)
            *ret_first = p;
        w->last = p;
    }
    return MIN(r, 0);
}

/* Goes back from this entry to the first one of another time: 1; 0 if there is none; -errno. */
static int stand_before(struct azm_journal *s, const struct azm_place *first)
{
    char cursor[AZM_PLACE_TEXT_MAX];
    uint64_t usec;
    int r;

    azm_place_print(first, cursor);
    r = sd_journal_seek_cursor(s->j, cursor);
    if (r >= 0)
        r = step(s->j, sd_journal_next, &usec);
    while (r > 0 && (r = step(s->j, sd_journal_previous, &usec)) > 0 && usec == first->realtime_usec)
        ;
    return r;
}

/* Says so if the journal does not reach so far back. */
static void tell_beginning(struct azm_journal *s)
{
    char begins[AZM_TIME_TEXT_MAX];
    uint64_t usec;

    if (sd_journal_seek_head(s->j) < 0 || step(s->j, sd_journal_next, &usec) <= 0 || usec <= s->stretch.since_usec)
        return;
    azm_time_print(usec, begins);
    azm_log(AZM_LOG_NOTICE,
            "the oldest entry of the journal%s is from %s; what was received before is not there to be read",
            s->selects ? " that is selected" : "", begins);
}

int azm_journal_find_stretch(struct azm_journal *s)
{
    struct azm_stretch *w = &s->stretch;
    struct azm_place first;
    int r;

    w->total = w->read = 0;
    tell_beginning(s);
    r = count(s, &first);
    w->done = w->total == 0;
    return r < 0 || w->done ? r : stand_before(s, &first);
}

bool azm_journal_note_stretch(struct azm_journal *s)
{
    uint64_t usec = 0;
    bool in;

    if (!azm_journal_has_stretch(s))
        return true;
    (void)sd_journal_get_realtime_usec(s->j, &usec);
    s->stretch.done |= is_over(s, usec);
    in = !s->stretch.done && azm_journal_in_stretch(s, usec);
    s->stretch.read += in;
    return in;
}

/* Is this place behind the last entry, in reading order? */
static bool is_behind(const struct azm_journal *s, const struct azm_place *p)
{
    const struct azm_place *last = &s->stretch.last;

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
    const struct azm_place *last = &s->stretch.last;
    bool one_counter = azm_journal_is_machines(s->config) || sd_id128_equal(g->to.seqnum_id, last->seqnum_id);

    return one_counter && g->to.seqnum > last->seqnum ? g->to.seqnum - last->seqnum - 1 : 0;
}

bool azm_journal_clip_gap(struct azm_journal *s, struct azm_gap *g)
{
    uint64_t behind;

    if (!azm_journal_has_stretch(s))
        return true;
    if (azm_place_equal(&g->from, &s->stretch.last) || is_behind(s, &g->from))
        return false;
    if (g->reason != AZM_GAP_VACUUMED || !is_behind(s, &g->to))
        return true;
    behind = count_behind(s, g);
    if (g->counted && g->entries <= behind)
        return false;
    g->entries -= g->counted ? behind : 0;
    g->to = s->stretch.last; /* that one is gone, too */
    return true;
}

int azm_journal_print_stretch(const struct azm_journal *s, struct azm_buf *out)
{
    const struct azm_stretch *w = &s->stretch;
    char last[AZM_PLACE_TEXT_MAX];

    if (w->total == 0)
        return 0;
    azm_place_print(&w->last, last);
    return azm_buf_printf(out, "stretch=%" PRIu64 " %" PRIu64 " %s\n", w->read, w->total, last);
}

int azm_journal_parse_stretch(struct azm_journal *s, const char *key, const char *value)
{
    struct azm_stretch *w = &s->stretch;
    int n = 0;

    if (strcmp(key, "stretch") != 0)
        return 0;
    if (sscanf(value, "%" SCNu64 " %" SCNu64 " %n", &w->read, &w->total, &n) != 2 || w->total == 0 ||
        !azm_place_parse(value + n, &w->last))
        return -EBADMSG;
    return 1;
}

void azm_journal_get_progress(struct azm_source *source, uint64_t *ret_read, uint64_t *ret_total)
{
    const struct azm_stretch *w = &azm_journal_of(source)->stretch;

    *ret_read = w->read;
    *ret_total = w->total;
}
