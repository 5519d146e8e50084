/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "source/entry.h"
#include "source/journal.h"
#include "source/lookup3.h"
#include "tests/unit/journal_help.h"

/* Journald lets an entry be read before it has linked all of its fields to it, and in the moment at which it links a
 * new one libsystemd leaves that one out. Here one is put back into that moment, and out of it when the fields
 * were read so many times. Linked with --wrap. */

#define N 20
#define NEVER 1000000

static struct {
    int fd;           /* the file */
    off_t at;         /* where it says how many entries have the field */
    uint64_t entries; /* so many have it */
    unsigned in;      /* it is linked with the reading of fields after so many */
    unsigned readings;
    bool in_new_handle; /* or as soon as another handle is there */
} half;

static bool machines; /* the folder is taken for the machine's own journal, and the entries were written just now */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_sd_id128_get_boot(sd_id128_t *ret);
int __wrap_sd_id128_get_boot(sd_id128_t *ret);
bool __real_azm_journal_is_machines(const struct azm_config *c);
bool __wrap_azm_journal_is_machines(const struct azm_config *c);
int __real_sd_journal_get_fd(sd_journal *j);
int __wrap_sd_journal_get_fd(sd_journal *j);
void __real_sd_journal_restart_data(sd_journal *j);
void __wrap_sd_journal_restart_data(sd_journal *j);

/* The machine has come up just now, and whoever looks at the time takes 1 ms. */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    static long looks;
    int r = __real_clock_gettime(id, ts);

    if (id == CLOCK_MONOTONIC && machines)
        *ts = (struct timespec){.tv_sec = 2, .tv_nsec = ++looks * 1000000};
    return r;
}

/* The one in which the entries were written. */
int __wrap_sd_id128_get_boot(sd_id128_t *ret)
{
    memset(ret, 0x11, sizeof *ret);
    return 0;
}

bool __wrap_azm_journal_is_machines(const struct azm_config *c)
{
    return machines || __real_azm_journal_is_machines(c);
}

static void set_number(off_t at, uint64_t n)
{
    n = htole64(n);
    must(pwrite(half.fd, &n, sizeof n, at) == sizeof n, "writing to a journal file");
}

static void set_entries(uint64_t n)
{
    set_number(half.at, n);
}

/* The handle that reads is asked for it when it is new. */
int __wrap_sd_journal_get_fd(sd_journal *j)
{
    if (half.in_new_handle)
        set_entries(half.entries);
    return __real_sd_journal_get_fd(j);
}

/* Each reading of an entry's fields begins with it. */
void __wrap_sd_journal_restart_data(sd_journal *j)
{
    if (half.readings++ == half.in && half.at > 0)
        set_entries(half.entries);
    __real_sd_journal_restart_data(j);
}

/* See systemd's documentation "Journal File Format"; little-endian. */
#define INCOMPATIBLE_FLAGS 12
#define COMPACT 0x10
#define HEADER_SIZE 88
#define TAIL_OBJECT 136
#define FILE_N_ENTRIES 152
#define TAIL_SEQNUM 160
#define OBJECT_DATA 1 /* an object begins with its type; its size is at 8, how many entries have it at 56 */
#define N_ENTRIES 56
#define PAYLOAD 64
#define COMPACT_PAYLOAD 72

static uint64_t number_at(off_t at)
{
    uint64_t n;

    must(pread(half.fd, &n, sizeof n, at) == sizeof n, "reading a journal file");
    return le64toh(n);
}

static void close_file(void)
{
    if (half.fd >= 0)
        close(half.fd);
    half.fd = -1;
}

static void open_file(void)
{
    close_file();
    half.fd = open(path("t.journal"), O_RDWR | O_CLOEXEC);
    must(half.fd >= 0, "opening a journal file");
}

/* The field is not linked yet. */
static void unlink_field(const char *field)
{
    size_t len = strlen(field);
    off_t tail, payload;

    open_file();
    half.at = 0;
    tail = (off_t)number_at(TAIL_OBJECT);
    payload = number_at(INCOMPATIBLE_FLAGS) & COMPACT ? COMPACT_PAYLOAD : PAYLOAD;
    for (off_t at = (off_t)number_at(HEADER_SIZE); at <= tail; at += (off_t)((number_at(at + 8) + 7) & ~UINT64_C(7))) {
        char data[64] = "";

        if ((number_at(at) & 0xff) != OBJECT_DATA || number_at(at + 8) != (uint64_t)payload + len)
            continue;
        must(pread(half.fd, data, len, at + payload) == (ssize_t)len, "reading a journal file");
        if (strcmp(data, field) == 0)
            half.at = at + N_ENTRIES;
    }
    must(half.at > 0, "the field is not there");
    half.entries = number_at(half.at);
    set_entries(0);
}

/* The MESSAGE with this number is linked with the reading after `readings` more of an entry's fields. */
static void link_after(unsigned number, unsigned readings)
{
    char field[32];

    snprintf(field, sizeof field, "MESSAGE=%u", number);
    unlink_field(field);
    half.readings = 0;
    half.in = readings;
}

