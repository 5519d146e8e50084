/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/journal_handle.h"
#include "source/journal_internal.h"
#include "source/lookup3.h"

/* The current entry's fields. Journald counts an entry, so that it is there for everybody, before it links the entry's
 * fields to it one by one; in the very moment at which it links a new one, such as MESSAGE, libsystemd takes that field
 * for damaged and leaves it out without a word (once in some 100,000 entries that are read as they come). The hash in
 * the entry's cursor, which is that of all its fields, tells whether all are there. */

/* The moment is over when the fields are read once more, unless journald does not run just now. They may also be
 * missing for ever, where the file is damaged: so long is waited, and then, for a while, only a little. */
#define WAIT_USEC (100 * AZM_USEC_PER_MSEC)
#define NEXT_WAIT_USEC (10 * AZM_USEC_PER_SEC)

/* After so many in a row that lacked a field for good it is not waited any more. */
#define INCOMPLETE_MAX 3

/* What the hashes of an entry's fields tell. */
struct hashes {
    uint64_t sum;     /* all of them, XORed */
    uint64_t missing; /* it seems to be that of a field; 0: what follows is not wanted */
    bool is_there;    /* ... which is there */
    /* What some of them give when they are XORed: a basis of so few that hardly any other value is among it. */
    uint64_t basis[40];
    unsigned n;
};

/* Is there memory for the largest field that we would read? */
static bool memory_left(void)
{
    void *volatile p = malloc(2 * AZM_JOURNAL_FIELD_MAX_BYTES); /* volatile: a compiler may leave the pair out */
    bool left = p != NULL;

    free(p);
    return left;
}

/* As sd_journal_enumerate_available_data, which passes over fields that cannot be had, such as one with a compression
 * that this libsystemd does not know: called only where there is one, for it costs something for every field. */
static int next_field(sd_journal *j, const void **data, size_t *len)
{
    int r = sd_journal_enumerate_data(j, data, len);

    return r < 0 ? sd_journal_enumerate_available_data(j, data, len) : r; /* it begins with the same one */
}

/* 0: some of them give it. */
static uint64_t reduce(const struct hashes *h, uint64_t hash)
{
    for (unsigned i = 0; i < h->n; i++)
        hash = MIN(hash, hash ^ h->basis[i]);
    return hash;
}

static void add_hash(struct hashes *h, const void *data, size_t len)
{
    uint64_t hash = azm_lookup3(data, len);

    h->sum ^= hash;
    if (h->missing == 0)
        return;
    h->is_there |= hash == h->missing;
    hash = reduce(h, hash);
    if (hash != 0 && h->n < ELEMENTSOF(h->basis))
        h->basis[h->n++] = hash;
}

/* One pass over all fields; asking for them by name costs several times more. `hashes`: or NULL. 0, -EBADMSG for an
 * entry that cannot be read, -errno. */
static int read_fields(sd_journal *j, struct azm_entry_reader *reader, struct hashes *hashes)
{
    const void *data;
    size_t len;
    int r;

    azm_entry_begin(reader);
    sd_journal_restart_data(j);
    while ((r = next_field(j, &data, &len)) > 0) {
        if (hashes)
            add_hash(hashes, data, len);
        r = azm_entry_add_field(reader, data, len);
        if (r < 0)
            return r;
    }
    /* In a damaged file a field may claim to be larger than all memory. */
    return r == -ENOMEM && memory_left() ? -EBADMSG : r;
}

/* Waits a little for the fields that are missing: true; false if that has been long enough. `until`: 0 at first. */
static bool wait_for_fields(struct azm_journal *s, uint64_t *until)
{
    static const struct timespec a_little = {.tv_nsec = AZM_USEC_PER_MSEC * AZM_NSEC_PER_USEC};
    uint64_t now = azm_monotonic_usec(&azm_system_clock);

    if (*until > 0 ? now >= *until : s->incomplete >= INCOMPLETE_MAX)
        return false;
    if (*until == 0) {
        *until = now;
        if (now >= s->next_wait_usec) {
            *until += WAIT_USEC;
            s->next_wait_usec = *until + NEXT_WAIT_USEC;
        }
    }
    nanosleep(&a_little, NULL);
    return true;
}

static void tell_incomplete(struct azm_journal *s)
{
    if (!s->told_incomplete)
        azm_log(AZM_LOG_WARNING, "a journal entry lacks a field, and is delivered without it; journalctl --verify "
                                 "shows whether its file is damaged (this is said once)");
    s->told_incomplete = true;
    s->incomplete++;
}

/* A field that was given twice is in the file once, and in the entry's hash not at all. Then fields seem to be missing,
 * and are there. */
static int read_all_fields(struct azm_journal *s, sd_journal *j, struct azm_entry_reader *reader, uint64_t expected)
{
    struct hashes h = {.sum = 0};
    uint64_t until = 0;
    int r = read_fields(j, reader, &h);

    if (h.sum == expected)
        s->incomplete = 0;
    while (r == 0 && h.sum != expected) {
        const uint64_t missing = h.sum ^ expected;

        h = (struct hashes){.missing = missing};
        r = read_fields(j, reader, &h);
        if (r < 0 || h.sum == expected || ((h.sum ^ expected) == missing && (h.is_there || reduce(&h, missing) == 0)))
            break;
        if (!wait_for_fields(s, &until)) {
            tell_incomplete(s);
            break;
        }
    }
    return r;
}

int azm_journal_read_entry(struct azm_journal *s, sd_journal *j, struct azm_entry_reader *reader,
                           const struct azm_entry_times *t, const struct azm_place *p, struct azm_record *rec)
{
    int r = p ? read_all_fields(s, j, reader, p->hash) : read_fields(j, reader, NULL);

    return r < 0 ? r : azm_entry_finish(reader, t, rec);
}
