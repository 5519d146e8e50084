/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/error.h"
#include "tests/unit/test.h"

/* AddressSanitizer ends the program when malloc is asked for too much; here that is a test. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Exact memory: nothing is read behind the end. */
START_TEST(texts_are_equal_when_all_bytes_are)
{
    for (size_t len = 0; len <= 40; len++) {
        _cleanup_free_ char *a = malloc(MAX(len, (size_t)1)), *b = malloc(MAX(len, (size_t)1));

        for (size_t i = 0; i < len; i++)
            a[i] = b[i] = (char)(i * 7);
        ck_assert(azm_text_equal((struct azm_text){a, len}, (struct azm_text){b, len}));
        if (len > 0)
            ck_assert(!azm_text_equal((struct azm_text){a, len}, (struct azm_text){b, len - 1}));
        for (size_t i = 0; i < len; i++) {
            b[i] ^= (char)0x80;
            ck_assert(!azm_text_equal((struct azm_text){a, len}, (struct azm_text){b, len}));
            b[i] ^= (char)0x80;
        }
    }
}
END_TEST

START_TEST(buf_all_zero_is_empty)
{
    struct azm_buf b = {0};

    ck_assert_int_eq(azm_buf_append(&b, NULL, 0), 0);
    ck_assert_uint_eq(b.len, 0);
    azm_buf_clear(&b);
    azm_buf_free(&b);
    azm_buf_free(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.cap, 0);
}
END_TEST

START_TEST(buf_grows_and_keeps_what_is_in_it)
{
    _cleanup_(azm_buf_free) struct azm_buf b = {0};
    uint8_t piece[100];
    size_t total = 0;

    for (size_t n = 0; n < sizeof piece; n++) { /* pieces of 0, 1, ... bytes, over several doublings */
        memset(piece, (int)n, n);
        ck_assert_int_eq(azm_buf_append(&b, piece, n), 0);
        total += n;
        ck_assert_uint_eq(b.len, total);
        ck_assert_uint_ge(b.cap, b.len);
    }
    for (size_t n = 0, at = 0; n < sizeof piece; at += n, n++)
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(b.data[at + i], n);
}
END_TEST

START_TEST(buf_growth_doubles)
{
    _cleanup_(azm_buf_free) struct azm_buf b = {0};
    size_t cap = 0;
    int reallocations = 0;

    for (int i = 0; i < 1000000; i++) {
        if (azm_buf_append(&b, "x", 1) != 0)
            ck_abort();
        reallocations += b.cap != cap;
        cap = b.cap;
    }
    ck_assert_int_le(reallocations, 20);
}
END_TEST

START_TEST(buf_reserve_makes_room_once)
{
    _cleanup_(azm_buf_free) struct azm_buf b = {0};
    const uint8_t *data;

    ck_assert_int_eq(azm_buf_append(&b, "abc", 3), 0);
    ck_assert_int_eq(azm_buf_reserve(&b, 5000), 0);
    ck_assert_uint_ge(b.cap, 5003);
    ck_assert_uint_eq(b.len, 3);
    data = b.data;
    memset(b.data + 3, 'x', 5000); /* a sanitizer sees it if the room is not there */
    b.len += 5000;
    ck_assert_int_eq(azm_buf_reserve(&b, 0), 0);
    ck_assert_ptr_eq(b.data, data);
    ck_assert_mem_eq(b.data, "abcx", 4);
}
END_TEST

