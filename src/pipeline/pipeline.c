/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/log.h"
#include "pipeline/pipeline.h"

/* Near to its limit a batch is full: when a record that does not fit any more has been read, its predecessor's position
 * can not be asked for. Near means: a record twice as large as the largest of late might not fit, but no more than an
 * eighth of a batch is left. A still larger one leaves the batch without a position, which costs duplicates after a
 * crash, never a record. */
#define NEAR_LIMIT_BYTES ((size_t)4 * 1024)

#define CHECKPOINT_RETRY_USEC (5 * AZM_USEC_PER_SEC)

/* While there is more to read, a position waits for others so long at most: to save it costs as much CPU time as some
 * thousand records. */
#define SAVE_DELAY_USEC (100 * AZM_USEC_PER_MSEC)

/* How often a position is checkpointed that moves without any record: where everything is filtered out. */
#define IDLE_POSITION_USEC (5 * AZM_USEC_PER_SEC)

#define TIMER_ACCURACY_USEC (10 * AZM_USEC_PER_MSEC) /* sd-event's default, 250 ms, is much beside a delay of 1 s */

enum state {
    RUNNING,
    FINISHING, /* once: everything is read; waiting for acknowledgements */
    STOPPING,  /* the same, but not longer than shutdown_timeout */
};

struct azm_pipeline {
    struct azm_pipeline_options o;
    enum state state;
    struct azm_otlp_encoder encoder;
    struct azm_batch *batch; /* being filled; NULL: none */
    bool due;                /* seal it as soon as there is room */
    bool first_batch;
    bool from_source; /* it has records of the source, not only notices */

    /* A notice that was given: it waits for the batch, is in it, or in the outbox's batch of this number. */
    struct azm_buf notice, notice_resource;
    bool notice_in_batch;
    uint64_t notice_number;

    /* The record that was read last, encoded; `pending` while it waits for a batch. */
    struct azm_text record, resource;
    struct azm_buf own_record, own_resource; /* where the source has none that lasts */
    bool pending;
    uint64_t received_usec; /* realtime; 0: not known */
    size_t largest_bytes;   /* of the latest records, fading */

    struct azm_buf acknowledged; /* the newest acknowledged position */
    bool unsaved, save_failed;
    uint64_t saved;           /* batches of the outbox that were acknowledged when it was saved last */
    bool reading;             /* there may be more to read now */
    uint64_t idle_saved_usec; /* monotonic: when a position was last looked for without a record */
    struct azm_flushes flushes;
    bool drained_before;
    uint64_t records_read;
    struct azm_volumes volumes;

    int error;
    struct azm_error words;

    sd_event_source *turn, *source_io, *source_timer, *own_timer, *batch_timer, *ack_io, *save_timer, *idle_timer,
        *outbox_timer, *shutdown_timer;
};

static void changed(struct azm_pipeline *p)
{
    if (p->o.on_change)
        p->o.on_change(p->o.userdata);
}