static struct azm_config config;
static struct azm_source *source;

static void set(const char *key, const char *value)
{
    struct azm_error err;

    must(azm_config_set(&config, "journal", key, value, "test", false, &err) == 0, value);
}

/* Entries with these numbers; `fields` as in struct entries, the same for all. */
static void write_entries(unsigned first, unsigned n, unsigned second, const char *fields)
{
    const char *all[N];

    for (unsigned i = 0; i < N; i++)
        all[i] = fields;
    write_journal(
        (struct entries){.first = first, .n = n, .boot = '1', .uptime = 1 + second, .second = second, .fields = all});
}

static void prepare(const char *fields)
{
    memset(&half, 0, sizeof half);
    half.fd = -1;
    write_entries(1, N, 10, fields);
    must(azm_config_init(&config) == 0, "azm_config_init");
    set("directory", dir);
    config.start = AZM_START_OLDEST;
}

static int state = -1;

static void open_stretch(uint64_t since_usec, uint64_t until_usec)
{
    const struct azm_journal_options o = {
        .config = &config, .state_dir_fd = state, .since_usec = since_usec, .until_usec = until_usec};
    struct azm_error err;

    must(azm_journal_open(&o, &source, &err) == 0, "azm_journal_open");
    half.readings = 0;
}

static void open_source(void)
{
    open_stretch(0, 0);
}

static void end(void)
{
    source->ops->free(source);
    azm_config_free(&config);
    close_file();
    machines = false;
}

static void expect_number(const struct azm_record *rec, unsigned number)
{
    char body[32], expected[32] = "";

    snprintf(body, sizeof body, "%.*s", (int)rec->body.len, rec->body.s ? rec->body.s : "");
    if (number > 0)
        snprintf(expected, sizeof expected, "%u", number);
    if (strcmp(body, expected) != 0)
        printf("# entry %u: \"%s\"\n", number, body);
    expect(strcmp(body, expected) == 0);
}

/* Each of n comes once, in order, with its number, from the first one on; but `silent` (0: none) says nothing. */
static void read_entries(unsigned first, unsigned n, unsigned silent)
{
    struct azm_record rec;
    struct azm_error err;
    unsigned i = 0;
    int r;

    while ((r = source->ops->next(source, &rec, &err)) > 0 && i < 2 * n) {
        unsigned number = first + i++;

        expect_number(&rec, number == silent ? 0 : number);
    }
    expect(r == 0);
    expect(i == n);
}

/* As the event loop does. */
static void look(void)
{
    struct azm_error err;
    uint64_t timeout;
    int fd, events;

    expect(source->ops->poll(source, &fd, &events, &timeout, &err) == 0);
    expect(source->ops->process(source, &err) >= 0);
}

/* After N come n more, which are of this second; one of them is being written until two readings are over. */
static void read_more(unsigned n, unsigned second, unsigned number)
{
    write_entries(N + 1, n, second, "");
    link_after(number, 2);
    look();
    read_entries(N + 1, n, 0);
}

/* The last of N entries is being written, and all of it is there after so many readings of its fields. */
static void read_last(unsigned readings)
{
    open_source();
    link_after(N, N - 1 + readings);
    read_entries(1, N, 0);
    expect(half.readings == N + readings);
    end();
}

static void linked_at_once(void)
{
    prepare("");
    read_last(1);
}

static void in_the_machines_journal(void)
{
    machines = true;
    prepare("");
    read_last(1);
}

static void linked_while_it_waits(void)
{
    machines = true;
    prepare("");
    read_last(7);
}

static void not_the_last_one(void)
{
    machines = true;
    prepare("");
    open_source();
    link_after(7, 7);
    read_entries(1, N, 0);
    expect(half.readings == N + 1);
    end();
}

/* It is given without it. After such a long wait the next one is waited for only a little. */
static void never_linked(void)
{
    prepare("");
    open_source();
    link_after(N, NEVER);
    read_entries(1, N, N);
    expect(half.readings >= N + 2);
    read_more(1, 20, N + 1);
    expect(half.readings == 3);
    end();
}

/* Such fields are in the file once, and their hashes take each other away. */
static void read_twice_given(const char *fields)
{
    machines = true;
    prepare(fields);
    open_source();
    read_entries(1, N, 0);
    expect(half.readings == 2 * N);
    end();
}

static void given_twice(void)
{
    read_twice_given("TWICE=yes\nTWICE=yes\n");
}

static void several_given_twice(void)
{
    read_twice_given("TWICE=yes\nTWICE=yes\nAGAIN=1\nAGAIN=1\nAGAIN=2\nTHRICE=1\nAGAIN=2\nTHRICE=1\nTHRICE=1\n");
}

/* Nobody is at these any more: no second reading, whatever is missing. */
static void written_long_ago(void)
{
    prepare("");
    open_source();
    link_after(7, NEVER);
    read_entries(1, N, 7);
    expect(half.readings == N);
    end();
}

