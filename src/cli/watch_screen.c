/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/sparkline.h"
#include "cli/status_health.h"
#include "cli/watch_screen.h"
#include "cli/words.h"
#include "core/clock.h"
#include "core/utf8.h"

#define LABEL_WIDTH 12
#define NOW_WIDTH 10
#define MOST_WIDTH 11
#define INTERVALS_MAX 1000
#define ROOMY_HEIGHT 24 /* from here on blank lines stand between the parts */
#define SERVICES_MIN 3  /* these come before what is only good to know */
#define SERVICE_COLUMNS 34

struct page {
    const struct watch_view *view;
    const json_t *status; /* the one that is shown */
    struct watch_screen *screen;
    struct azm_buf line; /* in the making */
};

/* --- lines --- */

/* Columns of the character at s[0..len), and its length in bytes: two for what may be wide, for a line must never be
 * too long. */
static unsigned character(const uint8_t *s, size_t len, size_t *ret_len)
{
    int n = s[0] < 0x80 ? 1 : azm_utf8_scan((const char *)s, len);

    *ret_len = (size_t)(n > 0 ? n : 1);
    if (*ret_len < 3)
        return 1;
    return *ret_len == 3 && (s[0] < 0xE1 || (s[0] == 0xE2 && s[1] < 0xB0)) ? 1 : 2; /* below U+1000, U+2000 to U+2BFF */
}

/* Makes it fit: what is too long is cut. */
static void put_fitting(const struct watch_view *v, const struct azm_buf *line, struct azm_buf *out)
{
    unsigned used = 0;

    for (size_t i = 0, n; i < line->len; i += n) {
        unsigned columns = character(line->data + i, line->len - i, &n);

        used += columns;
        if (used > v->width)
            return;
        if (n > 1 && !v->utf8)
            azm_buf_append(out, "?", 1);
        else
            azm_buf_append(out, line->data + i, n);
    }
}

static void row(struct page *p, enum watch_paint paint)
{
    struct watch_screen *s = p->screen;

    if (s->n < MIN((size_t)p->view->height, (size_t)WATCH_LINES_MAX)) {
        struct watch_line *l = &s->lines[s->n++];

        azm_buf_clear(&l->text);
        azm_mask_controls(&p->line);
        put_fitting(p->view, &p->line, &l->text);
        l->paint = paint;
    }
    azm_buf_clear(&p->line);
}

static void label(struct page *p, const char *name)
{
    azm_buf_printf(&p->line, "%-*s", LABEL_WIDTH, name);
}

/* A line with a label, if there is something behind it. */
static void labelled_row(struct page *p, enum watch_paint paint)
{
    if (p->line.len > LABEL_WIDTH)
        row(p, paint);
    azm_buf_clear(&p->line);
}

static void blank(struct page *p)
{
    if (p->view->height >= ROOMY_HEIGHT)
        row(p, WATCH_PLAIN);
}

static size_t room(const struct page *p)
{
    size_t used = p->screen->n + 1; /* the bottom line */

    return p->view->height > used ? p->view->height - used : 0;
}

/* Text over several lines, at most so many; an ellipsis where there is more. */
static void wrapped(struct page *p, const char *name, const char *text, enum watch_paint paint, unsigned lines_max)
{
    size_t wide = p->view->width > LABEL_WIDTH + 10 ? p->view->width - LABEL_WIDTH : 10;

    for (unsigned i = 0; text && *text && i < lines_max; i++) {
        size_t len = strlen(text), n = len;

        if (len > wide) { /* nearly all of it is ASCII; what is not is cut shorter than it had to be */
            const char *at = memrchr(text, ' ', wide + 1);

            n = at && at > text ? (size_t)(at - text) : azm_utf8_cut(text, wide);
            if (i + 1 == lines_max)
                n = azm_utf8_cut(text, MIN(n, wide - 3));
        }
        label(p, i == 0 ? name : "");
        azm_buf_append(&p->line, text, n);
        if (n < len && i + 1 == lines_max)
            azm_put_string(&p->line, "...");
        row(p, paint);
        text += n;
        text += strspn(text, " ");
    }
}