START_TEST(buf_too_large_changes_nothing)
{
    static const size_t extras[] = {SIZE_MAX, SIZE_MAX - 3, SIZE_MAX / 2 + 1, SIZE_MAX / 4};
    _cleanup_(azm_buf_free) struct azm_buf b = {0};

    ck_assert_int_eq(azm_buf_reserve(&b, SIZE_MAX), -ENOMEM);
    ck_assert_int_eq(azm_buf_append(&b, "abc", 3), 0);
    for (size_t i = 0; i < ELEMENTSOF(extras); i++) {
        struct azm_buf before = b;

        ck_assert_int_eq(azm_buf_reserve(&b, extras[i]), -ENOMEM);
        ck_assert_ptr_eq(b.data, before.data);
        ck_assert_uint_eq(b.len, before.len);
        ck_assert_uint_eq(b.cap, before.cap);
    }
    ck_assert_mem_eq(b.data, "abc", 3);
}
END_TEST

START_TEST(buf_printf_appends_without_the_nul)
{
    _cleanup_(azm_buf_free) struct azm_buf b = {0};

    ck_assert_int_eq(azm_buf_printf(&b, "%s=%d;", "a", 1), 0);
    ck_assert_int_eq(azm_buf_printf(&b, "%s", ""), 0);
    ck_assert_int_eq(azm_buf_printf(&b, "%s=%d;", "b", -2), 0);
    ck_assert_uint_eq(b.len, 9);
    ck_assert_mem_eq(b.data, "a=1;b=-2;", 9);

    for (int n = 250; n < 260; n++) { /* around the first allocation: the NUL that vsnprintf writes needs room too */
        _cleanup_(azm_buf_free) struct azm_buf c = {0};

        ck_assert_int_eq(azm_buf_printf(&c, "%*s", n, "x"), 0);
        ck_assert_uint_eq(c.len, (size_t)n);
        ck_assert_uint_gt(c.cap, (size_t)n);
        ck_assert_uint_eq(c.data[n - 1], 'x');
    }
}
END_TEST

START_TEST(buf_clear_keeps_the_memory_and_take_gives_it_away)
{
    struct azm_buf b = {0}, taken;
    uint8_t *data;

    ck_assert_int_eq(azm_buf_append(&b, "abc", 3), 0);
    data = b.data;
    azm_buf_clear(&b);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_int_eq(azm_buf_append(&b, "de", 2), 0);
    ck_assert_ptr_eq(b.data, data);

    taken = azm_buf_take(&b);
    ck_assert_ptr_eq(taken.data, data);
    ck_assert_uint_eq(taken.len, 2);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_uint_eq(b.cap, 0);
    azm_buf_free(&taken);
}
END_TEST

START_TEST(arena_pieces_are_aligned_and_do_not_overlap)
{
    _cleanup_(azm_arena_free) struct azm_arena a = {0};
    struct {
        uint8_t *p;
        size_t size;
    } pieces[600];

    for (size_t i = 0; i < ELEMENTSOF(pieces); i++) {
        size_t size = i % 50 == 49 ? 40000 + i : (i * 37) % 700; /* some larger than a block */

        pieces[i].p = azm_arena_alloc(&a, size);
        pieces[i].size = size;
        ck_assert_ptr_nonnull(pieces[i].p);
        ck_assert_uint_eq((uintptr_t)pieces[i].p % alignof(max_align_t), 0);
        memset(pieces[i].p, (int)(i & 0xFF), size);
    }
    for (size_t i = 0; i < ELEMENTSOF(pieces); i++)
        for (size_t k = 0; k < pieces[i].size; k++)
            if (pieces[i].p[k] != (i & 0xFF))
                ck_abort_msg("piece %zu was overwritten at %zu", i, k);
}
END_TEST

START_TEST(arena_copy)
{
    _cleanup_(azm_arena_free) struct azm_arena a = {0};
    char source[] = "hello";
    const char *copy = azm_arena_copy(&a, source, sizeof source);

    memset(source, 'x', sizeof source);
    ck_assert_str_eq(copy, "hello");
    ck_assert_ptr_nonnull(azm_arena_copy(&a, NULL, 0));
}
END_TEST

