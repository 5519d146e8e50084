/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "core/thread.h"
#include "export/quarantine.h"
#include "pipeline/service.h"
#include "plugin/pump.h"
#include "source/spool_source.h"

#define SHUTDOWN_TIMEOUT_USEC AZM_USEC_PER_SEC
#define COUNT_USEC AZM_USEC_PER_SEC
#define AGAIN_MSEC 10000                    /* after a failure, */
#define LASTED_USEC (60 * AZM_USEC_PER_SEC) /* which is told again if all went well for so long */

struct pump {
    struct pump_options o;
    pthread_t thread;
    uint64_t started_usec; /* realtime */
    int wake_fd;           /* others -> thread */
    atomic_bool stop, reload;

    /* The thread's own. */
    struct azm_service service;
    struct azm_quarantine *quarantine;
    struct azm_control *control;
    sd_event *event;
    sd_event_source *wake, *counting;
    struct pump_counters counted; /* up to what is in the counters */
    struct azm_config *reread;    /* the configuration as it was last read anew; NULL: it is o.config */
};

/* --- counters --- */

static void put(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

/* What has come since is added, so that rsyslog may reset what it counts. */
static void add(uint64_t *counter, uint64_t *before, uint64_t now)
{
    __atomic_fetch_add(counter, now - *before, __ATOMIC_RELAXED);
    *before = now;
}

static uint64_t redacted(const struct pump *p)
{
    struct azm_rule_count c;
    uint64_t n = 0;

    for (size_t i = 0; azm_rules_get_count(p->o.rules, i, &c); i++)
        n += strcmp(c.kind, AZM_REDACT) == 0 ? c.times : 0;
    return n;
}

static void count(struct pump *p)
{
    struct pump_counters *c = p->o.counters;
    struct azm_exporter_status s;
    struct azm_spool_status spool;

    azm_exporter_get_status(p->service.exporter, &s);
    azm_spool_shared_get_status(p->o.spool, &spool);
    add(&c->exported, &p->counted.exported, s.records);
    add(&c->requests, &p->counted.requests, s.requests);
    add(&c->retries, &p->counted.retries, s.failures);
    add(&c->quarantined, &p->counted.quarantined, s.quarantined + s.rejected);
    add(&c->bytes, &p->counted.bytes, s.bytes);
    add(&c->filtered, &p->counted.filtered,
        azm_rules_left_out(p->o.rules, AZM_EXCLUDE) + azm_rules_left_out(p->o.rules, AZM_INCLUDE));
    add(&c->sampled, &p->counted.sampled, azm_rules_left_out(p->o.rules, AZM_SAMPLE));
    add(&c->rate_limited, &p->counted.rate_limited, azm_rules_left_out(p->o.rules, AZM_RATE_LIMIT));
    add(&c->redacted, &p->counted.redacted, redacted(p));
    put(&c->held, s.state == AZM_EXPORTER_HELD);
    put(&c->backlog, spool.records);
}

static int on_count(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct pump *p = userdata;

    (void)usec;
    count(p);
    p->o.tick(p->o.userdata);
    sd_event_source_set_time_relative(s, COUNT_USEC);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* --- what others want --- */

static struct azm_pipeline_options pipeline_options(struct pump *p, const struct azm_config *c);

static int apply(struct pump *p, const struct azm_config *c, struct azm_error *err)
{
    struct azm_pipeline_options o = pipeline_options(p, c);
    int r = azm_service_connect(&p->service, c, p->quarantine, err);

    if (r >= 0 && azm_pipeline_configure(p->service.pipeline, &o) < 0)
        r = azm_error_set(err, ENOMEM, "out of memory");
    return r;
}

/* The configuration as it stands now, in `ret` if the action can go on with it: 0 or -errno. */
static int read_anew(const struct pump *p, struct azm_config **ret, struct azm_error *err)
{
    struct azm_config *c = calloc(1, sizeof *c);
    int r;

    if (!c)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = parameters_load(p->o.parameters, p->o.name, c, err);
    if (r < 0)
        free(c); /* there is nothing in it */
    else
        *ret = c;
    return r;
}

/* `c` is taken over if it succeeds. */
static int go_on_with(struct pump *p, struct azm_config **c, struct azm_error *err)
{
    int r = apply(p, *c, err);

    if (r >= 0) {
        struct azm_config *before = p->reread;

        p->reread = *c;
        *c = before;
    }
    return r;
}

static void reload(struct pump *p)
{
    _cleanup_(azm_config_freep) struct azm_config *c = NULL;
    struct azm_error err;
    int r = read_anew(p, &c, &err);

    if (r >= 0)
        r = go_on_with(p, &c, &err);
    free(p->service.reload_error);
    p->service.reload_error = r < 0 ? strdup(err.words) : NULL;
    if (r < 0) {
        azm_log(AZM_LOG_ERROR, "%s; the configuration stays as it was", err.words);
        return;
    }
    p->service.reloads++;
    azm_log(AZM_LOG_NOTICE, "credentials and certificates were read anew; exporting to %s", p->service.destination);
}

/* The server has refused the credentials: perhaps there are others in headers_file= by now. With the same ones there is
 * nothing to be done: to connect anew would mean to ask again at once. */
static void renew_credentials(struct pump *p)
{
    _cleanup_(azm_config_freep) struct azm_config *c = NULL;
    const struct azm_config *in_use = p->reread ? p->reread : p->o.config;
    struct azm_error err;
    int r = read_anew(p, &c, &err);

    if (r >= 0 && azm_key_values_equal(&c->headers, &in_use->headers))
        return;
    if (r >= 0)
        r = go_on_with(p, &c, &err);
    if (r < 0)
        azm_log(AZM_LOG_ERROR, "%s; the credentials stay as they were", err.words);
    else
        azm_log(AZM_LOG_NOTICE,
                "the server refused the credentials; others were read from headers_file= and go from now on");
}

static void drain(int fd)
{
    uint64_t value;

    while (read(fd, &value, sizeof value) < 0 && errno == EINTR)
        ;
}

static int on_wake(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
    struct pump *p = userdata;

    (void)s;
    (void)events;
    drain(fd);
    if (atomic_exchange(&p->reload, false) && !p->service.stopping)
        reload(p);
    if (atomic_load(&p->stop) && !p->service.stopping) {
        azm_service_stop(&p->service);
    }
    return 0;
}

static void wake(struct pump *p)
{
    uint64_t one = 1;

    while (write(p->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void on_change(void *userdata)
{
    struct pump *p = userdata;

    if (azm_exporter_wants_renewal(p->service.exporter) && !p->service.stopping)
        renew_credentials(p);
    azm_service_changed(&p->service);
}

/* --- setting up --- */

static struct azm_pipeline_options pipeline_options(struct pump *p, const struct azm_config *c)
{
    struct azm_pipeline_options o = azm_service_pipeline_options(&p->service, c, p->event);

    o.shutdown_timeout_usec = SHUTDOWN_TIMEOUT_USEC;
    o.on_change = on_change;
    o.userdata = p;
    return o;
}

static int open_quarantines(struct pump *p, struct azm_error *err)
{
    const struct azm_quarantine_options o = {.dir_fd = p->o.dir_fd,
                                             .directory = p->o.config->state_directory,
                                             .max_bytes = p->o.config->quarantine_max_bytes,
                                             .clock = &azm_system_clock};
    int r = azm_quarantine_open(&o, &p->quarantine, err);

    return r < 0 ? r : azm_quarantine_open(&o, &p->service.quarantine, err);
}

/* The spool is the source: there is none behind it. */
static int open_outbox(struct pump *p, struct azm_error *err)
{
    const struct azm_outbox_options o = {
        .exporter = p->service.exporter, .clock = &azm_system_clock, .spool_path = "", .spool = false};

    return azm_outbox_new(&o, &p->service.outbox, err);
}

static int open_events(struct pump *p, struct azm_error *err)
{
    int r = sd_event_new(&p->event);

    if (r >= 0)
        r = sd_event_add_io(p->event, &p->wake, p->wake_fd, EPOLLIN, on_wake, p);
    if (r >= 0)
        r = sd_event_add_time_relative(p->event, &p->counting, CLOCK_MONOTONIC, COUNT_USEC, 0, on_count, p);
    return r < 0 ? azm_error_set(err, r, "cannot set up the event loop: %m") : 0;
}

/* Nobody can ask an action whose control socket cannot be made, but it does its work. */
static int open_control(struct pump *p, struct azm_error *err)
{
    _cleanup_free_ char *path = NULL;
    int r;

    if (*p->o.config->control)
        path = strdup(p->o.config->control);
    else if (asprintf(&path, "%s/control", p->o.config->state_directory) < 0)
        path = NULL;
    if (!path)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = azm_control_new(p->event, path, azm_service_answer, &p->service, &p->control, err);
    if (r < 0 && r != -ENOMEM) {
        azm_log(AZM_LOG_WARNING, "%s; azmonlog status and flush cannot reach this action", err->words);
        return 0;
    }
    return r;
}

static int set_up(struct pump *p, struct azm_error *err)
{
    const struct azm_config *c = p->reread ? p->reread : p->o.config;
    struct azm_pipeline_options o;
    int r;

    p->service = (struct azm_service){.started_usec = p->started_usec,
                                      .journal_namespace = "",
                                      .spool = p->o.spool,
                                      .rules = azm_rules_ref(p->o.rules)};
    r = open_events(p, err);
    if (r >= 0)
        r = open_quarantines(p, err);
    if (r >= 0)
        r = azm_service_connect(&p->service, c, p->quarantine, err);
    if (r >= 0)
        r = open_outbox(p, err);
    if (r >= 0 &&
        azm_spool_source_new(p->o.spool, p->o.config->state_directory, &azm_system_clock, &p->service.source) < 0)
        r = azm_error_set(err, ENOMEM, "out of memory");
    if (r < 0)
        return r;
    o = pipeline_options(p, c);
    r = azm_pipeline_new(&o, &p->service.pipeline, err);
    if (r < 0)
        return r;
    r = azm_service_watch(&p->service, p->event);
    return r < 0 ? azm_error_set(err, r, "cannot set up the event loop: %m") : open_control(p, err);
}

/* What set_up has made, all of it or a part. */
static void take_down(struct pump *p)
{
    azm_pipeline_free(p->service.pipeline);
    azm_control_free(p->control);
    azm_outbox_free(p->service.outbox);
    azm_exporter_free(p->service.exporter);
    azm_quarantine_free(p->quarantine);
    azm_quarantine_free(p->service.quarantine);
    if (p->service.source)
        p->service.source->ops->free(p->service.source);
    p->wake = sd_event_source_unref(p->wake);
    p->counting = sd_event_source_unref(p->counting);
    azm_service_clear(&p->service);
    p->event = sd_event_unref(p->event);
    p->service = (struct azm_service){0};
    p->quarantine = NULL;
    p->control = NULL;
}

static void pump_free(struct pump *p)
{
    take_down(p);
    azm_config_freep(&p->reread);
    azm_closep(&p->wake_fd);
    free(p);
}

/* --- the thread --- */

/* Until it ends in good order: 0, or -errno. */
static int carry(struct pump *p, struct azm_error *err)
{
    int r;

    r = sd_event_loop(p->event);
    if (r >= 0)
        r = azm_pipeline_result(p->service.pipeline, err);
    else
        azm_error_set(err, r, "the event loop has failed: %m");
    count(p);
    return r;
}

/* What failed for want of memory, or since the spool could not be read, may go on some time later: true when all is set
 * up again, false if it is to stop. What is not acknowledged comes again then, with the same uids. */
static bool begin_anew(struct pump *p)
{
    struct azm_error err;
    int r;

    take_down(p);
    /* The rules go on counting; an exporter begins with nothing. */
    p->counted.exported = p->counted.requests = p->counted.retries = p->counted.quarantined = p->counted.bytes = 0;
    do {
        struct pollfd woken = {.fd = p->wake_fd, .events = POLLIN};

        while (poll(&woken, 1, AGAIN_MSEC) > 0) {
            drain(p->wake_fd);
            if (atomic_load(&p->stop))
                return false;
        }
        r = set_up(p, &err);
        if (r < 0)
            take_down(p);
    } while (r < 0);
    if (atomic_load(&p->reload) || atomic_load(&p->stop)) /* it was said meanwhile */
        wake(p);
    return true;
}

static void *pump_main(void *userdata)
{
    struct pump *p = userdata;
    struct azm_error err;
    bool told = false;

    pthread_setname_np(pthread_self(), "azm-pump");
    azm_log_as(p->o.name);
    azm_log(AZM_LOG_INFO, "exporting to %s", p->service.destination);
    for (;;) {
        uint64_t begun = azm_monotonic_usec(&azm_system_clock);

        if (carry(p, &err) >= 0 || atomic_load(&p->stop))
            break;
        told = told && azm_monotonic_usec(&azm_system_clock) < begun + LASTED_USEC;
        if (!told)
            azm_log(AZM_LOG_ERROR, "%s; records stay in the spool, and it is tried again every %d s", err.words,
                    AGAIN_MSEC / 1000);
        if (!begin_anew(p))
            break;
        if (!told) /* without memory what was said before may have come to nobody */
            azm_log(AZM_LOG_NOTICE, "exporting to %s again, after a failure: %s", p->service.destination, err.words);
        told = true;
    }
    return NULL;
}

int pump_start(const struct pump_options *o, struct pump **ret, struct azm_error *err)
{
    struct pump *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return azm_error_set(err, ENOMEM, "out of memory");
    p->o = *o;
    p->started_usec = azm_realtime_usec(&azm_system_clock);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = p->wake_fd < 0 ? azm_error_set(err, errno, "cannot create an eventfd: %m") : set_up(p, err);
    if (r >= 0) {
        r = azm_thread_start(&p->thread, 0, pump_main, p);
        if (r < 0)
            azm_error_set(err, r, "cannot start a thread: %m");
    }
    if (r < 0) {
        pump_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void pump_reload(struct pump *p)
{
    atomic_store(&p->reload, true);
    wake(p);
}

struct pump *pump_stop(struct pump *p)
{
    if (!p)
        return NULL;
    atomic_store(&p->stop, true);
    wake(p);
    pthread_join(p->thread, NULL);
    pump_free(p);
    return NULL;
}
