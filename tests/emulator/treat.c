/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "hurt.h"
#include "raw.h"
#include "reply.h"
#include "treat.h"
#include "wait.h"
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct treatment {
    const struct emu_service *service;
    struct MHD_Connection *connection;
    const struct emu_request *request;
    const struct emu_rule *rule; /* NULL = none */
    enum emu_dialect dialect;
    struct emu_verdict verdict;
    struct emu_receipt receipt;
};

static struct emu_raw raw_connection(const struct treatment *treatment)
{
    return emu_raw_open(treatment->connection, treatment->service->stop_fd);
}

/* Counts the request, with the status that is about to be sent (0 = none). */
static void account(struct treatment *treatment, enum emu_outcome outcome, unsigned status)
{
    const struct emu_verdict *verdict = &treatment->verdict;
    struct emu_receipt *receipt = &treatment->receipt;

    receipt->outcome = outcome;
    receipt->status = status;
    receipt->path = treatment->request->path;
    receipt->user_agent = treatment->request->user_agent;
    receipt->fault = treatment->rule ? treatment->rule->label : NULL;
    receipt->wire_bytes = treatment->request->wire_bytes;
    receipt->plain_bytes = verdict->plain_bytes;
    receipt->records = verdict->records;
    receipt->resources = verdict->resources;
    emu_store_account(treatment->service->store, receipt);
}

static struct emu_reply reply_of(const struct treatment *treatment, const struct emu_answer *answer)
{
    const struct emu_rule *rule = treatment->rule;
    return (struct emu_reply){
        .dialect = treatment->dialect,
        .answer = answer,
        .headers = rule ? rule->headers : NULL,
        .header_count = rule ? rule->header_count : 0,
        .last = atomic_load(treatment->service->ending),
        .base_url = treatment->service->base_url,
    };
}

static enum MHD_Result send_answer(struct treatment *treatment, enum emu_outcome outcome,
                                   const struct emu_answer *answer)
{
    const struct emu_reply reply = reply_of(treatment, answer);
    account(treatment, outcome, answer->status);
    return emu_reply(treatment->connection, &reply);
}

/* The end of a request that is not answered. */
static enum MHD_Result hang_up(struct treatment *treatment, bool reset)
{
    account(treatment, EMU_SCRIPTED, 0);
    if (reset)
        emu_raw_reset(raw_connection(treatment).fd);
    return MHD_NO;
}

static enum MHD_Result out_of_memory(struct treatment *treatment)
{
    fprintf(stderr, "azmonlog-emulator: out of memory, request %" PRIu64 " is not answered\n",
            treatment->receipt.number);
    emu_store_forget(treatment->service->store);
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
    if (treatment->service->fast)
        emu_store_count(treatment->service->store, count);
    else
        r = emu_store_append(treatment->service->store, &verdict->lines, count);
    if (r >= 0) {
        treatment->receipt.stored = count;
        return 0;
    }
    verdict->accepted = false;
    return emu_answer_error(&verdict->answer, treatment->dialect, 503, "ServiceUnavailable",
                            "The records could not be stored: %s", strerror(-r));
}

static enum MHD_Result answer_normally(struct treatment *treatment)
{
    struct emu_verdict *verdict = &treatment->verdict;
    if (store(treatment, verdict->records) < 0)
        return out_of_memory(treatment);
    return send_answer(treatment, verdict->accepted ? EMU_ACCEPTED : EMU_REFUSED, &verdict->answer);
}

static enum MHD_Result answer_status(struct treatment *treatment)
{
    const struct emu_rule *rule = treatment->rule;
    const struct emu_answer answer = {.status = rule->status, .body = rule->body}; /* borrowed, not freed */
    return send_answer(treatment, EMU_SCRIPTED, &answer);
}

static enum MHD_Result answer_refusal(struct treatment *treatment)
{
    const struct emu_rule *rule = treatment->rule;
    struct emu_answer *answer = &treatment->verdict.answer;
    if (emu_answer_error(answer, treatment->dialect, rule->status, rule->code, "%s", rule->body.data) < 0)
        return out_of_memory(treatment);
    return send_answer(treatment, EMU_SCRIPTED, answer);
}

static enum MHD_Result answer_partial_success(struct treatment *treatment)
{
    const struct emu_rule *rule = treatment->rule;
    struct emu_verdict *verdict = &treatment->verdict;
    uint64_t rejected = (uint64_t)rule->rejected;
    size_t kept = rejected < verdict->records ? verdict->records - (size_t)rejected : 0;

    int r = store(treatment, kept);
    if (r >= 0 && verdict->accepted)
        r = emu_answer_partial_success(&verdict->answer, rule->rejected, rule->body.data);
    if (r < 0)
        return out_of_memory(treatment);
    return send_answer(treatment, verdict->accepted ? EMU_ACCEPTED : EMU_REFUSED, &verdict->answer);
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
    const struct emu_rule *rule = treatment->rule;
    struct emu_verdict *verdict = &treatment->verdict;
    struct emu_wire_counts counts;

    if (!verdict->accepted)
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
    if (r < 0)
        return out_of_memory(treatment);
    return send_answer(treatment, verdict->accepted ? EMU_ACCEPTED : EMU_REFUSED, &verdict->answer);
}

