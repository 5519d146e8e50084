/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/buf.h"
#include "core/log.h"
#include "stream/redis_link.h"

/* Two connections: one fetches, and may wait in XREADGROUP for something new; over the other one goes what must not
 * wait for that: acknowledgements, signs of life, questions.
 *
 * After every connect what Redis has noted as ours comes first: a reply may have got lost with the connection before,
 * or with the process before. What another relay has not touched for `claim_after` is taken over. So that nobody takes
 * over what is only slow (Azure is away for an hour, say), a relay touches what it has several times in that span. */

#define BLOCK_USEC (5 * AZM_USEC_PER_SEC)
#define LOOK_USEC (5 * AZM_USEC_PER_SEC) /* how often the group is asked about, and what is done is removed */
#define RETRY_MIN_USEC (200 * AZM_USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * AZM_USEC_PER_SEC)
#define FETCH_MAX ((size_t)1000) /* entries */
#define IDS_MAX ((size_t)500)    /* in one command */
#define ID_MAX 44                /* "18446744073709551615-18446744073709551615" */

enum tag {
    TAG_GROUP, /* fetching */
    TAG_OWN,
    TAG_CLAIM,
    TAG_NEW,
    TAG_ACK, /* the other connection */
    TAG_TOUCH,
    TAG_GROUPS,
    TAG_PENDING,
    TAG_TRIM,
};

struct id {
    uint64_t msec, seq;
};

struct given {
    uint64_t number;
    struct id id;
};

struct redis_reader {
    struct azm_stream_reader reader;
    const struct azm_clock *clock;
    struct redis_link *fetching, *asking;
    struct azm_text group, consumer;
    char *group_text, *consumer_text;
    uint64_t claim_after_usec;
    bool trim, follow;
    size_t fetch_bytes;

    /* What was fetched and is to be given. */
    redisReply *reply;
    const redisReply *entries; /* in the reply */
    size_t next_entry;
    size_t entry_bytes; /* of an entry, of late */
    int reply_tag;

    /* Fetching. */
    bool running, wanted, group_made, own_done, drained;
    char own_after[ID_MAX], claim_from[ID_MAX];
    uint64_t claim_usec; /* monotonic: when to look for what others have left */

    /* Given, and not confirmed to be acknowledged: in order, items[0 .. n). */
    struct given *items;
    size_t n, cap;
    uint64_t last_number;
    uint64_t acknowledged, sent, confirmed; /* numbers: sent: that Redis is being told */

    uint64_t touch_usec, look_usec; /* monotonic: when that is due */
    bool looking;                   /* that is being found out */
    bool trim_due;                  /* something was confirmed since */
    unsigned answers;               /* of TAG_PENDING that are still to come */
    bool trim_known;
    struct id trim_to;
    bool told_no_trim, told_no_look;
    uint64_t delivered_usec; /* realtime: when the last message that the group has read was stored, as it was then */

    unsigned failures;
    bool cannot_acknowledge;
    uint64_t retry_usec; /* monotonic: neither connection is tried before */
    struct azm_stream_status status;
};

static struct redis_reader *upcast(struct azm_stream_reader *r)
{
    return (struct redis_reader *)r;
}

/* --- ids --- */

static bool parse_id(const char *s, size_t len, struct id *ret)
{
    char text[ID_MAX], *end;

    if (len == 0 || len >= sizeof text)
        return false;
    memcpy(text, s, len);
    text[len] = '\0';
    ret->msec = strtoull(text, &end, 10);
    if (end == text || *end != '-')
        return false;
    ret->seq = strtoull(end + 1, &end, 10);
    return *end == '\0';
}

static struct azm_text print_id(struct id id, char ret[static ID_MAX])
{
    return (struct azm_text){ret, (size_t)snprintf(ret, ID_MAX, "%" PRIu64 "-%" PRIu64, id.msec, id.seq)};
}

