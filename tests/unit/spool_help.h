/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "store/spool.h"
#include "tests/unit/prng.h"
#include "tests/unit/require.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* A spool "q" in the test directory. What is in a row follows from its id, so that every test can tell whether a row is
 * whole without remembering anything. */

#define MIB (UINT64_C(1024) * 1024)

static inline void fill(struct azm_buf *b, uint64_t id, size_t len)
{
    struct prng p = {id ^ len};

    azm_buf_clear(b);
    require(azm_buf_reserve(b, len + 1) == 0);
    prng_bytes(&p, b->data, len);
    b->len = len;
}

static inline struct azm_spool_options spool_options(void)
{
    static char path[PATH_MAX + 256];

    snprintf(path, sizeof path, "%s/q", temp_dir);
    return (struct azm_spool_options){
        .path = path, .max_bytes = 64 * MIB, .ballast_bytes = 64 * 1024, .clock = &azm_system_clock};
}

static inline struct azm_spool *open_spool_with(struct azm_spool_options o, struct azm_spool_damage *damage)
{
    struct azm_error err = {""};
    struct azm_spool *s = NULL;

    ck_assert_msg(azm_spool_open(&o, &s, damage, &err) == 0, "%s", err.words);
    ck_assert_ptr_nonnull(s);
    return s;
}

/* The one that is there is whole. */
static inline struct azm_spool *open_spool(void)
{
    struct azm_spool_damage damage;
    struct azm_spool *s = open_spool_with(spool_options(), &damage);

    ck_assert(!damage.found);
    return s;
}

/* Appends n rows of this size with the ids from `first` in one transaction. */
static inline int try_append(struct azm_spool *s, uint64_t first, size_t n, size_t size, struct azm_error *err)
{
    struct azm_spool_row *rows = calloc(n, sizeof *rows);
    int r;

    require(rows);
    for (size_t i = 0; i < n; i++) {
        fill(&rows[i].data, first + i, size);
        rows[i].records = (first + i) % 7 + 1;
    }
    r = azm_spool_append(s, rows, n, err);
    for (size_t i = 0; i < n; i++) {
        if (r == 0) {
            require(rows[i].id == first + i);
            require(rows[i].time_usec > 0);
        }
        azm_buf_free(&rows[i].data);
    }
    free(rows);
    return r;
}

static inline void append(struct azm_spool *s, uint64_t first, size_t n, size_t size)
{
    struct azm_error err = {""};

    ck_assert_msg(try_append(s, first, n, size, &err) == 0, "%s", err.words);
}

static inline void acknowledge(struct azm_spool *s, uint64_t id)
{
    struct azm_error err = {""};

    ck_assert_msg(azm_spool_acknowledge(s, id, &err) == 0, "%s", err.words);
}

static inline void assert_row_whole(const struct azm_spool_row *row)
{
    _cleanup_(azm_buf_free) struct azm_buf b = {0};

    fill(&b, row->id, row->data.len);
    ck_assert_msg(row->data.len == 0 || memcmp(b.data, row->data.data, b.len) == 0, "row %" PRIu64 " is not whole",
                  row->id);
    ck_assert_uint_eq(row->records, row->id % 7 + 1);
}

struct contents {
    uint64_t first, last, rows, records, lost;
};

/* Reads all: every row is whole, and they are in order. */
static inline struct contents read_all(struct azm_spool *s)
{
    struct contents c = {0};
    struct azm_spool_row row = {0};
    struct azm_error err = {""};
    int r;

    while ((r = azm_spool_read(s, c.last, &row, &c.lost, &err)) > 0) {
        ck_assert_uint_gt(row.id, c.last);
        assert_row_whole(&row);
        if (c.first == 0)
            c.first = row.id;
        c.last = row.id;
        c.rows++;
        c.records += row.records;
    }
    ck_assert_msg(r == 0, "%s", err.words);
    azm_buf_free(&row.data);
    return c;
}

/* Exactly the rows first..last are there, and the status says so. */
static inline void assert_holds(struct azm_spool *s, uint64_t first, uint64_t last)
{
    struct contents c = read_all(s);
    struct azm_spool_status st;

    azm_spool_get_status(s, &st);
    ck_assert_uint_eq(c.lost, 0);
    ck_assert_uint_eq(c.rows, last + 1 - first);
    ck_assert_uint_eq(st.rows, c.rows);
    ck_assert_uint_eq(st.records, c.records);
    ck_assert_int_eq(st.oldest_usec > 0, c.rows > 0);
    if (c.rows > 0) {
        ck_assert_uint_eq(c.first, first);
        ck_assert_uint_eq(c.last, last);
    }
}

static inline int64_t file_size(const char *name)
{
    struct stat st;

    return lstat(temp_path(name), &st) < 0 ? -1 : st.st_size;
}