/* Puts `text` at the right end of the line that is being made, if there is room. */
static void put_right(struct page *p, const char *text)
{
    size_t used = 0, n;

    for (size_t i = 0; i < p->line.len; i += n)
        used += character(p->line.data + i, p->line.len - i, &n);
    if (used + 1 + strlen(text) <= p->view->width)
        azm_buf_printf(&p->line, "%*s", (int)(p->view->width - used), text);
}

/* --- how it is --- */

static enum watch_paint paint_of(const json_t *status)
{
    static const enum watch_paint paints[] = {WATCH_GOOD, WATCH_DOUBTFUL, WATCH_BAD, WATCH_BAD};

    return paints[status_exit_code(status)];
}

static void put_condition(struct page *p, const json_t *status)
{
    const char *c = status_health(status).condition;
    bool loud = c && strcmp(c, "well") != 0;

    for (; c && *c; c++)
        azm_buf_printf(&p->line, "%c", loud ? toupper((unsigned char)*c) : *c);
}

static const char *name_of(const json_t *status)
{
    const char *action = azm_json_string(status, "action");

    return action ? action : "azmonlog";
}

static void show_condition(struct page *p)
{
    const json_t *worst = status_worst(p->view->statuses);
    const struct status_health h = status_health(worst);
    char time[AZM_TIME_TEXT_MAX] = "", clock[40];

    put_condition(p, worst);
    if (h.since) {
        azm_put_string(&p->line, h.condition && strcmp(h.condition, "down") == 0 ? ", last seen " : " since ");
        azm_put_time(&p->line, h.since, p->view->now_usec);
    }
    if (json_array_size(p->view->statuses) > 1 && status_exit_code(worst) > 0)
        azm_buf_printf(&p->line, ": %s", name_of(worst));
    azm_time_print(p->view->now_usec, time);
    snprintf(clock, sizeof clock, "azmonlog  %.8s UTC", time + 11);
    put_right(p, clock);
    row(p, paint_of(worst));
}

static void show_tabs(struct page *p)
{
    const json_t *status;
    size_t i;

    if (json_array_size(p->view->statuses) < 2)
        return;
    json_array_foreach(p->view->statuses, i, status)
    {
        azm_buf_printf(&p->line, "%s%s ", i == p->view->selected ? "[" : " ", name_of(status));
        put_condition(p, status);
        azm_put_string(&p->line, i == p->view->selected ? "]  " : "   ");
    }
    row(p, WATCH_STRONG);
}

static void show_reason(struct page *p)
{
    const struct status_health h = status_health(p->status);
    bool small = p->view->height < ROOMY_HEIGHT;

    wrapped(p, "Reason", h.reason, WATCH_PLAIN, small ? 2 : 3);
    wrapped(p, "What to do", h.remedy, WATCH_STRONG, small ? 2 : 8); /* commands are long, and wanted whole */
}

/* --- where the records are --- */

static void show_waiting(struct page *p)
{
    const json_t *behind = json_object_get(p->status, "behind"), *records = json_object_get(behind, "records"),
                 *next = json_object_get(json_object_get(p->status, "error"), "next_try");
    double seconds = json_number_value(json_object_get(behind, "seconds"));
    int64_t batches = azm_json_count(json_object_get(p->status, "in_flight"), "batches");

    if (!behind)
        return;
    label(p, "Waiting");
    if (!json_is_integer(records))
        azm_put_string(&p->line, "number of records not known");
    else if (json_integer_value(records) == 0)
        azm_put_string(&p->line, "nothing");
    else {
        azm_put_string(&p->line, json_is_true(json_object_get(behind, "up_to")) ? "up to " : "");
        azm_put_count(&p->line, json_integer_value(records), "record", "records");
    }
    if (seconds > 0) {
        azm_put_string(&p->line, ", ");
        azm_put_span(&p->line, seconds);
        azm_put_string(&p->line, " behind");
    }
    if (batches > 0) {
        azm_put_string(&p->line, ", ");
        azm_put_count(&p->line, batches, "batch", "batches");
        azm_put_string(&p->line, " on the way");
    }
    if (json_number_value(next) >= 0.1) {
        azm_put_string(&p->line, "; next try in ");
        azm_put_span(&p->line, json_number_value(next));
    }
    row(p, WATCH_PLAIN);
}

