/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "cli/status_health.h"
#include "cli/status_text.h"
#include "cli/words.h"
#include "core/clock.h"

#define LABEL_WIDTH 14
#define ANSWERS_SHOWN 3
#define SERVICES_SHOWN 5
#define RULES_SHOWN 5

/* ECMA-48, "Select Graphic Rendition" */
#define COLOUR_GOOD "\033[32m"
#define COLOUR_DOUBTFUL "\033[33m"
#define COLOUR_BAD "\033[1;31m"
#define COLOUR_STRONG "\033[1m"
#define COLOUR_OFF "\033[0m"

/* Where it goes, and the line that is being made. */
struct page {
    FILE *f;
    struct azm_status_style style;
    uint64_t now_usec;
    struct azm_buf line;
};

/* --- a line --- */

/* How many columns: each character takes one, as nearly all do that come here. */
static unsigned columns(const uint8_t *s, size_t len)
{
    unsigned n = 0;

    for (size_t i = 0; i < len; i++)
        n += (s[i] & 0xC0) != 0x80;
    return n;
}

/* The text, broken at blanks where it is too wide. What has none (a position) is left to the terminal, so that it can
 * be copied in one piece. */
static void put_wrapped(const struct page *p, const uint8_t *s, size_t len)
{
    unsigned room = p->style.width > LABEL_WIDTH + 20 ? p->style.width - LABEL_WIDTH : 0, used = 0;

    for (size_t i = 0, end; i < len; i = end) {
        const uint8_t *blank = memchr(s + i + 1, ' ', len - i - 1);
        unsigned wide;

        end = blank ? (size_t)(blank - s) : len;
        wide = columns(s + i, end - i);
        if (room > 0 && used > 0 && used + wide > room) {
            fprintf(p->f, "\n%*s", LABEL_WIDTH, "");
            i++; /* the blank */
            wide--;
            used = 0;
        }
        fwrite(s + i, 1, end - i, p->f);
        used += wide;
    }
}

/* One line, unless there is nothing to say. */
static void row(struct page *p, const char *name, const char *colour)
{
    if (p->line.len > 0) {
        azm_mask_controls(&p->line);
        fprintf(p->f, "%-*s%s", LABEL_WIDTH, name, p->style.colour ? colour : "");
        put_wrapped(p, p->line.data, p->line.len);
        fprintf(p->f, "%s\n", p->style.colour && *colour ? COLOUR_OFF : "");
    }
    azm_buf_clear(&p->line);
}

static void put_rate(struct azm_buf *line, const json_t *object)
{
    const json_t *rate = json_object_get(object, "per_second");

    if (json_is_number(rate))
        azm_buf_printf(line, ", %.1f/s", json_number_value(rate));
}

/* --- lines --- */

static const char *colour_of(const json_t *status)
{
    static const char *const colours[] = {COLOUR_GOOD, COLOUR_DOUBTFUL, COLOUR_BAD, COLOUR_BAD};

    return colours[status_exit_code(status)];
}

/* "HELD since ...": what is not well is loud. */
static void put_condition(struct page *p, const json_t *status)
{
    const struct status_health h = status_health(status);
    bool loud = h.condition && strcmp(h.condition, "well") != 0;

    for (const char *c = h.condition; c && *c; c++)
        azm_buf_printf(&p->line, "%c", loud ? toupper((unsigned char)*c) : *c);
    if (h.since) {
        azm_put_string(&p->line, h.condition && strcmp(h.condition, "down") == 0 ? ", last seen " : " since ");
        azm_put_time(&p->line, h.since, p->now_usec);
    }
}

