/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "source/losses.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

static bool equal(const struct azm_losses *a, const struct azm_losses *b)
{
    return a->gaps == b->gaps && a->gap_entries == b->gap_entries && a->suppressed == b->suppressed &&
           a->missed_kernel == b->missed_kernel && a->unreadable == b->unreadable &&
           a->damaged_files == b->damaged_files;
}

/* The value of the one line that is printed. */
static char *print(const struct azm_losses *l)
{
    _cleanup_(azm_buf_free) struct azm_buf out = {0};
    char *value;

    ck_assert_int_eq(azm_losses_print(l, &out), 0);
    ck_assert_mem_eq(out.data, "losses=", 7);
    ck_assert_ptr_eq(memchr(out.data, '\n', out.len), out.data + out.len - 1);
    value = strndup((const char *)out.data + 7, out.len - 8);
    ck_assert_ptr_nonnull(value);
    return value;
}

START_TEST(the_line)
{
    const struct azm_losses l = {1, 22, 333, 4444, 55555, 666666};
    _cleanup_free_ char *value = print(&l);

    ck_assert_str_eq(value, "gaps 1 gap_entries 22 suppressed 333 missed_kernel 4444 unreadable 55555 "
                            "damaged_files 666666");
}
END_TEST

START_TEST(what_is_printed_is_parsed)
{
    struct prng prng = {1};

    for (int i = 0; i < 2000; i++) {
        struct azm_losses l, again = {1, 1, 1, 1, 1, 1};
        uint64_t *numbers[] = {&l.gaps,          &l.gap_entries, &l.suppressed,
                               &l.missed_kernel, &l.unreadable,  &l.damaged_files};

        for (size_t k = 0; k < ELEMENTSOF(numbers); k++)
            *numbers[k] = i == 0 ? UINT64_MAX : i == 1 ? 0 : prng_next(&prng) >> prng_below(&prng, 64);
        {
            _cleanup_free_ char *value = print(&l);

            ck_assert_int_eq(azm_losses_parse(&again, "losses", value), 1);
        }
        ck_assert(equal(&again, &l));
    }
}
END_TEST

START_TEST(lines_that_make_no_sense)
{
    static const char *const bad[] = {
        "",
        "gaps",
        "gaps x",
        "gaps 1 gap_entries 2 suppressed 3 missed_kernel 4 unreadable 5",
        "gaps 1 gap_entries 2 suppressed 3 missed_kernel 4 unreadable 5 damaged_files",
        "gaps 1 gap_entries 2 suppressed 3 missed_kernel 4 unreadable 5 damaged_files x",
        "gaps 1 gap_entries 2 suppressed 3 missed_kernel 4 unreadable 5 damaged_files 6 more 7",
        "gap_entries 2 gaps 1 suppressed 3 missed_kernel 4 unreadable 5 damaged_files 6",
    };
    const struct azm_losses before = {1, 2, 3, 4, 5, 6};
    struct azm_losses l = before;

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        ck_assert_msg(azm_losses_parse(&l, "losses", bad[i]) == -EBADMSG, "'%s'", bad[i]);
    ck_assert_int_eq(azm_losses_parse(&l, "cursor", bad[0]), 0);
    ck_assert_int_eq(azm_losses_parse(&l, "losses2", bad[0]), 0);
    ck_assert(equal(&l, &before));
}
END_TEST

START_TEST(garbage)
{
    const struct azm_losses good = {1, 22, 333, 4444, 55555, 666666};
    struct prng prng = {2};

    for (int i = 0; i < 20000; i++) {
        _cleanup_free_ char *value = print(&good);
        struct azm_losses l = good;
        size_t len = strlen(value);

        for (size_t changes = 1 + prng_below(&prng, i % 2 ? 2 : len); changes > 0; changes--)
            value[prng_below(&prng, len)] = (char)prng_next(&prng);
        if (azm_losses_parse(&l, "losses", value) < 0)
            ck_assert(equal(&l, &good));
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "the_line", the_line);
    add_test(s, "what_is_printed_is_parsed", what_is_printed_is_parsed);
    add_test(s, "lines_that_make_no_sense", lines_that_make_no_sense);
    add_test(s, "garbage", garbage);
}

TEST_MAIN("losses", add_tests)
