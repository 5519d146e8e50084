/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/redis_reader_internal.h"

#define IDS_MAX ((size_t)500)         /* in one command */
#define UNCONFIRMED_MAX (2 * IDS_MAX) /* acknowledged, but Redis has not said that it knows */

bool redis_held_has(const struct redis_reader *r, struct redis_id id)
{
    for (size_t i = r->held.n; i > 0; i--)
        if (redis_id_equal(r->held.items[i - 1].id, id))
            return true;
    return false;
}

int redis_held_add(struct redis_reader *r, struct redis_id id)
{
    struct redis_held *h = &r->held;

    if (h->n == h->cap) {
        size_t cap = MAX(2 * h->cap, (size_t)64);
        struct redis_held_item *items = reallocarray(h->items, cap, sizeof *items);

        if (!items)
            return -ENOMEM;
        h->items = items;
        h->cap = cap;
    }
    h->items[h->n++] = (struct redis_held_item){++h->last_number, id};
    return 0;
}

/* A command with ids in it. */
struct ids {
    struct azm_text words[IDS_MAX + 8];
    size_t n;
    char text[IDS_MAX][REDIS_ID_MAX];
    size_t n_ids;
};

static void add_word(struct ids *c, struct azm_text word)
{
    c->words[c->n++] = word;
}

static void add_id(struct ids *c, struct redis_id id)
{
    add_word(c, redis_id_print(id, c->text[c->n_ids++]));
}

/* --- acknowledging --- */

/* How many of the items have a number up to this one. */
static size_t items_up_to(const struct redis_held *h, uint64_t number)
{
    return h->n > 0 && number >= h->items[0].number ? MIN((size_t)(number - h->items[0].number) + 1, h->n) : 0;
}

bool redis_held_is_to_be_sent(const struct redis_reader *r)
{
    return r->held.sent <= r->held.confirmed && items_up_to(&r->held, r->held.acknowledged) > 0;
}

bool redis_held_is_full(const struct redis_reader *r)
{
    return r->cannot_acknowledge || items_up_to(&r->held, r->held.acknowledged) >= UNCONFIRMED_MAX;
}

int redis_held_send_acknowledgements(struct redis_reader *r)
{
    size_t n = MIN(items_up_to(&r->held, r->held.acknowledged), IDS_MAX);
    _cleanup_free_ struct ids *c = NULL;
    int k;

    if (!redis_held_is_to_be_sent(r) || azm_monotonic_usec(r->clock) < r->retry_usec)
        return 0;
    c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    add_word(c, AZM_TEXT("XACK"));
    add_word(c, redis_link_stream(r->asking));
    add_word(c, r->group);
    for (size_t i = 0; i < n; i++)
        add_id(c, r->held.items[i].id);
    k = redis_link_send(r->asking, TAG_ACK, NULL, 0, c->words, c->n);
    if (k >= 0)
        r->held.sent = r->held.items[n - 1].number;
    return k;
}

/* An entry that cannot be there: nothing changes, but Redis looks at whether this user may. */
static int try_to_acknowledge(struct redis_reader *r)
{
    const struct azm_text words[] = {AZM_TEXT("XACK"), redis_link_stream(r->asking), r->group, AZM_TEXT("0-0")};
    int k = redis_link_send(r->asking, TAG_ACK, NULL, 0, words, ELEMENTSOF(words));

    r->held.tried = k >= 0;
    return k;
}

static void take_off(struct redis_reader *r)
{
    struct redis_held *h = &r->held;
    size_t n = items_up_to(h, h->sent);

    if (n > 0) {
        redis_id_print(h->items[n - 1].id, r->status.position);
        r->status.position_usec = h->items[n - 1].id.msec * AZM_USEC_PER_MSEC;
        h->n -= n;
        memmove(h->items, h->items + n, h->n * sizeof *h->items);
    }
    h->confirmed = h->sent;
    r->look.trim_due = true;
    if (r->cannot_acknowledge) {
        r->cannot_acknowledge = false;
        redis_reader_set_well(r);
    }
}

void redis_held_on_acknowledged(struct redis_reader *r, const redisReply *reply)
{
    struct azm_stream_answer why;

    if (!redis_is_error(reply)) {
        take_off(r);
        return;
    }
    azm_redis_understand(reply->str, reply->len, &why);
    redis_held_on_failure(r);
    r->cannot_acknowledge = true;
    redis_reader_set_failing(r, &why);
}

void redis_held_on_failure(struct redis_reader *r)
{
    r->held.sent = r->held.confirmed;
    r->held.tried = false;
}

/* --- keeping --- */

/* The i-th of what this relay has: given and not acknowledged, or fetched and not given. */
static bool get_own(const struct redis_reader *r, size_t i, struct redis_id *ret)
{
    if (i < r->held.n) {
        *ret = r->held.items[i].id;
        return true;
    }
    return redis_entry_id(r->fetch.entries->element[r->fetch.next_entry + i - r->held.n], ret);
}

/* Before Redis 7.2 who waits for something new is not heard of while nothing comes, but who asks for what is pending
 * is: here behind an id that none reaches. (The very last id is what Redis takes ">" for.) */
static int show_life(struct redis_reader *r)
{
    const struct azm_text words[] = {AZM_TEXT("XREADGROUP"),
                                     AZM_TEXT("GROUP"),
                                     r->group,
                                     r->consumer,
                                     AZM_TEXT("COUNT"),
                                     AZM_TEXT("1"),
                                     AZM_TEXT("STREAMS"),
                                     redis_link_stream(r->asking),
                                     AZM_TEXT("18446744073709551615-0")};

    return redis_link_send(r->asking, TAG_TOUCH, NULL, 0, words, ELEMENTSOF(words));
}

/* All that is not idle: nobody should take it over. */
static int touch(struct redis_reader *r)
{
    size_t all = r->held.n + (r->fetch.reply ? r->fetch.entries->elements - r->fetch.next_entry : 0);
    _cleanup_free_ struct ids *c = calloc(1, sizeof *c);
    struct redis_id id;
    int k = c ? 0 : -ENOMEM;

    for (size_t i = 0; i < all && k >= 0;) {
        c->n = c->n_ids = 0;
        add_word(c, AZM_TEXT("XCLAIM"));
        add_word(c, redis_link_stream(r->asking));
        add_word(c, r->group);
        add_word(c, r->consumer);
        add_word(c, AZM_TEXT("0"));
        for (; i < all && c->n_ids < IDS_MAX; i++)
            if (get_own(r, i, &id))
                add_id(c, id);
        add_word(c, AZM_TEXT("JUSTID"));
        if (c->n_ids > 0)
            k = redis_link_send(r->asking, TAG_TOUCH, NULL, 0, c->words, c->n);
    }
    return k >= 0 && all == 0 ? show_life(r) : k;
}

int redis_held_process(struct redis_reader *r, uint64_t now)
{
    int k;

    if (r->look_only)
        return r->held.tried ? 0 : try_to_acknowledge(r);
    k = redis_held_send_acknowledgements(r);
    if (k < 0 || now < r->held.touch_usec)
        return k;
    r->held.touch_usec = now + r->claim_after_usec / 3;
    return touch(r);
}
