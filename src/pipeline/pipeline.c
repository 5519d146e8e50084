/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "pipeline/pipeline_internal.h"

#define TIMER_ACCURACY_USEC (10 * AZM_USEC_PER_MSEC) /* sd-event's default, 250 ms, is much beside a delay of 1 s */

static void changed(struct azm_pipeline *p)
{
    if (p->o.on_change)
        p->o.on_change(p->o.userdata);
}

void azm_pipeline_arm(sd_event_source *timer, uint64_t delay_usec)
{
    uint64_t now;

    sd_event_now(sd_event_source_get_event(timer), CLOCK_MONOTONIC, &now);
    sd_event_source_set_time(timer, now + delay_usec);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

bool azm_pipeline_is_armed(sd_event_source *timer)
{
    int enabled = SD_EVENT_OFF;

    sd_event_source_get_enabled(timer, &enabled);
    return enabled != SD_EVENT_OFF;
}

static void end_loop(struct azm_pipeline *p)
{
    sd_event_exit(p->o.event, 0);
}

void azm_pipeline_fail(struct azm_pipeline *p, int error)
{
    p->error = error;
    azm_pipeline_save_now(p);
    end_loop(p);
}

/* --- flushes --- */

/* What a flush waits for may have come to pass: 0 or -errno. While more is read than is delivered, there always is a
 * record that waits for a batch and a batch that waits for room: the flush waits for that batch, not for a lull. */
static int go_on_flushing(struct azm_pipeline *p)
{
    if (p->flushes.first && azm_flush_wants_seal(&p->flushes, p->o.source)) {
        int r = azm_pipeline_make_room(p);

        if (r >= 0 && !p->pending) {
            p->due = azm_pipeline_has_records(p); /* sealed now, or by the next acknowledgement */
            azm_flush_sealed(&p->flushes, azm_outbox_submitted(p->o.outbox) + p->due);
            r = azm_pipeline_seal(p, false);
        }
        if (r < 0)
            return r;
    }
    if (p->flushes.first)
        azm_pipeline_save(p); /* what is flushed does not come again after a crash */
    azm_flush_acknowledged(&p->flushes, azm_outbox_acknowledged(p->o.outbox));
    return 0;
}

/* --- records --- */

/* Where there is none from the source: a record about those that were left out, or a timer for it. */
static int read_own_record(struct azm_pipeline *p, struct azm_record *rec)
{
    uint64_t now = p->o.once ? AZM_USEC_INFINITY : azm_realtime_usec(p->o.clock);
    uint64_t next = azm_processor_rest(p->o.processor, now);

    if (next != AZM_USEC_INFINITY)
        azm_pipeline_arm(p->own_timer, next - MIN(next, now));
    return azm_processor_next_own(p->o.processor, p->o.own_resource, rec);
}

/* 1 also if there is nothing to send of it; 0: there is none; -errno. */
static int read_record(struct azm_pipeline *p)
{
    struct azm_record rec;
    int r;

    r = azm_processor_next_own(p->o.processor, p->o.own_resource, &rec);
    if (r == 0) {
        r = p->o.source->ops->next(p->o.source, &rec, &p->words);
        if (r < 0)
            return r;
        if (r == 0) {
            r = read_own_record(p, &rec);
            if (r == 0)
                return 0;
        } else {
            r = azm_processor_run(p->o.processor, &rec);
            if (r == 0) /* left out: the next position is behind it */
                return 1;
        }
    }
    if (r < 0)
        return azm_error_set(&p->words, r, "out of memory");
    r = azm_pipeline_encode(p, &rec);
    if (r < 0)
        return r;
    p->records_read++;
    return 1;
}

/* --- the end --- */

static bool all_done(const struct azm_pipeline *p)
{
    return azm_outbox_outstanding(p->o.outbox) == 0 && !p->unsaved && !azm_pipeline_has_records(p);
}

/* What the source holds back goes along, as far as there is room: the position lies before the rest. */
static int read_held(struct azm_pipeline *p)
{
    int r = 1;

    for (size_t held = azm_source_release(p->o.source); held > 0 && r > 0; held--) {
        r = azm_pipeline_make_room(p);
        if (r > 0)
            r = read_record(p);
    }
    return r > 0 ? azm_pipeline_make_room(p) : r;
}

static void finish(struct azm_pipeline *p, enum azm_pipeline_state state)
{
    int r;

    p->state = state;
    azm_pipeline_save(p);
    sd_event_source_set_enabled(p->turn, SD_EVENT_OFF);
    sd_event_source_set_enabled(p->source_io, SD_EVENT_OFF);
    sd_event_source_set_enabled(p->source_timer, SD_EVENT_OFF);
    r = read_held(p);
    if (r >= 0)
        r = azm_pipeline_place_notice(p, true);
    if (r >= 0)
        r = azm_pipeline_seal(p, true);
    if (r >= 0)
        r = go_on_flushing(p);
    if (r >= 0)
        r = azm_pipeline_save_idle(p);
    if (r < 0)
        azm_pipeline_fail(p, r);
    else if (all_done(p))
        end_loop(p);
}

void azm_pipeline_stop(struct azm_pipeline *p)
{
    if (p->state == AZM_PIPELINE_STOPPING) {
        end_loop(p);
        return;
    }
    azm_pipeline_arm(p->shutdown_timer, p->o.shutdown_timeout_usec);
    finish(p, AZM_PIPELINE_STOPPING);
}

static int on_shutdown_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_pipeline *p = userdata;

    (void)s;
    (void)usec;
    end_loop(p);
    return 0;
}

