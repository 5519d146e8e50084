/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "deliver.h"
#include "treat.h"
#include "wait.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct treatment {
    struct emu_delivery delivery;
    const struct emu_request *request;
    struct emu_verdict verdict;
    struct emu_receipt receipt;
};

/* Counts the request, with the status that is about to be sent (0 = none). */
static void account(struct treatment *treatment, enum emu_outcome outcome, unsigned status)
{
    const struct emu_verdict *verdict = &treatment->verdict;
    struct emu_receipt *receipt = &treatment->receipt;

    receipt->outcome = outcome;
    receipt->status = status;
    receipt->path = treatment->request->path;
    receipt->user_agent = treatment->request->user_agent;
    receipt->fault = treatment->delivery.rule ? treatment->delivery.rule->label : NULL;
    receipt->wire_bytes = treatment->request->wire_bytes;
    receipt->plain_bytes = verdict->plain_bytes;
    receipt->records = verdict->records;
    receipt->resources = verdict->resources;
    emu_store_account(treatment->delivery.service->store, receipt);
}

static enum MHD_Result send_answer(struct treatment *treatment, enum emu_outcome outcome,
                                   const struct emu_answer *answer)
{
    account(treatment, outcome, answer->status);
    return emu_deliver(&treatment->delivery, answer);
}

/* The answer of a request whose records the verdict, and what became of them, decides about. */
static enum MHD_Result send_verdict(struct treatment *treatment)
{
    const struct emu_verdict *verdict = &treatment->verdict;
    return send_answer(treatment, verdict->accepted ? EMU_ACCEPTED : EMU_REFUSED, &verdict->answer);
}

static enum MHD_Result out_of_memory(struct treatment *treatment)
{
    fprintf(stderr, "azmonlog-emulator: out of memory, request %" PRIu64 " is not answered\n",
            treatment->receipt.number);
    emu_store_forget(treatment->delivery.service->store);
    return MHD_NO;
}

/* Stores the first `count` records of an accepted request. When that fails, the verdict turns into a refusal: a
 * success is never answered for what is not stored. 0 or -ENOMEM. */
static int store(struct treatment *treatment, size_t count)
{
    struct emu_verdict *verdict = &treatment->verdict;
    if (!verdict->accepted)
        return 0;

    int r = 0;
    if (verdict->target == EMU_TARGET_METRICS)
        r = emu_store_append_points(treatment->delivery.service->store, &verdict->lines, count);
    else if (treatment->delivery.service->fast)
        emu_store_count(treatment->delivery.service->store, count);
    else
        r = emu_store_append(treatment->delivery.service->store, &verdict->lines, count);
    if (r >= 0) {
        treatment->receipt.stored = count;
        return 0;
    }
    verdict->accepted = false;
    return emu_answer_error(&verdict->answer, treatment->delivery.dialect, 503, "ServiceUnavailable",
                            "The records could not be stored: %s", strerror(-r));
}

static enum MHD_Result answer_normally(struct treatment *treatment)
{
    struct emu_verdict *verdict = &treatment->verdict;
    if (store(treatment, verdict->storable) < 0)
        return out_of_memory(treatment);
    return send_verdict(treatment);
}

static enum MHD_Result answer_status(struct treatment *treatment)
{
    account(treatment, EMU_SCRIPTED, treatment->delivery.rule->status);
    return emu_deliver_status(&treatment->delivery);
}

static enum MHD_Result answer_refusal(struct treatment *treatment)
{
    const struct emu_rule *rule = treatment->delivery.rule;
    struct emu_answer *answer = &treatment->verdict.answer;
    if (emu_answer_error(answer, treatment->delivery.dialect, rule->status, rule->code, "%s", rule->body.data) < 0)
        return out_of_memory(treatment);
    return send_answer(treatment, EMU_SCRIPTED, answer);
}

static enum MHD_Result answer_partial_success(struct treatment *treatment)
{
    if (treatment->delivery.dialect == EMU_TRACK) /* which has no such answer */
        return answer_normally(treatment);

    const struct emu_rule *rule = treatment->delivery.rule;
    struct emu_verdict *verdict = &treatment->verdict;
    uint64_t rejected = (uint64_t)rule->rejected;
    size_t kept = rejected < verdict->records ? verdict->records - (size_t)rejected : 0;

    int r = store(treatment, kept);
    if (r >= 0 && verdict->accepted)
        r = emu_answer_partial_success(&verdict->answer, rule->rejected, rule->body.data);
    return r < 0 ? out_of_memory(treatment) : send_verdict(treatment);
}

/* Which records of a request have the text of a rule in their encoded bytes. */
struct sieve {
    const struct emu_buf *text;
    bool *keep; /* one per record */
    size_t seen;
    size_t kept;
};

