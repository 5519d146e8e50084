/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "source/entry.h"
#include "source/journal.h"
#include "tests/unit/journal_help.h"

/* libsystemd looks for a place by bisection, and near damage it goes astray: then a file seems to have no entries
 * behind the damage, or the handle drops the file. A handle that only goes on reads them all. So whatever makes us look
 * for a place, and wherever reading is then, all that such a handle reads must arrive. Linked with --wrap. */

/* Three files of one journal. The one in the middle is damaged. */
#define BEFORE 50
#define MIDDLE 400
#define N (BEFORE + MIDDLE + 50)
#define BATCH 37

enum fault {
    NOTHING,
    BECOMES_YOUNG, /* from this entry on, one more look at the files comes before each: see advance in journal_read.c */
    FILE_COMES_UP,
    GOES_AWAY, /* as if a vacuum had taken it away under us */
    CONFIGURED,
    RESTARTED,
};

static struct {
    enum fault fault;
    bool now;
    unsigned times;
    sd_journal *reader;
    uint64_t monotonic_usec; /* 0: the real time */
} f;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_sd_id128_get_boot(sd_id128_t *ret);
bool __real_azm_journal_is_machines(const struct azm_config *c);
bool __wrap_azm_journal_is_machines(const struct azm_config *c);
int __real_sd_journal_get_fd(sd_journal *j);
int __wrap_sd_journal_get_fd(sd_journal *j);
int __real_sd_journal_next(sd_journal *j);
int __wrap_sd_journal_next(sd_journal *j);
int __real_sd_journal_process(sd_journal *j);
int __wrap_sd_journal_process(sd_journal *j);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    int r = __real_clock_gettime(id, ts);

    if (id == CLOCK_MONOTONIC && f.monotonic_usec > 0)
        *ts = (struct timespec){.tv_sec = (time_t)(f.monotonic_usec / AZM_USEC_PER_SEC),
                                .tv_nsec = (long)(f.monotonic_usec % AZM_USEC_PER_SEC * AZM_NSEC_PER_USEC)};
    return r;
}

/* The one in which the entries were written. */
int __wrap_sd_id128_get_boot(sd_id128_t *ret)
{
    memset(ret, 0x11, sizeof *ret);
    return 0;
}

static bool machines; /* the folder is taken for the machine's own journal */

bool __wrap_azm_journal_is_machines(const struct azm_config *c)
{
    return machines || __real_azm_journal_is_machines(c);
}

/* Only the handle that reads watches the files. */
int __wrap_sd_journal_get_fd(sd_journal *j)
{
    f.reader = j;
    return __real_sd_journal_get_fd(j);
}

int __wrap_sd_journal_next(sd_journal *j)
{
    if (f.now && f.fault == GOES_AWAY && j == f.reader && f.times < 3) {
        f.times++;
        return -EBADMSG;
    }
    return __real_sd_journal_next(j);
}

int __wrap_sd_journal_process(sd_journal *j)
{
    int r = __real_sd_journal_process(j);

    if (!f.now || f.fault != FILE_COMES_UP || j != f.reader || f.times > 0)
        return r;
    f.times++;
    return SD_JOURNAL_INVALIDATE;
}

/* --- the journal --- */

/* See systemd's documentation "Journal File Format"; little-endian. */
#define SEQNUM_ID 72
#define HEADER_SIZE 88
#define TAIL_OBJECT 136
#define TAIL_SEQNUM 160
#define HEAD_SEQNUM 168
#define OBJECT_ENTRY 3 /* an object begins with its type; its size is at 8, an entry's number at 16 */

static struct file {
    uint8_t data[FILE_BYTES * 2];
    size_t len;
} first_file, file;

static void load(const char *name, struct file *ret)
{
    _cleanup_fclose_ FILE *in = fopen(path(name), "re");

    must(in != NULL, "opening a journal file");
    ret->len = fread(ret->data, 1, sizeof ret->data, in);
    must(ret->len > 1000, "reading a journal file");
}

static void save(const char *name, const struct file *from)
{
    _cleanup_fclose_ FILE *out = fopen(path(name), "we");

    must(out && fwrite(from->data, 1, from->len, out) == from->len, "writing a journal file");
}

static uint64_t number_at(const struct file *from, uint64_t at)
{
    uint64_t n;

    must(at + sizeof n <= from->len, "a journal file is too short");
    memcpy(&n, from->data + at, sizeof n);
    return le64toh(n);
}

static void set_at(struct file *to, uint64_t at, uint64_t n)
{
    n = htole64(n);
    memcpy(to->data + at, &n, sizeof n);
}

/* Where the entry after this one is, or the first one (0): 0 if there is none. */
static uint64_t next_entry(const struct file *from, uint64_t at)
{
    uint64_t tail = number_at(from, TAIL_OBJECT);

    do
        at = at == 0 ? number_at(from, HEADER_SIZE) : at + ((number_at(from, at + 8) + 7) & ~UINT64_C(7));
    while (at <= tail && from->data[at] != OBJECT_ENTRY);
    return at <= tail ? at : 0;
}

