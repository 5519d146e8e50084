/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "store/spool_vfs.h"

#define NAME "azmonlog-spool"
#define GATHER_BYTES (124 * 1024) /* SQLite's own VFS takes less than 128 KiB at once */

/* Known to SQLite for as long as the process runs; not its default, so that nobody else's database has it. */
static struct {
    pthread_once_t once;
    sqlite3_vfs vfs, *sqlite; /* `sqlite` NULL: it could not be made */
} ours = {.once = PTHREAD_ONCE_INIT};

struct file {
    sqlite3_file as_sqlite; /* first: SQLite knows the file by it */
    uint8_t *gathered;      /* GATHER_BYTES, made at the first write */
    size_t len;
    sqlite3_int64 at; /* where they belong */
    int lost;         /* how sending them off has failed, where SQLite may take no notice: the next flush fails */
    sqlite3_file below[];
};

static sqlite3_file *below(sqlite3_file *f)
{
    return ((struct file *)f)->below;
}

static int send_off(struct file *f)
{
    int r;

    if (f->len == 0)
        return SQLITE_OK;
    r = f->below->pMethods->xWrite(f->below, f->gathered, (int)f->len, f->at);
    f->len = 0;
    return r;
}

/* For the calls with which SQLite makes a large write-ahead log smaller: it goes on if they fail. */
static int send_off_unheeded(struct file *f)
{
    int r = send_off(f);

    if (r != SQLITE_OK)
        f->lost = r;
    return r;
}

static int close_file(sqlite3_file *file)
{
    struct file *f = (struct file *)file;
    int sent = send_off(f), r = f->below->pMethods->xClose(f->below);

    free(f->gathered);
    return r == SQLITE_OK ? sent : r;
}

static int read_file(sqlite3_file *file, void *ret, int n, sqlite3_int64 at)
{
    int r = send_off((struct file *)file);

    return r == SQLITE_OK ? below(file)->pMethods->xRead(below(file), ret, n, at) : r;
}

static int write_file(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
    struct file *f = (struct file *)file;

    if (at != f->at + (sqlite3_int64)f->len || f->len + (size_t)n > GATHER_BYTES) {
        int r = send_off(f);

        if (r != SQLITE_OK)
            return r;
        f->at = at;
    }
    if (!f->gathered)
        f->gathered = malloc(GATHER_BYTES);
    if (!f->gathered) /* no memory: as it comes */
        return f->below->pMethods->xWrite(f->below, data, n, at);
    memcpy(f->gathered + f->len, data, (size_t)n);
    f->len += (size_t)n;
    return SQLITE_OK;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    int r = send_off_unheeded((struct file *)file);

    return r == SQLITE_OK ? below(file)->pMethods->xTruncate(below(file), size) : r;
}

static int sync_file(sqlite3_file *file, int flags)
{
    struct file *f = (struct file *)file;
    int r = send_off(f);

    if (r == SQLITE_OK)
        r = f->lost;
    f->lost = SQLITE_OK;
    return r == SQLITE_OK ? f->below->pMethods->xSync(f->below, flags) : r;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    int r = send_off_unheeded((struct file *)file);

    return r == SQLITE_OK ? below(file)->pMethods->xFileSize(below(file), ret) : r;
}

static int lock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xLock(below(file), level);
}

static int unlock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xUnlock(below(file), level);
}

static int is_reserved(sqlite3_file *file, int *ret)
{
    return below(file)->pMethods->xCheckReservedLock(below(file), ret);
}

static int control(sqlite3_file *file, int operation, void *argument)
{
    return below(file)->pMethods->xFileControl(below(file), operation, argument);
}

static int sector_size(sqlite3_file *file)
{
    return below(file)->pMethods->xSectorSize(below(file));
}

static int characteristics(sqlite3_file *file)
{
    return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

/* Version 1: without shared memory, which a WAL in exclusive mode does not need, and without memory maps. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock,
    .xUnlock = unlock,
    .xCheckReservedLock = is_reserved,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct file *f = (struct file *)file;
    int r;

    (void)vfs;
    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return ours.sqlite->xOpen(ours.sqlite, name, file, flags, ret_flags);
    *f = (struct file){0};
    f->below->pMethods = NULL;
    r = ours.sqlite->xOpen(ours.sqlite, name, f->below, flags, ret_flags);
    if (f->below->pMethods) /* then it is to be closed, even after an error */
        f->as_sqlite.pMethods = &methods;
    return r;
}

static void set_up(void)
{
    sqlite3_vfs *sqlite = sqlite3_vfs_find(NULL);

    if (!sqlite)
        return;
    ours.vfs = *sqlite;
    ours.vfs.zName = NAME;
    ours.vfs.szOsFile = (int)sizeof(struct file) + sqlite->szOsFile;
    ours.vfs.xOpen = open_file;
    if (sqlite3_vfs_register(&ours.vfs, 0) == SQLITE_OK)
        ours.sqlite = sqlite;
}

const char *azm_spool_vfs(void)
{
    pthread_once(&ours.once, set_up);
    return ours.sqlite ? NAME : NULL;
}
