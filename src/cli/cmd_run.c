/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "cli/cli.h"
#include "core/log.h"
#include "export/exporter.h"
#include "pipeline/pipeline.h"
#include "source/journal.h"
#include "source/sigbus.h"
#include "store/state_dir.h"

#define STATUS_INTERVAL_USEC AZM_USEC_PER_SEC

/* Everything of a running exporter; freed from the top down. */
struct daemon {
    struct azm_config config;
    int state_dir_fd, lock_fd;
    char *destination;
    struct azm_source *source;
    struct azm_exporter *exporter;
    struct azm_pipeline *pipeline;
    sd_event *event;
    sd_event_source *status_timer, *watchdog_timer;
    uint64_t watchdog_usec; /* 0: none */
};

static void daemon_free(struct daemon *d)
{
    azm_pipeline_free(d->pipeline);
    azm_exporter_free(d->exporter);
    if (d->source)
        d->source->ops->free(d->source);
    sd_event_source_unref(d->status_timer);
    sd_event_source_unref(d->watchdog_timer);
    sd_event_unref(d->event);
    free(d->destination);
    azm_closep(&d->lock_fd);
    azm_closep(&d->state_dir_fd);
    azm_config_free(&d->config);
}

static void print_help(void)
{
    printf("Usage: azmonlog run [OPTION...]\n\n"
           "Exports the journal to an OTLP endpoint, goes on where it left off, and follows\n"
           "for ever. SIGTERM ends it in good order.\n\n"
           "  -c, --config FILE           configuration (default\n"
           "                              " AZM_DEFAULT_CONFIG ")\n"
           "      --once                  export what is in the journal now, wait until all\n"
           "                              of it is acknowledged, exit 0\n"
           "      --endpoint URL          [destination] endpoint=\n"
           "      --directory DIR         [journal] directory=\n"
           "      --start WHERE           [journal] start=: boot, now, oldest or a time\n"
           "      --state-directory DIR   [state] directory=\n"
           "      --control PATH          [state] control=\n"
           "  -v, --verbose               more messages\n"
           "  -h, --help                  this text\n\n"
           "The smallest configuration is two lines:\n\n"
           "  [destination]\n"
           "  endpoint=http://127.0.0.1:4318/v1/logs\n\n"
           "Manual: azmonlog(1), azmonlog.conf(5)\n");
}

/* --- status for systemd --- */

static void show_status(struct daemon *d)
{
    struct azm_exporter_status s;

    azm_exporter_get_status(d->exporter, &s);
    switch (s.state) {
    case AZM_EXPORTER_DELIVERING:
        sd_notifyf(0, "STATUS=%" PRIu64 " records read, %" PRIu64 " delivered to %s",
                   azm_pipeline_records_read(d->pipeline), s.records, d->destination);
        break;
    case AZM_EXPORTER_RETRYING:
        sd_notifyf(0, "STATUS=%" PRIu64 " records delivered; retrying %s: %s", s.records, d->destination, s.reason);
        break;
    case AZM_EXPORTER_HELD:
        sd_notifyf(0, "STATUS=%" PRIu64 " records delivered; held by %s: %s", s.records, d->destination, s.reason);
        break;
    }
}

/* Something changed: the status follows, at most once a second. */
static void on_change(void *userdata)
{
    struct daemon *d = userdata;
    int enabled;
    uint64_t now;

    if (sd_event_source_get_enabled(d->status_timer, &enabled) < 0 || enabled != SD_EVENT_OFF)
        return;
    sd_event_now(d->event, CLOCK_MONOTONIC, &now);
    sd_event_source_set_time(d->status_timer, now + STATUS_INTERVAL_USEC);
    sd_event_source_set_enabled(d->status_timer, SD_EVENT_ONESHOT);
}

static int on_status_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s;
    (void)usec;
    show_status(userdata);
    return 0;
}