/* --- reading --- */

/* 1 if there may be more to read now, 0, -errno. */
static int look_for_changes(struct azm_pipeline *p)
{
    uint64_t timeout;
    int fd, events, r, more = 0;

    r = azm_flush_mark(&p->flushes, p->o.source, &p->words); /* before new files are looked for */
    if (r >= 0)
        r = more = p->o.source->ops->process(p->o.source, &p->words);
    if (r >= 0)
        r = p->o.source->ops->poll(p->o.source, &fd, &events, &timeout, &p->words);
    if (r < 0)
        return r;
    r = sd_event_source_set_io_fd(p->source_io, fd);
    if (r < 0)
        return azm_error_set(&p->words, r, "cannot watch the source: %m");
    sd_event_source_set_io_events(p->source_io, (uint32_t)events);
    if (timeout != AZM_USEC_INFINITY)
        sd_event_source_set_time(p->source_timer, timeout);
    sd_event_source_set_enabled(p->source_timer, timeout == AZM_USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    return more;
}

/* One turn of reading: a bounded number of records, so that acknowledgements and signals are seen between. */
static int on_turn(sd_event_source *s, void *userdata)
{
    struct azm_pipeline *p = userdata;
    int r = 1, k;
    bool more;

    for (size_t i = 0; i < AZM_SOURCE_RECORDS_PER_TURN && r > 0; i++) {
        r = azm_pipeline_make_room(p);
        if (r == 0) { /* the window is full: an acknowledgement goes on */
            sd_event_source_set_enabled(s, SD_EVENT_OFF);
            return 0;
        }
        if (r > 0)
            r = read_record(p);
    }
    k = r < 0 ? r : look_for_changes(p);
    if (k < 0) {
        azm_pipeline_fail(p, k);
        return 0;
    }
    more = p->reading = r > 0 || k > 0; /* what has come since the last record was read: its event is spent */
    if (!more)
        azm_pipeline_save(p);
    k = go_on_flushing(p);
    if (k >= 0 && (r == 0 || !azm_pipeline_has_records(p))) /* a flood that is left out makes no batches */
        k = azm_pipeline_note_idle(p);
    if (k < 0) {
        azm_pipeline_fail(p, k);
        return 0;
    }
    if (more) {
        p->drained_before = false;
        return 0;
    }
    if (p->o.once) {
        if (p->drained_before && azm_source_release(p->o.source) == 0) /* nothing came up in the second look either */
            finish(p, AZM_PIPELINE_FINISHING);
        p->drained_before = true;
        return 0;
    }
    if (azm_flush_reads(&p->flushes)) /* marked just now, after the last look */
        return 0;
    sd_event_source_set_enabled(s, SD_EVENT_OFF);
    return 0;
}

static int go_on_reading(struct azm_pipeline *p)
{
    return p->state == AZM_PIPELINE_RUNNING ? sd_event_source_set_enabled(p->turn, SD_EVENT_ON) : 0;
}

static int on_source_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
    struct azm_pipeline *p = userdata;
    int r = look_for_changes(p);

    (void)s;
    (void)fd;
    (void)revents;
    if (r < 0)
        azm_pipeline_fail(p, r);
    return go_on_reading(p);
}

