/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "export/quarantine.h"
#include "store/checkpoint.h"
#include "store/spool.h"

/* recover: what azmonlog makes of state directories that a power loss has left. It reads paths of directories from its
 * standard input, opens in each what azmonlog opens when it starts, and says what it has found:
 *
 *   checkpoint RESULT BYTES WORDS     (BYTES of text follow)
 *   quarantine RESULT 0 WORDS
 *   spool RESULT DAMAGED WORDS
 *   position ID ACKNOWLEDGED LAST     (of the spool)
 *   row ID RECORDS BYTES              (BYTES of data follow)
 *   works RESULT LOST WORDS           (reads the same again, takes a row, and gives nothing back that is acknowledged)
 *   end STATUS                        (of the process that did it: a crash is one of its own)
 *
 * The machine has been started again since: another boot id. Nothing is flushed: this machine stays on. */

#define MAX_BYTES ((uint64_t)1024 * 1024)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_fsync(int fd);

int __wrap_open(const char *path, int flags, ...)
{
    static const char other[] = "00000000-0000-4000-8000-000000000000\n";
    mode_t mode;
    va_list ap;
    int ends[2];

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (strcmp(path, "/proc/sys/kernel/random/boot_id") != 0)
        return __real_open(path, flags, mode);
    if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], other, sizeof other - 1) < 0)
        abort();
    close(ends[1]);
    return ends[0];
}

int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

/* SQLite's: those in the program stand before the library's. */
__attribute__((visibility("default"))) int fsync(int fd)
{
    return __wrap_fsync(fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return __wrap_fsync(fd);
}

static void recover_checkpoint(FILE *out, int dir_fd)
{
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    struct azm_error err = {""};
    int r = azm_checkpoint_load(dir_fd, "cursor", &lines, &err);

    fprintf(out, "checkpoint %d %zu %s\n", r, r > 0 ? lines.len : 0, err.words);
    if (r > 0)
        fwrite(lines.data, 1, lines.len, out);
}

static void recover_quarantine(FILE *out, int dir_fd)
{
    struct azm_quarantine_options o = {.dir_fd = dir_fd, .max_bytes = UINT64_MAX, .clock = &azm_system_clock};
    struct azm_quarantine *q = NULL;
    struct azm_error err = {""};
    int r = azm_quarantine_open(&o, &q, &err);

    fprintf(out, "quarantine %d 0 %s\n", r, err.words);
    azm_quarantine_free(q);
}

/* Reads everything: 0 or -errno. `out`: says it. */
static int read_rows(struct azm_spool *s, FILE *out, uint64_t *ret_rows, uint64_t *lost, struct azm_error *err)
{
    _cleanup_(azm_spool_row_clear) struct azm_spool_row row = {0};
    uint64_t after = 0;
    int r;

    *ret_rows = 0;
    while ((r = azm_spool_read(s, after, &row, lost, err)) > 0) {
        after = row.id;
        ++*ret_rows;
        if (!out)
            continue;
        fprintf(out, "row %" PRIu64 " %" PRIu64 " %zu\n", row.id, row.records, row.data.len);
        fwrite(row.data.data, 1, row.data.len, out);
    }
    return r;
}

/* The spool goes on: what was read once is there again, a row can be added, and what is acknowledged stays away. */
static int work(const struct azm_spool_options *o, uint64_t rows_before, uint64_t *lost, struct azm_error *err)
{
    struct azm_spool_damage damage = {0};
    struct azm_spool_row row = {.records = 1};
    struct azm_spool *s = NULL;
    uint64_t rows = 0;
    int r = azm_spool_open(o, &s, &damage, err);

    if (r >= 0)
        r = read_rows(s, NULL, &rows, lost, err);
    if (r >= 0 && (rows != rows_before || damage.found))
        r = azm_error_set(err, EUCLEAN, "it is another spool when it is opened again");
    if (r >= 0)
        r = azm_buf_append(&row.data, "one more", 8);
    if (r >= 0)
        r = azm_spool_append(s, &row, 1, err);
    if (r >= 0)
        r = azm_spool_acknowledge(s, row.id - 1, err);
    if (r >= 0)
        r = read_rows(s, NULL, &rows, lost, err);
    if (r >= 0 && rows != 1)
        r = azm_error_set(err, EUCLEAN, "%" PRIu64 " rows are left, not the one that was added", rows);
    azm_buf_free(&row.data);
    azm_spool_free(s);
    return r;
}

static void recover_spool(FILE *out, const char *dir)
{
    _cleanup_free_ char *path = NULL;
    struct azm_spool_damage damage = {0};
    struct azm_spool_options o = {.max_bytes = MAX_BYTES, .clock = &azm_system_clock};
    struct azm_spool_status status;
    struct azm_spool *s = NULL;
    struct azm_error err = {""};
    uint64_t rows = 0, lost = 0;
    uint8_t id[16];
    int r;

    if (asprintf(&path, "%s/spool.db", dir) < 0)
        abort();
    o.path = path;
    r = azm_spool_open(&o, &s, &damage, &err);
    fprintf(out, "spool %d %d %s\n", r, damage.found, err.words);
    if (r < 0)
        return;
    azm_spool_get_status(s, &status);
    azm_spool_id(s, id);
    fputs("position ", out);
    for (size_t i = 0; i < sizeof id; i++)
        fprintf(out, "%02x", id[i]);
    fprintf(out, " %" PRIu64 " %" PRIu64 "\n", status.acknowledged_id, status.last_id);
    r = read_rows(s, out, &rows, &lost, &err);
    azm_spool_free(s);
    if (r >= 0)
        r = work(&o, rows, &lost, &err);
    fprintf(out, "works %d %" PRIu64 " %s\n", r, lost, err.words);
}

/* All at once, so that a crash leaves no half of a line. */
static void recover(const char *dir)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    _cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (!out || dir_fd < 0)
        abort();
    recover_checkpoint(out, dir_fd);
    recover_quarantine(out, dir_fd);
    recover_spool(out, dir);
    fclose(out);
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

int main(void)
{
    _cleanup_free_ char *dir = NULL;
    size_t size = 0;
    ssize_t n;

    azm_log_init(AZM_LOG_ERROR);
    while ((n = getline(&dir, &size, stdin)) > 0) {
        int status;
        pid_t pid;

        dir[strcspn(dir, "\n")] = '\0';
        pid = fork();
        if (pid == 0) {
            recover(dir);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            abort();
        printf("end %d\n", status);
        fflush(stdout);
    }
    return 0;
}
