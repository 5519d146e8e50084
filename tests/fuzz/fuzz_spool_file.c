/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "store/spool.h"
#include "tests/fuzz/fuzz.h"

/* Damage to the files of a spool, as a process that was killed has left them: pieces of bytes, each for a place in the
 * database or in its WAL, or where one of them is cut off. Every row that is still given is whole and in order, and the
 * spool takes rows again. */

#define ROWS 6

static struct azm_buf database, wal;

static void read_file(const char *name, struct azm_buf *ret)
{
    int fd = openat(fuzz_dir_fd(), name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    require(fd >= 0 && azm_buf_reserve(ret, 1 << 20) == 0);
    while ((n = read(fd, ret->data + ret->len, ret->cap - ret->len)) > 0)
        ret->len += (size_t)n;
    require(n == 0 && ret->len < ret->cap);
    close(fd);
}

static void remove_files(void)
{
    DIR *d = opendir(fuzz_dir());
    const struct dirent *e;

    require(d);
    while ((e = readdir(d)))
        if (*e->d_name == 'q')
            unlinkat(fuzz_dir_fd(), e->d_name, 0);
    closedir(d);
}

static struct azm_spool *open_spool(void)
{
    const struct azm_spool_options o = {.path = fuzz_path("q"), .max_bytes = 16 << 20, .clock = &fuzz_clock};
    struct azm_error err = {""};
    struct azm_spool *s = NULL;
    int r = azm_spool_open(&o, &s, NULL, &err);

    /* What no longer looks like a spool at all may be somebody else's. */
    require(r == 0 || (*err.words && (r == -ENOTSUP || r == -EBADMSG)));
    return r == 0 ? s : NULL;
}

/* What is in a row follows from its id. */
static void make_row(uint64_t id, struct azm_spool_row *ret)
{
    *ret = (struct azm_spool_row){.records = id % 7 + 1};
    require(azm_buf_reserve(&ret->data, 8000) == 0);
    ret->data.len = id % 2 ? 40 : 8000; /* in its page, and in pages of its own */
    memset(ret->data.data, (int)('a' + id), ret->data.len);
}

static void append(struct azm_spool *s, uint64_t id)
{
    struct azm_spool_row row;
    struct azm_error err;

    make_row(id, &row);
    require(azm_spool_append(s, &row, 1, &err) == 0);
    azm_spool_row_clear(&row);
}

static void make_template(void)
{
    struct azm_spool *s = open_spool();
    struct azm_error err;

    for (uint64_t id = 1; id <= ROWS / 2; id++)
        append(s, id);
    require(azm_spool_acknowledge(s, 1, &err) == 0);
    azm_spool_free(s); /* takes the WAL into the file */
    s = open_spool();
    for (uint64_t id = ROWS / 2 + 1; id <= ROWS; id++)
        append(s, id);
    read_file("q", &database);
    read_file("q-wal", &wal);
    azm_spool_free(s);
}

static void damage(struct fuzz_input in, struct azm_text file[2])
{
    while (in.size > 0) {
        uint8_t what = fuzz_byte(&in);
        struct azm_text *f = &file[what & 1];
        size_t at = (size_t)fuzz_byte(&in) << 16, n;

        at |= (size_t)fuzz_byte(&in) << 8;
        at |= fuzz_byte(&in);
        if (f->len == 0)
            continue;
        at %= f->len;
        n = MIN((size_t)what >> 2, in.size);
        n = MIN(n, f->len - at);
        if (what & 2)
            f->len = at;
        else if (n > 0)
            memcpy((char *)f->s + at, in.data, n);
        in.data += n;
        in.size -= n;
    }
}

static void read_all(struct azm_spool *s)
{
    struct azm_spool_row row = {0};
    struct azm_error err = {""};
    uint64_t last = 0, lost = 0;
    int r;

    while ((r = azm_spool_read(s, last, &row, &lost, &err)) > 0) {
        struct azm_spool_row expected;

        require(row.id > last && row.id <= ROWS);
        make_row(row.id, &expected);
        require(row.records == expected.records);
        require(azm_text_equal(fuzz_text(&row.data), fuzz_text(&expected.data)));
        azm_spool_row_clear(&expected);
        last = row.id;
    }
    require(r == 0);
    azm_spool_row_clear(&row);
}

FUZZ_TARGET(spool_file)
{
    struct fuzz_input whole[2];
    struct azm_text file[2];
    struct azm_spool *s;

    remove_files();
    if (database.len == 0) {
        make_template();
        remove_files();
    }
    whole[0] = (struct fuzz_input){database.data, database.len};
    whole[1] = (struct fuzz_input){wal.data, wal.len};
    for (size_t i = 0; i < 2; i++)
        file[i] = fuzz_rest(&whole[i]);
    damage(in, file);
    fuzz_write("q", file[0]);
    fuzz_write("q-wal", file[1]);
    s = open_spool();
    if (!s)
        return;
    read_all(s);
    append(s, ROWS + 1);
    azm_spool_free(s);
}
