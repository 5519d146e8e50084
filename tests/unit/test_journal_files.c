/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>

#include "source/journal_files.h"
#include "tests/unit/journal_help.h"

/* Telling the files of a journal apart: each is looked at once, and judged. */

/* What a scan said: file names with a letter for the state, sorted by name. */
static struct {
    char words[16][NAME_MAX + 4];
    size_t n;
    struct azm_place head; /* of the last one that is good */
    sd_id128_t identity;   /* of the last one */
    int answer;
} news;

static int on_news(void *userdata, const struct azm_file_news *f)
{
    static const char letters[] = {
        [AZM_FILE_GOOD] = 'g', [AZM_FILE_EMPTY] = 'e', [AZM_FILE_DAMAGED] = 'd', [AZM_FILE_CLOSED] = 'c'};

    must(userdata == &news && news.n < ELEMENTSOF(news.words), "news");
    snprintf(news.words[news.n++], sizeof news.words[0], "%s:%c", strrchr(f->path, '/') + 1, letters[f->state]);
    if (f->state == AZM_FILE_GOOD)
        news.head = f->head;
    news.identity = f->identity;
    return news.answer;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int scan_as(struct azm_journal_files *files, const struct azm_config *c)
{
    int r;

    news.n = 0;
    r = azm_journal_files_scan(files, c, on_news, &news);
    qsort(news.words, news.n, sizeof news.words[0], compare);
    return r;
}

static int scan_dir(struct azm_journal_files *files)
{
    struct azm_config c = {.journal_directory = dir, .journal_namespace = (char *)""};

    return scan_as(files, &c);
}

static void check_news(const char *expected, int line)
{
    char all[1024] = "";
    size_t len = 0;

    for (size_t i = 0; i < news.n; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i ? " " : "", news.words[i]);
    if (strcmp(all, expected) != 0) {
        printf("# %s:%d: '%s', not '%s'\n", __FILE__, line, all, expected);
        failed = true;
    }
}

#define expect_news(expected) check_news(expected, __LINE__)

static void make_old(const char *name)
{
    const struct timespec old[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};

    must(utimensat(AT_FDCWD, path(name), old, 0) == 0, "utimensat");
}

static void write_bytes(const char *name, size_t len)
{
    FILE *f = fopen(path(name), "we");

    must(f != NULL, "cannot write");
    for (size_t i = 0; i < len; i++)
        putc('x', f);
    must(fclose(f) == 0, "cannot write");
}

static void make_small(const char *name, const char *file)
{
    write_journal((struct entries){.first = 1, .n = 3, .boot = '1', .file = file});
    must(rename(path(file), path(name)) == 0, "rename");
}

static void each_is_news_once(void)
{
    struct azm_journal_files files = {0};
    sd_id128_t identity;

    expect(scan_dir(&files) == 0);
    expect_news("");
    write_journal((struct entries){.first = 1, .n = 3, .boot = '1'});
    expect(scan_dir(&files) == 0);
    expect_news("t.journal:g");
    expect(news.head.seqnum == 1 && news.head.realtime_usec == UINT64_C(1700000000000000));
    identity = news.identity;

    write_journal((struct entries){.first = 4, .n = 3, .second = 10, .boot = '1'}); /* it grows */
    expect(scan_dir(&files) == 0);
    expect_news("");
    must(rename(path("t.journal"), path("t@1.journal")) == 0, "rename"); /* it is rotated */
    write_journal((struct entries){.first = 7, .n = 3, .second = 20, .boot = '1'});
    expect(scan_dir(&files) == 0);
    expect_news("t.journal:g");
    expect(!sd_id128_equal(news.identity, identity));

    must(unlink(path("t.journal")) == 0, "unlink"); /* its inode number may be used again */
    expect(scan_dir(&files) == 0);
    expect_news("");
    expect(files.n == 1);
    write_journal((struct entries){.first = 7, .n = 3, .second = 20, .boot = '1'});
    expect(scan_dir(&files) == 0);
    expect_news("t.journal:g");
    azm_journal_files_free(&files);
    expect(files.n == 0);
    expect(scan_dir(&files) == 0);
    expect_news("t.journal:g t@1.journal:g");
    azm_journal_files_free(&files);
}

static bool counter_of(const struct azm_journal_files *files, const char *file, sd_id128_t *ret)
{
    const char *paths[] = {path(file), NULL};
    _cleanup_journal_ sd_journal *j = NULL;
    struct azm_place p;

    must(sd_journal_open_files(&j, paths, 0) >= 0 && sd_journal_next(j) > 0 && azm_place_current(j, &p) == 0, file);
    return azm_journal_files_counter(files, p.seqnum_id, ret);
}

/* Files with journald's names share one, in a folder and of a machine; others do not. */
static void counters(void)
{
    static const char *const names[] = {"system.journal",   "user-1000.journal", "user-1@x.journal", "user-x.journal",
                                        "systems.journal",  "user.journal",      "t.journal",        "remote-a.journal",
                                        "system@y.journal", "other.journal"};
    sd_id128_t all[ELEMENTSOF(names)];
    struct azm_journal_files files = {0};

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        bool is_others = i + 2 == ELEMENTSOF(names); /* by the machine id in its header */

        make_small(names[i], "t0.journal");
        if (is_others) {
            int fd = open(path(names[i]), O_WRONLY | O_CLOEXEC);

            must(fd >= 0 && pwrite(fd, "0123456789abcdef", 16, 40) == 16 && close(fd) == 0, "pwrite");
        }
        expect(azm_journal_files_have_counters(&files) == (i > 3));
        expect(scan_dir(&files) == 0);
    }
    expect(azm_journal_files_have_counters(&files));
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        expect(counter_of(&files, names[i], &all[i]));
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        for (size_t k = 0; k < i; k++)
            expect(sd_id128_equal(all[i], all[k]) == (i < 3 && k < 3));
    make_small("new.journal", "t0.journal");
    expect(!counter_of(&files, "new.journal", &all[0]));
    azm_journal_files_free(&files);
}

