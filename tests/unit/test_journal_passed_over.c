/* SPDX-License-Identifier: MIT */
#include "source/entry.h"
#include "source/journal.h"
#include "source/place.h"
#include "tests/unit/journal_help.h"

/* libsystemd may leave a damaged file before its end, for the handle that reads and not for a new one. Here handles
 * that read (they watch the files, others do not) pass over entries as we say; linked with --wrap. */

#define N 60
#define FIRST 21 /* of those that are passed over */
#define LAST 40

#define ALIKE 18 /* this one and those after it are alike, in one of the tests */
#define N_ALIKE 3

static sd_journal *bad[4]; /* handles that pass over them */
static size_t n_bad, bad_left;

int __real_sd_journal_get_fd(sd_journal *j);
int __wrap_sd_journal_get_fd(sd_journal *j);
int __real_sd_journal_next(sd_journal *j);
int __wrap_sd_journal_next(sd_journal *j);

int __wrap_sd_journal_get_fd(sd_journal *j)
{
    for (size_t i = 0; i < n_bad; i++)
        if (bad[i] == j)
            return __real_sd_journal_get_fd(j);
    if (bad_left > 0 && n_bad < ELEMENTSOF(bad)) {
        bad[n_bad++] = j;
        bad_left--;
    }
    return __real_sd_journal_get_fd(j);
}

static bool is_passed_over(sd_journal *j)
{
    for (size_t i = 0; i < n_bad; i++)
        if (bad[i] == j) {
            struct azm_place p;

            return azm_place_current(j, &p) == 0 && p.seqnum >= FIRST && p.seqnum <= LAST;
        }
    return false;
}

int __wrap_sd_journal_next(sd_journal *j)
{
    int r;

    do
        r = __real_sd_journal_next(j);
    while (r > 0 && is_passed_over(j));
    return r;
}

struct reading {
    struct azm_config config;
    struct azm_source *s;
    unsigned given[N + 1]; /* how often, by number */
    uint8_t uids[N + 1][16];
    uint8_t alike[10][16]; /* uids of the last ones with the number ALIKE, in their order */
    size_t n_alike;
    unsigned gaps;
    int64_t gap_entries;
    struct azm_buf position;
};

/* The highest number up to which the position says that all is given, by its cursor or its history. */
static unsigned long reach(const struct azm_buf *position)
{
    const char *p = (const char *)position->data, *end = p + position->len;
    unsigned long most = 0;

    while ((p = memmem(p, (size_t)(end - p), ";i=", 3))) {
        p += 3;
        most = MAX(most, strtoul(p, NULL, 16));
    }
    return most;
}

static void take_position(struct reading *t)
{
    struct azm_error err;
    unsigned long up_to;

    expect(t->s->ops->position(t->s, &t->position, &err) == 0);
    up_to = reach(&t->position);
    for (unsigned i = 1; i <= up_to && t->gaps == 0; i++)
        if (t->given[i] == 0 && (i <= ALIKE || i >= ALIKE + N_ALIKE)) {
            printf("# the position is at %lu, but %u has not been given\n", up_to, i);
            failed = true;
            return;
        }
}

static void take_record(struct reading *t, const struct azm_record *rec)
{
    char body[32];
    unsigned long i;

    for (size_t k = 0; k < rec->n_attributes; k++)
        if (azm_text_equal(rec->attributes[k].key, AZM_TEXT("azmonlog.gap.entries"))) {
            t->gaps++;
            t->gap_entries += rec->attributes[k].integer;
            return;
        }
    snprintf(body, sizeof body, "%.*s", (int)rec->body.len, rec->body.s);
    i = strtoul(body, NULL, 10);
    must(i >= 1 && i <= N, "a record that nobody has written");
    if (i == ALIKE && t->n_alike < ELEMENTSOF(t->alike))
        memcpy(t->alike[t->n_alike++], rec->uid, 16);
    else
        expect(t->given[i] == 0 || memcmp(t->uids[i], rec->uid, 16) == 0);
    memcpy(t->uids[i], rec->uid, 16);
    t->given[i]++;
}

/* Reads all there is; the first `bad_readers` handles pass over entries. A position is taken every `batch` records. */
static struct reading read_all(size_t bad_readers, unsigned batch)
{
    struct reading t = {0};
    struct azm_record rec;
    struct azm_error err;
    unsigned n = 0;
    int r;

    n_bad = 0;
    bad_left = bad_readers;
    must(azm_config_init(&t.config) == 0, "azm_config_init");
    must(azm_config_set(&t.config, "journal", "directory", dir, "test", false, &err) == 0, "directory=");
    t.config.start = AZM_START_OLDEST;
    must(azm_journal_open(&(struct azm_journal_options){.config = &t.config, .state_dir_fd = -1}, &t.s, &err) == 0,
         "azm_journal_open");
    while ((r = t.s->ops->next(t.s, &rec, &err)) > 0 && n < 10 * N) {
        take_record(&t, &rec);
        if (++n % batch == 0)
            take_position(&t);
    }
    expect(r == 0);
    take_position(&t);
    expect(reach(&t.position) == N);
    t.s->ops->free(t.s);
    azm_config_free(&t.config);
    return t;
}

