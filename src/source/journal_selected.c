/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "core/log.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"

/* With a selection numbers do not tell whether libsystemd has passed over an entry at the journal's end, where journald
 * writes while we read. It may: it looks at one file after the other (has_passed_over_one, in journal_read.c), and it
 * looks no more at a file in which it found nothing just when journald had counted an entry and not yet linked it to
 * what is selected by, until the next one is counted. So what was read there is compared with what another handle gives
 * when it looks back from the last entry: journald writes in order, and all before that one is written by then. */

/* So many more than were read are looked at: those of other boots, whose clocks lie in between. */
#define MORE_MAX 1000

void azm_journal_forget_selected(struct azm_journal *s)
{
    struct azm_selected *c = &s->selected;

    sd_journal_close(c->j);
    azm_uid_state_free(&c->uid_state);
    free(c->places);
    free(c->cursor);
    *c = (struct azm_selected){0};
}

int azm_journal_note_selected(struct azm_journal *s, const struct azm_place *p, struct azm_error *err)
{
    struct azm_selected *c = &s->selected;

    if (!s->selects || !azm_journal_is_machines(s->config) || azm_journal_reads_past(s))
        return 0;
    if (!s->last_was_young || c->n == AZM_JOURNAL_NOTED_MAX) { /* nobody writes there any more; or it is too much */
        c->n = c->n_known = 0;
        return 0;
    }
    return p && azm_place_append(&c->places, &c->n, &c->cap, p) < 0 ? azm_error_set(err, ENOMEM, "out of memory") : 0;
}

/* Other handles may give entries of one time in another order, so it is looked for everywhere; `at` is where it should
 * be, and then the place before it. */
static bool was_read(const struct azm_selected *c, const struct azm_place *p, size_t *at)
{
    for (size_t k = 0; k < c->n; k++) {
        size_t i = (*at + c->n - k) % c->n;

        if (azm_place_is_alike(&c->places[i], p)) {
            *at = (i + c->n - 1) % c->n;
            return true;
        }
    }
    return false;
}

/* Is there an entry between the first and the last one of the stretch that was not read? */
static bool has_passed_over(const struct azm_selected *c, const struct azm_place *from, const struct azm_place *last)
{
    char cursor[AZM_PLACE_TEXT_MAX];
    size_t at = c->n - 1;
    struct azm_place p;
    int r;

    azm_place_print(last, cursor);
    r = sd_journal_seek_cursor(c->j, cursor);
    if (r >= 0)
        r = sd_journal_next(c->j);
    if (r <= 0 || sd_journal_test_cursor(c->j, cursor) <= 0)
        return false; /* it has gone */
    for (size_t i = 0; i < c->n + MORE_MAX && sd_journal_previous(c->j) > 0; i++) {
        if (azm_place_current(c->j, &p) < 0 || !sd_id128_equal(p.boot, from->boot))
            continue;
        if (p.monotonic_usec < from->monotonic_usec)
            break;
        if (azm_place_is_between(&p, from, last) && !was_read(c, &p, &at))
            return true;
    }
    return false;
}

/* The last entry is where the next stretch begins. Those of the same time may come after it where another handle looks.
 */
static int begin(struct azm_journal *s, struct azm_error *err)
{
    struct azm_selected *c = &s->selected;
    const struct azm_place last = c->places[c->n - 1];
    size_t first = c->n - 1;
    char cursor[AZM_PLACE_TEXT_MAX];

    while (first > 0 && c->places[first - 1].monotonic_usec == last.monotonic_usec)
        first--;
    c->n -= first;
    c->n_known = c->n;
    memmove(c->places, c->places + first, c->n * sizeof *c->places);
    azm_place_print(&last, cursor);
    free(c->cursor);
    c->cursor = strdup(cursor);
    c->losses = s->losses;
    if (!c->cursor || azm_uid_state_copy(&c->uid_state, azm_entry_uid_state(s->reader)) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

static int open_handle(struct azm_journal *s)
{
    struct azm_selected *c = &s->selected;
    int r = azm_journal_open_selecting(s, &c->j, NULL);

    if (r >= 0)
        r = sd_journal_get_fd(c->j); /* from here on it notices new files */
    if (r < 0) {
        sd_journal_close(c->j);
        c->j = NULL;
    }
    return r;
}

int azm_journal_check_selected(struct azm_journal *s, struct azm_error *err)
{
    struct azm_selected *c = &s->selected;
    const struct azm_place *from, *last;

    if (c->n == c->n_known)
        return 0;
    from = c->n_known > 0 ? &c->places[c->n_known - 1] : NULL;
    last = &c->places[c->n - 1];
    if (!from || !sd_id128_equal(from->boot, last->boot) || from->seqnum + 1 >= last->seqnum ||
        (!c->j && open_handle(s) < 0) || !has_passed_over(c, from, last))
        return begin(s, err);
    azm_log(AZM_LOG_NOTICE, "libsystemd has passed over a journal entry that is selected; it is read now");
    c->n = c->n_known = 0;
    return azm_journal_go_back(s, c->cursor, &c->uid_state, &c->losses, err);
}
