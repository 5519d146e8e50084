/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "source/journal_resume.h"

/* Going back to a cursor in real journal files, which systemd-journal-remote makes from text in the journal's export
 * format. Prints TAP by itself: Check cannot say that a test was skipped. */

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

static void must(bool condition, const char *what)
{
    if (!condition) {
        printf("Bail out! %s: %m\n", what);
        exit(EXIT_FAILURE);
    }
}

static const char *path(const char *name)
{
    static char paths[2][PATH_MAX + NAME_MAX + 2];
    static unsigned next;
    char *p = paths[next++ % 2];

    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static void empty_dir(void)
{
    glob_t found;

    if (glob(path("*"), 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlink(found.gl_pathv[i]);
    globfree(&found);
}

static void clean_up(void)
{
    empty_dir();
    rmdir(dir);
}

static void copy_file(const char *from, const char *to)
{
    _cleanup_free_ char *data = malloc(FILE_BYTES * 2);
    _cleanup_fclose_ FILE *in = fopen(path(from), "re"), *out = fopen(path(to), "we");

    must(data && in && out, "copying a file");
    must(fwrite(data, 1, fread(data, 1, FILE_BYTES * 2, in), out) > 0, "copying a file");
}

/* --- writing --- */

/* Entries to be written: MESSAGE is the number, first .. first + n - 1; one a millisecond, from `second` on. */
struct entries {
    unsigned first, n;
    unsigned second; /* real time */
    char boot;       /* all digits of the boot id */
    size_t pad;
};

/* Appends them to t.journal, or begins it. */
static void write_journal(struct entries e)
{
    FILE *f = fopen(path("text"), "we");
    char boot[33] = "", pad[PAD_BYTES + 1] = "";
    int status;
    pid_t pid;

    must(f != NULL, "cannot write");
    memset(boot, e.boot, 32);
    memset(pad, 'x', e.pad);
    for (unsigned i = 0; i < e.n; i++)
        fprintf(f, "__REALTIME_TIMESTAMP=%" PRIu64 "\n__MONOTONIC_TIMESTAMP=%u\n_BOOT_ID=%s\nMESSAGE=%u\nPAD=%u%s\n\n",
                (uint64_t)(1700000000 + e.second) * 1000000 + i * 1000, (e.second % 1000) * 1000000 + i * 1000, boot,
                e.first + i, e.second + i, pad);
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
        execl(journal_remote, journal_remote, "--compress=no", "-o", path("t.journal"), path("text"), NULL);
        _exit(127);
    }
    must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, journal_remote);
    must(unlink(path("text")) == 0, "unlink");
}

/* --- reading --- */

static void close_journal(sd_journal **j)
{
    sd_journal_close(*j);
}

#define _cleanup_journal_ _cleanup_(close_journal)

static sd_journal *open_journal(void)
{
    sd_journal *j;

    must(sd_journal_open_directory(&j, dir, 0) >= 0, "cannot open the journal");
    return j;
}

/* The number of the current entry. */
static unsigned number(sd_journal *j)
{
    const void *data;
    size_t len;

    must(sd_journal_get_data(j, "MESSAGE", &data, &len) >= 0, "no MESSAGE");
    return (unsigned)strtoul(strndupa(data, len) + strlen("MESSAGE="), NULL, 10);
}

static unsigned first_number(void)
{
    _cleanup_journal_ sd_journal *j = open_journal();

    must(sd_journal_next(j) > 0, "the journal is empty");
    return number(j);
}

/* The cursor of the entry with this number; to be freed. */
static char *cursor_of(unsigned wanted)
{
    _cleanup_journal_ sd_journal *j = open_journal();
    char *cursor = NULL;

    while (sd_journal_next(j) > 0)
        if (number(j) == wanted)
            must(sd_journal_get_cursor(j, &cursor) >= 0, "no cursor");
    must(cursor != NULL, "no such entry");
    return cursor;
}

/* Resumes at the cursor, then reads on: first .. last must come, each once and in order. */
static void check_resume(const char *cursor, enum azm_resume expected, uint64_t expected_lost, unsigned first,
                         unsigned last)
{
    _cleanup_journal_ sd_journal *j = open_journal();
    uint64_t lost = 77;
    int r = azm_journal_resume(j, cursor, &lost);

    if (r != (int)expected || lost != expected_lost) {
        printf("# %s gives %d with %" PRIu64 " lost, not %d with %" PRIu64 "\n", cursor, r, lost, expected,
               expected_lost);
        failed = true;
    }
    if (r == AZM_RESUME_GAP) { /* it stands on the first one */
        expect(number(j) == first);
        first++;
    }
    for (; first <= last; first++) {
        if (sd_journal_next(j) <= 0 || number(j) != first) {
            printf("# %s: entry %u is not the next one\n", cursor, first);
            failed = true;
            return;
        }
    }
    expect(sd_journal_next(j) == 0);
}

/* --- tests --- */

static void exact(void)
{
    write_journal((struct entries){.first = 1, .n = 20, .boot = '1'});
    for (unsigned i = 1; i <= 20; i++) {
        _cleanup_free_ char *cursor = cursor_of(i);

        check_resume(cursor, AZM_RESUME_EXACT, 0, i + 1, 20);
    }
}

static void exact_at_the_end_of_a_journal_that_grows(void)
{
    _cleanup_free_ char *cursor = NULL;

    write_journal((struct entries){.first = 1, .n = 5, .boot = '1'});
    cursor = cursor_of(5);
    check_resume(cursor, AZM_RESUME_EXACT, 0, 6, 5);
    write_journal((struct entries){.first = 6, .n = 3, .second = 10, .boot = '1'});
    write_journal((struct entries){.first = 9, .n = 3, .second = 5, .boot = '2'}); /* a clock set back by a boot */
    check_resume(cursor, AZM_RESUME_EXACT, 0, 6, 11);
}

/* Deletes file number `n`, from the oldest on, of a journal with several. False if there are not so many. */
static bool vacuum(size_t n)
{
    glob_t found;
    bool ok = glob(path("t@*.journal"), 0, NULL, &found) == 0 && found.gl_pathc >= 2; /* in the order of time */

    if (ok)
        must(unlink(found.gl_pathv[n]) == 0, "unlink");
    globfree(&found);
    return ok;
}

static void vacuumed(void)
{
    char *cursors[201];
    unsigned first;

    write_journal((struct entries){.first = 1, .n = 200, .boot = '1', .pad = PAD_BYTES});
    for (unsigned i = 1; i <= 200; i++)
        cursors[i] = cursor_of(i);
    if (!vacuum(0))
        skipped = "this systemd-journal-remote did not rotate";
    first = first_number();
    expect(skipped || (first > 10 && first < 190));
    for (unsigned i = 1; i <= 200 && !skipped; i += i < first - 2 || i > first + 2 ? 9 : 1)
        if (i < first)
            check_resume(cursors[i], AZM_RESUME_GAP, first - i - 1, first, 200);
        else
            check_resume(cursors[i], AZM_RESUME_EXACT, 0, i + 1, 200);
    for (unsigned i = 1; i <= 200; i++)
        free(cursors[i]);
}

/* A file in the middle is gone (damaged, or deleted by hand): only its entries are lost. */
static void hole(void)
{
    char *cursors[201];
    unsigned begin = 0, end = 0, before = 0;
    sd_journal *j;

    write_journal((struct entries){.first = 1, .n = 200, .boot = '1', .pad = PAD_BYTES});
    for (unsigned i = 1; i <= 200; i++)
        cursors[i] = cursor_of(i);
    if (!vacuum(1))
        skipped = "this systemd-journal-remote did not rotate";
    j = open_journal();
    while (sd_journal_next(j) > 0) {
        if (number(j) != before + 1) {
            begin = before + 1;
            end = number(j);
        }
        before = number(j);
    }
    sd_journal_close(j);
    expect(skipped || (begin > 1 && end > begin + 1));
    for (unsigned i = begin; i < end; i++)
        check_resume(cursors[i], AZM_RESUME_GAP, end - i - 1, end, 200);
    for (unsigned i = 1; i <= 200; i++)
        free(cursors[i]);
}

/* Another journal is in its place, with sequence numbers of its own, its clock behind or ahead: libsystemd alone would
 * hide all of it if the cursor lies in its future. Nothing of it was ever delivered, so all of it is to be read. */
static void recreated(void)
{
    static const struct entries others[] = {
        {.first = 1, .n = 20, .second = 2000, .boot = '2'}, /* later */
        {.first = 1, .n = 20, .second = 500, .boot = '2'},  /* earlier */
        {.first = 1, .n = 20, .second = 1010, .boot = '1'}, /* the same boot, later */
        {.first = 1, .n = 20, .second = 900, .boot = '1'},  /* the same boot, earlier */
    };
    _cleanup_free_ char *cursor = NULL;

    write_journal((struct entries){.first = 1, .n = 10, .second = 1000, .boot = '1'});
    cursor = cursor_of(5);
    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        empty_dir();
        write_journal(others[i]);
        check_resume(cursor, AZM_RESUME_ROLLBACK, 0, 1, 20);
    }
}

