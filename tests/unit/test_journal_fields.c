/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <time.h>
#include <unistd.h>

#include "source/entry.h"
#include "source/journal.h"
#include "source/lookup3.h"
#include "tests/unit/journal_help.h"

/* Journald lets an entry be read before it has linked all of its fields to it, and in the moment at which it links a
 * new one libsystemd leaves that one out. Here a MESSAGE is put back into that moment, and out of it when the fields
 * were read so many times. Linked with --wrap. */

#define N 20
#define NEVER 1000000

static struct {
    int fd;      /* the file */
    off_t at;    /* where it says how many entries have this MESSAGE */
    unsigned in; /* it is linked with the reading of fields after so many */
    unsigned readings;
} half;

static bool machines; /* the folder is taken for the machine's own journal, and the entries were written just now */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_sd_id128_get_boot(sd_id128_t *ret);
int __wrap_sd_id128_get_boot(sd_id128_t *ret);
bool __real_azm_journal_is_machines(const struct azm_config *c);
bool __wrap_azm_journal_is_machines(const struct azm_config *c);
void __real_sd_journal_restart_data(sd_journal *j);
void __wrap_sd_journal_restart_data(sd_journal *j);

/* The machine seems to have come up just now. */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    static time_t since;
    int r = __real_clock_gettime(id, ts);

    if (id == CLOCK_MONOTONIC && machines) {
        since = since > 0 ? since : ts->tv_sec - 1;
        ts->tv_sec -= since;
    }
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

static void set_entries(uint64_t n)
{
    n = htole64(n);
    must(pwrite(half.fd, &n, sizeof n, half.at) == sizeof n, "writing to a journal file");
}

/* Each reading of an entry's fields begins with it. */
void __wrap_sd_journal_restart_data(sd_journal *j)
{
    if (half.readings++ == half.in && half.at > 0)
        set_entries(1);
    __real_sd_journal_restart_data(j);
}

/* See systemd's documentation "Journal File Format"; little-endian. */
#define INCOMPATIBLE_FLAGS 12
#define COMPACT 0x10
#define HEADER_SIZE 88
#define TAIL_OBJECT 136
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

/* The MESSAGE with this number is not linked yet. */
static void open_half(unsigned wanted)
{
    char message[64];
    off_t tail, payload;
    size_t len;

    half.fd = open(path("t.journal"), O_RDWR | O_CLOEXEC);
    must(half.fd >= 0, "opening a journal file");
    len = (size_t)snprintf(message, sizeof message, "MESSAGE=%u", wanted);
    tail = (off_t)number_at(TAIL_OBJECT);
    payload = number_at(INCOMPATIBLE_FLAGS) & COMPACT ? COMPACT_PAYLOAD : PAYLOAD;
    for (off_t at = (off_t)number_at(HEADER_SIZE); at <= tail; at += (off_t)((number_at(at + 8) + 7) & ~UINT64_C(7))) {
        char data[sizeof message] = "";

        if ((number_at(at) & 0xff) != OBJECT_DATA || number_at(at + 8) != (uint64_t)payload + len)
            continue;
        must(pread(half.fd, data, len, at + payload) == (ssize_t)len, "reading a journal file");
        if (strcmp(data, message) == 0)
            half.at = at + N_ENTRIES;
    }
    must(half.at > 0 && number_at(half.at) == 1, "the MESSAGE is not there");
    set_entries(0);
}

static struct azm_config config;

/* Each of n comes once, in order, with what it says; but `silent` (0: none) says nothing. */
static void read_all(unsigned n, unsigned silent)
{
    struct azm_source *s = NULL;
    struct azm_record rec;
    struct azm_error err;
    unsigned i = 0;
    int r;

    must(azm_journal_open(&(struct azm_journal_options){.config = &config, .state_dir_fd = -1}, &s, &err) == 0,
         "azm_journal_open");
    half.readings = 0;
    while ((r = s->ops->next(s, &rec, &err)) > 0 && i < 2 * n) {
        char body[32], expected[32] = "";

        i++;
        snprintf(body, sizeof body, "%.*s", (int)rec.body.len, rec.body.s ? rec.body.s : "");
        if (i != silent)
            snprintf(expected, sizeof expected, "%u", i);
        if (strcmp(body, expected) != 0)
            printf("# entry %u: \"%s\"\n", i, body);
        expect(strcmp(body, expected) == 0);
    }
    expect(r == 0);
    expect(i == n);
    s->ops->free(s);
}

static void prepare(const char *const *fields)
{
    struct azm_error err;

    memset(&half, 0, sizeof half);
    half.fd = -1;
    write_journal((struct entries){.first = 1, .n = N, .boot = '1', .uptime = 1, .fields = fields});
    must(azm_config_init(&config) == 0, "azm_config_init");
    must(azm_config_set(&config, "journal", "directory", dir, "test", false, &err) == 0, "directory=");
    config.start = AZM_START_OLDEST;
}

static void end(void)
{
    azm_config_free(&config);
    if (half.fd >= 0)
        close(half.fd);
    machines = false;
}

/* The last of N entries is being written, and all of it is there after so many readings of its fields. */
static void read_last(unsigned readings)
{
    open_half(N);
    half.in = N - 1 + readings;
    read_all(N, 0);
    expect(half.readings == N + readings);
}

static void linked_at_once(void)
{
    prepare(NULL);
    read_last(1);
    end();
}

static void linked_while_it_waits(void)
{
    prepare(NULL);
    read_last(5);
    end();
}

static void in_the_machines_journal(void)
{
    machines = true;
    prepare(NULL);
    read_last(1);
    end();
}

/* An earlier one, while it is young. */
static void not_the_last_one(void)
{
    machines = true;
    prepare(NULL);
    open_half(7);
    half.in = 7;
    read_all(N, 0);
    expect(half.readings == N + 1);
    end();
}

/* It is given without it, after a while. */
static void never_linked(void)
{
    prepare(NULL);
    open_half(N);
    half.in = NEVER;
    read_all(N, N);
    expect(half.readings > N + 2);
    end();
}

/* Such fields are in the file once, and their hashes take each other away. */
static void given_twice(void)
{
    const char *fields[N];

    for (unsigned i = 0; i < N; i++)
        fields[i] = "TWICE=yes\nTWICE=yes\n";
    machines = true;
    prepare(fields);
    read_all(N, 0);
    expect(half.readings == 2 * N);
    end();
}

/* Nobody is at these any more: no second reading, whatever is missing. */
static void written_long_ago(void)
{
    prepare(NULL);
    open_half(7);
    half.in = NEVER;
    read_all(N, 7);
    expect(half.readings == N);
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
        {"linked_while_it_waits", linked_while_it_waits},
        {"in_the_machines_journal", in_the_machines_journal},
        {"not_the_last_one", not_the_last_one},
        {"never_linked", never_linked},
        {"given_twice", given_twice},
        {"written_long_ago", written_long_ago},
    };

    return run_journal_tests(tests, ELEMENTSOF(tests));
}
