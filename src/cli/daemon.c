/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "cli/daemon.h"
#include "cli/destination.h"
#include "core/log.h"
#include "source/journal.h"
#include "source/sigbus.h"
#include "store/state_dir.h"

#define STATUS_INTERVAL_USEC AZM_USEC_PER_SEC

/* From the top down. */
static void daemon_free(struct daemon *d)
{
    azm_pipeline_free(d->pipeline); /* answers flushes that wait */
    azm_control_free(d->control);
    azm_outbox_free(d->outbox);
    azm_exporter_free(d->exporter);
    azm_tokens_unref(d->tokens);
    free(d->identity);
    azm_quarantine_free(d->quarantine);
    azm_quarantine_free(d->quarantine_view);
    if (d->source)
        d->source->ops->free(d->source);
    sd_event_source_unref(d->status_timer);
    sd_event_source_unref(d->watchdog_timer);
    sd_event_unref(d->event);
    free(d->destination);
    free(d->reload_error);
    azm_closep(&d->lock_fd);
    azm_closep(&d->state_dir_fd);
    azm_config_free(d->config);
    free(d->config);
}

/* --- status for systemd --- */

static int on_status_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s;
    (void)usec;
    daemon_notify_status(userdata);
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

static int on_stop_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
    struct daemon *d = userdata;

    (void)s;
    d->stopping = true;
    azm_log(AZM_LOG_INFO, "%s: delivering what is read, then ending", strsignal((int)si->ssi_signo));
    sd_notify(0, "STOPPING=1\nSTATUS=delivering what is read");
    azm_pipeline_stop(d->pipeline);
    return 0;
}

/* --- setting up --- */

/* Tokens for this destination: those that are there, if they are for the same identity. */
static int take_tokens(const struct daemon *d, const struct cli_destination *destination, struct azm_tokens **ret,
                       struct azm_error *err)
{
    if (!d->tokens || !destination->identity || strcmp(d->identity, destination->identity) != 0)
        return cli_destination_tokens(destination, ret, err);
    *ret = azm_tokens_ref(d->tokens);
    azm_tokens_mended(*ret); /* a secret's file, or an identity: the configuration need not show it */
    return 0;
}

static void swap_strings(char **a, char **b)
{
    char *c = *a;

    *a = *b;
    *b = c;
}

/* Starts the exporter, or makes a running one go by this configuration: 0 or -errno. */
static int apply_to_exporter(struct daemon *d, const struct azm_config *c, struct azm_error *err)
{
    _cleanup_(cli_destination_free) struct cli_destination destination = {0};
    struct azm_exporter_options o;
    struct azm_tokens *tokens;
    int r = cli_destination_init(&destination, c, err);

    if (r >= 0)
        r = take_tokens(d, &destination, &tokens, err);
    if (r < 0)
        return r;
    o = cli_destination_exporter(&destination, c);
    o.quarantine = d->quarantine;
    o.tokens = tokens;
    r = d->exporter ? azm_exporter_configure(d->exporter, &o, err) : azm_exporter_new(&o, &d->exporter, err);
    if (r < 0) {
        azm_tokens_unref(tokens);
        return r;
    }
    azm_tokens_unref(d->tokens);
    d->tokens = tokens;
    swap_strings(&d->identity, &destination.identity);
    swap_strings(&d->destination, &destination.name);
    return 0;
}

/* The server has refused the credentials: perhaps there are others in headers_file= by now. The configuration is read
 * anew, but only for its headers. */
static void renew_credentials(struct daemon *d)
{
    _cleanup_(azm_config_freep) struct azm_config *new = calloc(1, sizeof *new);
    struct azm_error err;

    if (!new || cli_read_config(new, d->config_path, d->overrides, &err) != 0) {
        azm_log(AZM_LOG_ERROR, "the credentials cannot be read anew: %s", new ? err.words : "out of memory");
        return;
    }
    if (azm_key_values_equal(&new->headers, &d->config->headers))
        return;
    azm_key_values_swap(&new->headers, &d->config->headers);
    if (apply_to_exporter(d, d->config, &err) < 0) {
        azm_key_values_swap(&new->headers, &d->config->headers);
        azm_log(AZM_LOG_ERROR, "%s; the credentials stay as they were", err.words);
        return;
    }
    azm_log(AZM_LOG_NOTICE,
            "the server refused the credentials; others were read from headers_file= and go from now on");
}

/* Something changed: the status follows, at most once a second. */
static void on_change(void *userdata)
{
    struct daemon *d = userdata;
    int enabled;
    uint64_t now;

    if (azm_exporter_wants_renewal(d->exporter))
        renew_credentials(d);
    daemon_sample(d);
    if (sd_event_source_get_enabled(d->status_timer, &enabled) < 0 || enabled != SD_EVENT_OFF)
        return;
    sd_event_now(d->event, CLOCK_MONOTONIC, &now);
    sd_event_source_set_time(d->status_timer, now + STATUS_INTERVAL_USEC);
    sd_event_source_set_enabled(d->status_timer, SD_EVENT_ONESHOT);
}

static struct azm_outbox_options outbox_options(const struct daemon *d, const struct azm_config *c,
                                                const char *spool_path)
{
    return (struct azm_outbox_options){
        .exporter = d->exporter,
        .clock = &azm_system_clock,
        .spool_path = spool_path,
        .spool = c->spool,
        .spool_after_usec = c->spool_after_usec,
        .spool_max_bytes = c->spool_max_bytes,
        .spool_min_free_percent = (unsigned)c->spool_min_free_percent,
        .batch = {.records = c->max_export_batch_size, .bytes = c->max_request_bytes},
    };
}

