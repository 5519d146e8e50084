/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "deliver.h"
#include "hurt.h"
#include "raw.h"
#include "wait.h"

#include <stdio.h>

static struct emu_raw raw_connection(const struct emu_delivery *delivery)
{
    return emu_raw_open(delivery->connection, delivery->service->stop_fd);
}

static struct emu_reply reply_of(const struct emu_delivery *delivery, const struct emu_answer *answer)
{
    const struct emu_rule *rule = delivery->rule;
    return (struct emu_reply){
        .dialect = delivery->dialect,
        .answer = answer,
        .headers = rule ? rule->headers : NULL,
        .header_count = rule ? rule->header_count : 0,
        .last = atomic_load(delivery->service->ending),
        .base_url = delivery->service->base_url,
    };
}

static void send_interim(const struct emu_delivery *delivery)
{
    const struct emu_raw raw = raw_connection(delivery);
    const unsigned status = delivery->rule->interim;
    char text[128];
    int n = snprintf(text, sizeof(text), "HTTP/1.1 %u %s\r\n\r\n", status, MHD_get_reason_phrase_for(status));
    emu_raw_send(&raw, text, (size_t)n);
}

bool emu_deliver_prelude(const struct emu_delivery *delivery)
{
    if (!delivery->rule)
        return true;
    if (!emu_sleep(delivery->service->stop_fd, -1, delivery->rule->delay_msec))
        return false;
    if (delivery->rule->interim)
        send_interim(delivery);
    return true;
}

enum MHD_Result emu_deliver(const struct emu_delivery *delivery, const struct emu_answer *answer)
{
    const struct emu_reply reply = reply_of(delivery, answer);
    return emu_reply(delivery->connection, &reply);
}

enum MHD_Result emu_deliver_status(const struct emu_delivery *delivery)
{
    const struct emu_answer answer = {.status = delivery->rule->status, .body = delivery->rule->body}; /* borrowed */
    return emu_deliver(delivery, &answer);
}

enum MHD_Result emu_deliver_with(const struct emu_delivery *delivery, const struct emu_answer *answer,
                                 const struct emu_header *headers, size_t count)
{
    struct emu_reply reply = reply_of(delivery, answer);
    reply.headers = headers;
    reply.header_count = count;
    return emu_reply(delivery->connection, &reply);
}

void emu_deliver_stall(const struct emu_delivery *delivery)
{
    emu_sleep(delivery->service->stop_fd, raw_connection(delivery).fd, delivery->rule->pause_msec);
}

enum MHD_Result emu_deliver_nothing(const struct emu_delivery *delivery)
{
    const enum emu_action action = delivery->rule->action;
    if (action == EMU_ACTION_RESET || action == EMU_ACTION_STORED_THEN_RESET)
        emu_raw_reset(raw_connection(delivery).fd);
    return MHD_NO;
}

enum MHD_Result emu_deliver_garbage(const struct emu_delivery *delivery)
{
    const struct emu_raw raw = raw_connection(delivery);
    emu_raw_send(&raw, delivery->rule->body.data, delivery->rule->body.length);
    return MHD_NO;
}

bool emu_deliver_is_own(enum emu_action action)
{
    return action == EMU_ACTION_TRICKLE || action == EMU_ACTION_CLOSE_UNSAID;
}

enum MHD_Result emu_deliver_hurting(const struct emu_delivery *delivery, const struct emu_answer *answer)
{
    const struct emu_rule *rule = delivery->rule;
    const struct emu_raw raw = raw_connection(delivery);
    const struct emu_reply reply = reply_of(delivery, answer);
    int r = 0;

    if (rule->action == EMU_ACTION_ENDLESS)
        r = emu_hurt_endless(&raw, &reply);
    else if (rule->action == EMU_ACTION_GZIP_BOMB)
        r = emu_hurt_gzip_bomb(&raw, &reply);
    else if (rule->action == EMU_ACTION_TRUNCATED)
        r = emu_hurt_truncated(&raw, &reply);
    else
        r = emu_hurt_trickle(&raw, &reply, rule->pause_msec); /* without a pause it does not hurt */
    if (r < 0)
        fprintf(stderr, "azmonlog-emulator: out of memory, an answer is not sent\n");
    return MHD_NO;
}
