/* SPDX-License-Identifier: MIT */
#include "tests/unit/entry_help.h"
#include "tests/unit/test.h"

/* Entries of which no record is made: azmonlog's own ones, and what is excluded. They count all the same, for uids and
 * for what journald lost. */

/* The process that `azm_entry_reader_skip_own` is told about here, as far as the entries of entry_help.h are concerned.
 */
static struct azm_own_process own_process(long pid)
{
    return (struct azm_own_process){
        .boot = times.boot, .started_usec = times.monotonic_usec, .pid = pid, .comm = "azmonlog", .invocation = ""};
}

/* Only this very process: not a child, not another one with this pid, not one before it, not one of another boot. */
START_TEST(own_entries_are_skipped)
{
    static const struct {
        const char *fields[4];
        int expected;
    } table[] = {
        {{"_PID=4711", "_COMM=azmonlog", "MESSAGE=x"}, 0},
        {{"_PID=471", "_COMM=azmonlog", "MESSAGE=x"}, 1},
        {{"_PID=4711", "_COMM=systemd", "MESSAGE=x"}, 1}, /* we are in a container, and it is not */
        {{"_COMM=azmonlog", "MESSAGE=x"}, 1},
        {{"_PID=4711", "MESSAGE=x"}, 1},
        {{"PID=4711", "COMM=azmonlog", "MESSAGE=x"}, 1},
    };
    struct azm_own_process own[] = {own_process(4711), own_process(4712), own_process(4711), own_process(4711)};

    own[2].started_usec++;
    own[3].boot.bytes[0] ^= 1;
    begin(AZM_FIELDS_STANDARD);
    READ("_PID=4711", "_COMM=azmonlog"); /* nothing is skipped unless asked */
    for (size_t round = 0; round < ELEMENTSOF(own); round++) {
        azm_entry_reader_skip_own(reader, &own[round]);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            azm_entry_begin(reader);
            for (const char *const *f = table[i].fields; f < table[i].fields + 4 && *f; f++)
                add_field(*f, strlen(*f));
            ck_assert_int_eq(finish(), round == 0 ? table[i].expected : 1);
        }
    }
    end();
}
END_TEST

/* As a service: all processes of this invocation, a child of another name included. */
START_TEST(own_invocation_is_skipped)
{
    static const struct {
        const char *fields[3];
        int expected;
    } table[] = {
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcdef", "_PID=1", "_COMM=sh"}, 0},
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcdef", NULL, NULL}, 0},
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcdee", "_PID=1", "_COMM=sh"}, 1},
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcde", "_PID=1", "_COMM=sh"}, 1},
        {{"_SYSTEMD_INVOCATION_ID=", "_PID=1", "_COMM=sh"}, 1},
        {{"INVOCATION_ID=0123456789abcdef0123456789abcdef", "_PID=1", "_COMM=sh"}, 1}, /* what anybody may write */
        {{"_PID=4711", "_COMM=azmonlog", NULL}, 0},                                    /* the process itself as ever */
    };
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};
    struct azm_own_process own = own_process(4711);
    char invocation[] = "0123456789abcdef0123456789abcdef";

    own.invocation = invocation;
    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        begin(profiles[p]);
        azm_entry_reader_skip_own(reader, &own);
        invocation[0] = 'x'; /* it has a copy */
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            azm_entry_begin(reader);
            for (const char *const *f = table[i].fields; f < table[i].fields + 3 && *f; f++)
                add_field(*f, strlen(*f));
            ck_assert_msg(finish() == table[i].expected, "%s", table[i].fields[0]);
        }
        invocation[0] = '0';
        end();
    }
}
END_TEST

static int finish_fields(const char *const *fields)
{
    azm_entry_begin(reader);
    for (; *fields; fields++)
        add_field(*fields, strlen(*fields));
    return finish();
}

#define FINISH(...) finish_fields((const char *const[]){__VA_ARGS__, NULL})