static void print_state(struct page *p, const json_t *status)
{
    const struct status_health h = status_health(status);
    const char *state = azm_json_string(status, "state");
    const json_t *next = json_object_get(json_object_get(status, "error"), "next_try");

    put_condition(p, status);
    if (state && strcmp(state, "stopping") == 0)
        azm_buf_printf(&p->line, "; stopping");
    row(p, "State", colour_of(status));
    azm_put_string(&p->line, azm_json_string(status, "action"));
    row(p, "Action", "");
    azm_put_string(&p->line, h.reason);
    row(p, "Reason", "");
    azm_put_string(&p->line, h.remedy);
    row(p, "What to do", COLOUR_STRONG);
    if (json_is_number(next)) {
        azm_put_string(&p->line, json_number_value(next) > 0 ? "in " : "now");
        if (json_number_value(next) > 0)
            azm_put_span(&p->line, json_number_value(next));
    }
    row(p, "Next try", "");
}

static void print_waiting(struct page *p, const json_t *status)
{
    const json_t *behind = json_object_get(status, "behind"), *lag = behind ? behind : json_object_get(status, "lag"),
                 *records = json_object_get(lag, "records"), *seconds = json_object_get(lag, "seconds");
    int64_t batches = azm_json_count(json_object_get(status, "in_flight"), "batches");

    if (json_is_integer(records) && json_integer_value(records) == 0)
        azm_buf_printf(&p->line, "nothing");
    else if (json_is_integer(records)) {
        azm_buf_printf(&p->line, "%s", json_is_true(json_object_get(lag, "up_to")) ? "up to " : "");
        azm_put_count(&p->line, json_integer_value(records), "record", "records");
    } else if (lag)
        azm_buf_printf(&p->line, "number of records not known");
    if (json_is_number(seconds) && json_number_value(seconds) > 0) {
        azm_put_separator(&p->line, ", ");
        azm_put_span(&p->line, json_number_value(seconds));
        azm_buf_printf(&p->line, " behind");
    }
    if (batches > 0) {
        azm_put_separator(&p->line, ", ");
        azm_put_count(&p->line, batches, "batch", "batches");
        azm_buf_printf(&p->line, " on the way");
    }
    row(p, "Waiting", "");
}

static void print_counts(struct page *p, const json_t *status)
{
    const json_t *read = json_object_get(status, "read"), *delivered = json_object_get(status, "delivered"),
                 *bytes = json_object_get(delivered, "bytes");
    int64_t failures = azm_json_count(status, "failures");

    if (json_is_integer(json_object_get(read, "records"))) {
        azm_put_count(&p->line, azm_json_count(read, "records"), "record", "records");
        put_rate(&p->line, read);
    }
    row(p, "Read", "");
    if (json_is_integer(json_object_get(delivered, "records"))) {
        azm_put_count(&p->line, azm_json_count(delivered, "records"), "record", "records");
        put_rate(&p->line, delivered);
    }
    if (json_is_integer(json_object_get(delivered, "requests"))) {
        azm_put_separator(&p->line, "; ");
        azm_put_count(&p->line, azm_json_count(delivered, "requests"), "request", "requests");
    }
    if (json_is_number(bytes)) {
        azm_put_separator(&p->line, ", ");
        azm_put_bytes(&p->line, json_number_value(bytes));
    }
    if (failures > 0) {
        azm_put_separator(&p->line, "; ");
        azm_put_count(&p->line, failures, "failed attempt", "failed attempts");
    }
    row(p, "Delivered", "");
}

static void print_window(struct page *p, const json_t *status)
{
    const json_t *throttling = json_object_get(status, "throttling"),
                 *delay = json_object_get(throttling, "batch_delay");
    int64_t window = azm_json_count(throttling, "window"), max = azm_json_count(throttling, "window_max"),
            answers = azm_json_count(throttling, "answers");
    const char *since = azm_json_string(throttling, "since");

    if (window > 0 && window < max)
        azm_buf_printf(&p->line, "%" PRId64 " of ", window);
    if (max > 0) {
        azm_put_count(&p->line, max, "request", "requests");
        azm_put_string(&p->line, " at once");
    }
    row(p, "Window", window < max ? COLOUR_DOUBTFUL : "");
    if (answers > 0) {
        azm_put_count(&p->line, answers, "answer 429", "answers 429");
        if (json_number_value(delay) > 0) {
            azm_buf_printf(&p->line, "; batches wait ");
            azm_put_span(&p->line, json_number_value(delay));
        }
        if (since) {
            azm_buf_printf(&p->line, "; slowed down since ");
            azm_put_time(&p->line, since, p->now_usec);
        }
    }
    row(p, "Throttled", since ? COLOUR_DOUBTFUL : "");
}

