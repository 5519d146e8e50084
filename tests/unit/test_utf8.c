/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "core/utf8.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define FFFD "\xEF\xBF\xBD"

/* Text with its length: it may contain NUL, which counts as bad. */
#define TEXT(s) s, sizeof(s) - 1

/* Copies to memory of exactly this size, so that a sanitizer sees a read past the end. */
static char *exact(const char *s, size_t len)
{
    char *p = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(p);
    memcpy(p, s, len);
    return p;
}

static void assert_cleaned(const char *s, size_t len, const char *expected, size_t expected_len)
{
    _cleanup_(azm_buf_free) struct azm_buf out = {0};
    _cleanup_free_ char *copy = exact(s, len);

    ck_assert_int_eq(azm_buf_append(&out, "<", 1), 0); /* it appends: what was there stays */
    ck_assert_int_eq(azm_utf8_append_clean(&out, copy, len), 0);
    ck_assert_uint_eq(out.len, expected_len + 1);
    ck_assert_uint_eq(out.data[0], '<');
    if (expected_len > 0)
        ck_assert_mem_eq(out.data + 1, expected, expected_len);
}

/* The same by arithmetic, without the table of byte ranges: the length of the character at s, 0 if there is none. */
static size_t reference_char(const uint8_t *s, size_t len)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] == 0 ? 0 : s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    uint32_t c;

    if (n <= 1 || n > len)
        return n == 1;
    c = s[0] & (0x7FU >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    return c < smallest[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : n;
}

static size_t reference_valid_prefix(const char *s, size_t len)
{
    size_t i = 0, n;

    while (i < len && (n = reference_char((const uint8_t *)s + i, len - i)) > 0)
        i += n;
    return i;
}

static const struct {
    const char *s;
    size_t len;
} valid[] = {
    {TEXT("")},
    {TEXT("plain ASCII of more than eight bytes")},
    {TEXT("\x01")}, /* control characters are characters */
    {TEXT("\x7F")},
    {TEXT("\xC2\x80")},         /* U+0080, the first of two bytes */
    {TEXT("\xDF\xBF")},         /* U+07FF, the last of two */
    {TEXT("\xE0\xA0\x80")},     /* U+0800 */
    {TEXT("\xE2\x82\xAC")},     /* U+20AC, the euro sign */
    {TEXT("\xED\x9F\xBF")},     /* U+D7FF, before the surrogates */
    {TEXT("\xEE\x80\x80")},     /* U+E000, after them */
    {TEXT("\xEF\xBB\xBF")},     /* U+FEFF, a byte order mark */
    {TEXT("\xEF\xBF\xBF")},     /* U+FFFF, a noncharacter is valid */
    {TEXT("\xF0\x90\x80\x80")}, /* U+10000 */
    {TEXT("\xF0\x9F\x98\x80")}, /* U+1F600 */
    {TEXT("\xF4\x8F\xBF\xBF")}, /* U+10FFFF, the last */
    {TEXT("Gr\xC3\xBC\xC3\x9F"
          "e \xE2\x82\xAC \xF0\x9F\x98\x80!")},
};

START_TEST(valid_text_is_not_changed)
{
    for (size_t i = 0; i < ELEMENTSOF(valid); i++) {
        _cleanup_free_ char *copy = exact(valid[i].s, valid[i].len);

        ck_assert_uint_eq(azm_utf8_valid_prefix(copy, valid[i].len), valid[i].len);
        assert_cleaned(valid[i].s, valid[i].len, valid[i].s, valid[i].len);
    }
}
END_TEST

START_TEST(invalid_pieces_become_one_replacement_character_each)
{
    static const struct {
        const char *s;
        size_t len, valid_prefix;
        const char *clean;
        size_t clean_len;
    } table[] = {
        {TEXT("\x80"), 0, TEXT(FFFD)}, /* continuation bytes alone */
        {TEXT("\xBF"), 0, TEXT(FFFD)},
        {TEXT("a\x80\xBFz"), 1, TEXT("a" FFFD FFFD "z")},
        {TEXT("\xC0\x80"), 0, TEXT(FFFD FFFD)}, /* overlong NUL */
        {TEXT("\xC0\xAF"), 0, TEXT(FFFD FFFD)}, /* overlong slash */
        {TEXT("\xC1\xBF"), 0, TEXT(FFFD FFFD)},
        {TEXT("\xE0\x80\xAF"), 0, TEXT(FFFD FFFD FFFD)},
        {TEXT("\xE0\x9F\xBF"), 0, TEXT(FFFD FFFD FFFD)},
        {TEXT("\xF0\x80\x80\xAF"), 0, TEXT(FFFD FFFD FFFD FFFD)},
        {TEXT("\xF0\x8F\xBF\xBF"), 0, TEXT(FFFD FFFD FFFD FFFD)},
        {TEXT("\xED\xA0\x80"), 0, TEXT(FFFD FFFD FFFD)}, /* U+D800 and U+DFFF, surrogates */
        {TEXT("\xED\xBF\xBF"), 0, TEXT(FFFD FFFD FFFD)},
        {TEXT("\xF4\x90\x80\x80"), 0, TEXT(FFFD FFFD FFFD FFFD)}, /* U+110000 */
        {TEXT("\xF5\x80\x80\x80"), 0, TEXT(FFFD FFFD FFFD FFFD)},
        {TEXT("\xF8\x88\x80\x80\x80"), 0, TEXT(FFFD FFFD FFFD FFFD FFFD)}, /* the five bytes of 1993 */
        {TEXT("\xFE\xFF"), 0, TEXT(FFFD FFFD)},
        {TEXT("\0"), 0, TEXT(FFFD)}, /* NUL */
        {TEXT("ok\0\xFF\0"), 2, TEXT("ok" FFFD FFFD FFFD)},
        {TEXT("\xE2\x82z"), 0, TEXT(FFFD "z")}, /* a character broken off: one piece */
        {TEXT("\xE2\x82\xE2\x82\xAC"), 0, TEXT(FFFD "\xE2\x82\xAC")},
        {TEXT("\xE2\0\x80"), 0, TEXT(FFFD FFFD FFFD)},
        /* The Unicode Standard 15.0, tables 3-8 to 3-11, and section 5.22 of older editions. */
        {TEXT("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), 0, TEXT(FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A")},
        {TEXT("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), 0, TEXT(FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A")},
        {TEXT("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), 0, TEXT(FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B")},
        {TEXT("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), 0, TEXT(FFFD FFFD FFFD FFFD "A")},
        {TEXT("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"), 1,
         TEXT("a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d")},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_free_ char *copy = exact(table[i].s, table[i].len);

        ck_assert_uint_eq(azm_utf8_valid_prefix(copy, table[i].len), table[i].valid_prefix);
        assert_cleaned(table[i].s, table[i].len, table[i].clean, table[i].clean_len);
    }
}
END_TEST

START_TEST(a_character_truncated_at_every_place)
{
    for (size_t i = 0; i < ELEMENTSOF(valid); i++) {
        size_t len = reference_char((const uint8_t *)valid[i].s, valid[i].len);

        if (len < 2 || len != valid[i].len)
            continue; /* the entries of one multi-byte character */
        for (size_t cut = 1; cut < len; cut++) {
            _cleanup_free_ char *copy = exact(valid[i].s, cut);

            ck_assert_uint_eq(azm_utf8_valid_prefix(copy, cut), 0);
            assert_cleaned(valid[i].s, cut, TEXT(FFFD));
        }
    }
}
END_TEST

/* Asserts only when it fails, because an assertion of Check writes to a pipe each time. */
static void assert_like_reference(const char *s, size_t len)
{
    size_t got = azm_utf8_valid_prefix(s, len), expected = reference_valid_prefix(s, len);

    if (got != expected)
        ck_abort_msg("%02x %02x %02x (%02x): %zu valid, not %zu", (uint8_t)s[0], (uint8_t)s[1], (uint8_t)s[2],
                     len > 3 ? (uint8_t)s[3] : 0U, got, expected);
}

START_TEST(every_short_sequence_as_the_reference_says)
{
    static const uint8_t tails[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0};
    char s[4];

    for (unsigned v = 0; v < 1U << 24; v++) {
        s[0] = (char)(v >> 16), s[1] = (char)(v >> 8), s[2] = (char)v;
        assert_like_reference(s, 3);
    }
    for (unsigned v = 0; v < 1U << 16; v++)
        for (unsigned t = 0; t < ELEMENTSOF(tails) * ELEMENTSOF(tails); t++) {
            s[0] = (char)(v >> 8), s[1] = (char)v;
            s[2] = (char)tails[t / ELEMENTSOF(tails)], s[3] = (char)tails[t % ELEMENTSOF(tails)];
            assert_like_reference(s, 4);
        }
}
END_TEST

START_TEST(fast_path_at_every_alignment_and_offset)
{
    enum { LEN = 75 }; /* twice 32, a word of eight, and some bytes behind it */
    static const char fill[] = {'a', 0x01, 0x7F}, bad[] = {'\0', '\x80', '\xFF'};

    for (size_t align = 0; align < 8; align++)
        for (size_t at = 0; at < LEN; at++) {
            _cleanup_free_ char *block = malloc(align + LEN); /* exact: nothing after the last byte */
            char *s = block + align;

            for (size_t i = 0; i < ELEMENTSOF(fill) * ELEMENTSOF(bad); i++) {
                memset(block, fill[i / ELEMENTSOF(bad)], align + LEN);
                ck_assert_uint_eq(azm_utf8_valid_prefix(s, at), at);
                s[at] = bad[i % ELEMENTSOF(bad)];
                ck_assert_uint_eq(azm_utf8_valid_prefix(s, LEN), at);
            }
            if (at + 3 > LEN)
                continue;
            memcpy(s + at, "\xE2\x82\xAC", 3);
            ck_assert_uint_eq(azm_utf8_valid_prefix(s, LEN), LEN);
            ck_assert_uint_eq(azm_utf8_valid_prefix(s, at + 2), at);
            if (at + 3 < LEN) {
                s[LEN - 1] = '\xFF';
                ck_assert_uint_eq(azm_utf8_valid_prefix(s, LEN), LEN - 1);
            }
        }
}
END_TEST

START_TEST(cut_at_a_character)
{
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF0\x9F\x98\x80z";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10, 10, 10, 14};

    ck_assert_uint_eq(ELEMENTSOF(expected), sizeof text - 1); /* every max below the length */
    for (size_t max = 0; max < ELEMENTSOF(expected); max++)
        ck_assert_uint_eq(azm_utf8_cut(text, max), expected[max]);
}
END_TEST

START_TEST(random_bytes_become_valid_and_valid_text_stays)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2,
                                    0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
    _cleanup_(azm_buf_free) struct azm_buf once = {0}, twice = {0};
    struct prng prng = {.state = 1};

    for (int round = 0; round < 20000; round++) {
        size_t len = prng_below(&prng, 64), prefix;
        _cleanup_free_ char *s = malloc(len ? len : 1);

        for (size_t i = 0; i < len; i++) {
            uint64_t r = prng_next(&prng);

            s[i] = (char)(r % 4 == 0 ? 'a' : r % 4 == 1 ? r >> 8 : edges[(r >> 8) % ELEMENTSOF(edges)]);
        }
        prefix = azm_utf8_valid_prefix(s, len);
        ck_assert_uint_eq(prefix, reference_valid_prefix(s, len));

        azm_buf_clear(&once);
        ck_assert_int_eq(azm_utf8_append_clean(&once, s, len), 0);
        ck_assert_uint_eq(reference_valid_prefix((char *)once.data, once.len), once.len);
        if (prefix > 0)
            ck_assert_mem_eq(once.data, s, prefix);
        if (prefix == len)
            ck_assert_uint_eq(once.len, len);

        azm_buf_clear(&twice);
        ck_assert_int_eq(azm_utf8_append_clean(&twice, (char *)once.data, once.len), 0);
        ck_assert_uint_eq(twice.len, once.len);
        if (once.len > 0)
            ck_assert_mem_eq(twice.data, once.data, once.len);
        for (size_t max = 0; max < once.len; max++) {
            size_t cut = azm_utf8_cut((char *)once.data, max);

            if (cut > max || cut + 3 < max || reference_valid_prefix((char *)once.data, cut) != cut)
                ck_abort_msg("cut at %zu gives %zu", max, cut);
        }
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "valid_text_is_not_changed", valid_text_is_not_changed);
    add_test(s, "invalid_pieces_become_one_replacement_character_each",
             invalid_pieces_become_one_replacement_character_each);
    add_test(s, "a_character_truncated_at_every_place", a_character_truncated_at_every_place);
    add_test(s, "every_short_sequence_as_the_reference_says", every_short_sequence_as_the_reference_says);
    add_test(s, "fast_path_at_every_alignment_and_offset", fast_path_at_every_alignment_and_offset);
    add_test(s, "cut_at_a_character", cut_at_a_character);
    add_test(s, "random_bytes_become_valid_and_valid_text_stays", random_bytes_become_valid_and_valid_text_stays);
}

TEST_MAIN("utf8", add_tests)
