/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "pipeline/metrics.h"

enum {
    BUILD_INFO,
    START_TIME,
    CONDITION,
    CONDITION_SINCE,
    READ,
    DELIVERED,
    QUARANTINED,
    REJECTED,
    TRUNCATED,
    REQUESTS,
    REQUESTS_FAILED,
    REQUESTS_THROTTLED,
    REQUEST_DURATION,
    SENT_BYTES,
    BATCHES_IN_FLIGHT,
    REQUESTS_ALLOWED,
    REQUESTS_ALLOWED_MAX,
    BATCH_DELAY,
    BEHIND_SECONDS,
    BEHIND_RECORDS,
    LAG_SECONDS,
    LAG_RECORDS,
    ACKNOWLEDGED,
    GAPS,
    GAP_ENTRIES,
    SUPPRESSED,
    MISSED_KERNEL,
    UNREADABLE,
    DAMAGED_FILES,
    JOINED_MESSAGES,
    JOINED_ENTRIES,
    STREAM_LAG,
    STREAM_PENDING,
    STREAM_CLAIMED,
    QUARANTINE_RECORDS,
    QUARANTINE_BYTES,
    QUARANTINE_MAX_BYTES,
    SPOOL_ACTIVE,
    SPOOL_FULL,
    SPOOL_BATCHES,
    SPOOL_RECORDS,
    SPOOL_BYTES,
    SPOOL_MAX_BYTES,
    SPOOL_LOST,
    TOKEN_EXPIRY,
    TOKENS_ACQUIRED,
    TOKEN_FAILED,
    LEFT_OUT,
    UNDECIDED,
    REDACTED,
    REDACT_OVERFLOWS,
    RELOADS,
    RELOAD_FAILED,
    SERVICE_RECORDS,
    SERVICE_BYTES,
};

#define COUNTER AZM_METRIC_COUNTER
#define GAUGE AZM_METRIC_GAUGE