/* The watchdog is fed only while both threads move. */
static int on_watchdog_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct daemon *d = userdata;

    if (azm_exporter_alive(d->exporter))
        sd_notify(0, "WATCHDOG=1");
    sd_event_source_set_time(s, usec + d->watchdog_usec / 4);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
    struct daemon *d = userdata;

    (void)s;
    azm_log(AZM_LOG_INFO, "%s: delivering what is read, then ending", strsignal((int)si->ssi_signo));
    sd_notify(0, "STOPPING=1\nSTATUS=delivering what is read");
    azm_pipeline_stop(d->pipeline);
    return 0;
}

/* --- setting up --- */

/* The endpoint without its query, which may hold a secret. */
static char *name_destination(const char *endpoint)
{
    char *s = strdup(endpoint);

    if (s)
        s[strcspn(s, "?#")] = '\0';
    return s;
}

static void free_strings(char ***strings)
{
    for (char **s = *strings; s && *s; s++)
        free(*s);
    free(*strings);
}

static int start_exporter(struct daemon *d, struct azm_error *err)
{
    const struct azm_config *c = &d->config;
    _cleanup_(free_strings) char **headers = calloc(c->headers.n + 1, sizeof *headers);
    struct azm_exporter_options o = {
        .http =
            {
                .url = c->endpoint,
                .tls_ca_file = c->tls_ca_file,
                .tls_cert_file = c->tls_cert_file,
                .tls_key_file = c->tls_key_file,
                .gzip = c->gzip,
                .connections = (unsigned)c->concurrency,
                .timeout_usec = c->timeout_usec,
            },
        .destination = d->destination,
        .clock = &azm_system_clock,
        .retry_initial_delay_usec = c->retry_initial_delay_usec,
        .retry_max_delay_usec = c->retry_max_delay_usec,
        .hold_max_delay_usec = c->hold_max_delay_usec,
    };

    if (!headers)
        return azm_error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < c->headers.n; i++)
        if (asprintf(&headers[i], "%s: %s", c->headers.items[i].key, c->headers.items[i].value) < 0) {
            headers[i] = NULL;
            return azm_error_set(err, ENOMEM, "out of memory");
        }
    o.http.headers = (const char *const *)headers;
    return azm_exporter_new(&o, &d->exporter, err);
}

static int start_pipeline(struct daemon *d, bool once, struct azm_error *err)
{
    const struct azm_config *c = &d->config;
    const struct azm_pipeline_options o = {
        .event = d->event,
        .source = d->source,
        .exporter = d->exporter,
        .clock = &azm_system_clock,
        .batch = {.records = c->max_export_batch_size, .bytes = c->max_request_bytes},
        .record = cli_record_limits(c),
        .schedule_delay_usec = c->schedule_delay_usec,
        .shutdown_timeout_usec = c->shutdown_timeout_usec,
        .once = once,
        .on_change = on_change,
        .userdata = d,
    };

    return azm_pipeline_new(&o, &d->pipeline, err);
}

