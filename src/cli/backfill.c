/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "cli/backfill.h"
#include "cli/engine.h"
#include "cli/progress.h"
#include "cli/rehearsal.h"
#include "core/log.h"
#include "encode/original_time.h"
#include "export/destination.h"
#include "source/service_name.h"
#include "source/sigbus.h"
#include "store/checkpoint.h"
#include "store/state_dir.h"

#define GROUP "backfill"
#define FINISHED "finished"

/* Journald stamps an entry with its time a little before it is in the file; this is far longer. */
#define SETTLE_USEC (10 * AZM_USEC_PER_SEC)

/* Nothing has to be waited for: a batch is sealed when it is full, or with the last record. */
#define NO_DELAY_USEC (UINT64_C(1) << 50)

/* Columns of the terminal beside the bar: in the last one it might wrap, and "^C" may appear there. */
#define MARGIN 3

#define TERMINAL_USEC (200 * AZM_USEC_PER_MSEC)
#define LOG_USEC (60 * AZM_USEC_PER_SEC)

#define OLD_USEC (48 * 3600 * AZM_USEC_PER_SEC)

/* Everything here belongs to the main thread. */
struct job {
    const struct backfill *b;
    struct azm_destination destination;
    char *directory; /* its state directory; NULL: a dry run has none */
    int dir_fd, lock_fd;
    struct azm_quarantine *quarantine; /* the exporter's thread's */
    struct azm_service service;
    struct azm_source *journal; /* of which the service's source is made, which owns it */
    struct rehearsal rehearsal; /* the exporter's thread's, until it is done */
    sd_event *event;
    sd_event_source *timer;
    struct azm_progress progress;
    struct azm_buf line;
    struct azm_buf rest; /* of the checkpoint: what is not the journal's */
};

/* From the top down. */
static void job_free(struct job *j)
{
    azm_pipeline_free(j->service.pipeline);
    azm_outbox_free(j->service.outbox);
    azm_exporter_free(j->service.exporter);
    azm_quarantine_free(j->quarantine);
    if (j->service.source)
        j->service.source->ops->free(j->service.source);
    sd_event_source_unref(j->timer);
    sd_event_unref(j->event);
    azm_service_clear(&j->service);
    rehearsal_free(&j->rehearsal);
    azm_closep(&j->lock_fd);
    azm_closep(&j->dir_fd);
    azm_destination_free(&j->destination);
    azm_buf_free(&j->line);
    azm_buf_free(&j->rest);
    free(j->directory);
}

/* --- progress --- */