/* A fault of whoever is told ends the scan, and the file stays news. */
static void an_error(void)
{
    struct azm_journal_files files = {0};

    make_small("b.journal", "b.journal");
    expect(scan_dir(&files) == 0);
    make_small("a.journal", "a.journal");
    news.answer = -EIO;
    expect(scan_dir(&files) == -EIO);
    news.answer = 1;
    expect(scan_dir(&files) == 0);
    expect_news("a.journal:g");
    news.answer = 0;
    expect(scan_dir(&files) == 0);
    expect_news("");
    azm_journal_files_free(&files);
}

static void damaged_ones(void)
{
    struct azm_journal_files files = {0};
    struct stat st;

    make_small("cut.journal", "x.journal");
    must(stat(path("cut.journal"), &st) == 0 && truncate(path("cut.journal"), 4096) == 0, "truncate");
    make_small("good.journal~", "x.journal");
    expect(scan_dir(&files) == 0);
    expect_news("cut.journal:d good.journal~:g"); /* it says that it has entries, so its age does not matter */
    expect(!files.young);
    expect(scan_dir(&files) == 0);
    expect_news("");

    write_bytes("garbage.journal", 10000);
    expect(scan_dir(&files) == 0);
    expect_news(""); /* journald may be about to fill it */
    expect(files.young);
    make_old("garbage.journal");
    expect(scan_dir(&files) == 0);
    expect_news("garbage.journal:d");
    expect(!files.young);
    azm_journal_files_free(&files);
}

/* Eight bytes of zeros at these places of the header ("Journal File Format" of systemd's documentation). */
static void zero_header(const char *name, const off_t *at, size_t n)
{
    const char zeros[8] = {0};
    int fd = open(path(name), O_WRONLY | O_CLOEXEC);

    for (size_t i = 0; i < n; i++)
        must(fd >= 0 && pwrite(fd, zeros, sizeof zeros, at[i]) == sizeof zeros, "write");
    close(fd);
}

/* libsystemd opens it, and finds nothing in it; its header says whether that is right. */
static void no_entry_to_be_found(void)
{
    static const off_t n_entries_and_array[] = {152, 176};
    struct azm_journal_files files = {0};

    make_small("lost.journal", "x.journal");
    zero_header("lost.journal", n_entries_and_array + 1, 1);
    make_small("none.journal", "x.journal");
    zero_header("none.journal", n_entries_and_array, 2);
    expect(scan_dir(&files) == 0);
    expect_news("lost.journal:d");
    expect(files.young);
    make_old("none.journal");
    expect(scan_dir(&files) == 0);
    expect_news(""); /* until there is one */
    expect(!files.young);
    azm_journal_files_free(&files);
}

static void what_is_no_journal_file(void)
{
    struct azm_journal_files files = {0};

    write_bytes("text", 10);
    write_bytes("journal", 10);
    write_bytes("a.journal.gz", 10);
    write_bytes(".hidden.journal", 10);
    make_old(".hidden.journal");
    must(symlink("/dev/null", path("device.journal")) == 0, "symlink");
    must(symlink("nothing", path("dangling.journal")) == 0, "symlink");
    expect(scan_dir(&files) == 0);
    expect_news("");
    expect(!files.young && files.n == 0);
    must(unlink(path(".hidden.journal")) == 0, "unlink");
    azm_journal_files_free(&files);
}

