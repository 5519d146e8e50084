/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "source/journal_files.h"
#include "source/journal_handle.h"
#include "source/journal_way.h"

/* More than a file has, for what lies between belongs to other files. */
#define WALK_MAX 1000000

/* After so many that come behind it, it is not there. One of them alone may have a damaged number. */
#define BEYOND_MAX 100

/* The first entries of the files in which it may be. */
struct candidates {
    const struct azm_place *to;
    struct azm_place *heads;
    size_t n, cap;
};

static int on_file(void *userdata, const struct azm_file_news *news)
{
    struct candidates *c = userdata;
    const struct azm_journal_header *h = news->header;

    if (news->state != AZM_FILE_GOOD || !sd_id128_equal(news->head.seqnum_id, c->to->seqnum_id) ||
        news->head.seqnum > c->to->seqnum || (h->archived && h->last < c->to->seqnum))
        return 0;
    return azm_place_append(&c->heads, &c->n, &c->cap, &news->head);
}

/* The latest first: from there it is least far. */
static int compare_heads(const void *a, const void *b)
{
    const struct azm_place *x = a, *y = b;

    return x->seqnum > y->seqnum ? -1 : x->seqnum < y->seqnum;
}

int azm_journal_go_way(sd_journal *j, const struct azm_place *begin, const struct azm_place *to)
{
    char cursor[AZM_PLACE_TEXT_MAX];
    unsigned beyond = 0;
    int r;

    azm_place_print(begin, cursor);
    r = sd_journal_seek_cursor(j, cursor);
    for (unsigned i = 0; i < WALK_MAX && beyond < BEYOND_MAX && r >= 0 && (r = sd_journal_next(j)) > 0; i++) {
        struct azm_place p;

        if (azm_place_current(j, &p) < 0)
            continue;
        if (azm_place_equal(&p, to))
            return 1;
        beyond += sd_id128_equal(p.seqnum_id, to->seqnum_id) && p.seqnum > to->seqnum;
    }
    return MIN(r, 0);
}

int azm_journal_find_way(const struct azm_config *c, const struct azm_place *to, struct azm_place *ret_begin,
                         struct azm_error *err)
{
    struct candidates candidates = {.to = to};
    struct azm_journal_files files = {0};
    int r;

    r = azm_journal_files_scan(&files, c, on_file, &candidates);
    azm_journal_files_free(&files);
    if (r < 0)
        azm_error_set(err, r, "the journal: cannot look over its files: %m");
    if (candidates.n > 0)
        qsort(candidates.heads, candidates.n, sizeof *candidates.heads, compare_heads);
    for (size_t i = 0; i < candidates.n && r == 0; i++) {
        _cleanup_journal_ sd_journal *j = NULL;

        r = azm_journal_open_handle(c, &j, err);
        if (r < 0)
            break;
        *ret_begin = candidates.heads[i];
        r = MAX(azm_journal_go_way(j, ret_begin, to), 0); /* what cannot be read is not the way */
    }
    free(candidates.heads);
    return r;
}