static bool is_before(struct id a, struct id b)
{
    return a.msec != b.msec ? a.msec < b.msec : a.seq < b.seq;
}

static struct id after(struct id id)
{
    return id.seq == UINT64_MAX ? (struct id){id.msec + 1, 0} : (struct id){id.msec, id.seq + 1};
}

static bool is_given(const struct redis_reader *r, struct id id)
{
    for (size_t i = r->n; i > 0; i--)
        if (r->items[i - 1].id.msec == id.msec && r->items[i - 1].id.seq == id.seq)
            return true;
    return false;
}

/* --- failures --- */

static void set_failing(struct redis_reader *r, const struct azm_stream_answer *why)
{
    uint64_t delay = MIN(RETRY_MIN_USEC << r->failures, RETRY_MAX_USEC);

    r->failures = MIN(r->failures + 1, 10U);
    r->retry_usec = azm_monotonic_usec(r->clock) + delay / 2 + azm_random_up_to(r->clock, delay / 2);
    r->status.failing = true;
    r->status.failure = *why;
}

static void set_well(struct redis_reader *r)
{
    if (r->cannot_acknowledge)
        return; /* what is fetched would only be fetched again */
    r->failures = 0;
    r->retry_usec = 0;
    r->status.failing = false;
}

/* --- fetching --- */

static void fetch_anew(struct redis_reader *r)
{
    r->group_made = r->own_done = false;
    snprintf(r->own_after, sizeof r->own_after, "0-0");
    snprintf(r->claim_from, sizeof r->claim_from, "0-0");
}

static int send_group(struct redis_reader *r)
{
    const struct azm_text words[] = {AZM_TEXT("XGROUP"), AZM_TEXT("CREATE"), redis_link_stream(r->fetching),
                                     r->group,           AZM_TEXT("0"),      AZM_TEXT("MKSTREAM")};

    return redis_link_send(r->fetching, TAG_GROUP, NULL, 0, words, ELEMENTSOF(words));
}

static struct azm_text print_count(const struct redis_reader *r, char ret[static 24])
{
    size_t n = r->entry_bytes > 0 ? r->fetch_bytes / r->entry_bytes : 1;

    n = MAX(MIN(n, FETCH_MAX), (size_t)1);
    return (struct azm_text){ret, (size_t)snprintf(ret, 24, "%zu", n)};
}

static int send_own(struct redis_reader *r)
{
    char count[24];
    const struct azm_text words[] = {AZM_TEXT("XREADGROUP"),
                                     AZM_TEXT("GROUP"),
                                     r->group,
                                     r->consumer,
                                     AZM_TEXT("COUNT"),
                                     print_count(r, count),
                                     AZM_TEXT("STREAMS"),
                                     redis_link_stream(r->fetching),
                                     azm_text_of(r->own_after)};

    return redis_link_send(r->fetching, TAG_OWN, NULL, 0, words, ELEMENTSOF(words));
}

static int send_claim(struct redis_reader *r)
{
    char count[24], idle[24];
    const struct azm_text words[] = {
        AZM_TEXT("XAUTOCLAIM"),
        redis_link_stream(r->fetching),
        r->group,
        r->consumer,
        {idle, (size_t)snprintf(idle, sizeof idle, "%" PRIu64, r->claim_after_usec / AZM_USEC_PER_MSEC)},
        azm_text_of(r->claim_from),
        AZM_TEXT("COUNT"),
        print_count(r, count)};

    return redis_link_send(r->fetching, TAG_CLAIM, NULL, 0, words, ELEMENTSOF(words));
}