/* The power failed: entries 6..10, which we had delivered, never reached the disk. Then journald goes on with the
 * sequence numbers 6, 7, ... for new entries; n of them. */
static void power_loss(void)
{
    for (unsigned n = 0; n <= 10; n++)
        for (char boot = '1'; boot <= '2'; boot++) {
            _cleanup_free_ char *cursor = NULL;

            empty_dir();
            write_journal((struct entries){.first = 1, .n = 5, .boot = '1'});
            copy_file("t.journal", "snapshot");
            write_journal((struct entries){.first = 6, .n = 5, .second = 1, .boot = '1'});
            cursor = cursor_of(10);
            must(rename(path("snapshot"), path("t.journal")) == 0, "rename");
            if (n > 0)
                write_journal((struct entries){.first = 6, .n = n, .second = 60, .boot = boot});
            check_resume(cursor, AZM_RESUME_ROLLBACK, 0, 6, 5 + n);
        }
}

static void empty_journal(void)
{
    _cleanup_free_ char *cursor = NULL;

    write_journal((struct entries){.first = 1, .n = 5, .boot = '1'});
    cursor = cursor_of(5);
    empty_dir();
    check_resume(cursor, AZM_RESUME_ROLLBACK, 0, 1, 0);
}

static void bad_cursors(void)
{
    static const char *const cursors[] = {
        "",
        "cursor",
        "s=",
        "s=1;i=1",
        "s=0123456789abcdef0123456789abcdef",
        "s=0123456789abcdef0123456789abcdef;i=1;b=0123456789abcdef0123456789abcdef;m=1",
        "s=0123456789abcdef0123456789abcdef;i=;b=0123456789abcdef0123456789abcdef;m=1;t=1",
        "s=0123456789abcdef0123456789abcdeg;i=1;b=0123456789abcdef0123456789abcdef;m=1;t=1",
        "s=0123456789abcdef;i=1;b=0123456789abcdef0123456789abcdef;m=1;t=1", /* libsystemd refuses this one */
        "i=1;s=0123456789abcdef0123456789abcdef;b=0123456789abcdef0123456789abcdef;m=1;t=1",
        " s=0123456789abcdef0123456789abcdef;i=1;b=0123456789abcdef0123456789abcdef;m=1;t=1",
    };

    write_journal((struct entries){.first = 1, .n = 5, .boot = '1'});
    for (size_t i = 0; i < ELEMENTSOF(cursors); i++) {
        _cleanup_journal_ sd_journal *j = open_journal();
        uint64_t lost = 77;
        int r = azm_journal_resume(j, cursors[i], &lost);

        if (r != AZM_RESUME_BAD_CURSOR || lost != 0) {
            printf("# \"%s\" gives %d\n", cursors[i], r);
            failed = true;
        }
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"exact", exact},
    {"exact_at_the_end_of_a_journal_that_grows", exact_at_the_end_of_a_journal_that_grows},
    {"vacuumed", vacuumed},
    {"hole", hole},
    {"recreated", recreated},
    {"power_loss", power_loss},
    {"empty_journal", empty_journal},
    {"bad_cursors", bad_cursors},
};

int main(void)
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
    for (size_t i = 0; i < ELEMENTSOF(tests); i++) {
        failed = false;
        skipped = NULL;
        tests[i].run();
        empty_dir();
        printf("%s %zu - %s%s%s\n", failed ? "not ok" : "ok", i + 1, tests[i].name, skipped ? " # SKIP " : "",
               skipped ? skipped : "");
        any |= failed;
    }
    printf("1..%zu\n", ELEMENTSOF(tests));
    return any ? EXIT_FAILURE : EXIT_SUCCESS;
}
