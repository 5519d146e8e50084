/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/secret.h"
#include "tests/unit/test.h"

START_TEST(holds_what_fits)
{
    struct azm_secret *s;

    ck_assert_int_eq(azm_secret_new(8, &s), 0);
    ck_assert_uint_eq(azm_secret_len(s), 0);
    ck_assert_str_eq(azm_secret_text(s), "");
    ck_assert_int_eq(azm_secret_append(s, "ab\0c", 4), 0);
    ck_assert_int_eq(azm_secret_append(s, "12345", 5), -E2BIG);
    ck_assert_uint_eq(azm_secret_len(s), 4);
    ck_assert_int_eq(azm_secret_append(s, "1234", 4), 0);
    ck_assert_int_eq(memcmp(azm_secret_text(s), "ab\0c1234", 9), 0);
    ck_assert_int_eq(azm_secret_append(s, "x", 1), -E2BIG);
    ck_assert_int_eq(azm_secret_append(s, "x", SIZE_MAX), -E2BIG);
    ck_assert_int_eq(azm_secret_append(s, NULL, 0), 0);
    ck_assert_ptr_null(azm_secret_unref(s));
}
END_TEST

START_TEST(prints_what_fits)
{
    struct azm_secret *s;

    ck_assert_int_eq(azm_secret_new(8, &s), 0);
    ck_assert_int_eq(azm_secret_printf(s, "%s-%d", "abc", 12), 0);
    ck_assert_int_eq(azm_secret_printf(s, "%d", 345), -E2BIG);
    ck_assert_str_eq(azm_secret_text(s), "abc-12");
    ck_assert_int_eq(azm_secret_printf(s, "%d", 34), 0);
    ck_assert_str_eq(azm_secret_text(s), "abc-1234");
    ck_assert_uint_eq(azm_secret_len(s), 8);
    azm_secret_unref(s);
}
END_TEST

START_TEST(what_is_cut_off_is_wiped)
{
    struct azm_secret *s;

    ck_assert_int_eq(azm_secret_new(16, &s), 0);
    ck_assert_int_eq(azm_secret_append(s, "0123456789", 10), 0);
    azm_secret_truncate(s, 4);
    ck_assert_str_eq(azm_secret_text(s), "0123");
    for (size_t i = 4; i <= 16; i++)
        ck_assert_int_eq(azm_secret_text(s)[i], 0);
    azm_secret_clear(s);
    ck_assert_uint_eq(azm_secret_len(s), 0);
    for (size_t i = 0; i <= 16; i++)
        ck_assert_int_eq(azm_secret_text(s)[i], 0);
    azm_secret_unref(s);
}
END_TEST

START_TEST(lives_as_long_as_a_reference)
{
    struct azm_secret *s, *other;

    ck_assert_int_eq(azm_secret_new(8, &s), 0);
    ck_assert_int_eq(azm_secret_append(s, "abc", 3), 0);
    other = azm_secret_ref(s);
    ck_assert_ptr_eq(other, s);
    ck_assert_ptr_null(azm_secret_unref(s));
    ck_assert_str_eq(azm_secret_text(other), "abc");
    ck_assert_ptr_null(azm_secret_unref(other));
    ck_assert_ptr_null(azm_secret_unref(NULL));
}
END_TEST

/* Does the kernel leave this address out of core dumps? (proc(5), smaps: VmFlags dd) */
static bool is_left_out(const void *address)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    bool here = false, found = false;
    char line[512];

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    fclose(f);
    return found;
}

START_TEST(is_left_out_of_core_dumps)
{
    char on_stack[16] = "";
    struct azm_secret *s;

    ck_assert_int_eq(azm_secret_new(100000, &s), 0);
    ck_assert(is_left_out(azm_secret_text(s)));
    ck_assert(is_left_out(azm_secret_text(s) + 100000));
    ck_assert(!is_left_out(on_stack));
    azm_secret_unref(s);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "holds_what_fits", holds_what_fits);
    add_test(s, "prints_what_fits", prints_what_fits);
    add_test(s, "what_is_cut_off_is_wiped", what_is_cut_off_is_wiped);
    add_test(s, "lives_as_long_as_a_reference", lives_as_long_as_a_reference);
    add_test(s, "is_left_out_of_core_dumps", is_left_out_of_core_dumps);
}

TEST_MAIN("secret", add_tests)
