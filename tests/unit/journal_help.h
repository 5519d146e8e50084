/* SPDX-License-Identifier: MIT */
#pragma once

#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>

#include "core/cleanup.h"
#include "source/journal_handle.h"

/* Real journal files, which systemd-journal-remote makes from text in the journal's export format; and a little TAP of
 * our own, because Check cannot say that a test was skipped. */

#define FILE_BYTES (8 << 20) /* the journal-remote of the rotation test must not write more into one file */
#define PAD_BYTES 60000      /* so that some dozens of entries fill one */

static const char *journal_remote;
static char dir[PATH_MAX];
static bool failed; /* the test at hand */
static const char *skipped;

#define expect(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);                                                   \
            failed = true;                                                                                             \
        }                                                                                                              \
    } while (0)

static inline void must(bool condition, const char *what)
{
    if (!condition) {
        printf("Bail out! %s: %m\n", what);
        exit(EXIT_FAILURE);
    }
}

static inline const char *path(const char *name)
{
    static char paths[2][PATH_MAX + NAME_MAX + 2];
    static unsigned next;
    char *p = paths[next++ % 2];

    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static inline void empty_dir(void)
{
    glob_t found;

    if (glob(path("*"), 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlink(found.gl_pathv[i]);
    globfree(&found);
}

static inline void clean_up(void)
{
    empty_dir();
    rmdir(dir);
}

static inline void copy_file(const char *from, const char *to)
{
    _cleanup_free_ char *data = malloc(FILE_BYTES * 2);
    _cleanup_fclose_ FILE *in = fopen(path(from), "re"), *out = fopen(path(to), "we");

    must(data && in && out, "copying a file");
    must(fwrite(data, 1, fread(data, 1, FILE_BYTES * 2, in), out) > 0, "copying a file");
}

/* --- writing --- */

/* Entries to be written: MESSAGE is the number, first .. first + n - 1; one a millisecond. */
struct entries {
    unsigned first, n;
    unsigned second, uptime; /* real and monotonic time of the first, in seconds */
    char boot;               /* all digits of the boot id */
    size_t pad;
    const char *file;          /* NULL: t.journal */
    const char *const *fields; /* more lines for each of the n, or NULL */
};

/* Appends them to the file, or begins it (then with a seqnum id of its own). */
static inline void write_journal(struct entries e)
{
    FILE *f = fopen(path("text"), "we");
    char boot[33] = "", pad[PAD_BYTES + 1] = "";
    int status;
    pid_t pid;

    must(f != NULL, "cannot write");
    memset(boot, e.boot, 32);
    memset(pad, 'x', e.pad);
    for (unsigned i = 0; i < e.n; i++)
        fprintf(f,
                "__REALTIME_TIMESTAMP=%" PRIu64 "\n__MONOTONIC_TIMESTAMP=%u\n_BOOT_ID=%s\nMESSAGE=%u\nPAD=%u%s\n%s\n",
                (uint64_t)(1700000000 + e.second) * 1000000 + i * 1000, e.uptime * 1000000 + i * 1000, boot,
                e.first + i, e.second + i, pad, e.fields ? e.fields[i] : "");
    must(fclose(f) == 0, "cannot write");

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {FILE_BYTES, FILE_BYTES};
        int null = open("/dev/null", O_WRONLY);

        if (e.pad > 0) { /* it rotates when it cannot write on */
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &limit);
        }
        dup2(null, STDERR_FILENO);
        execl(journal_remote, journal_remote, "--compress=no", "-o", path(e.file ? e.file : "t.journal"), path("text"),
              NULL);
        _exit(127);
    }
    must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, journal_remote);
    must(unlink(path("text")) == 0, "unlink");
}

/* --- reading --- */

static inline sd_journal *open_journal(void)
{
    sd_journal *j;

    must(sd_journal_open_directory(&j, dir, 0) >= 0, "cannot open the journal");
    return j;
}

/* The number of the current entry. */
static inline unsigned number(sd_journal *j)
{
    const void *data;
    char text[32] = "";
    size_t len;

    must(sd_journal_get_data(j, "MESSAGE", &data, &len) >= 0, "no MESSAGE");
    memcpy(text, data, MIN(len, sizeof text - 1));
    return (unsigned)strtoul(text + strlen("MESSAGE="), NULL, 10);
}

static inline unsigned first_number(void)
{
    _cleanup_journal_ sd_journal *j = open_journal();

    must(sd_journal_next(j) > 0, "the journal is empty");
    return number(j);
}

struct cursor {
    char s[256];
};

/* The cursor of the entry with this number, which is also its sequence number. */
static inline struct cursor cursor_of(unsigned wanted)
{
    _cleanup_journal_ sd_journal *j = open_journal();
    _cleanup_free_ char *cursor = NULL;
    struct cursor ret;

    while (!cursor && sd_journal_next(j) > 0)
        if (number(j) == wanted)
            must(sd_journal_get_cursor(j, &cursor) >= 0, "no cursor");
    must(cursor != NULL, "no such entry");
    snprintf(ret.s, sizeof ret.s, "%s", cursor);
    return ret;
}

/* The cursor with another value for one of its keys (i: sequence number; m, t: times in microseconds). */
static inline struct cursor with_value(struct cursor c, char key, uint64_t value)
{
    const char pattern[] = {';', key, '=', '\0'}, *at = strstr(c.s, pattern);
    struct cursor ret;

    must(at != NULL, c.s);
    snprintf(ret.s, sizeof ret.s, "%.*s%" PRIx64 "%.150s", (int)(at + 3 - c.s), c.s, value, strchr(at + 3, ';'));
    return ret;
}

/* --- the program --- */

struct journal_test {
    const char *name;
    void (*run)(void);
};

/* What main() has to do: runs the tests, each in an empty directory. */
static inline int run_journal_tests(const struct journal_test *tests, size_t n)
{
    static const char *const places[] = {"/lib/systemd/systemd-journal-remote",
                                         "/usr/lib/systemd/systemd-journal-remote"};
    const char *tmp = getenv("TMPDIR");
    bool any = false;

    for (size_t i = 0; i < ELEMENTSOF(places) && !journal_remote; i++)
        if (access(places[i], X_OK) == 0)
            journal_remote = places[i];
    if (!journal_remote) {
        printf("1..0 # SKIP systemd-journal-remote (its own package in most distributions) is not installed\n");
        return EXIT_SUCCESS;
    }
    snprintf(dir, sizeof dir, "%s/azmonlog-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    must(mkdtemp(dir) != NULL, dir);
    atexit(clean_up);
    for (size_t i = 0; i < n; i++) {
        failed = false;
        skipped = NULL;
        tests[i].run();
        empty_dir();
        printf("%s %zu - %s%s%s\n", failed ? "not ok" : "ok", i + 1, tests[i].name, skipped ? " # SKIP " : "",
               skipped ? skipped : "");
        any |= failed;
    }
    printf("1..%zu\n", n);
    return any ? EXIT_FAILURE : EXIT_SUCCESS;
}
