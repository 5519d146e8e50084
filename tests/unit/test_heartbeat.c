/* SPDX-License-Identifier: MIT */
#include "pipeline/heartbeat.h"
#include "tests/unit/record_help.h"
#include "tests/unit/test.h"

static struct azm_figures figures;
static struct azm_heartbeat heartbeat;
static struct azm_record record;

static void make(enum azm_exporter_state state)
{
    figures = (struct azm_figures){
        .now_usec = UINT64_C(1800000000000123),
        .started_usec = UINT64_C(1700000000000001),
        .behind_usec = UINT64_C(7999999),
        .read = 10,
        .quarantine_known = true,
        .source = {.name = "the journal", .lag_known = true, .lag_records = 3},
        .exporter = {.state = state, .records = 8},
        .outbox = {.spool = {.records = 40, .bytes = 4096}},
    };
    figures.quarantine.records = 2;
}

static void print(void)
{
    azm_heartbeat_record(&figures, &heartbeat, &record);
    ck_assert_uint_le(record.n_attributes, AZM_HEARTBEAT_ATTRIBUTES);
}

static const char *attribute(const char *name)
{
    char key[64];

    snprintf(key, sizeof key, "azmonlog.heartbeat.%s", name);
    return attribute_of(&record, key);
}

static void assert_body(const char *words)
{
    ck_assert_uint_eq(record.body.len, strlen(words));
    ck_assert_mem_eq(record.body.s, words, record.body.len);
}

START_TEST(all_is_known)
{
    static const char *const expected[][2] = {
        {"state", "delivering"},    {"source", "the journal"}, {"started", "2023-11-14T22:13:20.000001Z"},
        {"behind.seconds", "7"},    {"behind.records", "43"},  {"read.records", "10"},
        {"delivered.records", "8"}, {"spool.bytes", "4096"},   {"quarantine.records", "2"},
    };

    make(AZM_EXPORTER_DELIVERING);
    print();
    assert_body("heartbeat: delivering, 7 s behind; 10 records read, 8 delivered, 2 in quarantine");
    for (size_t i = 0; i < ELEMENTSOF(expected); i++)
        ck_assert_pstr_eq(attribute(expected[i][0]), expected[i][1]);
    ck_assert_uint_eq(record.n_attributes, ELEMENTSOF(expected));
    ck_assert_uint_eq(record.time_unix_nano, UINT64_C(1800000000000123000));
    ck_assert_uint_eq(record.observed_time_unix_nano, record.time_unix_nano);
    ck_assert(azm_text_equal(record.event_name, AZM_TEXT("azmonlog.heartbeat")));
}
END_TEST

/* Severity info while it delivers, whether or not it ends; a warning otherwise. */
START_TEST(states)
{
    static const struct {
        enum azm_exporter_state state;
        bool stopping;
        const char *name;
        int severity;
    } cases[] = {
        {AZM_EXPORTER_DELIVERING, false, "delivering", 6},
        {AZM_EXPORTER_RETRYING, false, "retrying", 4},
        {AZM_EXPORTER_HELD, false, "held", 4},
        {AZM_EXPORTER_DELIVERING, true, "stopping", 6},
        {AZM_EXPORTER_HELD, true, "stopping", 4},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        make(cases[i].state);
        figures.stopping = cases[i].stopping;
        print();
        ck_assert_pstr_eq(attribute("state"), cases[i].name);
        ck_assert_int_eq(record.severity, cases[i].severity);
    }
}
END_TEST

/* What is not known is not said. */
START_TEST(unknown)
{
    make(AZM_EXPORTER_DELIVERING);
    figures.source.lag_known = figures.quarantine_known = false;
    print();
    assert_body("heartbeat: delivering, 7 s behind; 10 records read, 8 delivered");
    ck_assert_ptr_null(attribute("behind.records"));
    ck_assert_ptr_null(attribute("quarantine.records"));
}
END_TEST

/* A spool that is the source itself is not counted twice. */
START_TEST(of_an_action)
{
    make(AZM_EXPORTER_DELIVERING);
    figures.spool_is_source = true;
    print();
    ck_assert_pstr_eq(attribute("behind.records"), "3");
}
END_TEST

/* Two of one moment have different uids. */
START_TEST(uids)
{
    struct azm_record first;

    make(AZM_EXPORTER_DELIVERING);
    print();
    first = record;
    print();
    ck_assert_mem_ne(first.uid, record.uid, sizeof first.uid);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "all_is_known", all_is_known);
    add_test(s, "states", states);
    add_test(s, "unknown", unknown);
    add_test(s, "of_an_action", of_an_action);
    add_test(s, "uids", uids);
}

TEST_MAIN("heartbeat", add_tests)
