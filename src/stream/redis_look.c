/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/log.h"
#include "stream/redis_reader_internal.h"

#define LOOK_USEC (5 * AZM_USEC_PER_SEC) /* how often the group is asked about, and what is done is removed */

/* --- the group --- */

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

static void note_group(struct redis_reader *r, const redisReply *group, struct redis_id delivered)
{
    struct azm_stream_status *s = &r->status;
    const redisReply *lag = value_of(group, "lag"); /* from Redis 7.0 on; nil where Redis does not know it */

    s->known = true;
    s->lag_known = lag && lag->type == REDIS_REPLY_INTEGER;
    s->lag = number_of(group, "lag");
    s->pending = number_of(group, "pending");
    s->consumers = number_of(group, "consumers");
    r->look.delivered_usec = delivered.msec * AZM_USEC_PER_MSEC;
}

/* --- what every group is done with --- */

/* Nothing from here on is removed. */
static void keep_from(struct redis_reader *r, struct redis_id id)
{
    if (redis_id_is_before(id, r->look.trim_to))
        r->look.trim_to = id;
}

static int ask_pending(struct redis_reader *r, const redisReply *name)
{
    const struct azm_text words[] = {AZM_TEXT("XPENDING"), redis_link_stream(r->asking), {name->str, name->len}};
    int k = redis_link_send(r->asking, TAG_PENDING, NULL, 0, words, ELEMENTSOF(words));

    r->look.answers += k >= 0;
    return k;
}

static int send_trim(struct redis_reader *r)
{
    char id[REDIS_ID_MAX];
    const struct azm_text words[] = {AZM_TEXT("XTRIM"), redis_link_stream(r->asking), AZM_TEXT("MINID"), AZM_TEXT("="),
                                     redis_id_print(r->look.trim_to, id)};

    if (!r->look.trim_known || r->look.trim_to.msec == UINT64_MAX)
        return 0;
    return redis_link_send(r->asking, TAG_TRIM, NULL, 0, words, ELEMENTSOF(words));
}

/* What every group has read is done with, but for what is pending in one. */
static int on_groups(struct redis_reader *r, const redisReply *groups)
{
    bool trim = r->trim && r->look.trim_due && r->look.answers == 0;
    int k = 0;

    r->look.looking = false;
    if (groups->type != REDIS_REPLY_ARRAY)
        return 0;
    if (trim) {
        r->look.trim_due = false;
        r->look.trim_known = true;
        r->look.trim_to = (struct redis_id){UINT64_MAX, 0};
    }
    for (size_t i = 0; i < groups->elements && k >= 0; i++) {
        const redisReply *group = groups->element[i], *name = value_of(group, "name"),
                         *last = value_of(group, "last-delivered-id");
        struct redis_id delivered;

        if (!name || name->type != REDIS_REPLY_STRING || !last || !redis_id_of_reply(last, &delivered)) {
            r->look.trim_known = false;
            continue;
        }
        if (name->len == r->group.len && memcmp(name->str, r->group.s, name->len) == 0)
            note_group(r, group, delivered);
        if (!trim)
            continue;
        keep_from(r, redis_id_after(delivered));
        if (number_of(group, "pending") > 0)
            k = ask_pending(r, name);
    }
    if (k < 0)
        r->look.trim_known = false;
    return trim && r->look.answers == 0 && k >= 0 ? send_trim(r) : k;
}

/* [how many, the first, the last, ...]. What was acknowledged meanwhile is nil, and has no part in it. */
static int on_pending(struct redis_reader *r, const redisReply *reply)
{
    struct redis_id first;

    r->look.answers--;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
        r->look.trim_known = false;
    else if (redis_id_of_reply(reply->element[1], &first))
        keep_from(r, first);
    else if (reply->element[1]->type != REDIS_REPLY_NIL)
        r->look.trim_known = false;
    return r->look.answers == 0 ? send_trim(r) : 0;
}

/* Without these it does its work, but somebody has to know. */
static void on_refused(struct redis_reader *r, int tag, const redisReply *error)
{
    bool *told = tag == TAG_GROUPS ? &r->look.told_no_look : &r->look.told_no_trim;
    struct azm_stream_answer why;

    if (tag == TAG_PENDING)
        r->look.answers--;
    r->look.trim_known = r->look.looking = false;
    azm_redis_understand(error->str, error->len, &why);
    if (why.meaning != AZM_MISCONFIGURED) { /* it passes: it is tried again */
        r->look.trim_due = true;
        redis_reader_set_failing(r, &why);
        return;
    }
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

void redis_look_on_reply(struct redis_reader *r, int tag, const redisReply *reply)
{
    if (redis_is_error(reply)) {
        if (strncmp(reply->str, "ERR no such key", 15) == 0) { /* nobody has written yet */
            r->look.looking = r->look.trim_due = false;
            r->status.known = true;
        } else
            on_refused(r, tag, reply);
    } else if (tag == TAG_GROUPS)
        on_groups(r, reply); /* when memory is out: the next time */
    else if (tag == TAG_PENDING)
        on_pending(r, reply);
}

void redis_look_on_failure(struct redis_reader *r)
{
    r->look.answers = 0;
    r->look.trim_known = r->look.looking = false;
    r->look.trim_due = true;
}

/* --- asking --- */

static int look(struct redis_reader *r)
{
    const struct azm_text words[] = {AZM_TEXT("XINFO"), AZM_TEXT("GROUPS"), redis_link_stream(r->asking)};
    int k = redis_link_send(r->asking, TAG_GROUPS, NULL, 0, words, ELEMENTSOF(words));

    r->look.looking = k >= 0;
    return k;
}

bool redis_look_trims(const struct redis_reader *r)
{
    return r->trim && r->look.trim_due && !r->look.told_no_trim && !r->look.told_no_look;
}

int redis_look_process(struct redis_reader *r, uint64_t now)
{
    bool all_done = r->held.n == 0 && r->status.known; /* then there is no reason to wait with the removing */

    if (r->look.looking || (now < r->look.due_usec && !(all_done && redis_look_trims(r))))
        return 0;
    r->look.due_usec = now + LOOK_USEC;
    return look(r);
}