/* One of them is journald's about messages that it dropped. */
static void write_entries(void)
{
    static const char *const dropped[] = {
        "_TRANSPORT=driver\nMESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e\nN_DROPPED=5\n"};

    write_journal((struct entries){.first = 1, .n = 17, .boot = '1'});
    write_journal((struct entries){.first = 18, .n = 1, .second = 1, .uptime = 1, .boot = '1', .fields = dropped});
    write_journal((struct entries){.first = 19, .n = N - 18, .second = 2, .uptime = 2, .boot = '1'});
}

static void check_all_given(const struct reading *t, unsigned most)
{
    for (unsigned i = 1; i <= N; i++) {
        if (t->given[i] < 1 || t->given[i] > most) {
            printf("# %u is given %u times\n", i, t->given[i]);
            failed = true;
        }
        for (unsigned k = 1; k < i; k++)
            expect(memcmp(t->uids[i], t->uids[k], 16) != 0);
    }
}

static bool position_has(const struct reading *t, const char *words)
{
    return memmem(t->position.data, t->position.len, words, strlen(words)) != NULL;
}

static void nothing_is_passed_over(void)
{
    struct reading t;

    write_entries();
    t = read_all(0, 7);
    check_all_given(&t, 1);
    expect(t.gaps == 0 && position_has(&t, "suppressed 5 "));
    azm_buf_free(&t.position);
}

/* Whatever of the stretch was read before, and whenever it is noticed. */
static void by_the_first_reader(void)
{
    static const unsigned batches[] = {1, 3, 7, 10, 19, 20, 21, 25, 40, 1000};

    write_entries();
    for (size_t i = 0; i < ELEMENTSOF(batches); i++) {
        struct reading t = read_all(1, batches[i]);

        check_all_given(&t, 2);
        expect(t.gaps == 0 && position_has(&t, "gaps 0 ") && position_has(&t, "suppressed 5 "));
        azm_buf_free(&t.position);
    }
}

/* Then it is told, once, and reading goes on. */
static void by_every_reader(void)
{
    static const unsigned batches[] = {1, 7, 20, 1000};

    write_entries();
    for (size_t i = 0; i < ELEMENTSOF(batches); i++) {
        struct reading t = read_all(ELEMENTSOF(bad), batches[i]);

        for (unsigned k = 1; k <= N; k++)
            expect(k >= FIRST && k <= LAST ? t.given[k] == 0 : t.given[k] >= 1 && t.given[k] <= 2);
        expect(t.gaps == 1 && t.gap_entries == LAST - FIRST + 1);
        expect(position_has(&t, "losses=gaps 1 gap_entries 20 suppressed 5 "));
        azm_buf_free(&t.position);
    }
}

/* Going back to the middle of entries that are alike, in a boot that has the same times: they keep their uids, which
 * depend on how many came before. */
static void among_entries_that_are_alike(void)
{
    struct reading t;

    write_journal((struct entries){.first = 1, .n = ALIKE - 1, .boot = '1'});
    for (unsigned i = 0; i < N_ALIKE; i++)
        write_journal((struct entries){.first = ALIKE, .n = 1, .second = 1, .uptime = 1, .boot = '1'});
    write_journal((struct entries){
        .first = ALIKE + N_ALIKE, .n = N + 1 - ALIKE - N_ALIKE, .second = 2, .uptime = 2, .boot = '1'});
    t = read_all(1, ALIKE);
    expect(t.given[FIRST] == 1 && t.given[FIRST - 1] == 0 && t.given[LAST + 1] == 2);
    expect(t.n_alike == 2 * N_ALIKE - 1); /* the first one is not read again */
    for (size_t i = 0; i < N_ALIKE; i++)
        for (size_t k = 0; k < i; k++)
            expect(memcmp(t.alike[i], t.alike[k], 16) != 0);
    for (size_t i = 1; i < N_ALIKE; i++)
        expect(memcmp(t.alike[i], t.alike[N_ALIKE + i - 1], 16) == 0);
    azm_buf_free(&t.position);
}

static const struct journal_test tests[] = {
    {"nothing_is_passed_over", nothing_is_passed_over},
    {"by_the_first_reader", by_the_first_reader},
    {"by_every_reader", by_every_reader},
    {"among_entries_that_are_alike", among_entries_that_are_alike},
};

int main(void)
{
    return run_journal_tests(tests, ELEMENTSOF(tests));
}
