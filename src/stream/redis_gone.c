/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "core/log.h"
#include "stream/redis_reader_internal.h"

/* A relay that will never come back (a container's name is another one each time) is taken off the group, once others
 * have taken over what it had. XGROUP DELCONSUMER forgets what the consumer has pending, for all, and a relay may come
 * back at any moment: so Redis looks and removes in one step, in a script. Whoever comes back after it is a new
 * consumer, by its next XREADGROUP, XAUTOCLAIM or XCLAIM. */

#define GONE_AFTER 10 /* times claim_after= */

static const char script[] = "local consumers, n = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1]), 0 "
                             "if consumers.err then return consumers end "
                             "for _, fields in ipairs(consumers) do "
                             "local c = {} "
                             "for i = 1, #fields, 2 do c[fields[i]] = fields[i + 1] end "
                             "if c.pending == 0 and c.idle > tonumber(ARGV[2]) then "
                             "local r = redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c.name) "
                             "if type(r) == 'table' then return r end " /* an error */
                             "n = n + 1 "
                             "end "
                             "end "
                             "return n";

int redis_gone_process(struct redis_reader *r, uint64_t now)
{
    uint64_t idle_msec = GONE_AFTER * r->claim_after_usec / AZM_USEC_PER_MSEC;
    char idle[24];
    const struct azm_text words[] = {
        AZM_TEXT("EVAL"), {script, sizeof script - 1},
        AZM_TEXT("1"),    redis_link_stream(r->asking),
        r->group,         {idle, (size_t)snprintf(idle, sizeof idle, "%" PRIu64, idle_msec)}};

    if (r->look_only || r->status.consumers < 2 || now < r->gone.due_usec)
        return 0;
    r->gone.due_usec = now + r->claim_after_usec;
    return redis_link_send(r->asking, TAG_GONE, NULL, 0, words, ELEMENTSOF(words));
}

void redis_gone_on_reply(struct redis_reader *r, const redisReply *reply)
{
    struct azm_stream_answer why;

    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
        azm_log(AZM_LOG_INFO,
                "%lld relay%s taken off the group: nothing heard for %" PRIu64 " s, and nothing left over",
                reply->integer, reply->integer == 1 ? "" : "s", GONE_AFTER * r->claim_after_usec / AZM_USEC_PER_SEC);
    if (!redis_is_error(reply))
        return;
    azm_redis_understand(reply->str, reply->len, &why);
    if (why.meaning == AZM_MISCONFIGURED && !r->gone.told_refused) {
        azm_log(AZM_LOG_NOTICE,
                "%s; relays that are gone stay in the list of the group's consumers, which does no harm%s%s", why.words,
                why.remedy ? "; " : "", why.remedy ? why.remedy : "");
        r->gone.told_refused = true;
    }
}
