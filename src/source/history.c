/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "source/history.h"

void azm_history_free(struct azm_history *h)
{
    free(h->seen);
    free(h->lasts);
    *h = (struct azm_history){0};
}

static bool same_pair(const struct azm_place *a, const struct azm_place *b)
{
    return sd_id128_equal(a->boot, b->boot) && sd_id128_equal(a->seqnum_id, b->seqnum_id);
}

void azm_history_note(struct azm_history *h, const struct azm_place *p)
{
    struct azm_place newest = *p;
    size_t i = h->n_pairs;

    while (i > 0 && !same_pair(&h->pairs[i - 1], p))
        i--;
    if (i > 0) {
        const struct azm_place *known = &h->pairs[i - 1];

        newest.seqnum = MAX(known->seqnum, p->seqnum);
        newest.monotonic_usec = MAX(known->monotonic_usec, p->monotonic_usec);
        newest.realtime_usec = MAX(known->realtime_usec, p->realtime_usec);
        newest.hash = known->hash;
    } else if (h->n_pairs == AZM_HISTORY_PAIRS)
        i = 1;
    if (i > 0) /* the one that it replaces goes, and it becomes the last */
        memmove(h->pairs + i - 1, h->pairs + i, (h->n_pairs-- - i) * sizeof *h->pairs);
    h->pairs[h->n_pairs++] = newest;
}

bool azm_history_delivered(const struct azm_history *h, const struct azm_place *p)
{
    for (size_t i = 0; i < h->n_pairs; i++) {
        const struct azm_place *read = &h->pairs[i];

        if (!sd_id128_equal(read->boot, p->boot) || p->realtime_usec > read->realtime_usec)
            continue;
        if (sd_id128_equal(read->seqnum_id, p->seqnum_id)
                ? p->seqnum <= read->seqnum && p->monotonic_usec <= read->monotonic_usec
                : p->monotonic_usec < read->monotonic_usec)
            return true;
    }
    for (size_t i = 0; i < h->n_lasts; i++)
        if (sd_id128_equal(h->lasts[i].seqnum_id, p->seqnum_id) && sd_id128_equal(h->lasts[i].boot, p->boot) &&
            azm_place_is_before(p, &h->lasts[i]))
            return true;
    return false;
}

bool azm_history_has_seen(const struct azm_history *h, sd_id128_t id)
{
    for (size_t i = 0; i < h->n_seen; i++)
        if (sd_id128_equal(h->seen[i], id))
            return true;
    return false;
}

bool azm_history_has_several_ids(const struct azm_history *h)
{
    for (size_t i = 1; i < h->n_pairs; i++)
        if (!sd_id128_equal(h->pairs[i].seqnum_id, h->pairs[0].seqnum_id))
            return true;
    return h->n_seen > 1;
}

int azm_history_add_seen(struct azm_history *h, sd_id128_t id)
{
    sd_id128_t *seen;

    if (azm_history_has_seen(h, id))
        return 0;
    seen = reallocarray(h->seen, h->n_seen + 1, sizeof *seen);
    if (!seen)
        return -ENOMEM;
    h->seen = seen;
    seen[h->n_seen++] = id;
    return 0;
}

int azm_history_note_last(struct azm_history *h, const struct azm_place *p)
{
    struct azm_place *lasts;
    size_t i = h->n_lasts;

    while (i > 0 && !sd_id128_equal(h->lasts[i - 1].seqnum_id, p->seqnum_id))
        i--;
    if (i > 0)
        memmove(h->lasts + i - 1, h->lasts + i, (h->n_lasts-- - i) * sizeof *h->lasts);
    else {
        lasts = reallocarray(h->lasts, h->n_lasts + 1, sizeof *lasts);
        if (!lasts)
            return -ENOMEM;
        h->lasts = lasts;
    }
    h->lasts[h->n_lasts++] = *p;
    return 0;
}

const struct azm_place *azm_history_last(const struct azm_history *h, sd_id128_t seqnum_id)
{
    for (size_t i = h->n_lasts; i-- > 0;)
        if (sd_id128_equal(h->lasts[i].seqnum_id, seqnum_id))
            return &h->lasts[i];
    return NULL;
}

void azm_history_forget_last(struct azm_history *h, sd_id128_t seqnum_id)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_lasts; i++)
        if (!sd_id128_equal(h->lasts[i].seqnum_id, seqnum_id))
            h->lasts[n++] = h->lasts[i];
    h->n_lasts = n;
}

void azm_history_forget_lasts(struct azm_history *h)
{
    h->n_lasts = 0;
}

void azm_history_prune(struct azm_history *h, bool (*keep)(sd_id128_t id, void *userdata), void *userdata)
{
    size_t n = 0, absent = 0;

    for (size_t i = 0; i < h->n_seen; i++)
        if (keep(h->seen[i], userdata))
            h->seen[n++] = h->seen[i];
    h->n_seen = n;
    for (size_t i = 0; i < h->n_lasts; i++)
        absent += !keep(h->lasts[i].seqnum_id, userdata);
    n = 0;
    for (size_t i = 0; i < h->n_lasts; i++)
        if (keep(h->lasts[i].seqnum_id, userdata) || absent-- <= AZM_HISTORY_PAIRS)
            h->lasts[n++] = h->lasts[i];
    h->n_lasts = n;
}

int azm_history_print(const struct azm_history *h, struct azm_buf *out)
{
    char text[AZM_PLACE_TEXT_MAX], id[33];
    int r = 0;

    for (size_t i = 0; i < h->n_pairs && r == 0; i++) {
        azm_place_print(&h->pairs[i], text);
        r = azm_buf_printf(out, "history=%s\n", text);
    }
    for (size_t i = 0; i < h->n_seen && r == 0; i++)
        r = azm_buf_printf(out, "seen=%s\n", sd_id128_to_string(h->seen[i], id));
    for (size_t i = 0; i < h->n_lasts && r == 0; i++) {
        azm_place_print(&h->lasts[i], text);
        r = azm_buf_printf(out, "last=%s\n", text);
    }
    return r;
}

int azm_history_parse(struct azm_history *h, const char *key, const char *value)
{
    struct azm_place p;
    sd_id128_t id;

    if (strcmp(key, "history") == 0) {
        if (!azm_place_parse(value, &p))
            return -EBADMSG;
        azm_history_note(h, &p);
        return 1;
    }
    if (strcmp(key, "last") == 0) {
        if (!azm_place_parse(value, &p))
            return -EBADMSG;
        return azm_history_note_last(h, &p) < 0 ? -ENOMEM : 1;
    }
    if (strcmp(key, "seen") == 0) {
        if (sd_id128_from_string(value, &id) < 0)
            return -EBADMSG;
        return azm_history_add_seen(h, id) < 0 ? -ENOMEM : 1;
    }
    return 0;
}