static int send_new(struct redis_reader *r, uint64_t now)
{
    uint64_t block_usec = r->follow ? MIN(BLOCK_USEC, r->claim_usec - now) : 0;
    char count[24], block[24];
    struct azm_text words[16] = {AZM_TEXT("XREADGROUP"), AZM_TEXT("GROUP"),    r->group, r->consumer,
                                 AZM_TEXT("COUNT"),      print_count(r, count)};
    size_t n = 6;

    if (block_usec >= AZM_USEC_PER_MSEC) {
        words[n++] = AZM_TEXT("BLOCK");
        words[n++] =
            (struct azm_text){block, (size_t)snprintf(block, sizeof block, "%" PRIu64, block_usec / AZM_USEC_PER_MSEC)};
    }
    words[n++] = AZM_TEXT("STREAMS");
    words[n++] = redis_link_stream(r->fetching);
    words[n++] = AZM_TEXT(">");
    return redis_link_send(r->fetching, TAG_NEW, NULL, block_usec, words, n);
}

/* Asks for more, if nothing is asked for. */
static int fetch(struct redis_reader *r)
{
    uint64_t now = azm_monotonic_usec(r->clock);
    int k;

    if (r->running || r->reply || now < r->retry_usec)
        return 0;
    if (!r->group_made)
        k = send_group(r);
    else if (!r->own_done)
        k = send_own(r);
    else if (now >= r->claim_usec)
        k = send_claim(r);
    else
        k = send_new(r, now);
    r->running = k >= 0;
    return k;
}

/* Where the entries are in an answer to XREADGROUP: [[stream, entries]], or nil; NULL if there are none. */
static const redisReply *entries_of_read(const redisReply *reply)
{
    const redisReply *stream;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return NULL;
    stream = reply->element[0];
    if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2 || stream->element[1]->type != REDIS_REPLY_ARRAY)
        return NULL;
    return stream->element[1]->elements > 0 ? stream->element[1] : NULL;
}

/* The same of XAUTOCLAIM: [where to go on, entries, those that are gone]. */
static const redisReply *entries_of_claim(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || reply->element[1]->type != REDIS_REPLY_ARRAY)
        return NULL;
    return reply->element[1]->elements > 0 ? reply->element[1] : NULL;
}

/* An entry is [id, fields], one that is gone [id, nil], or, from Redis 6.2's XAUTOCLAIM, nil. */
static bool id_of(const redisReply *entry, struct id *ret)
{
    return entry->type == REDIS_REPLY_ARRAY && entry->elements == 2 && entry->element[0]->type == REDIS_REPLY_STRING &&
           parse_id(entry->element[0]->str, entry->element[0]->len, ret);
}

/* Where to go on behind these. */
static void note_own(struct redis_reader *r, const redisReply *entries)
{
    struct id id;

    if (entries && id_of(entries->element[entries->elements - 1], &id))
        print_id(id, r->own_after);
    else
        r->own_done = true;
}

/* Redis has taken these off the list of what is pending, also of what is ours. */
static void note_gone(struct redis_reader *r, const redisReply *ids)
{
    struct id id;

    for (size_t i = 0; ids->type == REDIS_REPLY_ARRAY && i < ids->elements; i++)
        if (ids->element[i]->type == REDIS_REPLY_STRING && parse_id(ids->element[i]->str, ids->element[i]->len, &id) &&
            !is_given(r, id))
            r->status.gone++;
}

static void note_claim(struct redis_reader *r, const redisReply *reply)
{
    struct id id;
    bool more = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                reply->element[0]->type == REDIS_REPLY_STRING &&
                parse_id(reply->element[0]->str, reply->element[0]->len, &id) && (id.msec > 0 || id.seq > 0);

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 2)
        note_gone(r, reply->element[2]);
    if (more)
        print_id(id, r->claim_from);
    else {
        snprintf(r->claim_from, sizeof r->claim_from, "0-0");
        r->claim_usec = azm_monotonic_usec(r->clock) + r->claim_after_usec / 2;
    }
}