static void arm(sd_event_source *timer, uint64_t delay_usec)
{
    uint64_t now;

    sd_event_now(sd_event_source_get_event(timer), CLOCK_MONOTONIC, &now);
    sd_event_source_set_time(timer, now + delay_usec);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static bool is_armed(sd_event_source *timer)
{
    int enabled = SD_EVENT_OFF;

    sd_event_source_get_enabled(timer, &enabled);
    return enabled != SD_EVENT_OFF;
}

/* --- saving the position --- */

static void save_position_now(struct azm_pipeline *p)
{
    struct azm_error err;
    int r;

    if (!p->unsaved)
        return;
    r = p->o.source->ops->acknowledge(p->o.source, &p->acknowledged, &err);
    if (r < 0) {
        if (!p->save_failed)
            azm_log(AZM_LOG_ERROR, "%s; delivery goes on, but after a crash records would be sent again", err.words);
        p->save_failed = true;
        arm(p->save_timer, CHECKPOINT_RETRY_USEC);
        return;
    }
    if (p->save_failed)
        azm_log(AZM_LOG_NOTICE, "the checkpoint can be written again");
    p->unsaved = p->save_failed = false;
    p->saved = azm_outbox_acknowledged(p->o.outbox);
}

/* While the disk is full, say, not at every turn, but when the timer says so. */
static void save_position(struct azm_pipeline *p)
{
    if (p->state == RUNNING && p->save_failed && is_armed(p->save_timer))
        return;
    save_position_now(p);
}

static void save_soon(struct azm_pipeline *p)
{
    if (!is_armed(p->save_timer))
        arm(p->save_timer, SAVE_DELAY_USEC);
}

/* What is safe may have moved. */
static void take_position(struct azm_pipeline *p)
{
    if (!azm_outbox_take_position(p->o.outbox, &p->acknowledged))
        return;
    p->unsaved = true;
    if (p->reading && p->state == RUNNING)
        save_soon(p);
    else
        save_position(p);
}

/* A crash sends again what is on its way and what was acknowledged since the position was saved: together that must
 * not be more than may be on its way at once. To be called before there is one batch more. */
static void save_position_for_batch(struct azm_pipeline *p)
{
    if (azm_outbox_submitted(p->o.outbox) - p->saved >= p->o.concurrency)
        save_position(p);
}

static void end_loop(struct azm_pipeline *p)
{
    sd_event_exit(p->o.event, 0);
}

static void fail(struct azm_pipeline *p, int error)
{
    p->error = error;
    save_position_now(p);
    end_loop(p);
}

/* --- batches --- */

static bool batch_has_records(const struct azm_pipeline *p)
{
    return p->batch && azm_batch_records(p->batch) > 0;
}

static int encode(struct azm_pipeline *p, const struct azm_record *rec)
{
    p->record = rec->encoded;
    if (rec->encoded.len == 0) {
        int r = azm_otlp_encode_record(&p->encoder, rec, &p->own_record);

        if (r < 0)
            return azm_error_set(&p->words, r, "out of memory");
        p->record = azm_buf_text(&p->own_record);
    }
    p->resource = rec->resource;
    p->received_usec = rec->observed_time_unix_nano / AZM_NSEC_PER_USEC;
    p->pending = true;
    return 0;
}

/* The source's position, and what the rules have to know there. 0 or -errno. */
static int get_position(struct azm_pipeline *p, struct azm_buf *out)
{
    int r = p->o.source->ops->position(p->o.source, out, &p->words);

    if (r >= 0 && out->len > 0 && azm_rules_print_state(azm_processor_rules(p->o.processor), out) < 0)
        r = azm_error_set(&p->words, ENOMEM, "out of memory");
    return r;
}

/* What may be checkpointed when the batch as it is now is acknowledged. Notices that come up with it belong into the
 * same batch; where they do not fit any more the position is not known, and the next one covers it. */
static int note_position(struct azm_pipeline *p)
{
    const struct azm_source_ops *ops = p->o.source->ops;
    struct azm_record rec;
    bool noticed = false;
    int r, k = 1;

    r = get_position(p, azm_batch_position(p->batch));
    while (r >= 0 && k > 0 && (r = ops->next_notice(p->o.source, &rec, &p->words)) > 0) {
        noticed = true;
        r = encode(p, &rec);
        if (r < 0)
            return r;
        k = azm_batch_add_beyond(p->batch, p->resource, p->record);
        if (k < 0)
            return azm_error_set(&p->words, k, "out of memory");
        p->pending = k == 0;
    }
    return r == 0 && noticed && k > 0 ? get_position(p, azm_batch_position(p->batch)) : MIN(r, 0);
}

static bool is_full(const struct azm_pipeline *p)
{
    size_t near = MIN(MAX(2 * p->largest_bytes, NEAR_LIMIT_BYTES), p->o.batch.bytes / 8);

    return azm_batch_full(p->batch) || azm_batch_room(p->batch) < near;
}

/* Hands the batch over: 1; 0 if the window is full (not asked with `force`); -errno. */
static int seal(struct azm_pipeline *p, bool force)
{
    int r;

    if (!batch_has_records(p)) {
        p->due = false;
        return 1;
    }
    if (!force && !azm_outbox_has_room(p->o.outbox))
        return 0;
    /* Where the source is one record ahead, the batch has noted what it could. */
    if (p->from_source && !p->pending) {
        r = note_position(p);
        if (r < 0)
            return r;
    }
    save_position_for_batch(p);
    azm_volumes_add_batch(&p->volumes, p->batch);
    r = azm_outbox_put(p->o.outbox, p->batch, &p->words);
    if (r == 0) {
        p->due = true;
        arm(p->outbox_timer, AZM_OUTBOX_RETRY_USEC);
        return 0;
    }
    p->batch = NULL;
    if (r < 0)
        return r;
    if (p->notice_in_batch)
        p->notice_number = azm_outbox_submitted(p->o.outbox);
    p->notice_in_batch = p->from_source = p->due = false;
    sd_event_source_set_enabled(p->batch_timer, SD_EVENT_OFF);
    take_position(p);
    return 1;
}

static int open_batch(struct azm_pipeline *p)
{
    uint64_t delay = MAX(p->o.schedule_delay_usec, azm_exporter_batch_delay_usec(p->o.exporter));
    int r = azm_batch_new(&p->o.batch, &p->batch);

    if (r < 0)
        return azm_error_set(&p->words, r, "out of memory");
    p->largest_bytes = MIN(p->largest_bytes, p->o.batch.bytes / 8) / 2; /* forget a giant with time */
    if (p->first_batch) /* a random phase, so that the hosts of a fleet do not send in step */
        delay = azm_random_up_to(p->o.clock, delay);
    p->first_batch = false;
    arm(p->batch_timer, delay);
    return 0;
}

/* Puts the pending record into a batch: 1; 0 if it must wait for room; -errno. */
static int place(struct azm_pipeline *p)
{
    int r;

    if (!p->batch) {
        r = open_batch(p);
        if (r < 0)
            return r;
    }
    r = azm_batch_add(p->batch, p->resource, p->record);
    if (r == 0) {
        p->due = true;
        r = seal(p, false);
        if (r <= 0)
            return r;
        return place(p); /* an empty batch takes every record */
    }
    if (r < 0)
        return azm_error_set(&p->words, r, "out of memory");
    if (!p->from_source)
        *azm_batch_oldest_usec(p->batch) = p->received_usec;
    p->from_source = true;
    p->pending = false;
    p->largest_bytes = MAX(p->largest_bytes, p->record.len);
    if (is_full(p)) {
        p->due = true;
        return seal(p, false);
    }
    return 1;
}

/* Is there room for one record more without waiting for the exporter? If not, try to make some. */
static int make_room(struct azm_pipeline *p)
{
    while (p->pending) { /* once more if a notice came up */
        int r = place(p);

        if (r <= 0)
            return r;
    }
    if (batch_has_records(p) && is_full(p))
        return seal(p, false);
    return 1;
}

/* Where there is none from the source: a record about those that were left out, or a timer for it. */
static int read_own_record(struct azm_pipeline *p, struct azm_record *rec)
{
    uint64_t now = p->o.once ? AZM_USEC_INFINITY : azm_realtime_usec(p->o.clock);
    uint64_t next = azm_processor_rest(p->o.processor, now);

    if (next != AZM_USEC_INFINITY)
        arm(p->own_timer, next - MIN(next, now));
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
    r = encode(p, &rec);
    if (r < 0)
        return r;
    p->records_read++;
    return 1;
}

/* --- notices --- */

bool azm_pipeline_notice_waits(const struct azm_pipeline *p)
{
    return p->notice.len > 0 || p->notice_in_batch || azm_outbox_acknowledged(p->o.outbox) < p->notice_number;
}

/* Puts a notice that waits into the batch, beyond its limit of records: 1 also if there is none; 0 if it must wait for
 * room (not asked with `force`); -errno. */
static int place_notice(struct azm_pipeline *p, bool force)
{
    int r = p->batch || p->notice.len == 0 ? 0 : open_batch(p);

    if (r < 0 || p->notice.len == 0)
        return r < 0 ? r : 1;
    r = azm_batch_add_beyond(p->batch, azm_buf_text(&p->notice_resource), azm_buf_text(&p->notice));
    if (r < 0)
        return azm_error_set(&p->words, r, "out of memory");
    if (r == 0) {
        p->due = true;
        r = seal(p, force);
        return r <= 0 ? r : place_notice(p, force); /* an empty batch takes every record */
    }
    azm_buf_clear(&p->notice);
    p->notice_in_batch = true;
    return 1;
}

void azm_pipeline_give_notice(struct azm_pipeline *p, struct azm_text resource, const struct azm_record *rec)
{
    int r;

    azm_buf_clear(&p->notice_resource);
    r = azm_buf_append(&p->notice_resource, resource.s, resource.len);
    if (r >= 0)
        r = azm_otlp_encode_record(&p->encoder, rec, &p->notice);
    if (r < 0)
        azm_error_set(&p->words, r, "out of memory");
    else
        r = place_notice(p, false);
    if (r < 0)
        fail(p, r);
}

/* --- flushes --- */

/* What a flush waits for may have come to pass: 0 or -errno. While more is read than is delivered, there always is a
 * record that waits for a batch and a batch that waits for room: the flush waits for that batch, not for a lull. */
static int go_on_flushing(struct azm_pipeline *p)
{
    if (p->flushes.first && azm_flush_wants_seal(&p->flushes, p->o.source)) {
        int r = make_room(p);

        if (r >= 0 && !p->pending) {
            p->due = batch_has_records(p); /* sealed now, or by the next acknowledgement */
            azm_flush_sealed(&p->flushes, azm_outbox_submitted(p->o.outbox) + p->due);
            r = seal(p, false);
        }
        if (r < 0)
            return r;
    }
    if (p->flushes.first)
        save_position(p); /* what is flushed does not come again after a crash */
    azm_flush_acknowledged(&p->flushes, azm_outbox_acknowledged(p->o.outbox));
    return 0;
}

/* --- positions without records --- */

/* Everything is read and acknowledged: what was passed over since the last record counts as well, so that entries that
 * nobody wants and that are vacuumed later do not look like a gap. 0 or -errno. */
static int save_idle_position(struct azm_pipeline *p)
{
    _cleanup_(azm_buf_free) struct azm_buf position = {0};
    int r;

    if (p->unsaved || p->pending || batch_has_records(p) || azm_outbox_outstanding(p->o.outbox) > 0)
        return 0;
    r = get_position(p, &position);
    if (r < 0 || position.len == 0 ||
        (position.len == p->acknowledged.len && memcmp(position.data, p->acknowledged.data, position.len) == 0))
        return r;
    azm_buf_free(&p->acknowledged);
    p->acknowledged = azm_buf_take(&position);
    p->unsaved = true;
    save_position(p);
    return 0;
}

/* The same, but not too often. */
static int note_idle(struct azm_pipeline *p)
{
    uint64_t now = azm_monotonic_usec(p->o.clock);

    if (now < p->idle_saved_usec + IDLE_POSITION_USEC) {
        if (!is_armed(p->idle_timer))
            arm(p->idle_timer, p->idle_saved_usec + IDLE_POSITION_USEC - now);
        return 0;
    }
    p->idle_saved_usec = now;
    return save_idle_position(p);
}

static int on_idle_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_pipeline *p = userdata;
    int r;

    (void)s;
    (void)usec;
    p->idle_saved_usec = azm_monotonic_usec(p->o.clock);
    r = save_idle_position(p);
    if (r < 0)
        fail(p, r);
    return 0;
}