static void sift(void *context, const uint8_t *record, size_t length)
{
    struct sieve *sieve = context;
    bool keep = !memmem(record, length, sieve->text->data, sieve->text->length);
    sieve->keep[sieve->seen++] = keep;
    sieve->kept += keep;
}

static void free_sieve(struct sieve *sieve)
{
    free(sieve->keep);
}

static enum MHD_Result answer_rejected_records(struct treatment *treatment)
{
    const struct emu_rule *rule = treatment->delivery.rule;
    struct emu_verdict *verdict = &treatment->verdict;
    struct emu_wire_counts counts;

    if (!verdict->accepted || verdict->target == EMU_TARGET_METRICS || treatment->delivery.dialect == EMU_TRACK)
        return answer_normally(treatment);
    _cleanup_(free_sieve) struct sieve sieve = {.text = &rule->reject, .keep = calloc(verdict->records + 1, 1)};
    if (!sieve.keep)
        return out_of_memory(treatment);
    emu_wire_records(verdict->plain, verdict->plain_bytes, &counts, sift, &sieve); /* an accepted body can be walked */
    const size_t rejected = sieve.seen - sieve.kept;
    if (rejected == 0)
        return answer_normally(treatment);

    emu_lines_keep(&verdict->lines, sieve.keep);
    int r = store(treatment, sieve.kept);
    if (r >= 0 && verdict->accepted)
        r = emu_answer_partial_success(&verdict->answer, (int64_t)rejected, rule->body.data);
    return r < 0 ? out_of_memory(treatment) : send_verdict(treatment);
}

static void free_flags(bool **flags)
{
    free(*flags);
}

/* Rejects the items of a request to Application Insights that have the text of the rule in them. */
static enum MHD_Result answer_items(struct treatment *treatment)
{
    const struct emu_rule *rule = treatment->delivery.rule;
    struct emu_verdict *verdict = &treatment->verdict;

    if (!verdict->accepted || treatment->delivery.dialect != EMU_TRACK)
        return answer_normally(treatment);
    _cleanup_(free_flags) bool *keep = calloc(verdict->lines.count + 1, 1);
    ssize_t rejected =
        keep ? emu_track_reject(&verdict->track, &rule->reject, rule->status, rule->body.data, keep) : -ENOMEM;
    if (rejected == 0)
        return answer_normally(treatment);
    if (rejected < 0)
        return out_of_memory(treatment);

    emu_lines_keep(&verdict->lines, keep);
    int r = store(treatment, verdict->track.accepted);
    if (r >= 0 && verdict->accepted)
        r = emu_track_answer(&verdict->track, 206, &verdict->answer);
    return r < 0 ? out_of_memory(treatment) : send_verdict(treatment);
}

/* Stores as usual, and then answers in a way that hurts. A request that is not accepted is refused as usual. */
static enum MHD_Result hurt(struct treatment *treatment)
{
    struct emu_verdict *verdict = &treatment->verdict;
    const struct emu_answer success = {
        .status = 200,
        .content_type = treatment->delivery.dialect == EMU_TRACK ? "application/json" : "application/x-protobuf",
    };
    const bool own_answer = emu_deliver_is_own(treatment->delivery.rule->action);
    const struct emu_answer *answer = own_answer ? &verdict->answer : &success;
    enum emu_outcome outcome = EMU_SCRIPTED;

    if (store(treatment, verdict->storable) < 0)
        return out_of_memory(treatment);
    if (!verdict->accepted && !own_answer)
        return send_answer(treatment, EMU_REFUSED, &verdict->answer);
    if (own_answer)
        outcome = verdict->accepted ? EMU_ACCEPTED : EMU_REFUSED;
    account(treatment, outcome, answer->status);
    return emu_deliver_hurting(&treatment->delivery, answer);
}

static enum MHD_Result answer_nothing(struct treatment *treatment)
{
    account(treatment, EMU_SCRIPTED, 0);
    return emu_deliver_nothing(&treatment->delivery);
}