static int on_source_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)usec;
    return on_source_io(s, -1, 0, userdata);
}

static int on_own_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s;
    (void)usec;
    return go_on_reading(userdata);
}

static int on_batch_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_pipeline *p = userdata;
    int r;

    (void)s;
    (void)usec;
    p->due = true;
    r = azm_pipeline_seal(p, false);
    if (r < 0)
        azm_pipeline_fail(p, r);
    return 0;
}

/* --- positions --- */

static int on_idle_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_pipeline *p = userdata;
    int r = azm_pipeline_note_idle(p);

    (void)s;
    (void)usec;
    if (r < 0)
        azm_pipeline_fail(p, r);
    return 0;
}

static int on_save_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_pipeline *p = userdata;

    (void)s;
    (void)usec;
    azm_pipeline_save_now(p);
    if (p->state != AZM_PIPELINE_RUNNING && all_done(p))
        end_loop(p);
    return 0;
}

/* --- acknowledgements --- */

/* Something is finished, or it is time to look: takes what is safe, and lets what waited go on. */
static int go_on(struct azm_pipeline *p)
{
    uint64_t next;
    int r = azm_outbox_work(p->o.outbox, &next, &p->words);

    if (r < 0)
        return r;
    sd_event_source_set_time(p->outbox_timer, next);
    sd_event_source_set_enabled(p->outbox_timer, next == AZM_USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    azm_pipeline_take_position(p);
    changed(p);
    if (p->due || p->state != AZM_PIPELINE_RUNNING)
        r = azm_pipeline_seal(p, p->state != AZM_PIPELINE_RUNNING);
    if (r >= 0)
        r = azm_pipeline_place_notice(p, false);
    if (r >= 0)
        r = go_on_flushing(p);
    if (r >= 0 && p->state != AZM_PIPELINE_RUNNING)
        r = azm_pipeline_save_idle(p);
    return r;
}

static int on_outbox(struct azm_pipeline *p)
{
    int r = go_on(p);

    if (r < 0)
        azm_pipeline_fail(p, r);
    else if (p->state != AZM_PIPELINE_RUNNING && all_done(p))
        end_loop(p);
    return go_on_reading(p);
}

static int on_ack(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
    (void)s;
    (void)fd;
    (void)revents;
    return on_outbox(userdata);
}

static int on_outbox_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s;
    (void)usec;
    return on_outbox(userdata);
}

/* --- life --- */

static int add_timer(struct azm_pipeline *p, sd_event_source **ret, sd_event_time_handler_t handler)
{
    int r = sd_event_add_time(p->o.event, ret, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC, handler, p);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_event_sources(struct azm_pipeline *p)
{
    uint64_t timeout;
    int fd, events, r;

    r = p->o.source->ops->poll(p->o.source, &fd, &events, &timeout, &p->words);
    if (r < 0)
        return r;
    r = sd_event_add_io(p->o.event, &p->source_io, fd, (uint32_t)events, on_source_io, p);
    if (r >= 0)
        r = sd_event_add_io(p->o.event, &p->ack_io, azm_exporter_fd(p->o.exporter), EPOLLIN, on_ack, p);
    if (r >= 0)
        r = add_timer(p, &p->source_timer, on_source_timer);
    if (r >= 0)
        r = add_timer(p, &p->own_timer, on_own_timer);
    if (r >= 0)
        r = add_timer(p, &p->batch_timer, on_batch_timer);
    if (r >= 0)
        r = add_timer(p, &p->save_timer, on_save_timer);
    if (r >= 0)
        r = add_timer(p, &p->idle_timer, on_idle_timer);
    if (r >= 0)
        r = add_timer(p, &p->outbox_timer, on_outbox_timer);
    if (r >= 0)
        r = add_timer(p, &p->shutdown_timer, on_shutdown_timer);
    if (r >= 0)
        r = sd_event_add_defer(p->o.event, &p->turn, on_turn, p);
    if (r >= 0)
        r = sd_event_source_set_priority(p->turn, SD_EVENT_PRIORITY_IDLE);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->turn, SD_EVENT_ON);
    return r < 0 ? azm_error_set(&p->words, r, "cannot set up the event loop: %m") : 0;
}