/* True if the reply is kept. */
static bool on_fetched(struct redis_reader *r, int tag, redisReply *reply)
{
    const redisReply *entries = tag == TAG_CLAIM ? entries_of_claim(reply) : entries_of_read(reply);

    set_well(r);
    if (tag == TAG_OWN)
        note_own(r, entries);
    else if (tag == TAG_CLAIM)
        note_claim(r, reply);
    else if (!entries && !r->follow) {
        r->drained = true;
        r->wanted = false;
    }
    if (!entries)
        return false;
    r->wanted = false;
    r->reply = reply;
    r->entries = entries;
    r->next_entry = 0;
    r->reply_tag = tag;
    return true;
}

static bool on_fetching(struct redis_reader *r, int tag, redisReply *reply)
{
    struct azm_stream_answer why;

    r->running = false;
    if (!redis_is_error(reply)) {
        if (tag != TAG_GROUP)
            return on_fetched(r, tag, reply);
        r->group_made = true;
        return false;
    }
    if (tag == TAG_GROUP && strncmp(reply->str, "BUSYGROUP", 9) == 0) { /* it is there, as it should be */
        r->group_made = true;
        return false;
    }
    if (redis_link_redirect(r->fetching, reply)) {
        fetch_anew(r);
        return false;
    }
    azm_redis_understand(reply->str, reply->len, &why);
    if (strncmp(reply->str, "NOGROUP", 7) == 0) /* the stream was deleted, or Redis has come back without it */
        fetch_anew(r);
    set_failing(r, &why);
    return false;
}

/* --- giving --- */

static int keep_given(struct redis_reader *r, struct id id)
{
    if (r->n == r->cap) {
        size_t cap = MAX(2 * r->cap, (size_t)64);
        struct given *items = reallocarray(r->items, cap, sizeof *items);

        if (!items)
            return -ENOMEM;
        r->items = items;
        r->cap = cap;
    }
    r->items[r->n++] = (struct given){++r->last_number, id};
    return 0;
}

static struct azm_stream_message message_of(const redisReply *fields)
{
    struct azm_stream_message m = {0};
    bool version = false;

    if (fields->type != REDIS_REPLY_ARRAY)
        return m;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *name = fields->element[i], *value = fields->element[i + 1];

        if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
            continue;
        if (strcmp(name->str, "v") == 0)
            version = strcmp(value->str, "1") == 0;
        else if (strcmp(name->str, "n") == 0)
            m.records = strtoull(value->str, NULL, 10);
        else if (strcmp(name->str, "otlp") == 0 || strcmp(name->str, "otlp.gz") == 0) {
            m.body = value->str;
            m.len = value->len;
            m.gzip = name->len > 4;
        }
    }
    return version ? m : (struct azm_stream_message){0};
}

static void drop_reply(struct redis_reader *r)
{
    freeReplyObject(r->reply);
    r->reply = NULL;
    r->entries = NULL;
}

static int next(struct azm_stream_reader *reader, struct azm_stream_entry *ret)
{
    struct redis_reader *r = upcast(reader);
    struct id id;
    int k;

    while (r->reply && r->next_entry < r->entries->elements) {
        const redisReply *entry = r->entries->element[r->next_entry++];

        if (!id_of(entry, &id)) {
            r->status.gone++;
            continue;
        }
        if (r->reply_tag != TAG_NEW && is_given(r, id))
            continue;
        k = keep_given(r, id);
        if (k < 0) {
            r->next_entry--;
            return k;
        }
        *ret = (struct azm_stream_entry){.number = r->last_number, .message = message_of(entry->element[1])};
        r->entry_bytes = r->entry_bytes > 0 ? (7 * r->entry_bytes + ret->message.len) / 8 + 1 : ret->message.len + 1;
        r->status.claimed += r->reply_tag == TAG_CLAIM;
        return 1;
    }
    if (r->reply)
        drop_reply(r);
    if (!r->wanted)
        r->drained = false;
    r->wanted = true;
    return fetch(r);
}

static bool ready(const struct azm_stream_reader *reader)
{
    return ((const struct redis_reader *)reader)->reply != NULL;
}

