/* SPDX-License-Identifier: MIT */
#include "core/header.h"
#include "tests/unit/test.h"

/* A row: a line, and the value of Retry-After in it; NULL: it is another line. */
START_TEST(lines_of_a_head)
{
    static const struct {
        struct azm_text line, value;
    } table[] = {
        {AZM_TEXT("Retry-After: 5\r\n"), AZM_TEXT("5")},
        {AZM_TEXT("retry-AFTER:5"), AZM_TEXT("5")},
        {AZM_TEXT("Retry-After: \t 5 \t\r\n"), AZM_TEXT("5")},
        {AZM_TEXT("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"), AZM_TEXT("Fri, 31 Dec 1999 23:59:59 GMT")},
        {AZM_TEXT("Retry-After:: 5\n"), AZM_TEXT(": 5")},
        {AZM_TEXT("Retry-After: a\0b\r\n"), AZM_TEXT("a\0b")},
        {AZM_TEXT("Retry-After: 5\0\r\n"), AZM_TEXT("5")},
        {AZM_TEXT("Retry-After:"), AZM_TEXT("")},
        {AZM_TEXT("Retry-After: \r\n"), AZM_TEXT("")},
        {AZM_TEXT("Retry-After"), {NULL, 0}},
        {AZM_TEXT("Retry-After : 5\r\n"), {NULL, 0}}, /* RFC 9112, 5.1: no space there */
        {AZM_TEXT(" Retry-After: 5\r\n"), {NULL, 0}},
        {AZM_TEXT("Retry-After-All: 5\r\n"), {NULL, 0}},
        {AZM_TEXT("x-Retry-After: 5\r\n"), {NULL, 0}},
        {AZM_TEXT("HTTP/1.1 200 Retry-After: 5\r\n"), {NULL, 0}},
        {AZM_TEXT("\r\n"), {NULL, 0}},
        {AZM_TEXT(""), {NULL, 0}},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_text line = table[i].line, expected = table[i].value;
        char *copy = malloc(MAX(line.len, (size_t)1)); /* without a NUL, so that ASan sees what is beyond */
        struct azm_text value;

        memcpy(copy, line.s, line.len);
        value = azm_header_value((struct azm_text){copy, line.len}, "Retry-After");
        ck_assert_msg(!value.s == !expected.s && azm_text_equal(value, expected), "row %zu: %.*s", i, (int)value.len,
                      value.s ? value.s : "none");
        free(copy);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "lines_of_a_head", lines_of_a_head);
}

TEST_MAIN("header", add_tests)
