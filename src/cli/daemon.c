/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "cli/daemon.h"
#include "cli/engine.h"
#include "cli/fixed_keys.h"
#include "cli/metrics_file.h"
#include "cli/metrics_push.h"
#include "cli/metrics_server.h"
#include "core/log.h"
#include "pipeline/service.h"
#include "source/sigbus.h"
#include "source/stream_source.h"
#include "store/state_dir.h"

#define STATUS_INTERVAL_USEC AZM_USEC_PER_SEC

/* Everything here belongs to the main thread. */
struct daemon {
    const char *config_path; /* NULL: the default one */
    const struct cli_overrides *overrides;
    struct azm_config *config;
    int state_dir_fd, lock_fd;
    struct azm_quarantine *quarantine; /* the exporter's thread's */
    struct azm_service service;        /* what it consists of */
    struct azm_control *control;
    struct azm_metrics_server *metrics_server;
    struct azm_metrics_file *metrics_file;
    struct azm_metrics_push *metrics_push;
    sd_event *event;
    sd_event_source *status_timer, *watchdog_timer;
    uint64_t watchdog_usec; /* 0: none */
};

/* From the top down. */
static void daemon_free(struct daemon *d)
{
    azm_metrics_push_end(d->metrics_push); /* while there are all parts to measure */
    azm_metrics_server_free(d->metrics_server);
    azm_metrics_file_free(d->metrics_file);
    azm_pipeline_free(d->service.pipeline); /* answers flushes that wait */
    azm_control_free(d->control);
    azm_outbox_free(d->service.outbox);
    azm_exporter_free(d->service.exporter);
    azm_quarantine_free(d->quarantine);
    azm_quarantine_free(d->service.quarantine);
    if (d->service.source)
        d->service.source->ops->free(d->service.source);
    sd_event_source_unref(d->status_timer);
    sd_event_source_unref(d->watchdog_timer);
    sd_event_unref(d->event);
    azm_service_clear(&d->service);
    if (d->lock_fd >= 0)
        (void)futimens(d->lock_fd, NULL); /* so that it can be seen later when that was */
    azm_closep(&d->lock_fd);
    azm_closep(&d->state_dir_fd);
    azm_config_free(d->config);
    free(d->config);
}

/* --- status for systemd --- */

static void notify_status(const struct daemon *d)
{
    struct azm_exporter_status s;

    azm_exporter_get_status(d->service.exporter, &s);
    switch (s.state) {
    case AZM_EXPORTER_DELIVERING:
        sd_notifyf(0, "STATUS=%" PRIu64 " records read, %" PRIu64 " delivered to %s",
                   azm_pipeline_records_read(d->service.pipeline), s.records, d->service.destination);
        break;
    case AZM_EXPORTER_RETRYING:
        sd_notifyf(0, "STATUS=%" PRIu64 " records delivered; retrying %s: %s", s.records, d->service.destination,
                   s.reason);
        break;
    case AZM_EXPORTER_HELD:
        sd_notifyf(0, "STATUS=%" PRIu64 " records delivered; held by %s: %s", s.records, d->service.destination,
                   s.reason);
        break;
    }
}

static int on_status_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s;
    (void)usec;
    notify_status(userdata);
    return 0;
}

/* The watchdog is fed only while both threads move. */
static int on_watchdog_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct daemon *d = userdata;

    if (azm_exporter_alive(d->service.exporter))
        sd_notify(0, "WATCHDOG=1");
    sd_event_source_set_time(s, usec + d->watchdog_usec / 4);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_stop_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
    struct daemon *d = userdata;

    (void)s;
    azm_log(AZM_LOG_INFO, "%s: delivering what is read, then ending", strsignal((int)si->ssi_signo));
    sd_notify(0, "STOPPING=1\nSTATUS=delivering what is read");
    azm_service_stop(&d->service);
    return 0;
}

/* --- setting up --- */

/* Something changed: the status follows, at most once a second. */
static void on_change(void *userdata)
{
    struct daemon *d = userdata;
    int enabled;
    uint64_t now;

    if (azm_exporter_wants_renewal(d->service.exporter))
        cli_renew_credentials(&d->service, d->config, d->config_path, d->overrides, d->quarantine);
    azm_service_changed(&d->service);
    if (sd_event_source_get_enabled(d->status_timer, &enabled) < 0 || enabled != SD_EVENT_OFF)
        return;
    sd_event_now(d->event, CLOCK_MONOTONIC, &now);
    sd_event_source_set_time(d->status_timer, now + STATUS_INTERVAL_USEC);
    sd_event_source_set_enabled(d->status_timer, SD_EVENT_ONESHOT);
}

static int open_quarantine(struct daemon *d, struct azm_error *err)
{
    const struct azm_quarantine_options o = {
        .dir_fd = d->state_dir_fd, .max_bytes = d->config->quarantine_max_bytes, .clock = &azm_system_clock};

    int r = azm_quarantine_open(&o, &d->quarantine, err);

    return r < 0 ? r : azm_quarantine_open(&o, &d->service.quarantine, err);
}