/* A reader takes the configuration as it is when it is made. */
static void exclude(const char *key, const char *value)
{
    azm_entry_reader_free(reader);
    ck_assert_int_eq(azm_config_set(&config, "journal", key, value, "test", false, NULL), 0);
    ck_assert_int_eq(azm_entry_reader_new(&config, &reader), 0);
}

/* Any one of the lists is enough; only the whole value counts, and only of the field that is meant. */
START_TEST(excluded_entries_are_skipped)
{
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};

    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        begin(profiles[p]);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=a.service", "SYSLOG_IDENTIFIER=id", "_EXE=/bin/x"), 1);
        exclude("exclude_units", "a b");
        exclude("exclude_identifiers", "an-id");
        exclude("exclude_match", "_EXE=/bin/x");
        exclude("exclude_match", "NOTE=");
        ck_assert_int_eq(FINISH("MESSAGE=x"), 1);
        ck_assert_int_eq(FINISH("MESSAGE=x", "_SYSTEMD_UNIT=a.service"), 0);
        ck_assert_int_eq(FINISH("MESSAGE=x"), 1); /* the next one is another matter */
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=b.service", "MESSAGE=x"), 0);
        ck_assert_int_eq(FINISH("_SYSTEMD_USER_UNIT=b.service", "_SYSTEMD_UNIT=user@1.service"), 0);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=aa.service"), 1);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=a.servic"), 1);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT="), 1);
        ck_assert_int_eq(FINISH("UNIT=a.service"), 1); /* what the manager says of it is its own */
        ck_assert_int_eq(FINISH("SYSLOG_IDENTIFIER=an-id"), 0);
        ck_assert_int_eq(FINISH("SYSLOG_IDENTIFIER=an"), 1);
        ck_assert_int_eq(FINISH("IDENTIFIER=an-id"), 1);
        ck_assert_int_eq(FINISH("_EXE=/bin/x"), 0);
        ck_assert_int_eq(FINISH("_EXE=/bin/y", "_EXE=/bin/x"), 0); /* any one of several */
        ck_assert_int_eq(FINISH("_EXE=/bin/x", "_EXE=/bin/y"), 0);
        ck_assert_int_eq(FINISH("_EXE=/bin/xx"), 1);
        ck_assert_int_eq(FINISH("_EXE=/bin/"), 1);
        ck_assert_int_eq(FINISH("EXE=/bin/x"), 1);
        ck_assert_int_eq(FINISH("NOTE="), 0);
        ck_assert_int_eq(FINISH("NOTE=x"), 1);
        end();
    }
}
END_TEST

/* An entry has its uid whatever the configuration leaves out: resuming with another one does not send it anew. */
START_TEST(excluded_entries_count_for_the_uid)
{
    uint8_t uid[2][16];

    for (size_t i = 0; i < 2; i++) {
        begin(AZM_FIELDS_STANDARD);
        if (i == 1)
            exclude("exclude_match", "MESSAGE=x");
        ck_assert_int_eq(FINISH("MESSAGE=x"), i == 0);
        ck_assert_int_eq(FINISH("MESSAGE=y"), 1);
        memcpy(uid[i], record.uid, 16);
        ck_assert_uint_eq(azm_entry_uid_state(reader)->n_seen, 2);
        end();
    }
    ck_assert_mem_eq(uid[0], uid[1], 16);
}
END_TEST

#define DROPPED "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"
#define MISSED "MESSAGE_ID=e9bf28e6e834481bb6f48f548ad13606"