/* --- the end --- */

static bool all_done(const struct azm_pipeline *p)
{
    return azm_outbox_outstanding(p->o.outbox) == 0 && !p->unsaved && !batch_has_records(p);
}

/* What the source holds back goes along, as far as there is room: the position lies before the rest. */
static int read_held(struct azm_pipeline *p)
{
    int r = 1;

    for (size_t held = azm_source_release(p->o.source); held > 0 && r > 0; held--) {
        r = make_room(p);
        if (r > 0)
            r = read_record(p);
    }
    return r > 0 ? make_room(p) : r;
}

static void finish(struct azm_pipeline *p, enum state state)
{
    int r;

    p->state = state;
    save_position(p);
    sd_event_source_set_enabled(p->turn, SD_EVENT_OFF);
    sd_event_source_set_enabled(p->source_io, SD_EVENT_OFF);
    sd_event_source_set_enabled(p->source_timer, SD_EVENT_OFF);
    r = read_held(p);
    if (r >= 0)
        r = place_notice(p, true);
    if (r >= 0)
        r = seal(p, true);
    if (r >= 0)
        r = go_on_flushing(p);
    if (r >= 0)
        r = save_idle_position(p);
    if (r < 0)
        fail(p, r);
    else if (all_done(p))
        end_loop(p);
}