static const struct azm_metric metrics[] = {
    [BUILD_INFO] = {"azmonlog.build_info", "", GAUGE, "The version that runs; always 1."},
    [START_TIME] = {"azmonlog.start_time", "s", GAUGE, "When the process was started."},
    [CONDITION] = {"azmonlog.condition", "", GAUGE, "1 for what it is now: well, behind, throttled or held."},
    [CONDITION_SINCE] = {"azmonlog.condition_since_timestamp", "s", GAUGE, "Since when it is that."},
    [READ] = {"azmonlog.records.read", "{record}", COUNTER, "Records that were read from the journal."},
    [DELIVERED] = {"azmonlog.records.delivered", "{record}", COUNTER, "Records that the destination has acknowledged."},
    [QUARANTINED] = {"azmonlog.records.quarantined", "{record}", COUNTER, "Records that went into the quarantine."},
    [REJECTED] = {"azmonlog.records.rejected", "{record}", COUNTER, "Records that a partial success has rejected."},
    [TRUNCATED] = {"azmonlog.records.truncated", "{record}", COUNTER, "Records that were delivered truncated."},
    [REQUESTS] = {"azmonlog.requests", "{request}", COUNTER, "Requests that were sent, failed ones, too."},
    [REQUESTS_FAILED] = {"azmonlog.requests_failed", "{request}", COUNTER, "Requests that failed."},
    [REQUESTS_THROTTLED] = {"azmonlog.requests_throttled", "{request}", COUNTER,
                            "Requests that were answered with 429."},
    [REQUEST_DURATION] = {"azmonlog.request.duration", "s", AZM_METRIC_HISTOGRAM, "From a request to its answer."},
    [SENT_BYTES] = {"azmonlog.sent", "By", COUNTER, "Bytes of bodies of requests, as they went out."},
    [BATCHES_IN_FLIGHT] = {"azmonlog.batches_in_flight", "{batch}", GAUGE,
                           "Batches that were sent, and not acknowledged."},
    [REQUESTS_ALLOWED] = {"azmonlog.requests_allowed", "{request}", GAUGE, "Requests allowed at once now."},
    [REQUESTS_ALLOWED_MAX] = {"azmonlog.requests_allowed_max", "{request}", GAUGE, "The same, when all is well."},
    [BATCH_DELAY] = {"azmonlog.batch_delay", "s", GAUGE,
                     "How long batches wait for more records because of 429; 0: as configured."},
    [BEHIND_SECONDS] = {"azmonlog.behind", "s", GAUGE,
                        "Age of the first record that was read and is not acknowledged by the destination."},
    [BEHIND_RECORDS] = {"azmonlog.behind_records", "{record}", GAUGE,
                        "Records that the destination has not acknowledged, in the journal and in the spool; at most."},
    [LAG_SECONDS] = {"azmonlog.lag", "s", GAUGE, "Age of the first entry behind the saved position."},
    [LAG_RECORDS] = {"azmonlog.lag_records", "{record}", GAUGE,
                     "Entries of the journal behind the saved position; at most."},
    [ACKNOWLEDGED] = {"azmonlog.acknowledged_timestamp", "s", GAUGE,
                      "When the entry at the saved position was received by journald."},
    [GAPS] = {"azmonlog.journal.gaps", "{gap}", COUNTER, "Gaps in the journal, since the first start.",
              .start_unknown = true},
    [GAP_ENTRIES] = {"azmonlog.journal.gap_entries", "{entry}", COUNTER, "Entries in gaps whose size is known.",
                     .start_unknown = true},
    [SUPPRESSED] = {"azmonlog.journal.suppressed_messages", "{message}", COUNTER,
                    "Messages over journald's rate limit.", .start_unknown = true},
    [MISSED_KERNEL] = {"azmonlog.journal.missed_kernel_messages", "{message}", COUNTER,
                       "Messages of the kernel that journald missed.", .start_unknown = true},
    [UNREADABLE] = {"azmonlog.journal.unreadable_entries", "{entry}", COUNTER, "Entries that could not be read.",
                    .start_unknown = true},
    [DAMAGED_FILES] = {"azmonlog.journal.damaged_files", "{file}", COUNTER, "Damaged files of the journal.",
                       .start_unknown = true},
    [JOINED_MESSAGES] = {"azmonlog.journal.joined_messages", "{message}", COUNTER,
                         "Messages that were made of several entries."},
    [JOINED_ENTRIES] = {"azmonlog.journal.joined_entries", "{entry}", COUNTER, "The entries that they were made of."},
    [STREAM_LAG] = {"azmonlog.stream.lag", "{message}", GAUGE, "Messages of the stream that no relay has taken."},
    [STREAM_PENDING] = {"azmonlog.stream.pending", "{message}", GAUGE,
                        "Messages that relays have taken and not acknowledged."},
    [STREAM_CLAIMED] = {"azmonlog.stream.claimed", "{message}", COUNTER,
                        "Messages that this relay has taken over from others."},
    [QUARANTINE_RECORDS] = {"azmonlog.quarantine.records", "{record}", GAUGE, "Records in the quarantine."},
    [QUARANTINE_BYTES] = {"azmonlog.quarantine.bytes", "By", GAUGE, "Size of the quarantine."},
    [QUARANTINE_MAX_BYTES] = {"azmonlog.quarantine.max_bytes", "By", GAUGE, "How large it may become."},
    [SPOOL_ACTIVE] = {"azmonlog.spool.active", "", GAUGE, "1 while records go through the spool."},
    [SPOOL_FULL] = {"azmonlog.spool.full", "", GAUGE, "1 while nothing more goes into it."},
    [SPOOL_BATCHES] = {"azmonlog.spool.batches", "{batch}", GAUGE, "Batches in the spool."},
    [SPOOL_RECORDS] = {"azmonlog.spool.records", "{record}", GAUGE, "Records in the spool."},
    [SPOOL_BYTES] = {"azmonlog.spool.bytes", "By", GAUGE, "Size of the spool on the disk, about."},
    [SPOOL_MAX_BYTES] = {"azmonlog.spool.max_bytes", "By", GAUGE, "How large it may become."},
    [SPOOL_LOST] = {"azmonlog.spool.lost_batches", "{batch}", COUNTER, "Batches of the spool that could not be read."},
    [TOKEN_EXPIRY] = {"azmonlog.token.expiry_timestamp", "s", GAUGE, "When the token expires."},
    [TOKENS_ACQUIRED] = {"azmonlog.tokens_acquired", "{token}", COUNTER, "Tokens that were acquired."},
    [TOKEN_FAILED] = {"azmonlog.token.failed", "", GAUGE, "1 if the last attempt to get a token failed."},
    [LEFT_OUT] = {"azmonlog.records.left_out", "{record}", COUNTER,
                  "Records that rules of [filter] have left out, by kind of rule."},
    [UNDECIDED] = {"azmonlog.filter_undecided", "{record}", COUNTER,
                   "How often a pattern of [filter] did not count, because it would have taken too much."},
    [REDACTED] = {"azmonlog.redacted", "{place}", COUNTER, "Places in records that a rule of redaction has replaced."},
    [REDACT_OVERFLOWS] = {"azmonlog.redact_overflows", "{text}", COUNTER,
                          "Texts that were replaced as a whole, because a rule would have taken too much."},
    [RELOADS] = {"azmonlog.config.reloads", "{reload}", COUNTER, "How often the configuration was read anew."},
    [RELOAD_FAILED] = {"azmonlog.config.reload_failed", "", GAUGE, "1 if the last attempt to do so failed."},
    [SERVICE_RECORDS] = {"azmonlog.service.records", "{record}", COUNTER,
                         "Records by service, of those that log most; since the service is among them.",
                         .start_unknown = true},
    [SERVICE_BYTES] = {"azmonlog.service.bytes", "By", COUNTER,
                       "The same: bytes of the encoded records, before compression.", .start_unknown = true},
};

