/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "store/spool_internal.h"

static int append(struct azm_spool *s, struct azm_spool_row *rows, size_t n, struct azm_error *err)
{
    const uint64_t now = azm_realtime_usec(s->clock);
    struct azm_spool_meta meta;
    int r;

    r = azm_spool_has_room(s, rows, n, err);
    if (r >= 0)
        r = azm_spool_disk_has_room(s, err);
    if (r < 0)
        return r;
    meta = s->db.meta;
    r = azm_spool_db_run(&s->db, SQL_BEGIN, "append to", err);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        rows[i].id = ++meta.last_id;
        rows[i].time_usec = now;
        meta.last_total += rows[i].records;
        r = azm_spool_db_insert(&s->db, &rows[i], meta.last_total, err);
    }
    if (r >= 0)
        r = azm_spool_db_put_meta(&s->db, &meta, err);
    r = azm_spool_db_end(&s->db, r, &meta, err);
    if (r < 0) {
        if (r == -ENOSPC)
            s->full = AZM_SPOOL_FULL_DISK;
        return azm_spool_failed(s, r);
    }
    s->full = AZM_SPOOL_HAS_ROOM;
    azm_spool_checkpoint_if_large(s);
    return 0;
}

static int ready(struct azm_spool *s, struct azm_error *err)
{
    return s->damaged ? azm_spool_recover(s, err) : 0;
}

int azm_spool_append(struct azm_spool *s, struct azm_spool_row *rows, size_t n, struct azm_error *err)
{
    int r;

    if (n == 0)
        return 0;
    r = ready(s, err);
    if (r < 0)
        return r;
    r = append(s, rows, n, err);
    if (r != -EBADMSG)
        return r;
    r = azm_spool_recover(s, err);
    return r < 0 ? r : append(s, rows, n, err);
}

int azm_spool_check_room(struct azm_spool *s, size_t bytes, struct azm_error *err)
{
    const struct azm_spool_row row = {.data = {.len = bytes}};
    int r = ready(s, err);

    if (r >= 0)
        r = azm_spool_has_room(s, &row, 1, err);
    return r < 0 ? r : azm_spool_disk_has_room(s, err);
}

int azm_spool_read(struct azm_spool *s, uint64_t after, struct azm_spool_row *ret, uint64_t *lost_rows,
                   struct azm_error *err)
{
    int r = ready(s, err);

    if (r < 0)
        return r;
    after = MAX(after, s->db.meta.acknowledged);
    r = azm_spool_db_walk(&s->db, after, ret, lost_rows, err);
    if (r == -EBADMSG) {
        s->damaged = true;
        r = azm_spool_recover(s, err);
        if (r >= 0)
            r = azm_spool_db_walk(&s->db, after, ret, lost_rows, err);
    }
    *lost_rows += s->lost;
    s->lost = 0;
    return r;
}

static int acknowledge(struct azm_spool *s, uint64_t id, struct azm_error *err)
{
    struct azm_spool_meta meta = s->db.meta;
    uint64_t total;

    id = MIN(id, meta.last_id);
    if (id <= meta.acknowledged)
        return 0;
    meta.acknowledged = id;
    if (id == meta.last_id)
        meta.acknowledged_total = meta.last_total;
    else if (azm_spool_db_number(&s->db, SQL_TOTAL, id, &total, NULL) > 0 && total > meta.acknowledged_total &&
             total <= meta.last_total)
        meta.acknowledged_total = total; /* if it cannot be read: the next one puts it right */
    return azm_spool_write_acknowledged(s, &meta, AZM_SPOOL_DELETE_AFTER, err);
}

int azm_spool_acknowledge(struct azm_spool *s, uint64_t id, struct azm_error *err)
{
    int r = ready(s, err);

    if (r < 0)
        return r;
    r = acknowledge(s, id, err);
    if (r == -EBADMSG) {
        r = azm_spool_recover(s, err);
        if (r >= 0)
            r = acknowledge(s, id, err);
    }
    if (r < 0)
        return r;
    azm_spool_checkpoint_if_large(s);
    azm_spool_shrink_if_empty(s);
    return 0;
}

void azm_spool_get_status(struct azm_spool *s, struct azm_spool_status *ret)
{
    const struct azm_spool_meta *m = &s->db.meta;
    const uint64_t id = azm_spool_acknowledged_id(s), rows = m->last_id - MIN(id, m->last_id);

    *ret = (struct azm_spool_status){
        .acknowledged_id = m->last_id - rows,
        .last_id = m->last_id,
        .rows = rows,
        .records = rows == 0 ? 0 : m->last_total - m->acknowledged_total,
        .bytes = azm_spool_used_bytes(s),
        .max_bytes = s->max_bytes,
        .full = s->full,
        .repairs = s->repairs,
        .last_damage = s->last_damage,
    };
    if (rows > 0)
        azm_spool_db_number(&s->db, SQL_OLDEST, id, &ret->oldest_usec, NULL);
}

void azm_spool_id(const struct azm_spool *s, uint8_t ret[static 16])
{
    memcpy(ret, s->db.meta.spool_id, sizeof s->db.meta.spool_id);
}
