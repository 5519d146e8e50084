/* SPDX-License-Identifier: MIT */
#include "core/clock.h"
#include "source/journal.h"
#include "tests/unit/journal_help.h"

/* Whoever reads gets a turn for other things, such as a signal, also while entries are passed over that nobody wants.
 */

#define WANTED 5 /* before the others, and as many behind them */
#define PASSED_OVER (2 * AZM_SOURCE_RECORDS_PER_TURN + 500)
#define BEGIN UINT64_C(1700000000000000) /* the time of the first entry */

/* Reads to the end: how many records it gave, and how often it gave none though there were more to come. */
static void read_all(struct azm_journal_options o, const char *exclude, unsigned *ret_given, unsigned *ret_turns)
{
    struct azm_config config;
    struct azm_source *s;
    struct azm_record rec;
    struct azm_error err;
    int r;

    must(azm_config_init(&config) == 0, "azm_config_init");
    must(azm_config_set(&config, "journal", "directory", dir, "test", false, &err) == 0, "directory=");
    must(azm_config_set(&config, "journal", "exclude_identifiers", exclude, "test", false, &err) == 0, "exclude=");
    config.start = AZM_START_OLDEST;
    o.config = &config;
    o.state_dir_fd = -1;
    must(azm_journal_open(&o, &s, &err) == 0, "azm_journal_open");
    *ret_given = *ret_turns = 0;
    while ((r = s->ops->next(s, &rec, &err)) > 0 || (r == 0 && s->ops->process(s, &err) > 0))
        ++*(r > 0 ? ret_given : ret_turns);
    expect(r == 0);
    s->ops->free(s);
    azm_config_free(&config);
}

/* Of three boots in one file; the clock of the second is ahead by that. */
static void write_three(unsigned ahead_seconds, const char *field)
{
    static const char *fields[PASSED_OVER];

    for (size_t i = 0; i < PASSED_OVER; i++)
        fields[i] = field;
    write_journal((struct entries){.first = 1, .n = WANTED, .boot = '1'});
    write_journal((struct entries){
        .first = WANTED + 1, .n = PASSED_OVER, .second = 1 + ahead_seconds, .boot = '2', .fields = fields});
    write_journal((struct entries){.first = WANTED + PASSED_OVER + 1, .n = WANTED, .second = 10, .boot = '3'});
}

static void what_is_excluded(void)
{
    unsigned given, turns;

    write_three(0, "SYSLOG_IDENTIFIER=noise\n");
    read_all((struct azm_journal_options){0}, "noise", &given, &turns);
    expect(given == 2 * WANTED && turns == 2);
}

static void what_is_not_of_the_stretch(void)
{
    unsigned given, turns;

    write_three(1800, "");
    read_all((struct azm_journal_options){.since_usec = BEGIN, .until_usec = BEGIN + 60 * AZM_USEC_PER_SEC}, "", &given,
             &turns);
    expect(given == 2 * WANTED && turns == 2);
}

/* Nor does an entry of another time end a stretch, if there is more of it. */
static void a_clock_that_was_far_ahead(void)
{
    unsigned given, turns;

    write_journal((struct entries){.first = 1, .n = WANTED, .boot = '1'});
    write_journal((struct entries){.first = WANTED + 1, .n = 1, .second = 30 * 86400, .uptime = 10, .boot = '1'});
    write_journal((struct entries){
        .first = WANTED + 2, .n = WANTED, .second = 20, .uptime = 20, .boot = '1', .file = "u.journal"});
    read_all((struct azm_journal_options){.since_usec = BEGIN, .until_usec = BEGIN + 60 * AZM_USEC_PER_SEC}, "", &given,
             &turns);
    expect(given == 2 * WANTED);
}

/* Behind the last one that was counted nothing is read any more, whatever comes there. */
static void a_stretch_ends_with_its_last_entry(void)
{
    unsigned given, turns;

    write_journal((struct entries){.first = 1, .n = 2 * WANTED + PASSED_OVER, .boot = '1'});
    read_all((struct azm_journal_options){.since_usec = BEGIN, .until_usec = BEGIN + 1000 * WANTED}, "", &given,
             &turns);
    expect(given == WANTED && turns == 0);
}

static const struct journal_test tests[] = {
    {"what_is_excluded", what_is_excluded},
    {"what_is_not_of_the_stretch", what_is_not_of_the_stretch},
    {"a_clock_that_was_far_ahead", a_clock_that_was_far_ahead},
    {"a_stretch_ends_with_its_last_entry", a_stretch_ends_with_its_last_entry},
};

int main(void)
{
    return run_journal_tests(tests, ELEMENTSOF(tests));
}