static void print_answers(struct page *p, const json_t *status)
{
    const json_t *answers = json_object_get(status, "answers"), *answer;
    size_t i;

    json_array_foreach(answers, i, answer)
    {
        const json_t *seconds = json_object_get(answer, "seconds");
        int64_t count = azm_json_count(answer, "count");
        uint64_t usec;

        if (i == ANSWERS_SHOWN || !azm_json_string(answer, "words"))
            break;
        azm_put_string(&p->line, azm_json_string(answer, "words"));
        if (count > 1)
            azm_buf_printf(&p->line, ", %" PRId64 " times", count);
        if (azm_read_time(azm_json_string(answer, "last"), p->now_usec, &usec) && usec <= p->now_usec) {
            azm_put_string(&p->line, count > 1 ? ", last " : ", ");
            azm_put_span(&p->line, (double)(p->now_usec - usec) / (double)AZM_USEC_PER_SEC);
            azm_put_string(&p->line, " ago");
        }
        if (json_is_number(seconds)) {
            azm_put_string(&p->line, ", in ");
            azm_put_latency(&p->line, json_number_value(seconds));
        }
        row(p, i == 0 ? "Answers" : "", "");
    }
}

static void print_services(struct page *p, const json_t *status)
{
    const json_t *services = json_object_get(status, "services"), *service;
    size_t i;

    json_array_foreach(services, i, service)
    {
        const char *name = azm_json_string(service, "service");
        const json_t *rate = json_object_get(service, "bytes_per_second");

        if (i == SERVICES_SHOWN || !name)
            break;
        azm_buf_printf(&p->line, "%s: ", *name ? name : "(without a name)");
        azm_put_count(&p->line, azm_json_count(service, "records"), "record", "records");
        put_rate(&p->line, service);
        azm_put_string(&p->line, "; ");
        azm_put_bytes(&p->line, (double)azm_json_count(service, "bytes"));
        if (json_is_number(rate)) {
            azm_put_string(&p->line, ", ");
            azm_put_bytes(&p->line, json_number_value(rate));
            azm_put_string(&p->line, "/s");
        }
        row(p, i == 0 ? "Services" : "", "");
    }
}

static void print_position(struct page *p, const json_t *status)
{
    const json_t *acknowledged = json_object_get(status, "acknowledged");
    const char *cursor = azm_json_string(acknowledged, "cursor"), *received = azm_json_string(acknowledged, "received");

    if (received) {
        azm_buf_printf(&p->line, "what was logged up to ");
        azm_put_time(&p->line, received, p->now_usec);
    } else if (cursor)
        azm_buf_printf(&p->line, "%s", *cursor ? "up to the position below" : "nothing yet");
    /* The journal may forget what is in the spool. */
    row(p,
        received && json_is_true(json_object_get(json_object_get(status, "spool"), "active")) ? "Safe" : "Acknowledged",
        "");
    azm_put_string(&p->line, cursor);
    row(p, "Position", "");
}

static void print_token(struct page *p, const json_t *status)
{
    const json_t *token = json_object_get(status, "token");
    const char *expires = azm_json_string(token, "expires"), *error = azm_json_string(token, "error"),
               *remedy = azm_json_string(token, "remedy"), *object_id = azm_json_string(token, "object_id");

    azm_put_string(&p->line, azm_json_string(token, "credential"));
    if (object_id && *object_id)
        azm_buf_printf(&p->line, ", object id %s", object_id);
    if (expires) {
        azm_buf_printf(&p->line, "; valid until ");
        azm_put_time(&p->line, expires, p->now_usec);
    } else if (p->line.len > 0)
        azm_buf_printf(&p->line, "; no token");
    if (error)
        azm_buf_printf(&p->line, "; REFRESH FAILS: %s%s%s", error, remedy ? "; " : "", remedy ? remedy : "");
    row(p, "Token", error ? COLOUR_BAD : "");
}