void azm_pipeline_stop(struct azm_pipeline *p)
{
    if (p->state == STOPPING) {
        end_loop(p);
        return;
    }
    arm(p->shutdown_timer, p->o.shutdown_timeout_usec);
    finish(p, STOPPING);
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
        r = make_room(p);
        if (r == 0) { /* the window is full: an acknowledgement goes on */
            sd_event_source_set_enabled(s, SD_EVENT_OFF);
            return 0;
        }
        if (r > 0)
            r = read_record(p);
    }
    k = r < 0 ? r : look_for_changes(p);
    if (k < 0) {
        fail(p, k);
        return 0;
    }
    more = p->reading = r > 0 || k > 0; /* what has come since the last record was read: its event is spent */
    if (!more)
        save_position(p);
    k = go_on_flushing(p);
    if (k >= 0 && (r == 0 || !batch_has_records(p))) /* a flood that is left out makes no batches */
        k = note_idle(p);
    if (k < 0) {
        fail(p, k);
        return 0;
    }
    if (more) {
        p->drained_before = false;
        return 0;
    }
    if (p->o.once) {
        if (p->drained_before && azm_source_release(p->o.source) == 0) /* nothing came up in the second look either */
            finish(p, FINISHING);
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
    return p->state == RUNNING ? sd_event_source_set_enabled(p->turn, SD_EVENT_ON) : 0;
}