/* The columns of the terminal; 0: it is none. */
static size_t terminal_columns(void)
{
    struct winsize size = {0};

    if (!isatty(STDERR_FILENO))
        return 0;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* A message takes the place of the bar, which is drawn anew below it. */
static void log_over_bar(enum azm_log_level level, const char *name, const char *line)
{
    (void)level;
    (void)name;
    dprintf(STDERR_FILENO, "\r\033[Kazmonlog: %s\n", line);
}

static void update(struct job *j, uint64_t now_usec)
{
    uint64_t read, unfinished;
    struct azm_exporter_status s;

    azm_journal_get_progress(j->journal, &read, &j->progress.total);
    azm_exporter_get_status(j->service.exporter, &s);
    unfinished = azm_pipeline_records_read(j->service.pipeline);
    unfinished -= MIN(unfinished, s.records + s.quarantined + s.rejected);
    azm_progress_update(&j->progress, now_usec, read - MIN(read, unfinished));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct job *j = userdata;
    size_t columns = terminal_columns();
    uint64_t now = azm_monotonic_usec(&azm_system_clock);
    struct azm_exporter_status s;

    update(j, now);
    azm_exporter_get_status(j->service.exporter, &s);
    if (azm_progress_print(&j->progress, now, s.state == AZM_EXPORTER_DELIVERING ? NULL : s.reason,
                           columns > 0 ? MAX(columns, (size_t)MARGIN + 1) - MARGIN : 0, &j->line) >= 0) {
        if (columns > 0)
            dprintf(STDERR_FILENO, "\r%.*s\033[K", (int)j->line.len, (const char *)j->line.data);
        else
            azm_log(AZM_LOG_INFO, "%.*s", (int)j->line.len, (const char *)j->line.data);
    }
    sd_event_source_set_time(source, usec + (columns > 0 ? TERMINAL_USEC : LOG_USEC));
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_change(void *userdata)
{
    struct job *j = userdata;
    const struct backfill *b = j->b;

    if (azm_exporter_wants_renewal(j->service.exporter))
        cli_renew_credentials(&j->service, b->config, b->config_path, b->overrides, j->quarantine);
    update(j, azm_monotonic_usec(&azm_system_clock));
}

static int on_stop_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
    struct job *j = userdata;

    (void)s;
    if (!j->service.stopping)
        azm_log(AZM_LOG_INFO, "%s: delivering what is read, then ending", strsignal((int)si->ssi_signo));
    j->service.stopping = true;
    azm_pipeline_stop(j->service.pipeline);
    return 0;
}

/* --- the state directory --- */

static int add_list(struct azm_buf *text, const char *name, const struct azm_key_values *list)
{
    int r = 0;

    for (size_t i = 0; i < list->n && r == 0; i++)
        r = azm_buf_printf(text, "%s=%s\n", name, list->items[i].key);
    return r;
}

/* All that makes it another stretch: 0 or -ENOMEM. */
static int describe(const struct job *j, struct azm_buf *text)
{
    const struct azm_config *c = j->b->config;
    const struct {
        const char *name;
        const struct azm_key_values *list;
    } lists[] = {
        {"file", &c->journal_files},
        {"units", &c->units},
        {"identifiers", &c->identifiers},
        {"facilities", &c->facilities},
        {"transports", &c->transports},
        {"match", &c->matches},
        {"exclude_units", &c->exclude_units},
        {"exclude_identifiers", &c->exclude_identifiers},
        {"exclude_match", &c->exclude_matches},
        {"filter_exclude", &c->filter_exclude},
        {"filter_include", &c->filter_include},
    };
    int r = azm_buf_printf(text,
                           "since=%" PRIu64 "\nuntil=%" PRIu64 "\nurl=%s\nikey=%s\ndirectory=%s\nnamespace=%s\n"
                           "scope=%d\npriority=%d\n",
                           j->b->since_usec, j->b->until_usec, j->destination.url,
                           j->destination.ikey ? j->destination.ikey : "", c->journal_directory, c->journal_namespace,
                           (int)c->scope, c->priority);

    for (size_t i = 0; i < ELEMENTSOF(lists) && r == 0; i++)
        r = add_list(text, lists[i].name, lists[i].list);
    for (size_t i = 0; i < c->filter_sample.n && r == 0; i++)
        r = azm_buf_printf(text, "sample=%s %s\n", c->filter_sample.items[i].key, c->filter_sample.items[i].value);
    if (r == 0 && c->rate_limit > 0)
        r = azm_buf_printf(text, "rate_limit=%zu %zu %d\n", c->rate_limit, c->rate_burst, c->rate_exempt);
    return r;
}

/* "20260131T120000Z": for people who look into the folder */
static void print_short(uint64_t usec, char ret[static 32])
{
    time_t t = (time_t)(usec / AZM_USEC_PER_SEC);
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(ret, 32, "%Y%m%dT%H%M%SZ", &tm) == 0)
        snprintf(ret, 32, "%" PRIu64, usec);
}