static bool drained(const struct azm_stream_reader *reader)
{
    const struct redis_reader *r = (const struct redis_reader *)reader;

    return r->drained && !r->reply;
}

/* --- acknowledging --- */

/* A command with ids in it. */
struct ids {
    struct azm_text words[IDS_MAX + 8];
    size_t n;
    char text[IDS_MAX][ID_MAX];
    size_t n_ids;
};

static void add_word(struct ids *c, struct azm_text word)
{
    c->words[c->n++] = word;
}

static void add_id(struct ids *c, struct id id)
{
    add_word(c, print_id(id, c->text[c->n_ids++]));
}

/* How many of the items have a number up to this one. */
static size_t items_up_to(const struct redis_reader *r, uint64_t number)
{
    size_t n = r->n > 0 && number >= r->items[0].number ? (size_t)(number - r->items[0].number) + 1 : 0;

    return MIN(n, r->n); /* the numbers have no gaps */
}

/* Tells Redis, if it is not being told already. */
static int send_acknowledgements(struct redis_reader *r)
{
    size_t n = MIN(items_up_to(r, r->acknowledged), IDS_MAX);
    _cleanup_free_ struct ids *c = NULL;
    int k;

    if (n == 0 || r->sent > r->confirmed || azm_monotonic_usec(r->clock) < r->retry_usec)
        return 0;
    c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    add_word(c, AZM_TEXT("XACK"));
    add_word(c, redis_link_stream(r->asking));
    add_word(c, r->group);
    for (size_t i = 0; i < n; i++)
        add_id(c, r->items[i].id);
    k = redis_link_send(r->asking, TAG_ACK, NULL, 0, c->words, c->n);
    if (k >= 0)
        r->sent = r->items[n - 1].number;
    return k;
}

static void on_acknowledged(struct redis_reader *r)
{
    size_t n = items_up_to(r, r->sent);

    if (n > 0) {
        print_id(r->items[n - 1].id, r->status.position);
        r->status.position_usec = r->items[n - 1].id.msec * AZM_USEC_PER_MSEC;
    }
    r->confirmed = r->sent;
    r->cannot_acknowledge = false;
    r->n -= n;
    memmove(r->items, r->items + n, r->n * sizeof *r->items);
    r->trim_due = true;
}

static int acknowledge(struct azm_stream_reader *reader, uint64_t number)
{
    struct redis_reader *r = upcast(reader);

    r->acknowledged = MAX(r->acknowledged, number);
    return send_acknowledgements(r);
}

static bool settled(const struct azm_stream_reader *reader)
{
    const struct redis_reader *r = (const struct redis_reader *)reader;

    return r->confirmed >= r->acknowledged && (!r->trim || !r->trim_due || r->told_no_trim || r->told_no_look);
}

/* The i-th of what this relay has: given and not acknowledged, or fetched and not given. */
static bool get_own(const struct redis_reader *r, size_t i, struct id *ret)
{
    if (i < r->n) {
        *ret = r->items[i].id;
        return true;
    }
    return id_of(r->entries->element[r->next_entry + i - r->n], ret);
}

/* All that is not idle: nobody should take it over. */
static int touch(struct redis_reader *r)
{
    size_t all = r->n + (r->reply ? r->entries->elements - r->next_entry : 0);
    _cleanup_free_ struct ids *c = calloc(1, sizeof *c);
    struct id id;
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
    return k;
}

/* --- the group, and what every group is done with --- */

static int look(struct redis_reader *r)
{
    const struct azm_text words[] = {AZM_TEXT("XINFO"), AZM_TEXT("GROUPS"), redis_link_stream(r->asking)};

    int k = redis_link_send(r->asking, TAG_GROUPS, NULL, 0, words, ELEMENTSOF(words));

    r->looking = k >= 0;
    return k;
}

