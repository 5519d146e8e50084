/* SPDX-License-Identifier: MIT */
#include "tests/unit/entry_help.h"
#include "tests/unit/record_help.h"

/* Which entries are taken apart: parse= and [unit "NAME"]. What that gives is in test_line.c. */

#define LINE "{\"msg\":\"taken apart\",\"level\":\"error\",\"n\":1}"

static int set(const char *section, const char *value, struct azm_error *err)
{
    return azm_config_set(&config, section, "parse", value, "x.conf:1", false, err);
}

static bool is_parsed(const char *unit)
{
    char field[600];

    snprintf(field, sizeof field, "%s", unit);
    READ(field, "MESSAGE=" LINE, "PRIORITY=6", "ORDER=7");
    ck_assert_pstr_eq(attribute_of(&record, "order"), "7");
    if (azm_text_equal(record.body, AZM_TEXT(LINE))) {
        ck_assert_int_eq(record.severity, 6);
        ck_assert_ptr_null(attribute_of(&record, "n"));
        return false;
    }
    ck_assert(azm_text_equal(record.body, AZM_TEXT("taken apart")));
    ck_assert_int_eq(record.severity, 3);
    ck_assert_pstr_eq(attribute_of(&record, "n"), "1");
    return true;
}

START_TEST(only_when_it_is_asked_for)
{
    begin(AZM_FIELDS_STANDARD);
    ck_assert(!is_parsed("_SYSTEMD_UNIT=web.service"));
    config.parse = AZM_LINE_JSON;
    ck_assert(is_parsed("_SYSTEMD_UNIT=web.service"));
    ck_assert(is_parsed("OTHER=1"));
    config.parse = AZM_LINE_LOGFMT;
    ck_assert(!is_parsed("_SYSTEMD_UNIT=web.service"));
    end();
}
END_TEST

START_TEST(by_unit)
{
    char longest[300];

    begin(AZM_FIELDS_STANDARD);
    ck_assert_int_eq(set("unit \"web\"", "json", NULL), 0);
    ck_assert_int_eq(set("unit \"app@*.service\"", "auto", NULL), 0);
    ck_assert_int_eq(set("unit \"app@b\"", "plain", NULL), 0);
    ck_assert(is_parsed("_SYSTEMD_UNIT=web.service"));
    ck_assert(is_parsed("_SYSTEMD_UNIT=app@a.service"));
    ck_assert(!is_parsed("_SYSTEMD_UNIT=app@b.service")); /* the last section that fits */
    ck_assert(!is_parsed("_SYSTEMD_UNIT=web.socket"));
    ck_assert(!is_parsed("_SYSTEMD_UNIT=webb.service"));
    ck_assert(!is_parsed("_SYSTEMD_UNIT="));
    ck_assert(!is_parsed("OTHER=1"));
    snprintf(longest, sizeof longest, "_SYSTEMD_UNIT=app@%0270d.service", 1);
    ck_assert(!is_parsed(longest));

    config.parse = AZM_LINE_JSON;
    ck_assert(is_parsed("OTHER=1"));
    ck_assert(!is_parsed("_SYSTEMD_UNIT=app@b.service"));
    ck_assert_int_eq(set("unit \"app@b\"", "", NULL), 0); /* as the others again */
    ck_assert(is_parsed("_SYSTEMD_UNIT=app@b.service"));
    end();
}
END_TEST

/* Whose lines these are is what service.name goes by. */
START_TEST(by_unit_of_a_user_or_of_the_dead)
{
    static const char *const message = "MESSAGE=" LINE;

    begin(AZM_FIELDS_STANDARD);
    ck_assert_int_eq(set("unit \"web\"", "json", NULL), 0);
    READ("_SYSTEMD_UNIT=user@1000.service", "_SYSTEMD_USER_UNIT=web.service", message);
    ck_assert(azm_text_equal(record.body, AZM_TEXT("taken apart")));
    READ("_SYSTEMD_UNIT=db.service", "_SYSTEMD_USER_UNIT=web.service", message);
    ck_assert(azm_text_equal(record.body, AZM_TEXT(LINE)));

    READ("_SYSTEMD_UNIT=web.service", "_PID=4711", message);
    ck_assert(azm_text_equal(record.body, AZM_TEXT("taken apart")));
    READ("_PID=4711", message); /* it was gone when journald looked for its unit */
    ck_assert(azm_text_equal(record.body, AZM_TEXT("taken apart")));
    READ("_PID=4712", message);
    ck_assert(azm_text_equal(record.body, AZM_TEXT(LINE)));
    end();
}
END_TEST

START_TEST(wrong_settings)
{
    static const struct {
        const char *section, *value, *words;
    } table[] = {
        {"journal", "yaml", "x.conf:1: parse: 'yaml' is none of plain, json, logfmt, auto"},
        {"unit \"web\"", "yaml", "x.conf:1: parse: 'yaml' is none of plain, json, logfmt, auto"},
        {"unit web", "json", "x.conf:1: unknown section [unit web]; known are: "},
        {"unit \"\"", "json", "x.conf:1: unknown section [unit \"\"]; known are: "},
        {"unit \"", "json", "x.conf:1: unknown section [unit \"]; known are: "},
        {"unit", "json", "x.conf:1: unknown section [unit]; known are: "},
    };
    struct azm_error err;

    begin(AZM_FIELDS_STANDARD);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_int_lt(set(table[i].section, table[i].value, &err), 0);
        ck_assert_msg(strstr(err.words, table[i].words) == err.words, "%s", err.words);
    }
    ck_assert_int_lt(azm_config_set(&config, "unit \"web\"", "colour", "1", "x.conf:1", false, &err), 0);
    ck_assert_str_eq(err.words, "x.conf:1: unknown key 'colour' in [unit \"NAME\"]; known there: parse, multiline");
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "only_when_it_is_asked_for", only_when_it_is_asked_for);
    add_test(s, "by_unit", by_unit);
    add_test(s, "by_unit_of_a_user_or_of_the_dead", by_unit_of_a_user_or_of_the_dead);
    add_test(s, "wrong_settings", wrong_settings);
}

TEST_MAIN("entry_parse", add_tests)
