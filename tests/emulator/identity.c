/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "deliver.h"
#include "identity.h"
#include "identity_log.h"
#include "token_call.h"

#include <stdio.h>
#include <time.h>

static const struct emu_endpoint *find_endpoint(const char *path)
{
    static const struct emu_endpoint *const endpoints[] = {&emu_endpoint_imds, &emu_endpoint_arc,
                                                           &emu_endpoint_app_service, &emu_endpoint_entra};
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
        if (endpoints[i]->owns(path))
            return endpoints[i];
    return NULL;
}

bool emu_identity_owns(const char *path)
{
    return find_endpoint(path) != NULL;
}

/* Is the answer, or its absence, the script's? */
static bool is_played(const struct emu_rule *rule)
{
    return rule && rule->action != EMU_ACTION_NORMAL && !emu_deliver_is_own(rule->action);
}

/* Counts the request, with the status that is about to be sent (0 = none). */
static void account(struct emu_identity_receipt *receipt, const struct emu_delivery *delivery, unsigned status)
{
    receipt->status = status;
    emu_identity_log_add(delivery->service->identity_log, receipt);
}

static enum MHD_Result out_of_memory(void)
{
    fprintf(stderr, "azmonlog-emulator: out of memory, a request for a token is not answered\n");
    return MHD_NO;
}

static enum MHD_Result act(struct emu_token_call *call, const struct emu_delivery *delivery,
                           struct emu_identity_receipt *receipt)
{
    const struct emu_answer hurting = {.status = 200, .content_type = "application/json"};
    const struct emu_rule *rule = delivery->rule;

    switch (rule ? rule->action : EMU_ACTION_NORMAL) {
    case EMU_ACTION_STATUS:
        account(receipt, delivery, rule->status);
        return emu_deliver_status(delivery);
    case EMU_ACTION_REFUSE:
        if (emu_call_refuse(call, rule->status, rule->code, "%s", rule->body.data) < 0)
            return out_of_memory();
        account(receipt, delivery, rule->status);
        return emu_deliver(delivery, &call->answer);
    case EMU_ACTION_STALL:
        emu_deliver_stall(delivery);
        account(receipt, delivery, 0);
        return emu_deliver_nothing(delivery);
    case EMU_ACTION_RESET:
    case EMU_ACTION_CLOSE:
        account(receipt, delivery, 0);
        return emu_deliver_nothing(delivery);
    case EMU_ACTION_GARBAGE:
        account(receipt, delivery, 0);
        return emu_deliver_garbage(delivery);
    case EMU_ACTION_ENDLESS:
    case EMU_ACTION_GZIP_BOMB:
    case EMU_ACTION_TRUNCATED:
        account(receipt, delivery, hurting.status);
        return emu_deliver_hurting(delivery, &hurting);
    case EMU_ACTION_CLOSE_UNSAID:
    case EMU_ACTION_TRICKLE:
        account(receipt, delivery, call->answer.status);
        return emu_deliver_hurting(delivery, &call->answer);
    case EMU_ACTION_NORMAL:
    case EMU_ACTION_STORED_THEN_RESET: /* these four are about records; no script has them here */
    case EMU_ACTION_PARTIAL_SUCCESS:
    case EMU_ACTION_REJECT_RECORDS:
    case EMU_ACTION_ITEMS:
        break;
    }
    account(receipt, delivery, call->answer.status);
    return emu_deliver(delivery, &call->answer);
}

enum MHD_Result emu_identity(const struct emu_service *service, struct MHD_Connection *connection, const char *method,
                             const char *path, const struct emu_buf *body, uint64_t wire_bytes)
{
    _cleanup_(emu_drawn_rule_release) struct emu_drawn_rule drawn = emu_faults_draw_identity(service->faults);
    const struct emu_delivery delivery = {service, connection, drawn.rule, EMU_PLAIN};
    _cleanup_(emu_call_free) struct emu_token_call call = {
        .desk = service->desk,
        .endpoint = find_endpoint(path),
        .connection = connection,
        .method = method,
        .path = path,
        .body = body,
        .wire_bytes = wire_bytes,
        .played = is_played(drawn.rule),
    };
    struct emu_identity_receipt receipt = {
        .call = &call,
        .fault = drawn.rule ? drawn.rule->label : NULL,
        .user_agent = emu_call_header(&call, MHD_HTTP_HEADER_USER_AGENT),
    };

    clock_gettime(CLOCK_REALTIME, &receipt.received);
    if (!emu_deliver_prelude(&delivery))
        return MHD_NO;
    if (call.endpoint->serve(&call) < 0)
        return out_of_memory();
    if (call.known && !call.played)
        emu_tokens_count(service->desk->tokens, call.credential);
    return act(&call, &delivery, &receipt);
}