/* A value of a group, which is told as [name, value, name, value...]; NULL if it is not. */
static const redisReply *value_of(const redisReply *group, const char *name)
{
    for (size_t i = 0; group->type == REDIS_REPLY_ARRAY && i + 1 < group->elements; i += 2)
        if (group->element[i]->type == REDIS_REPLY_STRING && strcmp(group->element[i]->str, name) == 0)
            return group->element[i + 1];
    return NULL;
}

static uint64_t number_of(const redisReply *group, const char *name)
{
    const redisReply *v = value_of(group, name);

    return v && v->type == REDIS_REPLY_INTEGER && v->integer > 0 ? (uint64_t)v->integer : 0;
}

static void note_group(struct redis_reader *r, const redisReply *group, struct id delivered)
{
    struct azm_stream_status *s = &r->status;
    const redisReply *lag = value_of(group, "lag"); /* from Redis 7.0 on; nil where Redis does not know it */

    s->known = true;
    s->lag_known = lag && lag->type == REDIS_REPLY_INTEGER;
    s->lag = number_of(group, "lag");
    s->pending = number_of(group, "pending");
    s->consumers = number_of(group, "consumers");
    r->delivered_usec = delivered.msec * AZM_USEC_PER_MSEC;
}

/* Nothing from here on is removed. */
static void keep_from(struct redis_reader *r, struct id id)
{
    if (is_before(id, r->trim_to))
        r->trim_to = id;
}

static int ask_pending(struct redis_reader *r, const redisReply *name)
{
    const struct azm_text words[] = {AZM_TEXT("XPENDING"), redis_link_stream(r->asking), {name->str, name->len}};
    int k = redis_link_send(r->asking, TAG_PENDING, NULL, 0, words, ELEMENTSOF(words));

    r->answers += k >= 0;
    return k;
}

static int send_trim(struct redis_reader *r)
{
    char id[ID_MAX];
    const struct azm_text words[] = {AZM_TEXT("XTRIM"), redis_link_stream(r->asking), AZM_TEXT("MINID"), AZM_TEXT("="),
                                     print_id(r->trim_to, id)};

    if (!r->trim_known || r->trim_to.msec == UINT64_MAX)
        return 0;
    return redis_link_send(r->asking, TAG_TRIM, NULL, 0, words, ELEMENTSOF(words));
}

/* What every group has read is done with, but for what is pending in one. */
static int on_groups(struct redis_reader *r, const redisReply *groups)
{
    bool trim = r->trim && r->trim_due && r->answers == 0;
    int k = 0;

    r->looking = false;
    if (groups->type != REDIS_REPLY_ARRAY)
        return 0;
    if (trim) {
        r->trim_due = false;
        r->trim_known = true;
        r->trim_to = (struct id){UINT64_MAX, 0};
    }
    for (size_t i = 0; i < groups->elements && k >= 0; i++) {
        const redisReply *group = groups->element[i], *name = value_of(group, "name"),
                         *last = value_of(group, "last-delivered-id");
        struct id delivered;

        if (!name || name->type != REDIS_REPLY_STRING || !last || last->type != REDIS_REPLY_STRING ||
            !parse_id(last->str, last->len, &delivered)) {
            r->trim_known = false;
            continue;
        }
        if (name->len == r->group.len && memcmp(name->str, r->group.s, name->len) == 0)
            note_group(r, group, delivered);
        if (!trim)
            continue;
        keep_from(r, after(delivered));
        if (number_of(group, "pending") > 0)
            k = ask_pending(r, name);
    }
    if (k < 0)
        r->trim_known = false;
    return trim && r->answers == 0 && k >= 0 ? send_trim(r) : k;
}

/* [how many, the first, the last, ...]. What was acknowledged meanwhile is nil, and has no part in it. */
static int on_pending(struct redis_reader *r, const redisReply *reply)
{
    struct id first;

    r->answers--;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
        r->trim_known = false;
    else if (reply->element[1]->type == REDIS_REPLY_STRING) {
        if (parse_id(reply->element[1]->str, reply->element[1]->len, &first))
            keep_from(r, first);
        else
            r->trim_known = false;
    }
    return r->answers == 0 ? send_trim(r) : 0;
}