static int open_directory(struct job *j, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf text = {0};
    const char *state = j->b->config->state_directory;
    char since[32], until[32], name[128];
    int r = describe(j, &text);

    print_short(j->b->since_usec, since);
    print_short(j->b->until_usec, until);
    if (r >= 0) {
        snprintf(name, sizeof name, "%s-%s-%016" PRIx64, since, until, (uint64_t)XXH3_64bits(text.data, text.len));
        r = asprintf(&j->directory, "%s/" GROUP "/%s", state, name);
    }
    if (r < 0) {
        j->directory = NULL;
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    return azm_state_dir_open_below(state, GROUP, name, &j->dir_fd, &j->lock_fd, err);
}

/* Was all of it exported before? Says so: 1, 0, -errno. */
static int is_finished(struct job *j, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    int r = azm_checkpoint_load(j->dir_fd, FINISHED, &lines, err);

    if (r > 0)
        azm_log(AZM_LOG_INFO, "all of it was exported before (%.*s); rm -r %s forgets that",
                (int)strcspn((char *)lines.data, "\n"), (const char *)lines.data, j->directory);
    return r;
}

static int note_finished(struct job *j, struct azm_error *err)
{
    char when[AZM_TIME_TEXT_MAX], line[64];

    azm_time_print(azm_realtime_usec(&azm_system_clock), when);
    snprintf(line, sizeof line, "finished=%s\n", when);
    return azm_checkpoint_save(j->dir_fd, FINISHED, line, strlen(line), err);
}

/* --- setting up --- */

static int start_event_loop(struct job *j, struct azm_error *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t mask;
    int r;

    if (terminal_columns() > 0)
        azm_log_to(log_over_bar);
    sigemptyset(&mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        sigaddset(&mask, signals[i]);
    sigprocmask(SIG_BLOCK, &mask, NULL); /* sd-event takes them from a signalfd */
    r = sd_event_default(&j->event);
    for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
        r = sd_event_add_signal(j->event, NULL, signals[i], on_stop_signal, j);
    if (r >= 0)
        r = sd_event_add_time(j->event, &j->timer, CLOCK_MONOTONIC,
                              azm_monotonic_usec(&azm_system_clock) + (isatty(STDERR_FILENO) ? 0 : LOG_USEC), 0,
                              on_timer, j);
    return r < 0 ? azm_error_set(err, r, "cannot set up the event loop: %m") : 0;
}

static int open_journal(struct job *j, struct azm_error *err)
{
    const struct azm_journal_options o = {.config = j->b->config,
                                          .state_dir_fd = j->dir_fd,
                                          .rest = &j->rest,
                                          .since_usec = j->b->since_usec,
                                          .until_usec = j->b->until_usec};
    uint64_t read;
    int r = cli_open_journal(&o, &j->service.source, &j->journal, err);

    if (r >= 0)
        azm_journal_get_progress(j->journal, &read, &j->progress.total);
    return r;
}

/* An exporter that sends, or one that does not. */
static int open_exporter(struct job *j, struct azm_error *err)
{
    const struct azm_quarantine_options quarantine = {.dir_fd = j->dir_fd,
                                                      .directory = j->directory,
                                                      .max_bytes = j->b->config->quarantine_max_bytes,
                                                      .clock = &azm_system_clock};
    struct azm_exporter_options o;
    int r = azm_http_global_init(err);

    if (r < 0)
        return r;
    if (!j->b->dry_run) {
        r = azm_quarantine_open(&quarantine, &j->quarantine, err);
        return r < 0 ? r : azm_service_connect(&j->service, j->b->config, j->quarantine, err);
    }
    o = azm_destination_exporter(&j->destination, j->b->config);
    o.rehearse = rehearsal_request;
    o.rehearse_userdata = &j->rehearsal;
    return azm_exporter_new(&o, &j->service.exporter, err);
}

static int open_pipeline(struct job *j, struct azm_error *err)
{
    struct azm_outbox_options outbox = cli_outbox_options(j->b->config, j->service.exporter, "");
    struct azm_pipeline_options o;
    struct azm_processor *processor;
    int r;

    outbox.spool = false; /* what is to be exported is on disk already: in the journal */
    r = azm_outbox_new(&outbox, &j->service.outbox, err);
    if (r >= 0 && j->b->dry_run)
        r = azm_own_resource(j->b->config, &j->service.resource);
    if (r >= 0)
        r = azm_processor_configured(j->b->config, NULL, &j->rest, &processor, err);
    if (r < 0)
        return r;
    azm_service_set_processor(&j->service, processor);
    o = azm_service_pipeline_options(&j->service, j->b->config, j->event);
    o.schedule_delay_usec = NO_DELAY_USEC;
    o.once = true;
    o.on_change = on_change;
    o.userdata = j;
    return azm_pipeline_new(&o, &j->service.pipeline, err);
}

/* --- what is said --- */

/* What was received within the last seconds may not be in the journal yet. */
static void wait_for_journald(uint64_t until_usec)
{
    uint64_t now;

    while ((now = azm_realtime_usec(&azm_system_clock)) < until_usec + SETTLE_USEC) {
        uint64_t usec = until_usec + SETTLE_USEC - now;
        const struct timespec span = {.tv_sec = (time_t)(usec / AZM_USEC_PER_SEC),
                                      .tv_nsec = (long)(usec % AZM_USEC_PER_SEC * AZM_NSEC_PER_USEC)};

        azm_log(AZM_LOG_INFO, "waiting for %.0f s, until journald has surely written what it received before the end",
                (double)usec / (double)AZM_USEC_PER_SEC);
        nanosleep(&span, NULL);
    }
}

static void warn_of_age(const struct job *j)
{
    if (j->b->since_usec + OLD_USEC > azm_realtime_usec(&azm_system_clock))
        return;
    if (j->destination.profile == AZM_PROFILE_AZURE)
        azm_log(AZM_LOG_WARNING,
                "Azure puts the time of arrival into TimeGenerated of records that are older than 48 hours; what is "
                "older than 47 hours has its own time in the attribute " AZM_ORIGINAL_TIME_KEY);
    else if (j->destination.profile == AZM_PROFILE_APPINSIGHTS)
        azm_log(AZM_LOG_WARNING,
                "Application Insights refuses records that are older than 48 hours; what is older than 47 hours goes "
                "with the time of sending, and has its own time in the property " AZM_ORIGINAL_TIME_KEY);
}

static void say_beginning(const struct job *j)
{
    char since[AZM_TIME_TEXT_MAX], until[AZM_TIME_TEXT_MAX];
    uint64_t read, total;

    azm_journal_get_progress(j->journal, &read, &total);
    azm_time_print(j->b->since_usec, since);
    azm_time_print(j->b->until_usec, until);
    if (total == 0) {
        azm_log(AZM_LOG_INFO, "there is nothing in the journal that was received from %s on and before %s", since,
                until);
        return;
    }
    azm_log(AZM_LOG_INFO, "%s what was received from %s on and before %s: %" PRIu64 " entr%s, to %s",
            j->b->dry_run ? "a dry run: nothing is sent of" : "exporting", since, until, total,
            total == 1 ? "y" : "ies", j->destination.name);
    if (read > 0)
        azm_log(AZM_LOG_INFO, "%" PRIu64 " of them were exported before; going on behind these", read);
    if (!j->b->dry_run)
        azm_log(AZM_LOG_INFO, "if it is interrupted, this goes on with the rest: %s", j->b->command);
}

static int say_end(struct job *j, int r, struct azm_error *err)
{
    struct azm_exporter_status s;
    uint64_t read, total;
    bool rest = r != 0 || j->service.stopping;

    if (j->b->dry_run) {
        azm_exporter_get_status(j->service.exporter, &s);
        if (r == 0 && !rest && j->rehearsal.error < 0)
            r = azm_error_set(err, j->rehearsal.error, "cannot count: %m");
        if (r == 0 && !rest)
            rehearsal_print(stdout, &j->rehearsal, s.bytes);
    } else {
        cli_say_delivered(&j->service, rest ? "; that is not all" : "", j->quarantine);
        if (!rest)
            r = note_finished(j, err);
        azm_journal_get_progress(j->journal, &read, &total);
        if (r == 0 && !rest && read < total)
            azm_log(AZM_LOG_WARNING,
                    "all that the journal gave is exported, but that is %" PRIu64 " entr%s fewer than it had at first",
                    total - read, total - read == 1 ? "y" : "ies");
        else if (r == 0 && !rest)
            azm_log(AZM_LOG_INFO, "all of it is exported");
        else if (r >= 0)
            azm_log(AZM_LOG_WARNING, "not all of it is exported; this goes on with the rest: %s", j->b->command);
    }
    if (r < 0)
        return cli_fail(r, err);
    return rest ? AZM_EXIT_UNDELIVERED : AZM_EXIT_OK;
}

/* --- */

static int loop(struct job *j, struct azm_error *err)
{
    int r;

    r = sd_event_loop(j->event);
    if (terminal_columns() > 0)
        dprintf(STDERR_FILENO, "\r\033[K");
    if (r < 0)
        return azm_error_set(err, r, "the event loop has failed: %m");
    return azm_pipeline_result(j->service.pipeline, err);
}

static int run(struct job *j)
{
    struct azm_error err = {0};
    int r = azm_destination_init(&j->destination, j->b->config, AZM_LOGS, &err);

    j->rehearsal.profile = j->destination.profile;
    if (r >= 0 && !j->b->dry_run)
        r = open_directory(j, &err);
    if (r >= 0 && !j->b->dry_run)
        r = is_finished(j, &err);
    if (r > 0)
        return AZM_EXIT_OK;
    if (r == 0) {
        wait_for_journald(j->b->until_usec);
        azm_sigbus_install();
        r = open_journal(j, &err);
    }
    if (r >= 0) {
        say_beginning(j);
        if (j->progress.total == 0)
            return AZM_EXIT_OK;
        warn_of_age(j);
        r = start_event_loop(j, &err); /* before the first thread: signals and messages are arranged there */
    }
    if (r >= 0)
        r = open_exporter(j, &err);
    if (r >= 0)
        r = open_pipeline(j, &err);
    if (r < 0)
        return cli_fail(r, &err);
    r = loop(j, &err);
    return say_end(j, r, &err);
}

int backfill_run(const struct backfill *b)
{
    _cleanup_(job_free) struct job j = {.b = b, .dir_fd = -1, .lock_fd = -1};

    return run(&j);
}