START_TEST(arena_reset_keeps_one_small_block)
{
    static const size_t first_sizes[] = {1, 100, 32 * 1024, 5 * 1024 * 1024};

    for (size_t i = 0; i < ELEMENTSOF(first_sizes); i++) {
        _cleanup_(azm_arena_free) struct azm_arena a = {0};
        const void *kept;

        azm_arena_reset(&a); /* nothing there yet */
        ck_assert_ptr_nonnull(azm_arena_alloc(&a, first_sizes[i]));
        for (int k = 0; k < 100; k++)
            ck_assert_ptr_nonnull(azm_arena_alloc(&a, 1000));
        azm_arena_reset(&a);
        kept = azm_arena_alloc(&a, 1000);
        /* One huge record must not hold its memory for ever. */
        ck_assert_uint_lt(malloc_usable_size(a.blocks), 64 * 1024);
        for (int k = 0; k < 3; k++) { /* a steady stream of records: always the same memory */
            ck_assert_ptr_nonnull(azm_arena_alloc(&a, 50000));
            azm_arena_reset(&a);
            ck_assert_ptr_eq(azm_arena_alloc(&a, 1000), kept);
        }
    }
}
END_TEST

START_TEST(arena_too_large)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 32 * 1024, SIZE_MAX / 2};
    _cleanup_(azm_arena_free) struct azm_arena a = {0};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
        ck_assert_ptr_null(azm_arena_alloc(&a, sizes[i]));
    ck_assert_ptr_nonnull(azm_arena_alloc(&a, 10)); /* it still works */
}
END_TEST

START_TEST(error_returns_the_negative_errno_and_formats_it)
{
    static const struct {
        int error, result;
        const char *words;
    } table[] = {
        {ENOENT, -ENOENT, "x: No such file or directory"},
        {-ENOENT, -ENOENT, "x: No such file or directory"},
        {EINVAL, -EINVAL, "x: Invalid argument"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err = {"old words"};

        errno = EPERM;
        ck_assert_int_eq(azm_error_set(&err, table[i].error, "%s: %m", "x"), table[i].result);
        ck_assert_str_eq(err.words, table[i].words);
        ck_assert_int_eq(errno, EPERM);
        ck_assert_int_eq(azm_error_set(NULL, table[i].error, "nobody reads this"), table[i].result);
    }
}
END_TEST

START_TEST(error_is_truncated_to_fit)
{
    struct azm_error err;

    azm_error_set(&err, EINVAL, "%5000d", 1);
    ck_assert_uint_eq(strnlen(err.words, sizeof err.words), sizeof err.words - 1);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "buf_all_zero_is_empty", buf_all_zero_is_empty);
    add_test(s, "buf_grows_and_keeps_what_is_in_it", buf_grows_and_keeps_what_is_in_it);
    add_test(s, "buf_growth_doubles", buf_growth_doubles);
    add_test(s, "buf_reserve_makes_room_once", buf_reserve_makes_room_once);
    add_test(s, "texts_are_equal_when_all_bytes_are", texts_are_equal_when_all_bytes_are);
    add_test(s, "buf_too_large_changes_nothing", buf_too_large_changes_nothing);
    add_test(s, "buf_printf_appends_without_the_nul", buf_printf_appends_without_the_nul);
    add_test(s, "buf_clear_keeps_the_memory_and_take_gives_it_away", buf_clear_keeps_the_memory_and_take_gives_it_away);
    add_test(s, "arena_pieces_are_aligned_and_do_not_overlap", arena_pieces_are_aligned_and_do_not_overlap);
    add_test(s, "arena_copy", arena_copy);
    add_test(s, "arena_reset_keeps_one_small_block", arena_reset_keeps_one_small_block);
    add_test(s, "arena_too_large", arena_too_large);
    add_test(s, "error_returns_the_negative_errno_and_formats_it", error_returns_the_negative_errno_and_formats_it);
    add_test(s, "error_is_truncated_to_fit", error_is_truncated_to_fit);
}

TEST_MAIN("buf", add_tests)