/* --- figures -> points --- */

static struct azm_metric_point *add(struct azm_metrics *m, size_t metric, double value)
{
    struct azm_metric_point *p = &m->points[m->n++];

    *p = (struct azm_metric_point){.metric = &metrics[metric], .value = value};
    return p;
}

static void add_labelled(struct azm_metrics *m, size_t metric, const char *label, const char *label_value, double value)
{
    struct azm_metric_point *p = add(m, metric, value);

    p->label = label;
    p->label_value = label_value;
}

static void add_count(struct azm_metrics *m, size_t metric, uint64_t value)
{
    add(m, metric, (double)value);
}

static void add_seconds(struct azm_metrics *m, size_t metric, uint64_t usec)
{
    add(m, metric, (double)usec / (double)AZM_USEC_PER_SEC);
}

/* A time; 0 is none. */
static void add_time(struct azm_metrics *m, size_t metric, uint64_t realtime_usec)
{
    if (realtime_usec > 0)
        add_seconds(m, metric, realtime_usec);
}

static void add_process(struct azm_metrics *m, const struct azm_figures *f)
{
    add_labelled(m, BUILD_INFO, "version", PACKAGE_VERSION, 1);
    add_time(m, START_TIME, f->started_usec);
    for (enum azm_condition c = AZM_IS_WELL; c <= AZM_IS_HELD; c++)
        add_labelled(m, CONDITION, "condition", azm_condition_name(c), c == f->health.condition);
    add_time(m, CONDITION_SINCE, f->health.since_usec);
    add_count(m, RELOADS, f->reloads);
    add_count(m, RELOAD_FAILED, f->reload_error != NULL);
}

static void add_delivery(struct azm_metrics *m, const struct azm_figures *f)
{
    const struct azm_exporter_status *x = &f->exporter;

    add_count(m, READ, f->read);
    add_count(m, DELIVERED, x->records);
    add_count(m, QUARANTINED, x->quarantined);
    add_count(m, REJECTED, x->rejected);
    add_count(m, TRUNCATED, x->truncated);
    add_count(m, REQUESTS, x->requests);
    add_count(m, REQUESTS_FAILED, x->failures);
    add_count(m, REQUESTS_THROTTLED, x->throttled);
    add(m, REQUEST_DURATION, 0)->histogram = &x->latency;
    add_count(m, SENT_BYTES, x->bytes);
    add_count(m, BATCHES_IN_FLIGHT, x->outstanding);
    add_count(m, REQUESTS_ALLOWED, x->window);
    add_count(m, REQUESTS_ALLOWED_MAX, x->window_max);
    add_seconds(m, BATCH_DELAY, x->batch_delay_usec);
}

static void add_source(struct azm_metrics *m, const struct azm_figures *f)
{
    const struct azm_source_status *s = &f->source;
    uint64_t records;

    add_seconds(m, BEHIND_SECONDS, f->behind_usec);
    if (azm_figures_behind(f, &records)) {
        add_count(m, BEHIND_RECORDS, records);
        add_count(m, LAG_RECORDS, s->lag_records);
    }
    if (s->is_stream) {
        if (s->stream.lag_known)
            add_count(m, STREAM_LAG, s->stream.lag);
        if (s->stream.known && !s->stream.no_group)
            add_count(m, STREAM_PENDING, s->stream.pending);
        add_count(m, STREAM_CLAIMED, s->stream.claimed);
    }
    if (*f->source_error)
        return;
    add_seconds(m, LAG_SECONDS, s->lag_usec);
    add_time(m, ACKNOWLEDGED, s->acknowledged_usec);
    add_count(m, GAPS, s->losses.gaps);
    add_count(m, GAP_ENTRIES, s->losses.gap_entries);
    add_count(m, SUPPRESSED, s->losses.suppressed);
    add_count(m, MISSED_KERNEL, s->losses.missed_kernel);
    add_count(m, UNREADABLE, s->losses.unreadable);
    add_count(m, DAMAGED_FILES, s->losses.damaged_files);
    add_count(m, JOINED_MESSAGES, s->joined_messages);
    add_count(m, JOINED_ENTRIES, s->joined_entries);
}