/* Makes it a file of the first one's journal: its entries get these numbers. */
static void renumber(const char *name, unsigned first, unsigned step)
{
    uint64_t n = first;

    load(name, &file);
    memcpy(file.data + SEQNUM_ID, first_file.data + SEQNUM_ID, 16);
    set_at(&file, HEAD_SEQNUM, n);
    for (uint64_t at = 0; (at = next_entry(&file, at)) > 0; n += step)
        set_at(&file, at + 16, n);
    set_at(&file, TAIL_SEQNUM, n - step);
    save(name, &file);
}

static void damage(const char *name, unsigned from, size_t bytes)
{
    uint64_t at = 0;

    load(name, &file);
    while ((at = next_entry(&file, at)) > 0 && number_at(&file, at + 16) < from)
        ;
    must(at > 0 && at + bytes < file.len, "the file is too short");
    memset(file.data + at, 0, bytes);
    save(name, &file);
}

static const char *const priorities[] = {"PRIORITY=0\n", "PRIORITY=1\n", "PRIORITY=2\n", "PRIORITY=3\n",
                                         "PRIORITY=4\n", "PRIORITY=5\n", "PRIORITY=6\n", "PRIORITY=7\n"};

static unsigned n_written;

static void write_damaged(unsigned damaged)
{
    static const struct {
        const char *name;
        unsigned first, last;
    } files[] = {
        {"s.journal", 1, BEFORE}, {"t.journal", BEFORE + 1, BEFORE + MIDDLE}, {"u.journal", BEFORE + MIDDLE + 1, N}};

    for (unsigned i = 0; i < ELEMENTSOF(files); i++) {
        const char *fields[MIDDLE];

        for (unsigned k = files[i].first; k <= files[i].last; k++)
            fields[k - files[i].first] = priorities[k % ELEMENTSOF(priorities)];
        write_journal((struct entries){.first = files[i].first,
                                       .n = files[i].last + 1 - files[i].first,
                                       .second = i,
                                       .uptime = 1 + i,
                                       .boot = '1',
                                       .fields = fields,
                                       .file = files[i].name});
        if (i == 0)
            load(files[i].name, &first_file);
        else
            renumber(files[i].name, files[i].first, 1);
    }
    damage("t.journal", damaged, 32768);
    n_written = N;
}

/* A user's file is damaged beside the system's, in which there is an entry before and after each of the user's. */
static void write_damaged_beside(unsigned damaged)
{
    const unsigned n = MIDDLE / 2;

    write_journal((struct entries){.first = 1, .n = n + 1, .boot = '1', .file = "system.journal"});
    write_journal((struct entries){.first = n + 2, .n = n, .boot = '1', .file = "user-1000.journal"});
    load("system.journal", &first_file);
    renumber("system.journal", 1, 2);
    renumber("user-1000.journal", 2, 2);
    damage("user-1000.journal", damaged, 8192);
    n_written = 2 * n + 1;
}

static bool selects; /* only some of them are read */
static bool readable[N + 1];
static uint64_t written_usec[N + 1]; /* monotonic; of the first one that is readable, and so on */
static unsigned n_readable, last_before, first_behind;

/* What does a handle read that only goes on? */
static void find_readable(unsigned damaged)
{
    _cleanup_journal_ sd_journal *j = open_journal();

    memset(readable, 0, sizeof readable);
    n_readable = last_before = first_behind = 0;
    for (unsigned i = 0; i <= 3 && selects; i++)
        must(sd_journal_add_match(j, priorities[i], strlen("PRIORITY=n")) >= 0, "sd_journal_add_match");
    while (sd_journal_next(j) > 0) {
        unsigned i = number(j);
        sd_id128_t boot;

        must(i <= N, "an entry that nobody has written");
        readable[i] = true;
        must(sd_journal_get_monotonic_usec(j, &written_usec[++n_readable], &boot) >= 0, "no time");
        if (i < damaged)
            last_before = n_readable;
        else if (first_behind == 0)
            first_behind = n_readable;
    }
    must(selects || n_readable > n_written - MIDDLE / 2, "the damage is not as it should be");
}

/* --- reading --- */

static struct azm_config config;
static int state;

static struct azm_source *open_source(void)
{
    struct azm_source *s = NULL;
    struct azm_error err;

    must(azm_journal_open(&(struct azm_journal_options){.config = &config, .state_dir_fd = state}, &s, &err) == 0,
         "azm_journal_open");
    return s;
}

/* Takes the position, as it is done with each batch; false if there is none now. `keep`: makes it the checkpoint. */
static bool take_position(struct azm_source *s, bool keep)
{
    _cleanup_(azm_buf_free) struct azm_buf position = {0};
    struct azm_error err;

    expect(s->ops->position(s, &position, &err) == 0);
    return position.len > 0 && (!keep || s->ops->acknowledge(s, &position, &err) == 0);
}

