/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/journal_options.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/timespan.h"
#include "core/utf8.h"
#include "encode/otlp.h"
#include "encode/otlp_json.h"
#include "process/processor.h"
#include "source/service_name.h"
#include "source/sigbus.h"

static void print_help(void)
{
    printf("Usage: azmonlog cat [OPTION...]\n\n"
           "Prints the records of the journal as they would be sent: one line of OTLP/JSON\n"
           "for each. Needs no destination and leaves the position of azmonlog run alone.\n\n"
           "  -n, --lines N               only the last N\n"
           "      --since TIME            only from this time on: -1h, yesterday,\n"
           "                              2026-01-31 12:00\n"
           "  -f, --follow                go on with new ones (without -n or --since: the\n"
           "                              last 10)\n"
           "      --explain               also say, on standard error, what each rule of\n"
           "                              [filter] and [redact] did to a record\n" CLI_JOURNAL_HELP
           "  -c, --config FILE           configuration\n"
           "                              (" AZM_DEFAULT_CONFIG ")\n"
           "  -h, --help                  this text\n\n"
           "Example: azmonlog cat -n 1 | jq .\n");
}

/* One line for each thing that a rule did to the record in hand. */
struct explanation {
    const struct azm_record *rec;
    struct azm_buf line;
};

static void explanation_free(struct explanation *x)
{
    azm_buf_free(&x->line);
}

static int put_place(struct azm_buf *line, const struct azm_effect *e)
{
    switch (e->place) {
    case AZM_PLACE_BODY:
        return azm_buf_printf(line, "the body");
    case AZM_PLACE_EVENT_NAME:
        return azm_buf_printf(line, "the event name");
    case AZM_PLACE_KEY:
        return azm_buf_printf(line, "the name of attribute %.*s", (int)e->key.len, e->key.s);
    case AZM_PLACE_VALUE:
        return azm_buf_printf(line, "attribute %.*s", (int)e->key.len, e->key.s);
    case AZM_PLACE_RECORD:
        break;
    }
    return azm_buf_printf(line, "the record");
}

static void explain(void *userdata, const struct azm_effect *e)
{
    struct explanation *x = userdata;
    char uid[AZM_OTLP_UID_LEN];

    azm_otlp_print_uid(x->rec->uid, uid);
    azm_buf_clear(&x->line);
    if (azm_buf_printf(&x->line, "%.*s %s %s: ", (int)sizeof uid, uid, e->kind, e->rule) < 0 ||
        put_place(&x->line, e) < 0)
        return;
    if (e->overflow && e->place == AZM_PLACE_RECORD)
        azm_buf_printf(&x->line, " is not left out, because it would have taken too much to find out");
    else if (e->overflow)
        azm_buf_printf(&x->line, ", as a whole, because it would have taken too much");
    else if (e->times > 1)
        azm_buf_printf(&x->line, ", %zu times", e->times);
    azm_utf8_blank_controls((char *)x->line.data, x->line.len);
    fflush(stdout); /* what was said of the record before stands before it */
    fprintf(stderr, "%.*s\n", (int)x->line.len, (const char *)x->line.data);
}

/* Waits for the journal to change: 0 or -errno. */
static int wait_for_more(struct azm_source *s, struct azm_error *err)
{
    uint64_t until, now = azm_monotonic_usec(&azm_system_clock);
    int fd, events, timeout_ms, r;

    r = s->ops->poll(s, &fd, &events, &until, err);
    if (r < 0)
        return r;
    timeout_ms = until == AZM_USEC_INFINITY ? -1 : (int)(until > now ? (until - now) / AZM_USEC_PER_MSEC + 1 : 0);
    if (poll(&(struct pollfd){.fd = fd, .events = (short)events}, 1, timeout_ms) < 0 && errno != EINTR)
        return azm_error_set(err, errno, "cannot wait for the journal: %m");
    return s->ops->process(s, err);
}

/* What would be sent next, before the rules have seen it: 1, 0, -errno. Records about those that were left out come
 * where the source has none, too: at the end, or when they are due. */
static int next_record(struct azm_source *s, struct azm_processor *processor, const struct azm_buf *own_resource,
                       bool follow, struct azm_record *rec, struct azm_error *err)
{
    int r = azm_processor_next_own(processor, own_resource, rec);

    if (r == 0) {
        r = s->ops->next(s, rec, err);
        if (r != 0)
            return r;
        azm_processor_rest(processor, follow ? azm_realtime_usec(&azm_system_clock) : AZM_USEC_INFINITY);
        r = azm_processor_next_own(processor, own_resource, rec);
    }
    return r < 0 ? azm_error_set(err, r, "out of memory") : r;
}