static void add_files(struct azm_metrics *m, const struct azm_figures *f)
{
    const struct azm_spool_status *spool = &f->outbox.spool;

    if (f->quarantine_known) {
        add_count(m, QUARANTINE_RECORDS, f->quarantine.records);
        add_count(m, QUARANTINE_BYTES, f->quarantine.bytes);
        add_count(m, QUARANTINE_MAX_BYTES, f->quarantine.max_bytes);
    }
    add_count(m, SPOOL_ACTIVE, f->outbox.spooling);
    add_count(m, SPOOL_FULL, spool->full != AZM_SPOOL_HAS_ROOM);
    add_count(m, SPOOL_BATCHES, spool->rows);
    add_count(m, SPOOL_RECORDS, spool->records);
    add_count(m, SPOOL_BYTES, spool->bytes);
    if (f->outbox.spooling)
        add_count(m, SPOOL_MAX_BYTES, spool->max_bytes);
    add_count(m, SPOOL_LOST, f->outbox.lost_rows);
}

static void add_token(struct azm_metrics *m, const struct azm_figures *f)
{
    if (!f->has_tokens)
        return;
    add_time(m, TOKEN_EXPIRY, f->tokens.expires_realtime_usec);
    add_count(m, TOKENS_ACQUIRED, f->tokens.acquired);
    add_count(m, TOKEN_FAILED, *f->tokens.failure.reason != '\0');
}

static void add_left_out(struct azm_metrics *m, const struct azm_figures *f)
{
    static const char *const kinds[] = {AZM_EXCLUDE, AZM_INCLUDE, AZM_SAMPLE, AZM_RATE_LIMIT};
    struct azm_rule_count c;
    uint64_t undecided = 0;

    if (!f->rules)
        return;
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        add_labelled(m, LEFT_OUT, "kind", kinds[i], (double)azm_rules_left_out(f->rules, kinds[i]));
    for (size_t i = 0; azm_rules_get_count(f->rules, i, &c); i++)
        if (strcmp(c.kind, AZM_EXCLUDE) == 0 || strcmp(c.kind, AZM_INCLUDE) == 0)
            undecided += c.overflows;
    add_count(m, UNDECIDED, undecided);
}

static void add_redactions(struct azm_metrics *m, const struct azm_figures *f)
{
    struct azm_rule_count c;

    for (size_t i = 0; azm_rules_get_count(f->rules, i, &c); i++)
        if (strcmp(c.kind, AZM_REDACT) == 0)
            add_labelled(m, REDACTED, "rule", c.name, (double)c.times);
    for (size_t i = 0; azm_rules_get_count(f->rules, i, &c); i++)
        if (strcmp(c.kind, AZM_REDACT) == 0)
            add_labelled(m, REDACT_OVERFLOWS, "rule", c.name, (double)c.overflows);
}

void azm_metrics_collect(const struct azm_figures *f, struct azm_metrics *ret)
{
    ret->n = 0;
    add_process(ret, f);
    add_delivery(ret, f);
    add_source(ret, f);
    add_files(ret, f);
    add_token(ret, f);
    add_left_out(ret, f);
    add_redactions(ret, f);
    for (size_t i = 0; i < f->n_volumes; i++)
        add_labelled(ret, SERVICE_RECORDS, "service", f->volumes[i].service, (double)f->volumes[i].records);
    for (size_t i = 0; i < f->n_volumes; i++)
        add_labelled(ret, SERVICE_BYTES, "service", f->volumes[i].service, (double)f->volumes[i].bytes);
}

/* --- points -> text --- */

#define NAME_MAX_BYTES 64

/* "": none that Prometheus has a word for; a unit in braces is a note. */
static const char *unit_word(const struct azm_metric *m)
{
    static const struct {
        const char *unit, *word;
    } words[] = {{"s", "seconds"}, {"By", "bytes"}};

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (strcmp(m->unit, words[i].unit) == 0)
            return words[i].word;
    return "";
}

