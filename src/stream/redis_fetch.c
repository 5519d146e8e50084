/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stream/redis_reader_internal.h"

/* After every connect what Redis has noted as ours comes first: a reply may have got lost with the connection before,
 * or with the process before. What another relay has not touched for `claim_after` is taken over. Then what is new. */

#define BLOCK_USEC (5 * AZM_USEC_PER_SEC)
#define FETCH_MAX ((size_t)100) /* entries: the next ones may be a thousand times as large as those before */

/* --- asking --- */

static void begin_with_own(struct redis_reader *r)
{
    r->fetch.own_done = false;
    snprintf(r->fetch.own_after, sizeof r->fetch.own_after, "0-0");
}

void redis_fetch_anew(struct redis_reader *r)
{
    r->fetch.group_made = false;
    begin_with_own(r);
    snprintf(r->fetch.claim_from, sizeof r->fetch.claim_from, "0-0");
}

static int send_group(struct redis_reader *r)
{
    const struct azm_text words[] = {AZM_TEXT("XGROUP"), AZM_TEXT("CREATE"), redis_link_stream(r->fetching),
                                     r->group,           AZM_TEXT("0"),      AZM_TEXT("MKSTREAM")};

    return redis_link_send(r->fetching, TAG_GROUP, NULL, 0, words, ELEMENTSOF(words));
}

static struct azm_text print_count(const struct redis_reader *r, char ret[static 24])
{
    size_t n = r->fetch.entry_bytes > 0 ? r->fetch_bytes / r->fetch.entry_bytes : 1;

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
                                     azm_text_of(r->fetch.own_after)};

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
        azm_text_of(r->fetch.claim_from),
        AZM_TEXT("COUNT"),
        print_count(r, count)};

    return redis_link_send(r->fetching, TAG_CLAIM, NULL, 0, words, ELEMENTSOF(words));
}

static int send_new(struct redis_reader *r, uint64_t now)
{
    uint64_t block_usec = r->follow ? MIN(BLOCK_USEC, r->fetch.claim_usec - now) : 0;
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

int redis_fetch_more(struct redis_reader *r)
{
    uint64_t now = azm_monotonic_usec(r->clock);
    int k;

    if (r->fetch.running || r->fetch.reply || now < r->retry_usec || redis_held_is_full(r))
        return 0;
    if (!r->fetch.group_made)
        k = send_group(r);
    else if (!r->fetch.own_done)
        k = send_own(r);
    else if (now >= r->fetch.claim_usec)
        k = send_claim(r);
    else
        k = send_new(r, now);
    r->fetch.running = k >= 0;
    return k;
}

/* --- what was fetched --- */

/* Where to go on behind these. */
static void note_own(struct redis_reader *r, const redisReply *entries)
{
    struct redis_id id;

    if (entries && redis_entry_id(entries->element[entries->elements - 1], &id))
        redis_id_print(id, r->fetch.own_after);
    else
        r->fetch.own_done = true;
}

/* Redis has taken these off the list of what is pending, also of what is ours. */
static void note_gone(struct redis_reader *r, const redisReply *ids)
{
    struct redis_id id;

    for (size_t i = 0; ids->type == REDIS_REPLY_ARRAY && i < ids->elements; i++)
        if (redis_id_of_reply(ids->element[i], &id) && !redis_held_has(r, id))
            r->status.gone++;
}

static void note_claim(struct redis_reader *r, const redisReply *reply)
{
    struct redis_id id;
    bool more = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 && redis_id_of_reply(reply->element[0], &id) &&
                (id.msec > 0 || id.seq > 0);

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 2)
        note_gone(r, reply->element[2]);
    if (more)
        redis_id_print(id, r->fetch.claim_from);
    else {
        snprintf(r->fetch.claim_from, sizeof r->fetch.claim_from, "0-0");
        r->fetch.claim_usec = azm_monotonic_usec(r->clock) + r->claim_after_usec / 2;
    }
}

/* True if the reply is kept. */
static bool on_fetched(struct redis_reader *r, int tag, redisReply *reply)
{
    struct redis_fetch *f = &r->fetch;
    const redisReply *entries = tag == TAG_CLAIM ? redis_entries_of_claim(reply) : redis_entries_of_read(reply);

    redis_reader_set_well(r);
    if (tag == TAG_OWN)
        note_own(r, entries);
    else if (tag == TAG_CLAIM)
        note_claim(r, reply);
    else if (!entries && !r->follow) {
        f->drained = true;
        f->wanted = false;
    }
    if (!entries)
        return false;
    f->wanted = false;
    f->reply = reply;
    f->entries = entries;
    f->next_entry = 0;
    f->reply_tag = tag;
    return true;
}

bool redis_fetch_on_reply(struct redis_reader *r, int tag, redisReply *reply)
{
    struct azm_stream_answer why;

    r->fetch.running = false;
    if (!redis_is_error(reply)) {
        if (tag != TAG_GROUP)
            return on_fetched(r, tag, reply);
        r->fetch.group_made = true;
        return false;
    }
    if (tag == TAG_GROUP && strncmp(reply->str, "BUSYGROUP", 9) == 0) { /* it is there, as it should be */
        r->fetch.group_made = true;
        return false;
    }
    azm_redis_understand(reply->str, reply->len, &why);
    if (strncmp(reply->str, "NOGROUP", 7) == 0) /* the stream was deleted, or Redis has come back without it */
        redis_fetch_anew(r);
    redis_reader_set_failing(r, &why);
    return false;
}

void redis_fetch_on_failure(struct redis_reader *r)
{
    r->fetch.running = false;
    redis_fetch_anew(r);
}

/* --- giving --- */

void redis_fetch_drop(struct redis_reader *r)
{
    if (r->fetch.reply)
        freeReplyObject(r->fetch.reply);
    r->fetch.reply = NULL;
    r->fetch.entries = NULL;
}

static void note_size(struct redis_fetch *f, size_t bytes)
{
    f->entry_bytes = f->entry_bytes > 0 ? (7 * f->entry_bytes + bytes) / 8 + 1 : bytes + 1;
}

int redis_fetch_next(struct redis_reader *r, struct azm_stream_entry *ret)
{
    struct redis_fetch *f = &r->fetch;
    struct redis_id id;
    int k;

    while (f->reply && f->next_entry < f->entries->elements) {
        const redisReply *entry = f->entries->element[f->next_entry++];

        if (!redis_entry_id(entry, &id)) { /* it is gone, and ours now: which one it is says what is ours */
            begin_with_own(r);
            continue;
        }
        if (f->reply_tag != TAG_NEW && redis_held_has(r, id))
            continue;
        k = redis_held_add(r, id);
        if (k < 0) {
            f->next_entry--;
            return k;
        }
        *ret = (struct azm_stream_entry){.number = r->held.last_number, .message = redis_entry_message(entry)};
        note_size(f, ret->message.len);
        r->status.claimed += f->reply_tag == TAG_CLAIM;
        return 1;
    }
    redis_fetch_drop(r);
    if (!f->wanted)
        f->drained = false;
    f->wanted = true;
    return redis_fetch_more(r);
}