static enum MHD_Result act(struct treatment *treatment)
{
    switch (treatment->delivery.rule ? treatment->delivery.rule->action : EMU_ACTION_NORMAL) {
    case EMU_ACTION_STATUS:
        return answer_status(treatment);
    case EMU_ACTION_REFUSE:
        return answer_refusal(treatment);
    case EMU_ACTION_PARTIAL_SUCCESS:
        return answer_partial_success(treatment);
    case EMU_ACTION_REJECT_RECORDS:
        return answer_rejected_records(treatment);
    case EMU_ACTION_ITEMS:
        return answer_items(treatment);
    case EMU_ACTION_STORED_THEN_RESET:
        if (store(treatment, treatment->verdict.storable) < 0)
            return out_of_memory(treatment);
        return answer_nothing(treatment);
    case EMU_ACTION_RESET:
    case EMU_ACTION_CLOSE:
        return answer_nothing(treatment);
    case EMU_ACTION_STALL: /* in flight all the time */
        emu_deliver_stall(&treatment->delivery);
        return answer_nothing(treatment);
    case EMU_ACTION_CLOSE_UNSAID:
    case EMU_ACTION_ENDLESS:
    case EMU_ACTION_GZIP_BOMB:
    case EMU_ACTION_TRUNCATED:
    case EMU_ACTION_TRICKLE:
        return hurt(treatment);
    case EMU_ACTION_GARBAGE:
        account(treatment, EMU_SCRIPTED, 0);
        return emu_deliver_garbage(&treatment->delivery);
    case EMU_ACTION_NORMAL:
        break;
    }
    return answer_normally(treatment);
}

static enum MHD_Result throttle(struct treatment *treatment, unsigned wait_msec)
{
    struct emu_answer *answer = &treatment->verdict.answer;
    char seconds[16];
    const struct emu_header retry_after = {(char *)"Retry-After", seconds};

    snprintf(seconds, sizeof(seconds), "%u", (wait_msec + 999) / 1000);
    if (emu_answer_error(answer, treatment->delivery.dialect, 429, "TooManyRequests",
                         "The limit of requests is reached. Try again in %s seconds.", seconds) < 0)
        return out_of_memory(treatment);
    account(treatment, EMU_THROTTLED, answer->status);
    return emu_deliver_with(&treatment->delivery, answer, &retry_after, 1);
}

/* Notes the headers that a request to a log endpoint does not always have. */
static enum MHD_Result note_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    static const char *const usual[] = {"Host",         "User-Agent",       "Accept",         "Accept-Encoding",
                                        "Content-Type", "Content-Encoding", "Content-Length", "Connection"};
    struct emu_receipt *receipt = cls;
    size_t count = 0;

    (void)kind;
    if (strcasecmp(name, "Authorization") == 0) {
        receipt->authorization = true;
        receipt->token = emu_token_in(value);
        return MHD_YES;
    }
    if (strcasecmp(name, "x-ms-client-request-id") == 0)
        receipt->client_request_id = value;
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        if (strcasecmp(name, usual[i]) == 0)
            return MHD_YES;
    while (count < EMU_HEADERS_LOGGED && receipt->headers[count])
        count++;
    if (count < EMU_HEADERS_LOGGED)
        receipt->headers[count] = name;
    return MHD_YES;
}

static void free_treatment(struct treatment *treatment)
{
    emu_verdict_free(&treatment->verdict);
}

enum MHD_Result emu_treat(const struct emu_service *service, struct MHD_Connection *connection,
                          const struct emu_request *request)
{
    _cleanup_(free_treatment) struct treatment treatment = {
        .delivery = {.service = service, .connection = connection},
        .request = request,
        .receipt.number = emu_store_next_number(service->store),
    };
    clock_gettime(CLOCK_REALTIME, &treatment.receipt.received);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, note_header, &treatment.receipt);
    _cleanup_(emu_drawn_rule_release) struct emu_drawn_rule drawn = {0};

    enum emu_target target = emu_ingest_target(request->path, &treatment.delivery.dialect);
    const bool counts = target != EMU_TARGET_UNKNOWN && strcmp(request->method, "POST") == 0;
    unsigned wait_msec = counts ? emu_limit_take(service->limit, emu_now_msec()) : 0;
    if (wait_msec > 0)
        return throttle(&treatment, wait_msec);

    const enum emu_depth depth = service->fast ? EMU_COUNT_ONLY : EMU_FULLY;
    if (emu_ingest(request, treatment.receipt.number, depth, &service->admission, &treatment.verdict) < 0)
        return out_of_memory(&treatment);
    const struct emu_lines *lines = &treatment.verdict.lines;
    if (lines->count > 0) {
        treatment.receipt.first = lines->items[0];
        treatment.receipt.last = lines->items[lines->count - 1];
    }
    const struct emu_request_facts facts = {
        .body = treatment.verdict.plain,
        .bytes = treatment.verdict.plain_bytes,
        .wire_bytes = request->wire_bytes,
        .records = treatment.verdict.records,
    };
    if (counts)
        drawn = emu_faults_draw(service->faults, &facts);
    treatment.delivery.rule = drawn.rule;

    if (!emu_deliver_prelude(&treatment.delivery)) {
        emu_store_forget(service->store);
        return MHD_NO;
    }
    return act(&treatment);
}
