/* SPDX-License-Identifier: MIT */
#include "core/severity.h"
#include "tests/unit/test.h"

START_TEST(every_syslog_severity)
{
    static const struct {
        int syslog, otlp;
        const char *text;
    } table[] = {
        {0, 21, "emerg"},   {1, 19, "alert"},  {2, 18, "crit"}, {3, 17, "err"},
        {4, 13, "warning"}, {5, 10, "notice"}, {6, 9, "info"},  {7, 5, "debug"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_severity *s = azm_severity_of(table[i].syslog);

        ck_assert_ptr_nonnull(s);
        ck_assert_int_eq(s->number, table[i].otlp);
        ck_assert_uint_eq(s->text.len, strlen(table[i].text));
        ck_assert_mem_eq(s->text.s, table[i].text, s->text.len);
    }
}
END_TEST

START_TEST(others_have_none)
{
    static const int outside[] = {-1, 8, 99, -2147483647};

    for (size_t i = 0; i < ELEMENTSOF(outside); i++)
        ck_assert_ptr_null(azm_severity_of(outside[i]));
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "every_syslog_severity", every_syslog_severity);
    add_test(s, "others_have_none", others_have_none);
}

TEST_MAIN("severity", add_tests)
