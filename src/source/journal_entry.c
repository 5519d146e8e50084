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

/* More than any field that libsystemd would give us (journal_handle.c sets the limit). */
#define FIELD_MAX_BYTES ((size_t)16 * 1024 * 1024)

/* The moment is over when the fields are read once more, unless journald does not run just now. They may also be
 * missing for ever, where the file is damaged: so long is waited, and then, for a while, only a little. */
#define WAIT_USEC (100 * AZM_USEC_PER_MSEC)
#define NEXT_WAIT_USEC (10 * AZM_USEC_PER_SEC)

/* All that some of the hashes of an entry's fields give when they are XORed: a basis. Of so few that hardly any other
 * value is among it. */
#define HASHES_MAX 40
struct span {
    uint64_t hashes[HASHES_MAX];
    unsigned n;
};

/* Is there memory for the largest field that we would read? */
static bool memory_left(void)
{
    void *volatile p = malloc(2 * FIELD_MAX_BYTES); /* volatile: a compiler may leave the pair out */
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

/* 0: it is in the span. */
static uint64_t reduce(const struct span *span, uint64_t hash)
{
    for (unsigned i = 0; i < span->n; i++)
        hash = MIN(hash, hash ^ span->hashes[i]);
    return hash;
}

static void add_hash(struct span *span, uint64_t hash)
{
    hash = reduce(span, hash);
    if (hash != 0 && span->n < HASHES_MAX)
        span->hashes[span->n++] = hash;
}

/* One pass over all fields; asking for them by name costs several times more. `ret_hash`: of all of them, or NULL;
 * `span`: of their hashes, or NULL. 0, -EBADMSG for an entry that cannot be read, -errno. */
static int read_fields(sd_journal *j, struct azm_entry_reader *reader, uint64_t *ret_hash, struct span *span)
{
    uint64_t sum = 0;
    const void *data;
    size_t len;
    int r;

    azm_entry_begin(reader);
    sd_journal_restart_data(j);
    while ((r = next_field(j, &data, &len)) > 0) {
        if (ret_hash) {
            uint64_t hash = azm_lookup3(data, len);

            sum ^= hash;
            if (span)
                add_hash(span, hash);
        }
        r = azm_entry_add_field(reader, data, len);
        if (r < 0)
            return r;
    }
    if (ret_hash)
        *ret_hash = sum;
    /* In a damaged file a field may claim to be larger than all memory. */
    return r == -ENOMEM && memory_left() ? -EBADMSG : r;
}

/* Waits a little for the fields that are missing: true; false if that has been long enough. `until`: 0 at first. */
static bool wait_for_fields(struct azm_journal *s, uint64_t *until)
{
    static const struct timespec a_little = {.tv_nsec = AZM_USEC_PER_MSEC * AZM_NSEC_PER_USEC};
    uint64_t now = azm_monotonic_usec(&azm_system_clock);

    if (*until > 0 && now >= *until)
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
}

/* A field that was given twice is in the file once, and in the entry's hash not at all. Then fields seem to be missing,
 * and are there. */
static int read_all_fields(struct azm_journal *s, sd_journal *j, struct azm_entry_reader *reader, uint64_t expected)
{
    uint64_t hash, until = 0;
    int r = read_fields(j, reader, &hash, NULL);

    while (r == 0 && hash != expected) {
        uint64_t before = hash;
        struct span span = {0};

        r = read_fields(j, reader, &hash, &span);
        if (r < 0 || hash == expected || (hash == before && reduce(&span, hash ^ expected) == 0))
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
    int r = p ? read_all_fields(s, j, reader, p->hash) : read_fields(j, reader, NULL, NULL);

    return r < 0 ? r : azm_entry_finish(reader, t, rec);
}