static void put_count(struct azm_buf *line, const json_t *object, const char *key)
{
    const json_t *n = json_object_get(object, key);

    if (json_is_integer(n))
        azm_buf_printf(line, "%" JSON_INTEGER_FORMAT, json_integer_value(n));
    else
        azm_buf_printf(line, "?");
}

/* Of a relay: how its group stands. */
static void print_stream(struct page *p, const json_t *status)
{
    const json_t *stream = json_object_get(status, "stream");
    json_int_t claimed = json_integer_value(json_object_get(stream, "claimed"));

    if (!json_is_object(stream))
        return;
    put_count(&p->line, stream, "lag");
    azm_buf_printf(&p->line, " messages not taken yet, ");
    put_count(&p->line, stream, "pending");
    azm_buf_printf(&p->line, " taken and not acknowledged, ");
    put_count(&p->line, stream, "unacknowledged");
    azm_buf_printf(&p->line, " of them by this one; ");
    put_count(&p->line, stream, "consumers");
    azm_buf_printf(&p->line, " relays known");
    if (claimed > 0)
        azm_buf_printf(&p->line, "; %" JSON_INTEGER_FORMAT " taken over from others", claimed);
    row(p, "Relays", "");
}

static void print_losses(struct page *p, const json_t *status)
{
    static const struct {
        const char *key, *one, *many;
    } kinds[] = {
        {"gaps", "gap in the journal", "gaps in the journal"},
        {"gap_entries", "entry missing in them", "entries missing in them"},
        {"suppressed", "message over journald's rate limit", "messages over journald's rate limit"},
        {"missed_kernel", "kernel message overwritten", "kernel messages overwritten"},
        {"unreadable", "unreadable entry", "unreadable entries"},
        {"damaged_files", "damaged journal file", "damaged journal files"},
    };
    const json_t *losses = json_object_get(status, "losses");
    bool any;

    if (!losses)
        return;
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (azm_json_count(losses, kinds[i].key) > 0) {
            azm_put_separator(&p->line, ", ");
            azm_put_count(&p->line, azm_json_count(losses, kinds[i].key), kinds[i].one, kinds[i].many);
        }
    any = p->line.len > 0;
    azm_put_string(&p->line, any ? NULL : "none seen");
    row(p, "Losses", any ? COLOUR_DOUBTFUL : "");
}

static void print_spool(struct page *p, const json_t *status)
{
    const json_t *spool = json_object_get(status, "spool");
    const char *full = azm_json_string(spool, "full");

    if (json_is_true(json_object_get(spool, "active"))) {
        azm_put_spooled(&p->line, spool);
        if (azm_json_string(spool, "since")) {
            azm_buf_printf(&p->line, "; since ");
            azm_put_time(&p->line, azm_json_string(spool, "since"), p->now_usec);
        }
        if (full)
            azm_buf_printf(&p->line, "; FULL (%s): READING STOPS", full);
    }
    if (azm_json_count(spool, "lost_batches") > 0) {
        azm_put_separator(&p->line, "; ");
        azm_put_count(&p->line, azm_json_count(spool, "lost_batches"), "damaged batch lost", "damaged batches lost");
    }
    row(p, "Spool", full || azm_json_count(spool, "lost_batches") > 0 ? COLOUR_BAD : "");
}

