/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "process/filter.h"
#include "tests/unit/test.h"

/* Rules of [filter]: how they are written, and what they leave out. */

static const struct azm_text texts[] = {AZM_TEXT("one"), AZM_TEXT("two")};
static const struct azm_attribute attributes[] = {
    {.key = AZM_TEXT("process.pid"), .type = AZM_VALUE_INT, .integer = -42},
    {.key = AZM_TEXT("tag"), .type = AZM_VALUE_TEXTS, .texts = {texts, 2}},
    {.key = AZM_TEXT("http.route"), .text = AZM_TEXT("/a=b~c")},
    {.key = AZM_TEXT("empty"), .text = AZM_TEXT("")},
};
static const struct azm_attribute fields[] = {
    {.key = AZM_TEXT("_UID"), .text = AZM_TEXT("0")},
    {.key = AZM_TEXT("COLOUR"), .text = AZM_TEXT("red")},
    {.key = AZM_TEXT("COLOUR"), .text = AZM_TEXT("blue")},
};
static const struct azm_record record = {.severity = 6,
                                         .has_body = true,
                                         .body = AZM_TEXT("GET /health 200"),
                                         .service = AZM_TEXT("web"),
                                         .attributes = attributes,
                                         .n_attributes = ELEMENTSOF(attributes),
                                         .fields = fields,
                                         .n_fields = ELEMENTSOF(fields)};

static struct azm_config config;
static struct azm_filter filter;
static struct azm_matcher *matcher;
static struct azm_error err;

static void begin(void)
{
    ck_assert_int_eq(azm_config_init(&config), 0);
    ck_assert_int_eq(azm_matcher_new(&matcher), 0);
}

static void set(const char *key, const char *rule)
{
    ck_assert_msg(azm_config_set(&config, "filter", key, rule, "here", false, &err) == 0, "%s", err.words);
}

/* The kind of the rule that leaves it out; NULL: it stays. */
static const char *judge(const struct azm_record *r)
{
    struct azm_filter_verdict v;

    ck_assert_int_eq(azm_filter_judge(&filter, r, matcher, &v), 0);
    return v.by ? v.by->kind : NULL;
}

static void make(void)
{
    ck_assert_int_eq(azm_filter_init(&filter, &config, &err), 0);
}

static void end(void)
{
    azm_filter_free(&filter);
    azm_config_free(&config);
    matcher = azm_matcher_free(matcher);
}

START_TEST(every_field_and_every_way)
{
    static const struct {
        const char *rule;
        bool matches;
    } table[] = {
        {"body=GET /health 200", true},
        {"body=GET /health", false},
        {"body^=GET /health", true},
        {"body^=", true},
        {"body^=GET /health 2000", false},
        {"body~/health\\b", true},
        {"body~^/health", false},
        {"  body  ^=  GET  ", true},
        {"severity=info", true},
        {"severity=debug", false},
        {"severity~^(info|debug)$", true},
        {"severity^=inf", true},
        {"service.name=web", true},
        {"service.name=we", false},
        {"process.pid=-42", true},
        {"process.pid=42", false},
        {"process.pid~^-", true},
        {"tag=two", true},
        {"tag=three", false},
        {"tag~^o", true},
        {"http.route=/a=b~c", true},
        {"empty=", true},
        {"absent=", false},
        {"absent~.", false},
        {"absent^=", false},
        {"_UID=0", true},
        {"_UID=", false},
        {"COLOUR=blue", true},
        {"COLOUR=red", true},
        {"COLOUR=green", false},
        {"service.name=web && body^=GET", true},
        {"service.name=web && body^=POST", false},
        {"service.name=db && body^=GET", false},
        {"service.name=web && severity=info && _UID=0", true},
        {"body=GET &&", false}, /* a value: there is no condition behind it */
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const char *by;

        begin();
        set("exclude", table[i].rule);
        make();
        by = judge(&record);
        ck_assert_msg(!by == !table[i].matches, "%s", table[i].rule);
        ck_assert_uint_eq(azm_filter_at(&filter, 0)->times, table[i].matches);
        ck_assert_ptr_null(azm_filter_at(&filter, 1));
        end();
        begin(); /* the other way round */
        set("include", table[i].rule);
        make();
        by = judge(&record);
        ck_assert_msg(!by == table[i].matches, "include %s", table[i].rule);
        ck_assert_uint_eq(azm_filter_at(&filter, 0)->times, !table[i].matches);
        end();
    }
}
END_TEST

