/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "source/held_message.h"

void azm_held_init(struct azm_held_messages *h)
{
    *h = (struct azm_held_messages){0};
    TAILQ_INIT(&h->open);
    TAILQ_INIT(&h->ready);
}

void azm_held_message_free(struct azm_held_message *m)
{
    if (!m)
        return;
    azm_record_copy_free(&m->copy);
    azm_buf_free(&m->body);
    free(m);
}

void azm_held_free(struct azm_held_messages *h)
{
    struct azm_held_message *m;

    azm_held_end_all(h);
    while ((m = TAILQ_FIRST(&h->ready))) {
        TAILQ_REMOVE(&h->ready, m, link);
        azm_held_message_free(m);
    }
}

static struct azm_held_bucket *bucket_of(struct azm_held_messages *h, XXH128_hash_t stream)
{
    return &h->buckets[stream.low64 % AZM_HELD_BUCKETS];
}

struct azm_held_message *azm_held_find(struct azm_held_messages *h, XXH128_hash_t stream)
{
    struct azm_held_message *m;

    LIST_FOREACH(m, bucket_of(h, stream), same_bucket)
    if (m->stream.low64 == stream.low64 && m->stream.high64 == stream.high64)
        return m;
    return NULL;
}

static size_t bytes_of(const struct azm_held_message *m)
{
    return sizeof *m + m->copy.bytes + m->body.cap;
}

int azm_held_take(struct azm_held_messages *h, const struct azm_record *rec, uint64_t first, uint64_t now_usec,
                  struct azm_held_message **ret)
{
    const struct azm_entry_line *line = rec->line;
    struct azm_held_message *m = calloc(1, sizeof *m);

    if (!m || azm_record_copy(rec, 1, &m->copy) < 0 || azm_buf_append(&m->body, rec->body.s, rec->body.len) < 0) {
        azm_held_message_free(m);
        return -ENOMEM;
    }
    memcpy(m->uid, rec->uid, sizeof m->uid);
    m->stream = line->stream;
    m->first = first;
    m->format = line->format;
    m->last = line->times;
    m->heard_usec = now_usec;
    m->entries = 1;
    h->n++;
    h->bytes += bytes_of(m);
    *ret = m;
    return 0;
}

int azm_held_append(struct azm_held_messages *h, struct azm_held_message *m, struct azm_text between,
                    const struct azm_record *rec, uint64_t now_usec)
{
    size_t before = bytes_of(m);

    if (azm_buf_reserve(&m->body, between.len + rec->body.len) < 0)
        return -ENOMEM;
    azm_buf_append(&m->body, between.s, between.len);
    azm_buf_append(&m->body, rec->body.s, rec->body.len);
    h->bytes += bytes_of(m) - before;
    m->unfinished = rec->line->unfinished;
    m->whole &= between.len == 0;
    m->last = rec->line->times;
    m->heard_usec = now_usec;
    m->entries++;
    TAILQ_REMOVE(&h->open, m, link);
    TAILQ_INSERT_TAIL(&h->open, m, link);
    return 0;
}

void azm_held_open(struct azm_held_messages *h, struct azm_held_message *m)
{
    LIST_INSERT_HEAD(bucket_of(h, m->stream), m, same_bucket);
    TAILQ_INSERT_TAIL(&h->open, m, link);
    h->n_open++;
}

void azm_held_close(struct azm_held_messages *h, struct azm_held_message *m)
{
    LIST_REMOVE(m, same_bucket);
    TAILQ_REMOVE(&h->open, m, link);
    h->n_open--;
}

void azm_held_make_ready(struct azm_held_messages *h, struct azm_held_message *m)
{
    TAILQ_INSERT_TAIL(&h->ready, m, link);
}

void azm_held_end(struct azm_held_messages *h, struct azm_held_message *m)
{
    azm_held_close(h, m);
    azm_held_make_ready(h, m);
}

size_t azm_held_end_all(struct azm_held_messages *h)
{
    while (!TAILQ_EMPTY(&h->open))
        azm_held_end(h, TAILQ_FIRST(&h->open));
    return h->n;
}

void azm_held_end_over(struct azm_held_messages *h, size_t n_max, size_t bytes_max)
{
    while (h->n_open > n_max || (h->bytes > bytes_max && h->n_open > 1))
        azm_held_end(h, TAILQ_FIRST(&h->open));
}

void azm_held_let_go(struct azm_held_messages *h, const struct azm_held_message *m)
{
    h->n--;
    h->bytes -= bytes_of(m);
}