static void show_spool(struct page *p)
{
    const json_t *spool = json_object_get(p->status, "spool");
    const char *full = azm_json_string(spool, "full");

    if (!json_is_true(json_object_get(spool, "active")))
        return;
    label(p, "Spool");
    azm_put_spooled(&p->line, spool);
    if (full)
        azm_buf_printf(&p->line, "; FULL (%s)", full);
    row(p, full ? WATCH_BAD : WATCH_PLAIN);
}

static void show_window(struct page *p)
{
    const json_t *throttling = json_object_get(p->status, "throttling"),
                 *delay = json_object_get(throttling, "batch_delay");
    int64_t window = azm_json_count(throttling, "window"), max = azm_json_count(throttling, "window_max"),
            answers = azm_json_count(throttling, "answers");

    if (max == 0)
        return;
    label(p, "Window");
    if (window < max)
        azm_buf_printf(&p->line, "%" PRId64 " of ", window);
    azm_put_count(&p->line, max, "request", "requests");
    azm_put_string(&p->line, " at once");
    if (json_number_value(delay) > 0) {
        azm_put_string(&p->line, "; batches wait ");
        azm_put_span(&p->line, json_number_value(delay));
    }
    if (answers > 0) {
        azm_put_string(&p->line, "; ");
        azm_put_count(&p->line, answers, "answer 429", "answers 429");
    }
    row(p, window < max || json_number_value(delay) > 0 ? WATCH_DOUBTFUL : WATCH_PLAIN);
}

/* What a person should know although delivery goes on. */
static void show_damage(struct page *p)
{
    const json_t *quarantine = json_object_get(p->status, "quarantine"), *token = json_object_get(p->status, "token"),
                 *losses = json_object_get(p->status, "losses");
    const char *error = azm_json_string(token, "error");
    int64_t refused = azm_json_count(quarantine, "records"), gaps = azm_json_count(losses, "gaps"),
            suppressed = azm_json_count(losses, "suppressed");

    if (error) {
        label(p, "Token");
        azm_buf_printf(&p->line, "cannot be renewed: %s", error);
        row(p, WATCH_BAD);
    }
    if (refused > 0) {
        label(p, "Quarantine");
        azm_put_count(&p->line, refused, "record", "records");
        azm_put_string(&p->line, " (azmonlog quarantine list)");
        row(p, WATCH_DOUBTFUL);
    }
    if (gaps + suppressed > 0) {
        label(p, "Losses");
        if (gaps > 0) {
            azm_put_count(&p->line, gaps, "gap", "gaps");
            azm_buf_printf(&p->line, " of %" PRId64 " entries in the journal", azm_json_count(losses, "gap_entries"));
        }
        if (suppressed > 0) {
            azm_put_string(&p->line, gaps > 0 ? ", " : "");
            azm_buf_printf(&p->line, "%" PRId64 " over journald's rate limit", suppressed);
        }
        row(p, WATCH_DOUBTFUL);
    }
}

/* --- graphs --- */

unsigned watch_graph_width(unsigned screen_width)
{
    unsigned rest = LABEL_WIDTH + NOW_WIDTH + 2 + MOST_WIDTH;

    return screen_width > rest ? MIN(screen_width - rest, (unsigned)INTERVALS_MAX) : 0;
}

enum unit { PER_SECOND, SPAN, LATENCY };

static void put_value(struct azm_buf *line, double value, enum unit unit)
{
    if (isnan(value))
        azm_put_string(line, "-");
    else if (unit == SPAN)
        azm_put_span(line, value);
    else if (unit == LATENCY)
        azm_put_latency(line, value);
    else
        azm_buf_printf(line, value < 1000 ? "%.1f/s" : "%.0f/s", value);
}

static void put_value_right(struct page *p, double value, enum unit unit, int width)
{
    _cleanup_(azm_buf_free) struct azm_buf text = {0};

    put_value(&text, value, unit);
    azm_buf_printf(&p->line, "%*s", width, text.len > 0 ? (const char *)text.data : "");
}

