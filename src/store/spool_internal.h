/* SPDX-License-Identifier: MIT */
#pragma once

#include "store/spool_db.h"
#include "store/spool_files.h"

/* What the parts of a spool share: spool.c (rows), spool_open.c (opening, damage, closing), spool_space.c (limits,
 * deletes, the full disk). */

#define AZM_SPOOL_DELETE_AFTER 64 /* acknowledged rows */

struct azm_spool {
    struct azm_spool_files files;
    struct azm_spool_db db;
    const struct azm_clock *clock;
    uint64_t max_bytes;
    uint64_t wal_bytes; /* of it are kept for the WAL, which is taken into the file when it has half of that */
    unsigned min_free_percent;
    char boot[40];    /* id of this boot */
    uint64_t deleted; /* there is no row up to this id */
    bool stale_wal;   /* a commit failed, and may have left in the WAL what must not be taken for a part of it */
    bool damaged;     /* must be repaired before anything else */
    uint64_t repair_after_usec; /* monotonic; not before */
    int repair_error;           /* of the last repair */
    uint64_t lost;              /* rows that a repair did not find, which azm_spool_read has to tell */
    uint64_t repairs;
    struct azm_spool_damage last_damage;
    enum azm_spool_full full;
};

/* Rows that were lost right behind the acknowledged ones count as acknowledged: nobody will ever read them. */
static inline uint64_t azm_spool_acknowledged_id(const struct azm_spool *s)
{
    if (s->db.meta.acknowledged >= s->db.skip_from && s->db.meta.acknowledged < s->db.skip_to)
        return s->db.skip_to;
    return s->db.meta.acknowledged;
}

/* spool_open.c. Repairs what an operation found damaged: 0, and then it may be tried again; -errno. */
int azm_spool_recover(struct azm_spool *s, struct azm_error *err);

/* spool_space.c */

/* To be called when a write failed; returns r. */
int azm_spool_failed(struct azm_spool *s, int r);

/* Takes the WAL into the file; with `truncate` it is empty afterwards. A failure does no harm. */
void azm_spool_checkpoint(struct azm_spool *s, bool truncate);
void azm_spool_checkpoint_if_large(struct azm_spool *s);

/* Writes meta, and deletes acknowledged rows if there are at least so many (0: none), in one transaction. On a full
 * disk again, with the space of the ballast. 0, -errno. */
int azm_spool_write_acknowledged(struct azm_spool *s, const struct azm_spool_meta *meta, uint64_t at_least,
                                 struct azm_error *err);

/* Gives the disk its space back when nothing is left in a large file: then it costs next to nothing. */
void azm_spool_shrink_if_empty(struct azm_spool *s);

/* Pages in use, and the WAL. Free pages in the file are room. */
uint64_t azm_spool_used_bytes(struct azm_spool *s);

/* Is there room for these rows within max_bytes? Deletes what it can. 0, -ENOSPC, -EMSGSIZE, another -errno. */
int azm_spool_has_room(struct azm_spool *s, const struct azm_spool_row *rows, size_t n, struct azm_error *err);

/* Is enough of the file system free? 0, -ENOSPC. Makes the ballast again when there is space. */
int azm_spool_disk_has_room(struct azm_spool *s, struct azm_error *err);