/* After `n` records; false: another time. */
static bool do_fault(struct azm_source **s)
{
    struct azm_error err;

    f.now = true;
    if (f.fault == CONFIGURED)
        expect((*s)->ops->configure(*s, &config, &err) == 0);
    if (f.fault == RESTARTED) {
        if (!take_position(*s, true))
            return false;
        (*s)->ops->free(*s);
        *s = open_source();
    }
    return true;
}

/* Reads everything; `after` so many records, or with the entry of this number, the fault comes. */
static void read_all(enum fault fault, unsigned after)
{
    bool given[N + 1] = {0}, done = false;
    struct azm_source *s;
    struct azm_record rec;
    struct azm_error err;
    int64_t missing = 0;
    unsigned n = 0, n_given = 0;
    int r;

    memset(&f, 0, sizeof f);
    f.fault = fault;
    if (fault == BECOMES_YOUNG) /* it was written ten seconds ago */
        f.monotonic_usec = written_usec[after] + 10 * AZM_USEC_PER_SEC;
    if (fault == FILE_COMES_UP)
        f.monotonic_usec = 2 * AZM_USEC_PER_SEC;
    s = open_source();
    while ((r = s->ops->next(s, &rec, &err)) > 0 && n < 10 * N) {
        bool is_gap = false;

        for (size_t i = 0; i < rec.n_attributes; i++)
            if (azm_text_equal(rec.attributes[i].key, AZM_TEXT("azmonlog.gap.entries"))) {
                missing += rec.attributes[i].integer;
                is_gap = true;
            }
        if (!is_gap) {
            char body[32];

            snprintf(body, sizeof body, "%.*s", (int)rec.body.len, rec.body.s);
            given[MIN(strtoul(body, NULL, 10), (unsigned long)N)] = true;
        }
        if (++n % BATCH == 0)
            take_position(s, false);
        if (n >= after && !done)
            done = do_fault(&s);
    }
    expect(r == 0);
    s->ops->free(s);
    if (state >= 0)
        unlinkat(state, AZM_JOURNAL_CHECKPOINT, 0);
    for (unsigned i = 1; i <= N; i++)
        n_given += given[i];
    if (memcmp(given, readable, sizeof given) != 0 || missing != (selects ? 0 : n_written - n_readable)) {
        printf("# at %u: %u of %u entries that can be read are given, %lld are missing\n", after, n_given, n_readable,
               (long long)missing);
        failed = true;
    }
}

/* Behind any of these records. */
static void read_damaged(enum fault fault, unsigned first, unsigned last)
{
    struct azm_error err;

    state = fault == RESTARTED ? open(dir, O_DIRECTORY | O_CLOEXEC) : -1; /* a checkpoint takes time */
    must(azm_config_init(&config) == 0, "azm_config_init");
    must(azm_config_set(&config, "journal", "directory", dir, "test", false, &err) == 0, "directory=");
    if (selects)
        must(azm_config_set(&config, "journal", "priority", "3", "test", false, &err) == 0, "priority=");
    config.start = AZM_START_OLDEST;
    for (unsigned after = first; after <= last; after++)
        read_all(fault, after);
    azm_config_free(&config);
    if (state >= 0)
        close(state);
}

static void around_damage(enum fault fault)
{
    write_damaged(250);
    find_readable(250);
    read_damaged(fault, last_before - 5, first_behind + 40);
}

static void nothing(void)
{
    around_damage(NOTHING);
}

static void entries_become_young(void)
{
    around_damage(BECOMES_YOUNG);
}

static void a_file_comes_up(void)
{
    around_damage(FILE_COMES_UP);
}

static void an_entry_goes_away(void)
{
    around_damage(GOES_AWAY);
}

static void another_configuration(void)
{
    around_damage(CONFIGURED);
}

static void a_restart(void)
{
    around_damage(RESTARTED);
}

/* Then it is another list of entries in which libsystemd looks for a place. */
static void a_selection(void)
{
    selects = true;
    for (unsigned damaged = 120; damaged < 320; damaged += 10) {
        write_damaged(damaged);
        find_readable(damaged);
        read_damaged(CONFIGURED, last_before - 3, last_before + 2);
        empty_dir();
    }
    selects = false;
}

/* A handle that begins at a place in the one may lose its way in the other. */
static void another_file(void)
{
    machines = true;
    for (unsigned damaged = 250; damaged < 320; damaged += 30) {
        write_damaged_beside(damaged);
        find_readable(damaged);
        read_damaged(CONFIGURED, damaged - 10, n_readable);
        empty_dir();
    }
    machines = false;
}

static const struct journal_test tests[] = {
    {"nothing", nothing},
    {"entries_become_young", entries_become_young},
    {"a_file_comes_up", a_file_comes_up},
    {"an_entry_goes_away", an_entry_goes_away},
    {"another_configuration", another_configuration},
    {"a_restart", a_restart},
    {"a_selection", a_selection},
    {"another_file", another_file},
};

int main(void)
{
    return run_journal_tests(tests, ELEMENTSOF(tests));
}