/* As OpenTelemetry's specification has it ("Prometheus and OpenMetrics Compatibility"), but for the suffix that goes
 * by the kind: a Collector makes the same name of what it gets by OTLP. */
static void make_name(const struct azm_metric *m, char ret[static NAME_MAX_BYTES])
{
    const char *unit = unit_word(m);
    size_t n = (size_t)snprintf(ret, NAME_MAX_BYTES, "%s", m->name), len = strlen(unit);

    for (char *c = ret; *c; c++)
        if (*c == '.')
            *c = '_';
    if (len > 0 && (n < len || strcmp(ret + n - len, unit) != 0))
        snprintf(ret + n, NAME_MAX_BYTES - n, "_%s", unit);
}

/* Whole numbers exactly, up to 2^53; times to the microsecond. */
static int print_value(struct azm_buf *out, double value)
{
    return value == floor(value) ? azm_buf_printf(out, " %.0f\n", value) : azm_buf_printf(out, " %.16g\n", value);
}

static int print_label(struct azm_buf *out, const struct azm_metric_point *p)
{
    int r = azm_buf_printf(out, "{%s=\"", p->label);

    for (const char *c = p->label_value; *c && r >= 0; c++)
        if (*c == '\n')
            r = azm_buf_append(out, "\\n", 2);
        else
            r = azm_buf_printf(out, "%s%c", *c == '"' || *c == '\\' ? "\\" : "", *c);
    return r < 0 ? r : azm_buf_append(out, "\"}", 2);
}

static int print_histogram(struct azm_buf *out, const char *name, const struct azm_latency *l)
{
    uint64_t count = 0;
    int r = 0;

    for (size_t i = 0; i < AZM_LATENCY_BUCKETS - 1 && r >= 0; i++) {
        count += l->buckets[i];
        r = azm_buf_printf(out, "%s_bucket{le=\"%g\"}", name,
                           (double)azm_latency_limits_usec[i] / (double)AZM_USEC_PER_SEC);
        if (r >= 0)
            r = print_value(out, (double)count);
    }
    if (r >= 0)
        r = azm_buf_printf(out, "%s_bucket{le=\"+Inf\"}", name);
    if (r >= 0)
        r = print_value(out, (double)l->answers);
    if (r >= 0)
        r = azm_buf_printf(out, "%s_sum", name);
    if (r >= 0)
        r = print_value(out, (double)l->sum_usec / (double)AZM_USEC_PER_SEC);
    if (r >= 0)
        r = azm_buf_printf(out, "%s_count", name);
    return r < 0 ? r : print_value(out, (double)l->answers);
}

/* What stands above the values. In OpenMetrics a counter's own name has no _total. */
static int print_metric(struct azm_buf *out, const struct azm_metric *m, bool openmetrics)
{
    static const char *const kinds[] = {
        [AZM_METRIC_COUNTER] = "counter", [AZM_METRIC_GAUGE] = "gauge", [AZM_METRIC_HISTOGRAM] = "histogram"};
    const char *suffix = m->kind == AZM_METRIC_COUNTER && !openmetrics ? "_total" : "";
    const char *unit = unit_word(m);
    char name[NAME_MAX_BYTES];
    int r;

    make_name(m, name);
    r = azm_buf_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, m->help, name, suffix, kinds[m->kind]);
    return r >= 0 && openmetrics && *unit ? azm_buf_printf(out, "# UNIT %s %s\n", name, unit) : r;
}

static int print_point(struct azm_buf *out, const struct azm_metric_point *p)
{
    char name[NAME_MAX_BYTES];
    int r;

    make_name(p->metric, name);
    if (p->histogram)
        return print_histogram(out, name, p->histogram);
    r = azm_buf_printf(out, "%s%s", name, p->metric->kind == AZM_METRIC_COUNTER ? "_total" : "");
    if (r >= 0 && p->label)
        r = print_label(out, p);
    return r < 0 ? r : print_value(out, p->value);
}

int azm_metrics_print(const struct azm_metrics *m, bool openmetrics, struct azm_buf *out)
{
    int r = 0;

    azm_buf_clear(out);
    for (size_t i = 0; i < m->n && r >= 0; i++) {
        if (i == 0 || m->points[i].metric != m->points[i - 1].metric)
            r = print_metric(out, m->points[i].metric, openmetrics);
        if (r >= 0)
            r = print_point(out, &m->points[i]);
    }
    return r >= 0 && openmetrics ? azm_buf_printf(out, "# EOF\n") : r;
}