int azm_pipeline_new(const struct azm_pipeline_options *o, struct azm_pipeline **ret, struct azm_error *err)
{
    struct azm_pipeline *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return azm_error_set(err, ENOMEM, "out of memory");
    p->o = *o;
    p->encoder.limits = o->record;
    p->first_batch = true;
    r = add_event_sources(p);
    if (r >= 0)
        azm_pipeline_arm(p->outbox_timer, 0); /* a spool from before */
    if (r < 0) {
        *err = p->words;
        azm_pipeline_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

struct azm_pipeline *azm_pipeline_free(struct azm_pipeline *p)
{
    if (!p)
        return NULL;
    azm_flush_fail(&p->flushes, "azmonlog ends before everything is acknowledged; the next start goes on");
    sd_event_source_unref(p->turn);
    sd_event_source_unref(p->source_io);
    sd_event_source_unref(p->source_timer);
    sd_event_source_unref(p->own_timer);
    sd_event_source_unref(p->batch_timer);
    sd_event_source_unref(p->ack_io);
    sd_event_source_unref(p->save_timer);
    sd_event_source_unref(p->idle_timer);
    sd_event_source_unref(p->outbox_timer);
    sd_event_source_unref(p->shutdown_timer);
    azm_batch_free(p->batch);
    azm_otlp_encoder_free(&p->encoder);
    azm_buf_free(&p->own_record);
    azm_buf_free(&p->notice);
    azm_buf_free(&p->notice_resource);
    azm_buf_free(&p->own_resource);
    azm_buf_free(&p->acknowledged);
    free(p);
    return NULL;
}

int azm_pipeline_result(struct azm_pipeline *p, struct azm_error *err)
{
    if (p->error < 0) {
        *err = p->words;
        return p->error;
    }
    return !all_done(p) || p->pending;
}

int azm_pipeline_flush(struct azm_pipeline *p, const char *message, unsigned n, const struct azm_flush_waiter *waiter,
                       struct azm_error *err)
{
    int r;

    if (p->state != AZM_PIPELINE_RUNNING)
        return azm_error_set(err, EBUSY, "azmonlog is ending");
    r = azm_flush_add(&p->flushes, message, n, waiter);
    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    r = look_for_changes(p);
    if (r < 0)
        azm_pipeline_fail(p, r); /* which ends the flush, too */
    else
        go_on_reading(p);
    return 0;
}

int azm_pipeline_configure(struct azm_pipeline *p, const struct azm_pipeline_options *o)
{
    if (azm_pipeline_keep_pending(p) < 0)
        return -ENOMEM;
    p->o.processor = o->processor;
    p->o.batch = o->batch;
    p->o.concurrency = o->concurrency;
    p->o.record = p->encoder.limits = o->record;
    p->o.schedule_delay_usec = o->schedule_delay_usec;
    p->o.shutdown_timeout_usec = o->shutdown_timeout_usec;
    return 0;
}

uint64_t azm_pipeline_records_read(const struct azm_pipeline *p)
{
    return p->records_read;
}

uint64_t azm_pipeline_oldest_usec(const struct azm_pipeline *p)
{
    if (azm_outbox_outstanding(p->o.outbox) > 0)
        return azm_outbox_oldest_usec(p->o.outbox);
    if (azm_pipeline_has_records(p))
        return *azm_batch_oldest_usec(p->batch);
    return p->pending ? p->received_usec : 0;
}

struct azm_volumes *azm_pipeline_volumes(struct azm_pipeline *p)
{
    return &p->volumes;
}
