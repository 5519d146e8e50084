/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "pipeline/pipeline_internal.h"

#define CHECKPOINT_RETRY_USEC (5 * AZM_USEC_PER_SEC)

/* While there is more to read, a position waits for others so long at most: to save it costs as much CPU time as some
 * thousand records. */
#define SAVE_DELAY_USEC (100 * AZM_USEC_PER_MSEC)

/* How often a position is checkpointed that moves without any record: where everything is filtered out. */
#define IDLE_POSITION_USEC (5 * AZM_USEC_PER_SEC)

int azm_pipeline_get_position(struct azm_pipeline *p, struct azm_buf *out)
{
    int r = p->o.source->ops->position(p->o.source, out, &p->words);

    if (r >= 0 && out->len > 0 && azm_rules_print_state(azm_processor_rules(p->o.processor), out) < 0)
        r = azm_error_set(&p->words, ENOMEM, "out of memory");
    return r;
}

void azm_pipeline_save_now(struct azm_pipeline *p)
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
        azm_pipeline_arm(p->save_timer, CHECKPOINT_RETRY_USEC);
        return;
    }
    if (p->save_failed)
        azm_log(AZM_LOG_NOTICE, "the checkpoint can be written again");
    p->unsaved = p->save_failed = false;
    p->saved = azm_outbox_acknowledged(p->o.outbox);
}

/* While the disk is full, say, not at every turn, but when the timer says so. */
void azm_pipeline_save(struct azm_pipeline *p)
{
    if (p->state == AZM_PIPELINE_RUNNING && p->save_failed && azm_pipeline_is_armed(p->save_timer))
        return;
    azm_pipeline_save_now(p);
}

static void save_soon(struct azm_pipeline *p)
{
    if (!azm_pipeline_is_armed(p->save_timer))
        azm_pipeline_arm(p->save_timer, SAVE_DELAY_USEC);
}

void azm_pipeline_take_position(struct azm_pipeline *p)
{
    if (!azm_outbox_take_position(p->o.outbox, &p->acknowledged))
        return;
    p->unsaved = true;
    if (p->reading && p->state == AZM_PIPELINE_RUNNING)
        save_soon(p);
    else
        azm_pipeline_save(p);
}

/* A crash sends again what is on its way and what was acknowledged since the position was saved: together that must
 * not be more than may be on its way at once. To be called before there is one batch more. */
void azm_pipeline_save_for_batch(struct azm_pipeline *p)
{
    if (azm_outbox_submitted(p->o.outbox) - p->saved >= p->o.concurrency)
        azm_pipeline_save(p);
}

/* Everything is read and acknowledged: what was passed over since the last record counts as well, so that entries that
 * nobody wants and that are vacuumed later do not look like a gap. */
int azm_pipeline_save_idle(struct azm_pipeline *p)
{
    _cleanup_(azm_buf_free) struct azm_buf position = {0};
    int r;

    if (p->unsaved || p->pending || azm_pipeline_has_records(p) || azm_outbox_outstanding(p->o.outbox) > 0)
        return 0;
    r = azm_pipeline_get_position(p, &position);
    if (r < 0 || position.len == 0 ||
        (position.len == p->acknowledged.len && memcmp(position.data, p->acknowledged.data, position.len) == 0))
        return r;
    azm_buf_free(&p->acknowledged);
    p->acknowledged = azm_buf_take(&position);
    p->unsaved = true;
    azm_pipeline_save(p);
    return 0;
}

int azm_pipeline_note_idle(struct azm_pipeline *p)
{
    uint64_t now = azm_monotonic_usec(p->o.clock);

    if (now < p->idle_saved_usec + IDLE_POSITION_USEC) {
        if (!azm_pipeline_is_armed(p->idle_timer))
            azm_pipeline_arm(p->idle_timer, p->idle_saved_usec + IDLE_POSITION_USEC - now);
        return 0;
    }
    p->idle_saved_usec = now;
    return azm_pipeline_save_idle(p);
}