/* Of a host that was cut off, say: they come last, with times from before the others. */
static void written_late(void)
{
    prepare("");
    open_source();
    read_entries(1, N, 0);
    read_more(3, 0, N + 2);
    expect(half.readings == 4);
    end();
}

/* A file had no entries when it was looked over. */
static void in_an_empty_file(void)
{
    const struct timespec long_ago[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    uint64_t n;

    prepare("");
    open_file();
    n = number_at(FILE_N_ENTRIES);
    set_number(FILE_N_ENTRIES, 0);
    must(futimens(half.fd, long_ago) == 0, "emptying");
    open_source();
    read_entries(1, 0, 0);
    link_after(N, N);
    set_number(FILE_N_ENTRIES, n);
    look();
    read_entries(1, N, 0);
    expect(half.readings == N + 1);
    end();
}

/* Numbers that nobody has tell of more entries than there are. */
static void after_a_jump(void)
{
    struct azm_record rec;
    struct azm_error err;

    prepare("");
    open_file();
    set_number(TAIL_SEQNUM, 5000);
    write_entries(N + 1, 1, 20, "");
    open_source();
    link_after(N + 1, N + 1);
    for (unsigned i = 1; i <= N + 1; i++) {
        expect(source->ops->next(source, &rec, &err) == 1);
        expect_number(&rec, i);
    }
    expect(half.readings == N + 2);
    end();
}

/* While something is being linked libsystemd cannot look for it: it lets go of the file. */
static void prepare_selection(const char *key)
{
    prepare("SYSLOG_IDENTIFIER=x\n");
    set("directory", "");
    set(key, strcmp(key, "file") == 0 ? path("t.journal") : dir);
    set("identifiers", "x");
}

static void unlink_selected(void)
{
    unlink_field("SYSLOG_IDENTIFIER=x");
    half.in = NEVER;
}

static void link_selected(void)
{
    set_entries(half.entries);
    must(ftruncate(half.fd, lseek(half.fd, 0, SEEK_END)) == 0, "telling of the change"); /* as journald does */
}

static void looked_for(const char *key)
{
    prepare_selection(key);
    open_source();
    read_entries(1, N, 0);
    write_entries(N + 1, N, 20, "SYSLOG_IDENTIFIER=x\n");
    unlink_selected();
    look();
    read_entries(N + 1, 0, 0);
    link_selected();
    look();
    read_entries(N + 1, N, 0);
    end();
}

static void looked_for_in_a_folder(void)
{
    looked_for("directory");
}

static void looked_for_in_a_file(void)
{
    looked_for("file");
}

/* The position does not get past it either. */
static void looked_for_and_restarted(void)
{
    _cleanup_(azm_buf_free) struct azm_buf position = {0};
    struct azm_error err;

    prepare_selection("directory");
    state = open(dir, O_DIRECTORY | O_CLOEXEC);
    open_source();
    read_entries(1, N, 0);
    write_entries(N + 1, N, 20, "SYSLOG_IDENTIFIER=x\n");
    unlink_selected();
    look();
    read_entries(N + 1, 0, 0);
    expect(source->ops->position(source, &position, &err) == 0);
    expect(source->ops->acknowledge(source, &position, &err) == 0);
    source->ops->free(source);
    link_selected();
    open_source();
    read_entries(N + 1, N, 0);
    close(state);
    state = -1;
    end();
}

static void looked_for_in_the_past(void)
{
    struct azm_record rec;
    struct azm_error err;

    prepare_selection("directory");
    open_stretch(UINT64_C(1700000000000000), UINT64_C(1700000100000000));
    for (unsigned i = 0; i < 5; i++)
        expect(source->ops->next(source, &rec, &err) == 1);
    unlink_selected();
    half.in_new_handle = true;
    read_entries(6, N - 5, 0);
    end();
}

/* The values are those that Jenkins gives with his code, and the hash of nothing. */
static void hashes(void)
{
    static const char four_score[] = "Four score and seven years ago";

    expect(azm_lookup3("", 0) == UINT64_C(0xdeadbeefdeadbeef));
    expect(azm_lookup3(four_score, strlen(four_score)) == UINT64_C(0x17770551ce7226e6));
}

int main(void)
{
    static const struct journal_test tests[] = {
        {"hashes", hashes},
        {"linked_at_once", linked_at_once},
        {"in_the_machines_journal", in_the_machines_journal},
        {"linked_while_it_waits", linked_while_it_waits},
        {"not_the_last_one", not_the_last_one},
        {"never_linked", never_linked},
        {"given_twice", given_twice},
        {"several_given_twice", several_given_twice},
        {"written_long_ago", written_long_ago},
        {"written_late", written_late},
        {"in_an_empty_file", in_an_empty_file},
        {"after_a_jump", after_a_jump},
        {"looked_for_in_a_folder", looked_for_in_a_folder},
        {"looked_for_in_a_file", looked_for_in_a_file},
        {"looked_for_and_restarted", looked_for_and_restarted},
        {"looked_for_in_the_past", looked_for_in_the_past},
    };

    return run_journal_tests(tests, ELEMENTSOF(tests));
}