/* What [filter] leaves out, by rule. */
static bool leaves_out(const char *kind)
{
    static const char *const kinds[] = {"exclude", "include", "sample", "rate_limit"};

    for (size_t i = 0; kind && i < ELEMENTSOF(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static void print_left_out(struct page *p, const json_t *status)
{
    const json_t *rules = json_object_get(status, "rules"), *rule;
    int64_t others = 0, undecided = 0;
    size_t i, shown = 0;

    json_array_foreach(rules, i, rule)
    {
        const char *kind = azm_json_string(rule, "kind"), *name = azm_json_string(rule, "rule");
        int64_t times = azm_json_count(rule, "times");

        if (!leaves_out(kind) || !name)
            continue;
        undecided += azm_json_count(rule, "overflows");
        if (times > 0 && shown == RULES_SHOWN)
            others += times;
        if (times == 0 || shown == RULES_SHOWN)
            continue;
        azm_put_separator(&p->line, ", ");
        azm_buf_printf(&p->line, "%" PRId64 " by %s=%s", times, kind, name);
        shown++;
    }
    if (others > 0)
        azm_buf_printf(&p->line, ", %" PRId64 " by other rules", others);
    if (undecided > 0) {
        azm_put_separator(&p->line, "; ");
        azm_put_count(&p->line, undecided, "time", "times");
        azm_put_string(&p->line, " a pattern did not count, because it would have taken too much");
    }
    row(p, "Left out", undecided > 0 ? COLOUR_DOUBTFUL : "");
}

/* What was replaced, by rule: those that have done nothing are not worth a word. */
static void print_redacted(struct page *p, const json_t *status)
{
    const json_t *rules = json_object_get(status, "rules"), *rule;
    int64_t overflows = 0;
    size_t i;

    json_array_foreach(rules, i, rule)
    {
        const char *kind = azm_json_string(rule, "kind"), *name = azm_json_string(rule, "rule");
        int64_t times = azm_json_count(rule, "times");

        if (!kind || !name || strcmp(kind, "redact") != 0 || times == 0)
            continue;
        azm_put_separator(&p->line, ", ");
        azm_put_count(&p->line, times, name, name);
        overflows += azm_json_count(rule, "overflows");
    }
    if (overflows > 0) {
        azm_put_string(&p->line, "; ");
        azm_put_count(&p->line, overflows, "text", "texts");
        azm_put_string(&p->line, " as a whole, because a pattern would have taken too much");
    }
    row(p, "Redacted", overflows > 0 ? COLOUR_DOUBTFUL : "");
}

static void print_quarantine(struct page *p, const json_t *status)
{
    const json_t *quarantine = json_object_get(status, "quarantine");
    int64_t records = azm_json_count(quarantine, "records"), truncated = azm_json_count(quarantine, "truncated");

    if (records > 0) {
        azm_put_count(&p->line, records, "record", "records");
        azm_buf_printf(&p->line, ", ");
        azm_put_bytes(&p->line, (double)azm_json_count(quarantine, "bytes"));
        azm_buf_printf(&p->line, " of ");
        azm_put_bytes(&p->line, (double)azm_json_count(quarantine, "max_bytes"));
        azm_buf_printf(&p->line, "; azmonlog quarantine list");
    }
    azm_put_string(&p->line, azm_json_string(quarantine, "error"));
    if (truncated > 0) {
        azm_put_separator(&p->line, "; ");
        azm_put_count(&p->line, truncated, "record sent truncated", "records sent truncated");
    }
    row(p, "Quarantine", COLOUR_DOUBTFUL);
}

static void print_metrics(struct page *p, const json_t *status)
{
    const json_t *metrics = json_object_get(status, "metrics");
    const char *error = azm_json_string(metrics, "error"), *remedy = azm_json_string(metrics, "remedy"),
               *taken = azm_json_string(metrics, "taken"), *since = azm_json_string(metrics, "since");

    if (azm_json_string(metrics, "destination"))
        azm_buf_printf(&p->line, "to %s", azm_json_string(metrics, "destination"));
    if (taken) {
        azm_put_string(&p->line, "; last taken ");
        azm_put_time(&p->line, taken, p->now_usec);
    }
    if (error) {
        azm_put_string(&p->line, "; NOT TAKEN");
        if (since) {
            azm_put_string(&p->line, " since ");
            azm_put_time(&p->line, since, p->now_usec);
        }
        azm_buf_printf(&p->line, ": %s%s%s", error, remedy ? "; " : "", remedy ? remedy : "");
    }
    row(p, "Metrics", error ? COLOUR_DOUBTFUL : "");
}

static void print_config(struct page *p, const json_t *status)
{
    const json_t *config = json_object_get(status, "config");
    const char *error = azm_json_string(config, "last_reload_error");

    if (azm_json_count(config, "reloads") > 0) {
        azm_buf_printf(&p->line, "reloaded ");
        azm_put_count(&p->line, azm_json_count(config, "reloads"), "time", "times");
    }
    if (error)
        azm_buf_printf(&p->line, "%sTHE LAST RELOAD FAILED: %s", p->line.len ? "; " : "", error);
    row(p, "Config", error ? COLOUR_BAD : "");
}

static void print_process(struct page *p, const json_t *status)
{
    const json_t *pid = json_object_get(status, "pid");

    if (azm_json_string(status, "version"))
        azm_buf_printf(&p->line, "azmonlog %s", azm_json_string(status, "version"));
    if (json_is_integer(pid))
        azm_buf_printf(&p->line, "%spid %" PRId64, p->line.len ? ", " : "", (int64_t)json_integer_value(pid));
    if (azm_json_string(status, "started")) {
        azm_buf_printf(&p->line, "%ssince ", p->line.len ? ", " : "");
        azm_put_time(&p->line, azm_json_string(status, "started"), p->now_usec);
    }
    row(p, "Process", "");
}

static void print_one(struct page *p, const json_t *status)
{
    print_state(p, status);
    azm_put_string(&p->line, azm_json_string(status, "destination"));
    row(p, "Destination", "");
    print_token(p, status);
    print_waiting(p, status);
    print_spool(p, status);
    print_position(p, status);
    azm_put_string(&p->line, azm_json_string(status, "journal"));
    if (azm_json_string(status, "journal_error"))
        azm_buf_printf(&p->line, "; IT CANNOT BE LOOKED AT: %s", azm_json_string(status, "journal_error"));
    row(p,
        azm_json_string(status, "action")                   ? "Spool in"
        : json_is_object(json_object_get(status, "stream")) ? "Stream"
                                                            : "Journal",
        azm_json_string(status, "journal_error") ? COLOUR_BAD : "");
    print_stream(p, status);
    print_counts(p, status);
    print_answers(p, status);
    print_window(p, status);
    print_services(p, status);
    print_losses(p, status);
    print_left_out(p, status);
    print_redacted(p, status);
    print_quarantine(p, status);
    print_metrics(p, status);
    print_config(p, status);
    print_process(p, status);
}

void azm_status_print(FILE *f, const json_t *status, uint64_t now_usec, const struct azm_status_style *style)
{
    struct page p = {.f = f, .style = *style, .now_usec = now_usec};

    print_one(&p, status);
    azm_buf_free(&p.line);
}

/* The first line is about the worst of them, be it the first or not. */
void azm_status_print_all(FILE *f, const json_t *statuses, uint64_t now_usec, const struct azm_status_style *style)
{
    const json_t *status, *worst = status_worst(statuses);
    struct page p = {.f = f, .style = *style, .now_usec = now_usec};
    size_t i;

    if (worst != json_array_get(statuses, 0)) {
        const char *action = azm_json_string(worst, "action");

        put_condition(&p, worst);
        azm_buf_printf(&p.line, ": %s%s", action ? "action " : "azmonlog", action ? action : "");
        row(&p, "State", colour_of(worst));
        fputc('\n', f);
    }
    json_array_foreach(statuses, i, status)
    {
        if (i > 0)
            fputc('\n', f);
        print_one(&p, status);
    }
    azm_buf_free(&p.line);
}