/* libsystemd looks into a folder's folders (of a machine each), and no deeper. */
static void folders(void)
{
    struct azm_journal_files files = {0};

    must(mkdir(path("machine"), 0755) == 0 && mkdir(path("machine/deeper"), 0755) == 0, "mkdir");
    make_small("top.journal", "x.journal");
    make_small("machine/one.journal", "x.journal");
    make_small("machine/deeper/two.journal", "x.journal");
    expect(scan_dir(&files) == 0);
    expect_news("one.journal:g top.journal:g");
    unlink(path("machine/deeper/two.journal"));
    unlink(path("machine/one.journal"));
    rmdir(path("machine/deeper"));
    rmdir(path("machine"));
    azm_journal_files_free(&files);
}

static void only_the_files_named(void)
{
    struct azm_key_value items[] = {{0}, {0}};
    struct azm_config c = {
        .journal_directory = (char *)"", .journal_namespace = (char *)"", .journal_files = {.items = items, .n = 2}};
    struct azm_journal_files files = {0};
    char a[PATH_MAX + NAME_MAX + 2];

    make_small("a", "x.journal"); /* whatever they are called */
    make_small("b.journal", "x.journal");
    snprintf(a, sizeof a, "%s", path("a"));
    items[0].key = a;
    items[1].key = (char *)path("gone.journal");
    expect(scan_as(&files, &c) == 0);
    expect_news("a:g");
    azm_journal_files_free(&files);
}

/* As libsystemd chooses by name. */
static void scopes(void)
{
    static const char *const suffixes[] = {".journal", ".journal~", "@1-2.journal", "1.journal" /* another user's */};
    struct azm_config c = {.journal_directory = dir, .journal_namespace = (char *)""};
    char name[64];

    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        snprintf(name, sizeof name, "user-%u%s", (unsigned)getuid(), suffixes[i]);
        make_small(name, "x.journal");
    }
    make_small("system.journal", "x.journal");
    make_small("system@1-2.journal~", "x.journal");
    make_small("systemd.journal", "x.journal");

    for (int scope = AZM_SCOPE_ALL; scope <= AZM_SCOPE_USER; scope++) {
        struct azm_journal_files files = {0};
        bool all = scope == AZM_SCOPE_ALL, found_system = false, found_user = false;

        c.scope = (enum azm_scope)scope;
        expect(scan_as(&files, &c) == 0);
        expect(news.n == (all ? 7 : scope == AZM_SCOPE_SYSTEM ? 2 : 3));
        for (size_t i = 0; i < news.n; i++) {
            found_system |= strncmp(news.words[i], "system", 6) == 0;
            found_user |= strncmp(news.words[i], "user-", 5) == 0;
        }
        expect(found_system == (scope != AZM_SCOPE_USER));
        expect(found_user == (scope != AZM_SCOPE_SYSTEM));
        azm_journal_files_free(&files);
    }
}

static void roots(void)
{
    struct azm_key_value item = {(char *)"/dev/null", (char *)""};
    struct azm_config machine = {.journal_directory = (char *)"", .journal_namespace = (char *)""};
    struct azm_config folder = {.journal_directory = dir, .journal_namespace = (char *)""}, file = machine;

    struct azm_journal_root found[AZM_JOURNAL_ROOTS];

    file.journal_files = (struct azm_key_values){&item, 1};
    azm_journal_find_roots(&machine, found);
    expect(found[0].possible && (found[0].ino == 0) == (access("/run/log/journal", F_OK) < 0));
    expect(found[1].possible && (found[1].ino == 0) == (access("/var/log/journal", F_OK) < 0));
    azm_journal_find_roots(&folder, found);
    expect(found[0].possible && found[0].ino != 0 && !found[1].possible);
    azm_journal_find_roots(&file, found);
    expect(!found[0].possible && !found[1].possible);
}

static const struct journal_test tests[] = {
    {"each_is_news_once", each_is_news_once},
    {"counters", counters},
    {"an_error", an_error},
    {"damaged_ones", damaged_ones},
    {"no_entry_to_be_found", no_entry_to_be_found},
    {"what_is_no_journal_file", what_is_no_journal_file},
    {"folders", folders},
    {"only_the_files_named", only_the_files_named},
    {"scopes", scopes},
    {"roots", roots},
};

int main(void)
{
    return run_journal_tests(tests, ELEMENTSOF(tests));
}