static void show_graph(struct page *p, const char *name, const char *key, enum unit unit)
{
    const json_t *values = json_object_get(p->view->trend, key);
    size_t wide = watch_graph_width(p->view->width), all = json_array_size(values), n = MIN(all, wide);
    double graph[INTERVALS_MAX], most = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(values, all - n + i);

        graph[i] = json_is_number(value) ? json_number_value(value) : NAN;
        most = isnan(graph[i]) ? most : MAX(most, graph[i]);
    }
    label(p, name);
    put_value_right(p, n > 0 ? graph[n - 1] : NAN, unit, NOW_WIDTH);
    azm_buf_printf(&p->line, "  %*s", (int)(wide - n), "");
    azm_put_sparkline(&p->line, graph, n, most, p->view->utf8);
    if (wide > 0)
        put_value_right(p, n > 0 ? most : NAN, unit, MOST_WIDTH);
    row(p, WATCH_PLAIN);
}

static void show_graphs(struct page *p)
{
    double interval = json_number_value(json_object_get(p->view->trend, "interval"));
    size_t wide = watch_graph_width(p->view->width),
           n = MIN(json_array_size(json_object_get(p->view->trend, "read")), wide);
    _cleanup_(azm_buf_free) struct azm_buf span = {0};

    if (!p->view->trend)
        return;
    azm_put_string(&span, "the last ");
    azm_put_span(&span, (double)n * interval);
    azm_buf_printf(&p->line, "%*s  %*s%*s", LABEL_WIDTH + NOW_WIDTH, "now", (int)wide,
                   n > 0 ? (const char *)span.data : "", MOST_WIDTH, wide > 0 ? "most" : "");
    row(p, WATCH_STRONG);
    show_graph(p, "Read", "read", PER_SECOND);
    show_graph(p, "Delivered", "delivered", PER_SECOND);
    show_graph(p, "Behind", "behind", SPAN);
    show_graph(p, "Latency", "latency", LATENCY);
    show_graph(p, "Requests", "requests", PER_SECOND);
    show_graph(p, "Retries", "failures", PER_SECOND);
}

/* --- what was answered, and who logs --- */

static void show_answers(struct page *p, size_t max)
{
    const json_t *answers = json_object_get(p->status, "answers"), *answer;
    size_t i;

    json_array_foreach(answers, i, answer)
    {
        uint64_t usec;
        int64_t count = azm_json_count(answer, "count");

        if (i == max)
            break;
        label(p, i == 0 ? "Answers" : "");
        if (azm_read_time(azm_json_string(answer, "last"), p->view->now_usec, &usec))
            azm_buf_printf(&p->line, "%.8s  ", azm_json_string(answer, "last") + 11);
        azm_put_string(&p->line, azm_json_string(answer, "words"));
        if (count > 1)
            azm_buf_printf(&p->line, ", %" PRId64 " times", count);
        azm_put_string(&p->line, count > 1 ? ", the last in " : ", in ");
        azm_put_latency(&p->line, json_number_value(json_object_get(answer, "seconds")));
        row(p, WATCH_PLAIN);
    }
}

static double sum_of(const json_t *services, const char *key)
{
    const json_t *service;
    double sum = 0;
    size_t i;

    json_array_foreach(services, i, service)
    {
        sum += json_number_value(json_object_get(service, key));
    }
    return sum;
}

static void show_services(struct page *p)
{
    const json_t *services = json_object_get(p->status, "services"), *service;
    int name_width = p->view->width > SERVICE_COLUMNS + 8 ? (int)MIN(p->view->width - SERVICE_COLUMNS, 60U) : 8;
    double all = sum_of(services, "bytes_per_second");
    size_t i;

    if (json_array_size(services) == 0 || room(p) < 2)
        return;
    azm_buf_printf(&p->line, "%-*s%12s%14s%8s", name_width, "Service, in the last minute", "records", "bytes", "share");
    row(p, WATCH_STRONG);
    json_array_foreach(services, i, service)
    {
        const char *name = azm_json_string(service, "service");
        _cleanup_(azm_buf_free) struct azm_buf bytes = {0};
        double rate = json_number_value(json_object_get(service, "bytes_per_second"));

        if (room(p) == 0)
            break;
        azm_put_bytes(&bytes, rate);
        azm_put_string(&bytes, "/s");
        azm_buf_printf(&p->line, "%-*.*s%10.1f/s%14s", name_width, name_width - 1,
                       name && *name ? name : "(without a name)",
                       json_number_value(json_object_get(service, "per_second")), (const char *)bytes.data);
        if (all > 0)
            azm_buf_printf(&p->line, "%6.0f %%", 100 * rate / all);
        row(p, WATCH_PLAIN);
    }
}