START_TEST(what_journald_lost_is_counted)
{
    static const struct {
        const char *fields[4];
        uint64_t suppressed, missed;
    } table[] = {
        {{DROPPED, "N_DROPPED=162500", "_TRANSPORT=driver"}, 162500, 0},
        {{"_TRANSPORT=driver", "N_DROPPED=1", DROPPED}, 1, 0},
        {{DROPPED, "N_DROPPED=5", "_TRANSPORT=journal"}, 0, 0}, /* forged */
        {{DROPPED, "N_DROPPED=5"}, 0, 0},
        {{DROPPED, "N_DROPPED=5", "TRANSPORT=driver"}, 0, 0},
        {{"N_DROPPED=5", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=-5", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=5x", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=99999999999999999999", "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "MESSAGE=Missed 17 kernel messages", "_TRANSPORT=driver"}, 0, 17},
        {{MISSED, "MESSAGE=Missed 17 kernel messages", "_TRANSPORT=kernel"}, 0, 0},
        {{MISSED, "MESSAGE=Missed kernel messages", "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "MESSAGE=", "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "N_DROPPED=5", "_TRANSPORT=driver"}, 0, 0},
        {{"MESSAGE=Missed 17 kernel messages", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=7", "_TRANSPORT=driver", "LEAVE=out"}, 7, 0}, /* lost all the same */
    };
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};

    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        struct azm_losses losses = {.suppressed = 100, .missed_kernel = 200}, sum = losses;

        begin(profiles[p]);
        exclude("exclude_match", "LEAVE=out");
        FINISH(DROPPED, "N_DROPPED=1", "_TRANSPORT=driver"); /* nobody counts */
        azm_entry_reader_count_losses(reader, &losses);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            azm_entry_begin(reader);
            for (const char *const *f = table[i].fields; f < table[i].fields + 4 && *f; f++)
                add_field(*f, strlen(*f));
            finish();
            sum.suppressed += table[i].suppressed;
            sum.missed_kernel += table[i].missed;
            ck_assert_msg(losses.suppressed == sum.suppressed && losses.missed_kernel == sum.missed_kernel,
                          "entry %zu is counted wrongly", i);
        }
        ck_assert_uint_eq(losses.gaps + losses.gap_entries + losses.unreadable + losses.damaged_files, 0);
        end();
    }
}
END_TEST

/* All fields count for the uid, in any profile, whether they are sent or not; an entry that is skipped counts as well.
 */
START_TEST(the_uid_is_of_the_whole_entry)
{
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};
    const struct azm_own_process own = own_process(7);
    uint8_t first[16], second[16];

    for (size_t i = 0; i < ELEMENTSOF(profiles); i++) {
        begin(profiles[i]);
        if (i > 0)
            azm_entry_reader_skip_own(reader, &own);
        READ("MESSAGE=x", "_EXE=/bin/a");
        if (i == 0)
            memcpy(first, record.uid, 16);
        ck_assert_mem_eq(record.uid, first, 16);
        READ("MESSAGE=x", "_EXE=/bin/b");
        ck_assert_mem_ne(record.uid, first, 16);

        azm_entry_begin(reader);
        add_field("_COMM=azmonlog", 14);
        add_field("_PID=7", 6);
        ck_assert_int_eq(finish(), i == 0);
        READ("_EXE=/bin/a", "MESSAGE=x");
        if (i == 0)
            memcpy(second, record.uid, 16);
        ck_assert_mem_eq(record.uid, second, 16);
        ck_assert_mem_ne(first, second, 16);
        ck_assert_uint_eq(azm_entry_uid_state(reader)->n_seen, 3);
        end();
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "own_entries_are_skipped", own_entries_are_skipped);
    add_test(s, "own_invocation_is_skipped", own_invocation_is_skipped);
    add_test(s, "excluded_entries_are_skipped", excluded_entries_are_skipped);
    add_test(s, "excluded_entries_count_for_the_uid", excluded_entries_count_for_the_uid);
    add_test(s, "what_journald_lost_is_counted", what_journald_lost_is_counted);
    add_test(s, "the_uid_is_of_the_whole_entry", the_uid_is_of_the_whole_entry);
}

TEST_MAIN("entry_skipped", add_tests)
