/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdlib.h>
#include <sys/queue.h>

#include "stream/stream.h"

/* The messages of a writer that are answered, in the order of their answers: what every engine's writer does alike. */

/* What an engine's own struct begins with. */
struct stream_send {
    struct azm_stream_send send;
    TAILQ_ENTRY(stream_send) link;
    bool answered; /* on the list */
    struct azm_stream_answer answer;
};

TAILQ_HEAD(stream_answered, stream_send);

/* Zeros, as many bytes as the engine's struct has: NULL when memory is out. */
static inline struct azm_stream_send *stream_send_new(size_t size, struct azm_stream_writer *w, void *userdata)
{
    struct stream_send *s = calloc(1, size);

    if (!s)
        return NULL;
    s->send = (struct azm_stream_send){.writer = w, .userdata = userdata};
    return &s->send;
}

/* Its answer is there. */
static inline void stream_answered_add(struct stream_answered *list, struct stream_send *s)
{
    s->answered = true;
    TAILQ_INSERT_TAIL(list, s, link);
}

static inline void stream_answered_remove(struct stream_answered *list, struct stream_send *s)
{
    if (s->answered)
        TAILQ_REMOVE(list, s, link);
    s->answered = false;
}

/* The first one, which is on the list no more, and its answer; NULL: there is none. */
static inline struct stream_send *stream_answered_take(struct stream_answered *list, struct azm_stream_answer *ret)
{
    struct stream_send *s = TAILQ_FIRST(list);

    if (!s)
        return NULL;
    stream_answered_remove(list, s);
    *ret = s->answer;
    return s;
}