/* --- what is only good to know --- */

static void show_destination(struct page *p)
{
    label(p, "To");
    azm_put_string(&p->line, azm_json_string(p->status, "destination"));
    labelled_row(p, WATCH_PLAIN);
}

static void show_source(struct page *p)
{
    label(p, "From");
    azm_put_string(&p->line, azm_json_string(p->status, "journal"));
    labelled_row(p, WATCH_PLAIN);
}

static void show_acknowledged(struct page *p)
{
    label(p, json_is_true(json_object_get(json_object_get(p->status, "spool"), "active")) ? "Safe" : "Arrived");
    if (azm_json_string(json_object_get(p->status, "acknowledged"), "received")) {
        azm_put_string(&p->line, "what was logged up to ");
        azm_put_time(&p->line, azm_json_string(json_object_get(p->status, "acknowledged"), "received"),
                     p->view->now_usec);
    }
    labelled_row(p, WATCH_PLAIN);
}

static void show_token(struct page *p)
{
    const json_t *token = json_object_get(p->status, "token");

    label(p, "Token");
    azm_put_string(&p->line, azm_json_string(token, "credential"));
    if (azm_json_string(token, "expires")) {
        azm_put_string(&p->line, "; valid until ");
        azm_put_time(&p->line, azm_json_string(token, "expires"), p->view->now_usec);
    }
    labelled_row(p, WATCH_PLAIN);
}

static void show_totals(struct page *p)
{
    const json_t *delivered = json_object_get(p->status, "delivered");
    uint64_t started;

    if (!delivered)
        return;
    label(p, "In all");
    azm_put_count(&p->line, azm_json_count(delivered, "records"), "record", "records");
    azm_put_string(&p->line, " delivered, in ");
    azm_put_count(&p->line, azm_json_count(delivered, "requests"), "request", "requests");
    azm_put_string(&p->line, ", ");
    azm_put_bytes(&p->line, (double)azm_json_count(delivered, "bytes"));
    if (azm_read_time(azm_json_string(p->status, "started"), p->view->now_usec, &started) &&
        started <= p->view->now_usec) {
        azm_put_string(&p->line, "; runs for ");
        azm_put_span(&p->line, (double)(p->view->now_usec - started) / (double)AZM_USEC_PER_SEC);
    }
    row(p, WATCH_PLAIN);
}

static void show_good_to_know(struct page *p)
{
    static void (*const shows[])(struct page *) = {show_destination, show_totals, show_acknowledged, show_token,
                                                   show_source};
    size_t services = json_array_size(json_object_get(p->status, "services")),
           kept = services > 0 ? 2 + MIN(services, (size_t)SERVICES_MIN) : 0;

    for (size_t i = 0; i < ELEMENTSOF(shows) && room(p) > kept; i++)
        shows[i](p);
}

static void show_keys(struct page *p)
{
    while (room(p) > 0)
        row(p, WATCH_PLAIN);
    azm_put_string(&p->line, "q quits");
    if (json_array_size(p->view->statuses) > 1)
        azm_put_string(&p->line, "   Tab: the next one");
    row(p, WATCH_STRONG);
}

void watch_render(const struct watch_view *v, struct watch_screen *screen)
{
    struct page p = {.view = v, .status = json_array_get(v->statuses, v->selected), .screen = screen};

    screen->n = 0;
    show_condition(&p);
    show_tabs(&p);
    show_reason(&p);
    show_waiting(&p);
    show_spool(&p);
    show_window(&p);
    show_damage(&p);
    blank(&p);
    show_graphs(&p);
    blank(&p);
    show_answers(&p, v->height > 30 ? 8 : 2);
    show_good_to_know(&p);
    blank(&p);
    show_services(&p);
    if (screen->n == MIN((size_t)v->height, (size_t)WATCH_LINES_MAX) && screen->n > 0)
        screen->n--;
    show_keys(&p);
    azm_buf_free(&p.line);
}

void watch_screen_free(struct watch_screen *screen)
{
    for (size_t i = 0; i < WATCH_LINES_MAX; i++)
        azm_buf_free(&screen->lines[i].text);
    screen->n = 0;
}