/* Without these it does its work, but somebody has to know. */
static void on_question_refused(struct redis_reader *r, int tag, const redisReply *error)
{
    bool *told = tag == TAG_GROUPS ? &r->told_no_look : &r->told_no_trim;
    struct azm_stream_answer why;

    if (tag == TAG_PENDING)
        r->answers--;
    r->trim_known = r->looking = false;
    azm_redis_understand(error->str, error->len, &why);
    if (tag == TAG_GROUPS) {
        r->status.cannot_look = true;
        if (!r->status.failing)
            r->status.failure = why;
    }
    if (!*told)
        azm_log(AZM_LOG_WARNING, "%s; %s%s%s", why.words,
                tag == TAG_GROUPS ? "how far relays are behind is not known, and what they have delivered stays"
                                  : "what relays have delivered stays in the stream",
                why.remedy ? "; " : "", why.remedy ? why.remedy : "");
    *told = true;
}

static void on_asking(struct redis_reader *r, int tag, const redisReply *reply)
{
    struct azm_stream_answer why;

    if (!redis_is_error(reply)) {
        if (tag == TAG_ACK)
            on_acknowledged(r);
        else if (tag == TAG_GROUPS)
            on_groups(r, reply); /* when memory is out: the next time */
        else if (tag == TAG_PENDING)
            on_pending(r, reply);
        return;
    }
    if (redis_link_redirect(r->asking, reply)) {
        r->sent = r->confirmed;
        r->answers = 0;
        r->looking = false;
        return;
    }
    if (tag == TAG_ACK) {
        azm_redis_understand(reply->str, reply->len, &why);
        r->sent = r->confirmed;
        r->cannot_acknowledge = true;
        set_failing(r, &why);
    } else if (strncmp(reply->str, "ERR no such key", 15) == 0) { /* nobody has written yet */
        r->looking = false;
        r->status.known = true;
    } else if (tag != TAG_TOUCH)
        on_question_refused(r, tag, reply);
}

/* --- both --- */

static void on_failure(struct redis_reader *r, int tag, const struct azm_stream_answer *failure)
{
    if (tag >= TAG_ACK) {
        r->sent = r->confirmed;
        r->answers = 0;
        r->trim_known = r->looking = false;
        r->trim_due = true;
    } else {
        r->running = false;
        fetch_anew(r);
    }
    if (failure->meaning != AZM_REDIRECTED)
        set_failing(r, failure);
}

static bool on_reply(void *userdata, int tag, void *item, redisReply *reply, const struct azm_stream_answer *failure)
{
    struct redis_reader *r = userdata;

    (void)item;
    if (!reply)
        on_failure(r, tag, failure);
    else if (tag < TAG_ACK)
        return on_fetching(r, tag, reply);
    else
        on_asking(r, tag, reply);
    return false;
}

static uint64_t wake_usec(const struct azm_stream_reader *reader)
{
    const struct redis_reader *r = (const struct redis_reader *)reader;
    uint64_t usec = MIN(redis_link_wake_usec(r->fetching), redis_link_wake_usec(r->asking));

    if (azm_monotonic_usec(r->clock) < r->retry_usec)
        return MIN(usec, r->retry_usec);
    usec = MIN(usec, r->look_usec);
    return r->n > 0 || r->reply ? MIN(usec, r->touch_usec) : usec;
}