static int open_quarantine(struct daemon *d, struct azm_error *err)
{
    const struct azm_quarantine_options o = {
        .dir_fd = d->state_dir_fd, .max_bytes = d->config->quarantine_max_bytes, .clock = &azm_system_clock};

    int r = azm_quarantine_open(&o, &d->quarantine, err);

    return r < 0 ? r : azm_quarantine_open(&o, &d->quarantine_view, err);
}

static int open_outbox(struct daemon *d, struct azm_error *err)
{
    _cleanup_free_ char *path = NULL;
    struct azm_outbox_options o;

    if (asprintf(&path, "%s/spool.db", d->config->state_directory) < 0) {
        path = NULL;
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    o = outbox_options(d, d->config, path);
    return azm_outbox_new(&o, &d->outbox, err);
}

static struct azm_pipeline_options pipeline_options(struct daemon *d, const struct azm_config *c, bool once)
{
    return (struct azm_pipeline_options){
        .event = d->event,
        .source = d->source,
        .outbox = d->outbox,
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
}

/* --- reloading --- */

/* What a running azmonlog stands on. */
static int check_unchanged(const struct azm_config *old, const struct azm_config *new, struct azm_error *err)
{
    const char *key = NULL;

    if (strcmp(old->journal_directory, new->journal_directory) != 0)
        key = "[journal] directory=";
    else if (strcmp(old->journal_namespace, new->journal_namespace) != 0)
        key = "[journal] namespace=";
    else if (!azm_key_values_equal(&old->journal_files, &new->journal_files))
        key = "[journal] file=";
    else if (old->scope != new->scope)
        key = "[journal] scope=";
    else if (strcmp(old->state_directory, new->state_directory) != 0)
        key = "[state] directory=";
    else if (strcmp(old->control, new->control) != 0)
        key = "[state] control=";
    else if (old->quarantine_max_bytes != new->quarantine_max_bytes)
        key = "[state] quarantine_max_bytes=";
    return key ? azm_error_set(err, EINVAL, "%s cannot change while azmonlog runs; restart it", key) : 0;
}

/* Makes every part go by the new configuration, or none. */
static int apply(struct daemon *d, const struct azm_config *new, struct azm_error *err)
{
    struct azm_pipeline_options o = pipeline_options(d, new, false);
    struct azm_outbox_options outbox = outbox_options(d, new, NULL);
    int r;

    r = check_unchanged(d->config, new, err);
    if (r >= 0)
        r = apply_to_exporter(d, new, err);
    if (r < 0)
        return r;
    r = azm_pipeline_configure(d->pipeline, &o);
    if (r < 0)
        azm_error_set(err, r, "out of memory");
    else
        r = d->source->ops->configure(d->source, new, err);
    if (r < 0) { /* back to where it was */
        o = pipeline_options(d, d->config, false);
        azm_pipeline_configure(d->pipeline, &o);
        apply_to_exporter(d, d->config, NULL);
        return r;
    }
    azm_outbox_configure(d->outbox, &outbox);
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
    free(d->reload_error);
    d->reload_error = NULL;
    if (reload(d, &err) < 0) {
        d->reload_error = strdup(err.words);
        azm_log(AZM_LOG_ERROR, "%s; the configuration stays as it was", err.words);
    } else {
        d->reloads++;
        azm_log(AZM_LOG_NOTICE, "the configuration was read anew; exporting to %s", d->destination);
    }
    sd_notify(0, "READY=1");
    daemon_notify_status(d);
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
    r = azm_control_new(d->event, path, daemon_answer, d, &d->control, err);
    if (r < 0 && r != -ENOMEM) {
        azm_log(AZM_LOG_WARNING, "%s; azmonlog status and flush cannot reach this azmonlog", err->words);
        return 0;
    }
    return r;
}

static int set_up(struct daemon *d, bool once, struct azm_error *err)
{
    struct azm_journal_options journal = {.config = d->config};
    struct azm_pipeline_options o;
    int r;

    d->started_usec = azm_realtime_usec(&azm_system_clock);
    r = start_event_loop(d, err); /* first, so that a signal is never the end without order */
    if (r >= 0)
        r = azm_http_global_init(err);
    if (r >= 0)
        r = azm_state_dir_open(d->config->state_directory, &d->state_dir_fd, &d->lock_fd, err);
    journal.state_dir_fd = d->state_dir_fd;
    if (r >= 0)
        r = azm_journal_open(&journal, &d->source, err);
    if (r >= 0)
        r = open_quarantine(d, err);
    if (r >= 0)
        r = apply_to_exporter(d, d->config, err);
    if (r >= 0)
        r = open_outbox(d, err);
    if (r < 0)
        return r;
    o = pipeline_options(d, d->config, once);
    r = azm_pipeline_new(&o, &d->pipeline, err);
    if (r < 0)
        return r;
    daemon_sample(d);
    return open_control(d, err);
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
    daemon_notify_status(d);
    r = sd_event_loop(d->event);
    if (r >= 0)
        r = azm_pipeline_result(d->pipeline, &err);
    else
        azm_error_set(&err, r, "the event loop has failed: %m");
    azm_exporter_get_status(d->exporter, &s);
    azm_log(AZM_LOG_INFO, "%" PRIu64 " record%s delivered in %" PRIu64 " request%s%s", s.records,
            s.records == 1 ? "" : "s", s.requests, s.requests == 1 ? "" : "s",
            r > 0 ? "; the next start goes on with the rest" : "");
    if (s.quarantined + s.rejected > 0)
        azm_log(AZM_LOG_WARNING, "%" PRIu64 " record%s refused; azmonlog quarantine list shows what is kept of them",
                s.quarantined + s.rejected, s.quarantined + s.rejected == 1 ? " was" : "s were");
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