START_TEST(exclude_wins_over_include)
{
    struct azm_record other = record;

    begin();
    set("include", "service.name=web");
    set("include", "service.name=db");
    set("exclude", "severity=debug");
    set("exclude", "body^=POST");
    make();
    ck_assert_ptr_null(judge(&record));
    other.service = AZM_TEXT("db");
    ck_assert_ptr_null(judge(&other));
    other.severity = 7;
    ck_assert_str_eq(judge(&other), "exclude");
    other.severity = 6;
    other.service = AZM_TEXT("mail");
    ck_assert_str_eq(judge(&other), "include");
    other.service = (struct azm_text){0};
    ck_assert_str_eq(judge(&other), "include");
    ck_assert_uint_eq(azm_filter_at(&filter, 0)->times, 1);
    ck_assert_str_eq(azm_filter_at(&filter, 0)->name, "severity=debug");
    ck_assert_uint_eq(azm_filter_at(&filter, 1)->times, 0);
    ck_assert_uint_eq(azm_filter_at(&filter, 2)->times, 2);
    ck_assert_ptr_null(azm_filter_at(&filter, 3));
    end();
}
END_TEST

/* Without body and severity nothing that asks for them matches. */
START_TEST(what_a_record_lacks)
{
    static const struct azm_record bare = {.severity = -1};

    begin();
    set("exclude", "body^=");
    set("exclude", "severity~.");
    set("exclude", "_UID^=");
    make();
    ck_assert_ptr_null(judge(&bare));
    end();
}
END_TEST

/* A pattern that cannot be decided neither leaves a record out nor keeps one that another rule leaves out. */
START_TEST(too_much_work)
{
    static char text[4096];
    struct azm_record long_one = record;

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '!';
    long_one.body = (struct azm_text){text, sizeof text};
    begin();
    set("exclude", "body~^(a+)+$");
    make();
    ck_assert_ptr_null(judge(&long_one));
    ck_assert_ptr_null(judge(&long_one));
    ck_assert_uint_eq(azm_filter_at(&filter, 0)->overflows, 2);
    ck_assert_uint_eq(azm_filter_at(&filter, 0)->times, 0);
    azm_filter_free(&filter);
    set("exclude", "body~^(a+)+$ && service.name=db"); /* known, for all that */
    set("exclude", "service.name=web");
    make();
    ck_assert_str_eq(judge(&long_one), "exclude");
    ck_assert_uint_eq(azm_filter_at(&filter, 1)->overflows, 0);
    ck_assert_uint_eq(azm_filter_at(&filter, 2)->times, 1);
    end();
    begin();
    set("include", "body~^(a+)+$");
    make();
    ck_assert_ptr_null(judge(&long_one));
    ck_assert_uint_eq(azm_filter_at(&filter, 0)->overflows, 1);
    end();
}
END_TEST

START_TEST(wrong_rules)
{
    static const struct {
        const char *rule, *words;
    } table[] = {
        {"nonsense", "here: exclude: 'nonsense' is not FIELD=value, FIELD^=prefix or FIELD~pattern"},
        {"=x", "the name of a field is UTF-8 text of 1 to 256 bytes"},
        {"^=x", "the name of a field is"},
        {"body~(", "the pattern is wrong"},
        {"body~", "a pattern has 1 to"},
        {"severity=loud", "'loud' is no severity (emerg, alert, crit, err, warning, notice, info, debug)"},
        {"severity^=x", "'x' is no severity"},
        {"body=a && ", "'' is not FIELD=value"},
        {" && body=a", "'' is not FIELD=value"},
        {"a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 && a=1 "
         "&& a=1",
         "at most 16 conditions"},
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_int_eq(azm_config_set(&config, "filter", "exclude", table[i].rule, "here", false, &err), -EINVAL);
        ck_assert_msg(strstr(err.words, table[i].words) != NULL, "%s: %s", table[i].rule, err.words);
    }
    ck_assert_uint_eq(config.filter_exclude.n, 0);
    set("exclude", "body=x");
    set("exclude", ""); /* takes all of them back */
    ck_assert_uint_eq(config.filter_exclude.n, 0);
    make();
    ck_assert_ptr_null(azm_filter_at(&filter, 0));
    end();
}
END_TEST

START_TEST(names_of_raw_fields)
{
    ck_assert(azm_filter_field_is_raw(AZM_TEXT("_UID")));
    ck_assert(azm_filter_field_is_raw(AZM_TEXT("CONTAINER_NAME")));
    ck_assert(azm_filter_field_is_raw(AZM_TEXT("__X9")));
    ck_assert(!azm_filter_field_is_raw(AZM_TEXT("_9")));
    ck_assert(!azm_filter_field_is_raw(AZM_TEXT("")));
    ck_assert(!azm_filter_field_is_raw(AZM_TEXT("body")));
    ck_assert(!azm_filter_field_is_raw(AZM_TEXT("Uid")));
}
END_TEST

static void add_tests(Suite *suite)
{
    add_test(suite, "every field and every way", every_field_and_every_way);
    add_test(suite, "exclude wins over include", exclude_wins_over_include);
    add_test(suite, "what a record lacks", what_a_record_lacks);
    add_test(suite, "too much work", too_much_work);
    add_test(suite, "wrong rules", wrong_rules);
    add_test(suite, "names of raw fields", names_of_raw_fields);
}

TEST_MAIN("filter", add_tests)