static int open_outbox(struct daemon *d, struct azm_error *err)
{
    _cleanup_free_ char *path = NULL;
    struct azm_outbox_options o;

    if (asprintf(&path, "%s/spool.db", d->config->state_directory) < 0) {
        path = NULL;
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    o = cli_outbox_options(d->config, d->service.exporter, path);
    return azm_outbox_new(&o, &d->service.outbox, err);
}

static bool is_relay(const struct azm_config *c)
{
    return *c->relay_from != '\0';
}

/* `rest`: of the checkpoint; a relay has none. */
static int open_source(struct daemon *d, bool once, struct azm_buf *rest, struct azm_error *err)
{
    const struct azm_journal_options journal = {.config = d->config, .state_dir_fd = d->state_dir_fd, .rest = rest};

    return is_relay(d->config) ? azm_stream_source_open(d->config, once ? AZM_STREAM_ONCE : AZM_STREAM_FOLLOW,
                                                        &azm_system_clock, &d->service.source, err)
                               : cli_open_journal(&journal, &d->service.source, NULL, err);
}

static struct azm_pipeline_options pipeline_options(struct daemon *d, const struct azm_config *c, bool once)
{
    struct azm_pipeline_options o = azm_service_pipeline_options(&d->service, c, d->event);

    o.once = once;
    o.on_change = on_change;
    o.userdata = d;
    return o;
}

/* --- reloading --- */

/* NULL if metrics are not sent. */
static int new_metrics_push(struct daemon *d, const struct azm_config *c, struct azm_metrics_push **ret,
                            struct azm_error *err)
{
    *ret = NULL;
    return azm_config_sends_metrics(c) ? azm_metrics_push_new(d->event, c, &d->service, ret, err) : 0;
}

static void set_metrics_push(struct daemon *d, struct azm_metrics_push *push)
{
    azm_metrics_push_free(d->metrics_push);
    d->metrics_push = push;
    d->service.metrics_exporter = push ? azm_metrics_push_exporter(push) : NULL;
}

/* Makes every part go by the new configuration, or none. */
static int apply(struct daemon *d, const struct azm_config *new, struct azm_error *err)
{
    struct azm_pipeline_options o = pipeline_options(d, new, false);
    struct azm_outbox_options outbox = cli_outbox_options(new, d->service.exporter, NULL);
    struct azm_metrics_push *push = NULL;
    struct azm_processor *processor = NULL;
    int r;

    r = cli_check_fixed_keys(d->config, new, err);
    if (r >= 0)
        r = new_metrics_push(d, new, &push, err);
    if (r >= 0 && !is_relay(new))
        r = azm_processor_configured(new, d->service.rules, NULL, &processor, err);
    if (r >= 0)
        r = azm_service_connect(&d->service, new, d->quarantine, err);
    if (r < 0) {
        azm_metrics_push_free(push);
        azm_processor_free(processor);
        return r;
    }
    o.processor = processor;
    r = azm_pipeline_configure(d->service.pipeline, &o);
    if (r < 0)
        azm_error_set(err, r, "out of memory");
    else
        r = d->service.source->ops->configure(d->service.source, new, err);
    if (r < 0) { /* back to where it was */
        o = pipeline_options(d, d->config, false);
        azm_pipeline_configure(d->service.pipeline, &o);
        azm_service_connect(&d->service, d->config, d->quarantine, NULL);
        azm_metrics_push_free(push);
        azm_processor_free(processor);
        return r;
    }
    azm_service_set_processor(&d->service, processor);
    set_metrics_push(d, push);
    azm_outbox_configure(d->service.outbox, &outbox);
    return 0;
}

static int reload(struct daemon *d, struct azm_error *err)
{
    _cleanup_(azm_config_freep) struct azm_config *new = calloc(1, sizeof *new);
    int r;

    if (!new)
        return azm_error_set(err, ENOMEM, "out of memory");
    if (cli_read_config(new, d->config_path, d->overrides, err) != 0)
        return -EINVAL;
    r = azm_config_has_destination(new) ? apply(d, new, err)
                                        : azm_error_set(err, EINVAL, "there is no destination any more");
    if (r >= 0) {
        struct azm_config *old = d->config;

        d->config = new;
        d->service.journal_namespace = new->journal_namespace;
        new = old;
    }
    return r;
}

static int on_reload_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
    struct daemon *d = userdata;
    struct azm_error err;

    (void)s;
    (void)si;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, azm_monotonic_usec(&azm_system_clock));
    free(d->service.reload_error);
    d->service.reload_error = NULL;
    if (reload(d, &err) < 0) {
        d->service.reload_error = strdup(err.words);
        azm_log(AZM_LOG_ERROR, "%s; the configuration stays as it was", err.words);
    } else {
        d->service.reloads++;
        azm_log(AZM_LOG_NOTICE, "the configuration was read anew; exporting to %s", d->service.destination);
    }
    sd_notify(0, "READY=1");
    notify_status(d);
    return 0;
}