/* Stores as usual, and then answers in a way that hurts. A request that is not accepted is refused as usual. */
static enum MHD_Result hurt(struct treatment *treatment)
{
    const struct emu_rule *rule = treatment->rule;
    struct emu_verdict *verdict = &treatment->verdict;
    const struct emu_answer success = {.status = 200, .content_type = "application/x-protobuf"};
    const bool own_answer = rule->action == EMU_ACTION_TRICKLE || rule->action == EMU_ACTION_CLOSE_UNSAID;
    enum emu_outcome outcome = EMU_SCRIPTED;

    if (store(treatment, verdict->records) < 0)
        return out_of_memory(treatment);
    if (!verdict->accepted && !own_answer)
        return send_answer(treatment, EMU_REFUSED, &verdict->answer);
    if (own_answer)
        outcome = verdict->accepted ? EMU_ACCEPTED : EMU_REFUSED;

    const struct emu_raw raw = raw_connection(treatment);
    const struct emu_reply reply = reply_of(treatment, own_answer ? &verdict->answer : &success);
    account(treatment, outcome, reply.answer->status);
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

static enum MHD_Result send_garbage(struct treatment *treatment)
{
    const struct emu_raw raw = raw_connection(treatment);
    account(treatment, EMU_SCRIPTED, 0);
    emu_raw_send(&raw, treatment->rule->body.data, treatment->rule->body.length);
    return MHD_NO;
}

static void send_interim(const struct treatment *treatment)
{
    const struct emu_raw raw = raw_connection(treatment);
    const unsigned status = treatment->rule->interim;
    char text[128];
    int n = snprintf(text, sizeof(text), "HTTP/1.1 %u %s\r\n\r\n", status, MHD_get_reason_phrase_for(status));
    emu_raw_send(&raw, text, (size_t)n);
}

static enum MHD_Result act(struct treatment *treatment)
{
    switch (treatment->rule ? treatment->rule->action : EMU_ACTION_NORMAL) {
    case EMU_ACTION_STATUS:
        return answer_status(treatment);
    case EMU_ACTION_REFUSE:
        return answer_refusal(treatment);
    case EMU_ACTION_PARTIAL_SUCCESS:
        return answer_partial_success(treatment);
    case EMU_ACTION_REJECT_RECORDS:
        return answer_rejected_records(treatment);
    case EMU_ACTION_RESET:
        return hang_up(treatment, true);
    case EMU_ACTION_CLOSE:
        return hang_up(treatment, false);
    case EMU_ACTION_STALL:
        emu_sleep(treatment->service->stop_fd, raw_connection(treatment).fd, treatment->rule->pause_msec);
        return hang_up(treatment, false);
    case EMU_ACTION_STORED_THEN_RESET:
        if (store(treatment, treatment->verdict.records) < 0)
            return out_of_memory(treatment);
        return hang_up(treatment, true);
    case EMU_ACTION_CLOSE_UNSAID:
    case EMU_ACTION_ENDLESS:
    case EMU_ACTION_GZIP_BOMB:
    case EMU_ACTION_TRUNCATED:
    case EMU_ACTION_TRICKLE:
        return hurt(treatment);
    case EMU_ACTION_GARBAGE:
        return send_garbage(treatment);
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
    if (emu_answer_error(answer, treatment->dialect, 429, "TooManyRequests",
                         "The limit of requests is reached. Try again in %s seconds.", seconds) < 0)
        return out_of_memory(treatment);
    struct emu_reply reply = reply_of(treatment, answer);
    reply.headers = &retry_after;
    reply.header_count = 1;
    account(treatment, EMU_THROTTLED, answer->status);
    return emu_reply(treatment->connection, &reply);
}

/* Notes the headers that a request to a log endpoint does not always have. */
static enum MHD_Result note_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    static const char *const usual[] = {"Host",         "User-Agent",       "Accept",         "Accept-Encoding",
                                        "Content-Type", "Content-Encoding", "Content-Length", "Connection"};
    struct emu_receipt *receipt = cls;
    size_t count = 0;

    (void)kind;
    (void)value;
    if (strcasecmp(name, "Authorization") == 0) {
        receipt->authorization = true;
        return MHD_YES;
    }
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
        .service = service,
        .connection = connection,
        .request = request,
        .receipt.number = emu_store_next_number(service->store),
    };
    clock_gettime(CLOCK_REALTIME, &treatment.receipt.received);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, note_header, &treatment.receipt);
    _cleanup_(emu_drawn_rule_release) struct emu_drawn_rule drawn = {0};

    enum emu_target target = emu_ingest_target(request->path, &treatment.dialect);
    const bool counts = target != EMU_TARGET_UNKNOWN && strcmp(request->method, "POST") == 0;
    unsigned wait_msec = counts ? emu_limit_take(service->limit, emu_now_msec()) : 0;
    if (wait_msec > 0)
        return throttle(&treatment, wait_msec);

    const enum emu_depth depth = service->fast ? EMU_COUNT_ONLY : EMU_FULLY;
    if (emu_ingest(request, treatment.receipt.number, depth, &treatment.verdict) < 0)
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
    treatment.rule = drawn.rule;

    /* A client that gives up while its request is delayed is not noticed: a slow server stores what it has read. */
    if (treatment.rule && !emu_sleep(service->stop_fd, -1, treatment.rule->delay_msec)) {
        emu_store_forget(service->store);
        return MHD_NO;
    }
    if (treatment.rule && treatment.rule->interim)
        send_interim(&treatment);
    return act(&treatment);
}
