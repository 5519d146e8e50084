/* SPDX-License-Identifier: MIT */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/spool.h"

/* One connection to the database file of a spool; what stands in the file is known only here.
 *
 * Table `row`: id, time, records, total (of all records up to and with this row since the file was made: two of them
 * tell how many lie between, without counting), checksum over all of it, data. A row without data stands for rows that
 * a repair found lost: those from number `records` to `id`.
 * Tables `meta` and `meta_copy`: one row, written by every append and acknowledgement, twice because one damaged page
 * must not take the position and the spool's id with it. */

#define AZM_SPOOL_PAGE_BYTES 4096U

struct azm_spool_meta {
    uint8_t spool_id[16];
    uint64_t acknowledged, acknowledged_total; /* id of a row, and its total */
    uint64_t last_id, last_total;              /* of the last row that was ever appended */
    char opened[40]; /* boot id of the last one who opened the file; "closed" after an orderly end */
};

enum azm_spool_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_INSERT,
    SQL_NEXT,
    SQL_TOTAL,
    SQL_OLDEST,
    SQL_FIRST,
    SQL_LAST,
    SQL_DELETE,
    SQL_META_GET,
    SQL_META_PUT,
    SQL_META_PUT_COPY,
    SQL_PAGES,
    SQL_FREE_PAGES,
    SQL_N,
};

struct azm_spool_db {
    sqlite3 *sqlite;
    const char *path; /* borrowed */
    sqlite3_stmt *statements[SQL_N];
    struct azm_spool_meta meta; /* as it is on disk */
    uint64_t wal_frames;        /* in the WAL after the last commit */

    uint64_t lost_to;            /* lost rows are counted up to here */
    uint64_t skip_from, skip_to; /* between these two there is nothing that can be read */
};

/* Opens the file, reads meta, or, with `create`, makes the tables in an empty file. -EBADMSG: it is damaged; -EBUSY;
 * -ENOTSUP: of a newer version, or not a spool; another -errno. `db` needs azm_spool_db_close in any case. */
int azm_spool_db_open(struct azm_spool_db *db, const char *path, bool create, struct azm_error *err);

/* Takes the WAL into the file and closes. */
void azm_spool_db_close(struct azm_spool_db *db);

/* Closing will leave the WAL as it is. */
void azm_spool_db_keep_wal(struct azm_spool_db *db);

/* Is the structure of the whole file sound? It reads all of it. 0, -EBADMSG. */
int azm_spool_db_check(struct azm_spool_db *db, struct azm_error *err);

/* Sets words "cannot WHAT the spool PATH: ..." for what SQLite said last, and returns its -errno. */
int azm_spool_db_error(struct azm_spool_db *db, const char *what, struct azm_error *err);

/* Runs one that takes no parameters and has no result, or a literal piece of SQL: 0, -errno. */
int azm_spool_db_run(struct azm_spool_db *db, enum azm_spool_sql sql, const char *what, struct azm_error *err);
int azm_spool_db_exec(struct azm_spool_db *db, const char *sql, const char *what, struct azm_error *err);

/* One number; `parameter` is for those that take one. 1, 0: there is none, -errno. */
int azm_spool_db_number(struct azm_spool_db *db, enum azm_spool_sql sql, uint64_t parameter, uint64_t *ret,
                        struct azm_error *err);

/* Ends a transaction that was begun: commits and takes `meta` over, or, if r < 0, takes everything back and returns r.
 */
int azm_spool_db_end(struct azm_spool_db *db, int r, const struct azm_spool_meta *meta, struct azm_error *err);

int azm_spool_db_put_meta(struct azm_spool_db *db, const struct azm_spool_meta *meta, struct azm_error *err);

int azm_spool_db_insert(struct azm_spool_db *db, const struct azm_spool_row *row, uint64_t total,
                        struct azm_error *err);
/* Says that the rows from `first` to `last` are lost. */
int azm_spool_db_insert_lost(struct azm_spool_db *db, uint64_t first, uint64_t last, struct azm_error *err);

/* Deletes rows from `first` to `last`: 0, -errno. */
int azm_spool_db_delete(struct azm_spool_db *db, uint64_t first, uint64_t last, struct azm_error *err);

/* The next whole row after this id: 1, 0: there is none, -EBADMSG: the structure of the file is damaged, and a repair
 * may find what cannot be found here; another -errno. Rows without their checksum are passed over, and added to *lost,
 * once. */
int azm_spool_db_walk(struct azm_spool_db *db, uint64_t after, struct azm_spool_row *row, uint64_t *lost,
                      struct azm_error *err);

/* The checksums of the two kinds of rows. */
uint64_t azm_spool_db_row_checksum(const struct azm_spool_row *row, uint64_t total, const void *data, size_t len);
uint64_t azm_spool_db_meta_checksum(uint64_t version, const struct azm_spool_meta *m);