static int start_event_loop(struct daemon *d, struct azm_error *err)
{
    static const struct {
        int signal;
        sd_event_signal_handler_t handler;
    } signals[] = {{SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}, {SIGHUP, on_reload_signal}};
    sigset_t mask;
    uint64_t now;
    int r;

    sigemptyset(&mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        sigaddset(&mask, signals[i].signal);
    sigprocmask(SIG_BLOCK, &mask, NULL); /* sd-event takes them from a signalfd */
    r = sd_event_default(&d->event);
    for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
        r = sd_event_add_signal(d->event, NULL, signals[i].signal, signals[i].handler, d);
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

/* Nobody can ask an azmonlog whose control socket cannot be made, but it does its work. */
static int open_control(struct daemon *d, struct azm_error *err)
{
    _cleanup_free_ char *path = cli_control_path(d->config);
    int r;

    if (!path)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = azm_control_new(d->event, path, azm_service_answer, &d->service, &d->control, err);
    if (r < 0 && r != -ENOMEM) {
        azm_log(AZM_LOG_WARNING, "%s; azmonlog status and flush cannot reach this azmonlog", err->words);
        return 0;
    }
    return r;
}

/* The same is true of metrics. */
static int open_metrics(struct daemon *d, struct azm_error *err)
{
    struct azm_metrics_push *push;
    int r = new_metrics_push(d, d->config, &push, err);

    if (r < 0)
        return r;
    set_metrics_push(d, push);
    if (*d->config->metrics_textfile)
        r = azm_metrics_file_new(d->event, d->config->metrics_textfile, &d->service, &d->metrics_file, err);
    if (r < 0 || !*d->config->metrics_listen)
        return r;
    r = azm_metrics_server_new(d->event, d->config->metrics_listen, &d->service, &d->metrics_server, err);
    if (r < 0 && r != -ENOMEM) {
        azm_log(AZM_LOG_ERROR, "%s; nobody can ask for metrics", err->words);
        return 0;
    }
    return r;
}

static int set_up(struct daemon *d, bool once, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf rest = {0}; /* of the checkpoint */
    struct azm_pipeline_options o;
    struct azm_processor *processor = NULL; /* the hosts have processed what a relay carries on */
    int r;

    d->service.started_usec = azm_realtime_usec(&azm_system_clock);
    d->service.journald = !*d->config->journal_directory && d->config->journal_files.n == 0 && !is_relay(d->config);
    d->service.is_relay = is_relay(d->config);
    d->service.journal_namespace = d->config->journal_namespace;
    d->service.once = once;
    r = start_event_loop(d, err); /* first, so that a signal is never the end without order */
    if (r >= 0)
        r = azm_http_global_init(err);
    if (r >= 0)
        r = azm_state_dir_open(d->config->state_directory, &d->state_dir_fd, &d->lock_fd, err);
    if (r >= 0)
        r = open_source(d, once, &rest, err);
    if (r >= 0)
        r = open_quarantine(d, err);
    if (r >= 0)
        r = azm_service_connect(&d->service, d->config, d->quarantine, err);
    if (r >= 0)
        r = open_outbox(d, err);
    if (r >= 0 && !is_relay(d->config))
        r = azm_processor_configured(d->config, NULL, &rest, &processor, err);
    if (r < 0)
        return r;
    azm_service_set_processor(&d->service, processor);
    o = pipeline_options(d, d->config, once);
    r = azm_pipeline_new(&o, &d->service.pipeline, err);
    if (r < 0)
        return r;
    r = azm_service_watch(&d->service, d->event);
    if (r < 0)
        return azm_error_set(err, r, "cannot set up the event loop: %m");
    r = open_control(d, err);
    return r < 0 || once ? r : open_metrics(d, err);
}

static int run(struct daemon *d, bool once)
{
    struct azm_error err = {0};
    int r;

    azm_sigbus_install();
    r = set_up(d, once, &err);
    if (r < 0)
        return cli_fail(r, &err);
    azm_log(AZM_LOG_INFO, "version %s, exporting to %s", PACKAGE_VERSION, d->service.destination);
    sd_notify(0, "READY=1");
    notify_status(d);
    r = sd_event_loop(d->event);
    if (r >= 0)
        r = azm_pipeline_result(d->service.pipeline, &err);
    else
        azm_error_set(&err, r, "the event loop has failed: %m");
    cli_say_delivered(&d->service, r > 0 ? "; the next start goes on with the rest" : "", d->quarantine);
    if (r < 0)
        return cli_fail(r, &err);
    return once && r > 0 ? AZM_EXIT_UNDELIVERED : AZM_EXIT_OK;
}

int daemon_run(const char *config_path, const struct cli_overrides *overrides, struct azm_config *config, bool once)
{
    _cleanup_(daemon_free) struct daemon d = {
        .config_path = config_path, .overrides = overrides, .config = config, .state_dir_fd = -1, .lock_fd = -1};

    return run(&d, once);
}
