/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "core/guid.h"
#include "tests/unit/test.h"

#define GOOD "0123abcd-4567-89EF-0123-456789ABCDEF"

START_TEST(forms)
{
    static const struct {
        const char *s;
        bool good;
    } table[] = {
        {GOOD, true},
        {"ffffffff-ffff-ffff-ffff-ffffffffffff", true},
        {"00000000-0000-0000-0000-000000000000", true},
        {"", false},
        {"0123abcd-4567-89EF-0123-456789ABCDE", false},
        {GOOD "0", false},
        {GOOD "-", false},
        {GOOD "\n", false},
        {" " GOOD, false},
        {"{" GOOD "}", false},
        {"0123abcd456789EF0123456789ABCDEF", false},
        {"0123abcd4-567-89EF-0123-456789ABCDEF", false},
        {"-123abcd-4567-89EF-0123-456789ABCDEF", false},
        {"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        ck_assert_msg(azm_is_guid(table[i].s) == table[i].good, "%s", table[i].s);
}
END_TEST

/* Every other byte in every place, and an end there. */
START_TEST(one_wrong_byte)
{
    for (size_t i = 0; i < strlen(GOOD); i++)
        for (int byte = 0; byte < 256; byte++) {
            char s[] = GOOD;
            bool good = s[i] == '-' ? byte == '-' : strchr("0123456789abcdefABCDEF", byte) && byte != 0;

            s[i] = (char)byte;
            ck_assert_msg(azm_is_guid(s) == good, "byte %d at %zu", byte, i);
        }
}
END_TEST

/* Version and variant: RFC 9562, 5.4. */
START_TEST(random_ones)
{
    char last[AZM_GUID_MAX] = "";

    for (int i = 0; i < 100; i++) {
        char guid[AZM_GUID_MAX];

        azm_guid_make(guid);
        ck_assert_msg(azm_is_guid(guid), "%s", guid);
        for (const char *c = guid; *c; c++)
            ck_assert(!isupper((unsigned char)*c));
        ck_assert_int_eq(guid[14], '4');
        ck_assert_ptr_nonnull(strchr("89ab", guid[19]));
        ck_assert_str_ne(guid, last);
        memcpy(last, guid, sizeof last);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "forms", forms);
    add_test(s, "one_wrong_byte", one_wrong_byte);
    add_test(s, "random_ones", random_ones);
}

TEST_MAIN("guid", add_tests)