static int start_event_loop(struct daemon *d, struct azm_error *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t mask;
    uint64_t now;
    int r;

    sigemptyset(&mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        sigaddset(&mask, signals[i]);
    sigprocmask(SIG_BLOCK, &mask, NULL); /* sd-event takes them from a signalfd */
    r = sd_event_default(&d->event);
    for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
        r = sd_event_add_signal(d->event, NULL, signals[i], on_signal, d);
    if (r >= 0)
        r = sd_event_add_time(d->event, &d->status_timer, CLOCK_MONOTONIC, 0, 0, on_status_timer, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->status_timer, SD_EVENT_OFF);
    if (r >= 0 && sd_watchdog_enabled(0, &d->watchdog_usec) > 0) {
        sd_event_now(d->event, CLOCK_MONOTONIC, &now);
        r = sd_event_add_time(d->event, &d->watchdog_timer, CLOCK_MONOTONIC, now + d->watchdog_usec / 4, 0,
                              on_watchdog_timer, d);
    }
    return r < 0 ? azm_error_set(err, r, "cannot set up the event loop: %m") : 0;
}

static int set_up(struct daemon *d, bool once, struct azm_error *err)
{
    struct azm_journal_options journal = {.config = &d->config};
    int r;

    d->destination = name_destination(d->config.endpoint);
    if (!d->destination)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = azm_http_global_init(err);
    if (r >= 0)
        r = azm_state_dir_open(d->config.state_directory, &d->state_dir_fd, &d->lock_fd, err);
    journal.state_dir_fd = d->state_dir_fd;
    if (r >= 0)
        r = start_event_loop(d, err);
    if (r >= 0)
        r = azm_journal_open(&journal, &d->source, err);
    if (r >= 0)
        r = start_exporter(d, err);
    if (r >= 0)
        r = start_pipeline(d, once, err);
    return r;
}

static int run(struct daemon *d, bool once)
{
    struct azm_exporter_status s;
    struct azm_error err = {0};
    int r;

    azm_sigbus_install();
    r = set_up(d, once, &err);
    if (r < 0)
        return cli_fail(r, &err);
    azm_log(AZM_LOG_INFO, "version %s, exporting to %s", PACKAGE_VERSION, d->destination);
    sd_notify(0, "READY=1");
    show_status(d);
    r = sd_event_loop(d->event);
    if (r >= 0)
        r = azm_pipeline_result(d->pipeline, &err);
    else
        azm_error_set(&err, r, "the event loop has failed: %m");
    azm_exporter_get_status(d->exporter, &s);
    azm_log(AZM_LOG_INFO, "%" PRIu64 " record%s delivered in %" PRIu64 " request%s%s", s.records,
            s.records == 1 ? "" : "s", s.requests, s.requests == 1 ? "" : "s",
            r > 0 ? "; the next start goes on with the rest" : "");
    if (r < 0)
        return cli_fail(r, &err);
    return once && r > 0 ? AZM_EXIT_UNDELIVERED : AZM_EXIT_OK;
}

int cmd_run(int argc, char **argv)
{
    enum { OPT_ONCE = 256, OPT_ENDPOINT, OPT_DIRECTORY, OPT_START, OPT_STATE_DIRECTORY, OPT_CONTROL };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"once", no_argument, NULL, OPT_ONCE},
        {"endpoint", required_argument, NULL, OPT_ENDPOINT},
        {"directory", required_argument, NULL, OPT_DIRECTORY},
        {"start", required_argument, NULL, OPT_START},
        {"state-directory", required_argument, NULL, OPT_STATE_DIRECTORY},
        {"control", required_argument, NULL, OPT_CONTROL},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    _cleanup_(daemon_free) struct daemon d = {.state_dir_fd = -1, .lock_fd = -1};
    struct cli_overrides overrides = {0};
    const char *config = NULL;
    bool once = false;
    int c, r;

    while ((c = getopt_long(argc, argv, "c:vh", options, NULL)) >= 0)
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case OPT_ONCE:
            once = true;
            break;
        case OPT_ENDPOINT:
            cli_override(&overrides, "destination", "endpoint", optarg, "--endpoint");
            break;
        case OPT_DIRECTORY:
            cli_override(&overrides, "journal", "directory", optarg, "--directory");
            break;
        case OPT_START:
            cli_override(&overrides, "journal", "start", optarg, "--start");
            break;
        case OPT_STATE_DIRECTORY:
            cli_override(&overrides, "state", "directory", optarg, "--state-directory");
            break;
        case OPT_CONTROL:
            cli_override(&overrides, "state", "control", optarg, "--control");
            break;
        case 'v':
            azm_log_init(AZM_LOG_DEBUG);
            break;
        case 'h':
            print_help();
            return AZM_EXIT_OK;
        default: /* getopt has said what is wrong */
            azm_log(AZM_LOG_ERROR, "azmonlog run --help lists the options");
            return AZM_EXIT_USAGE;
        }
    if (optind < argc) {
        azm_log(AZM_LOG_ERROR, "run takes no argument '%s'; azmonlog run --help", argv[optind]);
        return AZM_EXIT_USAGE;
    }
    r = cli_load_config(&d.config, config, &overrides);
    if (r != 0)
        return r;
    if (!*d.config.endpoint) {
        azm_log(AZM_LOG_ERROR, "no destination: set endpoint= in section [destination] of %s, or use --endpoint URL",
                config ? config : AZM_DEFAULT_CONFIG);
        return AZM_EXIT_CONFIG;
    }
    return run(&d, once);
}