/* Prints until there is no more, or for ever: 0 or -errno. A reader that has seen enough (EPIPE) is no error. */
static int print_records(struct azm_source *s, struct azm_processor *processor, struct azm_otlp_encoder *encoder,
                         const struct azm_buf *own_resource, bool follow, bool explained, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, line = {0};
    _cleanup_(explanation_free) struct explanation explanation = {0};
    struct azm_record rec;

    explanation.rec = &rec;
    if (explained && processor)
        azm_processor_explain(processor, (struct azm_listener){explain, &explanation});
    for (unsigned n = 1;; n++) {
        int r;

        r = next_record(s, processor, own_resource, follow, &rec, err);
        if (r == 0) {
            if (fflush(stdout) < 0)
                return errno == EPIPE ? 0 : azm_error_set(err, errno, "cannot write: %m");
            r = s->ops->process(s, err);
            if (r == 0 && follow)
                r = wait_for_more(s, err);
            else if (r == 0 && azm_source_release(s) == 0)
                return 0;
            if (r < 0)
                return r;
            continue;
        }
        if (r < 0)
            return r;
        azm_buf_clear(&line);
        r = azm_processor_run(processor, &rec);
        if (r > 0) {
            r = azm_otlp_encode_record(encoder, &rec, &record);
            if (r == 0)
                r = azm_otlp_json_line(rec.resource, &record, &line);
        }
        if (r < 0)
            return azm_error_set(err, r, "cannot print a record: %m");
        if (line.len > 0 && fwrite(line.data, 1, line.len, stdout) != line.len) /* it may be left out */
            return errno == EPIPE ? 0 : azm_error_set(err, errno, "cannot write: %m");
        if (n % AZM_SOURCE_RECORDS_PER_TURN == 0) {
            r = s->ops->process(s, err);
            if (r < 0)
                return r;
        }
    }
}

static int cat(const struct azm_config *config, size_t last, bool follow, bool explained)
{
    const struct azm_journal_options o = {.config = config, .state_dir_fd = -1, .last = last};
    _cleanup_(azm_otlp_encoder_free) struct azm_otlp_encoder encoder = {
        .limits = azm_otlp_limits_of(config->max_body_bytes, config->max_request_bytes),
    };
    _cleanup_(azm_buf_free) struct azm_buf own_resource = {0};
    struct azm_processor *processor;
    struct azm_source *source;
    struct azm_error err = {0};
    int r;

    azm_sigbus_install();
    r = azm_own_resource(config, &own_resource);
    if (r < 0)
        azm_error_set(&err, r, "out of memory");
    else
        r = azm_processor_configured(config, NULL, NULL, &processor, &err);
    if (r < 0)
        return cli_fail(r, &err);
    r = cli_open_journal(&o, &source, NULL, &err);
    if (r < 0) {
        azm_processor_free(processor);
        return cli_fail(r, &err);
    }
    r = print_records(source, processor, &encoder, &own_resource, follow, explained, &err);
    azm_processor_free(processor);
    source->ops->free(source);
    return r < 0 ? cli_fail(r, &err) : AZM_EXIT_OK;
}

int cmd_cat(int argc, char **argv)
{
    enum { OPT_SINCE = 256, OPT_EXPLAIN };
    static const struct option options[] = {
        {"lines", required_argument, NULL, 'n'},
        {"since", required_argument, NULL, OPT_SINCE},
        {"follow", no_argument, NULL, 'f'},
        {"explain", no_argument, NULL, OPT_EXPLAIN},
        CLI_JOURNAL_LONG_OPTIONS,
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    _cleanup_(azm_config_free) struct azm_config config = {0};
    struct cli_overrides overrides = {0};
    const char *path = NULL;
    bool follow = false, explained = false, since = false, lines = false;
    size_t last = 0;
    char *end;
    int c, r;

    cli_override(&overrides, "journal", "start", "oldest", "cat");
    while ((c = getopt_long(argc, argv, "n:fc:h" CLI_JOURNAL_SHORT_OPTIONS, options, NULL)) >= 0)
        switch (c) {
        case 'n':
            last = MIN(strtoul(optarg, &end, 10), (unsigned long)INT_MAX); /* sd_journal_previous_skip counts in int */
            if (*optarg < '0' || *optarg > '9' || *end) {
                azm_log(AZM_LOG_ERROR, "--lines: '%s' is not a number", optarg);
                return AZM_EXIT_USAGE;
            }
            lines = true;
            break;
        case OPT_SINCE:
            if (azm_parse_time(optarg, azm_realtime_usec(&azm_system_clock), &(uint64_t){0}) < 0) {
                azm_log(AZM_LOG_ERROR, "--since: '%s' is not a time such as -1h, yesterday or 2026-01-31T12:00:00Z",
                        optarg);
                return AZM_EXIT_USAGE;
            }
            cli_override(&overrides, "journal", "start", optarg, "--since");
            since = true;
            break;
        case 'f':
            follow = true;
            break;
        case OPT_EXPLAIN:
            explained = true;
            break;
        case 'c':
            path = optarg;
            break;
        case 'h':
            print_help();
            return AZM_EXIT_OK;
        default:
            if (cli_journal_option(&overrides, c, optarg))
                break;
            return cli_bad_option("cat");
        }
    if (optind < argc)
        return cli_no_argument("cat", argv[optind]);
    if (since && lines) {
        azm_log(AZM_LOG_ERROR, "use either --lines or --since");
        return AZM_EXIT_USAGE;
    }
    if (follow && !since && !lines)
        last = 10;
    if (lines && last == 0) /* -n 0: nothing of what is there */
        cli_override(&overrides, "journal", "start", "now", "--lines");
    r = cli_load_config(&config, path, &overrides);
    return r != 0 ? r : cat(&config, last, follow, explained);
}