static int do_what_is_due(struct redis_reader *r)
{
    uint64_t now = azm_monotonic_usec(r->clock);
    int k;

    if (now < r->retry_usec)
        return 0;
    k = send_acknowledgements(r);
    if (k >= 0 && now >= r->touch_usec) {
        r->touch_usec = now + r->claim_after_usec / 3;
        k = touch(r);
    }
    /* When all is done there is no reason to wait with the removing. */
    if (k >= 0 && !r->looking &&
        (now >= r->look_usec ||
         (r->trim && r->trim_due && r->n == 0 && r->status.known && !r->told_no_trim && !r->told_no_look))) {
        r->look_usec = now + LOOK_USEC;
        k = look(r);
    }
    return k >= 0 && r->wanted ? fetch(r) : k;
}

static int process(struct azm_stream_reader *reader)
{
    struct redis_reader *r = upcast(reader);
    int k;

    redis_link_process(r->fetching);
    redis_link_process(r->asking);
    k = do_what_is_due(r);
    redis_link_process(r->fetching); /* what that has led to goes out at once */
    redis_link_process(r->asking);
    return k;
}

static void get_status(const struct azm_stream_reader *reader, struct azm_stream_status *ret)
{
    const struct redis_reader *r = (const struct redis_reader *)reader;

    *ret = r->status;
    ret->unacknowledged = r->n;
    if (r->n > 0)
        ret->oldest_usec = r->items[0].id.msec * AZM_USEC_PER_MSEC;
    else if (ret->lag_known && ret->lag > 0)
        ret->oldest_usec = r->delivered_usec;
}

/* --- life --- */

static struct azm_stream_reader *reader_free(struct azm_stream_reader *reader)
{
    struct redis_reader *r = upcast(reader);

    if (r->reply)
        drop_reply(r);
    redis_link_free(r->fetching);
    redis_link_free(r->asking);
    azm_closep(&r->reader.fd);
    free(r->group_text);
    free(r->consumer_text);
    free(r->items);
    free(r);
    return NULL;
}

static int watch(const struct redis_reader *r, const struct redis_link *l)
{
    struct epoll_event e = {.events = EPOLLIN};

    return epoll_ctl(r->reader.fd, EPOLL_CTL_ADD, redis_link_fd(l), &e) < 0 ? -errno : 0;
}

int azm_redis_reader_new(const struct azm_stream_options *o, struct azm_stream_reader **ret, struct azm_error *err)
{
    static const struct azm_stream_reader_ops ops = {
        .next = next,
        .ready = ready,
        .drained = drained,
        .acknowledge = acknowledge,
        .settled = settled,
        .get_status = get_status,
        .wake_usec = wake_usec,
        .process = process,
        .free = reader_free,
    };
    struct redis_reader *r = calloc(1, sizeof *r);
    int k;

    if (!r)
        return azm_error_set(err, ENOMEM, "out of memory");
    r->reader.ops = &ops;
    r->clock = o->clock;
    r->group_text = strdup(o->group);
    r->consumer_text = strdup(o->consumer);
    r->claim_after_usec = o->claim_after_usec;
    r->trim = o->trim;
    r->follow = o->follow;
    r->fetch_bytes = o->fetch_bytes;
    r->trim_due = true;
    r->touch_usec = azm_monotonic_usec(r->clock) + r->claim_after_usec / 3;
    fetch_anew(r);
    r->reader.fd = epoll_create1(EPOLL_CLOEXEC);
    if (!r->group_text || !r->consumer_text)
        k = azm_error_set(err, ENOMEM, "out of memory");
    else if (r->reader.fd < 0)
        k = azm_error_set(err, errno, "cannot wait for events: %m");
    else
        k = redis_link_new(o, on_reply, r, &r->fetching, err);
    if (k >= 0)
        k = redis_link_new(o, on_reply, r, &r->asking, err);
    if (k >= 0 && (watch(r, r->fetching) < 0 || watch(r, r->asking) < 0))
        k = azm_error_set(err, errno, "cannot wait for events: %m");
    if (k < 0) {
        reader_free(&r->reader);
        return k;
    }
    r->group = azm_text_of(r->group_text);
    r->consumer = azm_text_of(r->consumer_text);
    *ret = &r->reader;
    return 0;
}