static int on_source_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
    struct azm_pipeline *p = userdata;
    int r = look_for_changes(p);

    (void)s;
    (void)fd;
    (void)revents;
    if (r < 0)
        fail(p, r);
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
    r = seal(p, false);
    if (r < 0)
        fail(p, r);
    return 0;
}

/* --- acknowledgements --- */

static int on_save_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_pipeline *p = userdata;

    (void)s;
    (void)usec;
    save_position(p);
    if (p->state != RUNNING && all_done(p))
        end_loop(p);
    return 0;
}

/* Something is finished, or it is time to look: takes what is safe, and lets what waited go on. */
static int go_on(struct azm_pipeline *p)
{
    uint64_t next;
    int r = azm_outbox_work(p->o.outbox, &next, &p->words);

    if (r < 0)
        return r;
    sd_event_source_set_time(p->outbox_timer, next);
    sd_event_source_set_enabled(p->outbox_timer, next == AZM_USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    take_position(p);
    changed(p);
    if (p->due || p->state != RUNNING)
        r = seal(p, p->state != RUNNING);
    if (r >= 0)
        r = place_notice(p, false);
    if (r >= 0)
        r = go_on_flushing(p);
    if (r >= 0 && p->state != RUNNING)
        r = save_idle_position(p);
    return r;
}

static int on_outbox(struct azm_pipeline *p)
{
    int r = go_on(p);

    if (r < 0)
        fail(p, r);
    else if (p->state != RUNNING && all_done(p))
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
        arm(p->outbox_timer, 0); /* a spool from before */
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

    if (p->state != RUNNING)
        return azm_error_set(err, EBUSY, "azmonlog is ending");
    r = azm_flush_add(&p->flushes, message, n, waiter);
    if (r < 0)
        return azm_error_set(err, r, "out of memory");
    r = look_for_changes(p);
    if (r < 0)
        fail(p, r); /* which ends the flush, too */
    else
        go_on_reading(p);
    return 0;
}

/* Makes `t` a copy in `own`: 0 or -ENOMEM. */
static int keep(struct azm_text *t, struct azm_buf *own)
{
    if (t->s == (const char *)own->data)
        return 0;
    azm_buf_clear(own);
    if (azm_buf_append(own, t->s, t->len) < 0)
        return -ENOMEM;
    *t = azm_buf_text(own);
    return 0;
}

int azm_pipeline_configure(struct azm_pipeline *p, const struct azm_pipeline_options *o)
{
    if (p->pending && (keep(&p->record, &p->own_record) < 0 || keep(&p->resource, &p->own_resource) < 0))
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
    if (batch_has_records(p))
        return *azm_batch_oldest_usec(p->batch);
    return p->pending ? p->received_usec : 0;
}

struct azm_volumes *azm_pipeline_volumes(struct azm_pipeline *p)
{
    return &p->volumes;
}
