/* SPDX-License-Identifier: MIT */
#include "process/letters.h"

#define MANY_DIGITS 13

#define BIT(n) (UINT64_C(1) << (n))
#define DIGIT BIT(26)
#define BLANK BIT(27)
#define IS BIT(28)
#define PUNCTUATION 29 /* and the next ones */
/* Without regard to case, k and s are also U+212A (KELVIN SIGN) and U+017F (LATIN SMALL LETTER LONG S). */
#define BEYOND (AZM_LETTERS_BEYOND_ASCII | BIT('k' - 'a') | BIT('s' - 'a'))

/* clang-format off */
#define LETTER(c) [(c)] = BIT((c) - 'a'), [(c) - 'a' + 'A'] = BIT((c) - 'a')
#define ROW(from, to, bits) [(from) ... (to)] = (bits)
static const uint64_t letters[256] = {
    ROW(0, 8, BEYOND), ROW('\t', '\r', BLANK), ROW(14, 30, BEYOND), [31] = IS, [' '] = BLANK, ROW('0', '9', DIGIT), ROW(127, 255, BEYOND),
    LETTER('a'), LETTER('b'), LETTER('c'), LETTER('d'), LETTER('e'), LETTER('f'), LETTER('g'), LETTER('h'), LETTER('i'),
    LETTER('j'), LETTER('k'), LETTER('l'), LETTER('m'), LETTER('n'), LETTER('o'), LETTER('p'), LETTER('q'), LETTER('r'),
    LETTER('s'), LETTER('t'), LETTER('u'), LETTER('v'), LETTER('w'), LETTER('x'), LETTER('y'), LETTER('z'),
    ['='] = IS | BIT(59), [':'] = IS | BIT(60),
    ['!'] = BIT(PUNCTUATION), ['"'] = BIT(PUNCTUATION + 1), ['#'] = BIT(PUNCTUATION + 2), ['$'] = BIT(PUNCTUATION + 3),
    ['%'] = BIT(PUNCTUATION + 4), ['&'] = BIT(PUNCTUATION + 5), ['\''] = BIT(PUNCTUATION + 6), ['('] = BIT(PUNCTUATION + 7),
    [')'] = BIT(PUNCTUATION + 8), ['*'] = BIT(PUNCTUATION + 9), ['+'] = BIT(PUNCTUATION + 10), [','] = BIT(PUNCTUATION + 11),
    ['-'] = BIT(PUNCTUATION + 12), ['.'] = BIT(PUNCTUATION + 13), ['/'] = BIT(PUNCTUATION + 14), [';'] = BIT(PUNCTUATION + 15),
    ['<'] = BIT(PUNCTUATION + 16), ['>'] = BIT(PUNCTUATION + 17), ['?'] = BIT(PUNCTUATION + 18), ['@'] = BIT(PUNCTUATION + 19),
    ['['] = BIT(PUNCTUATION + 20), ['\\'] = BIT(PUNCTUATION + 21), [']'] = BIT(PUNCTUATION + 22), ['^'] = BIT(PUNCTUATION + 23),
    ['_'] = BIT(PUNCTUATION + 24), ['`'] = BIT(PUNCTUATION + 25), ['{'] = BIT(PUNCTUATION + 26), ['|'] = BIT(PUNCTUATION + 27),
    ['}'] = BIT(PUNCTUATION + 28), ['~'] = BIT(PUNCTUATION + 29),
};
/* clang-format on */

uint64_t azm_letters_of(struct azm_text t)
{
    const unsigned char *s = (const unsigned char *)t.s;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    size_t i = 0;

    for (; i + 4 <= t.len; i += 4) { /* four at a time, none of which waits for the others */
        a |= letters[s[i]];
        b |= letters[s[i + 1]];
        c |= letters[s[i + 2]];
        d |= letters[s[i + 3]];
    }
    for (; i < t.len; i++)
        a |= letters[s[i]];
    return a | b | c | d;
}

/* What may separate them: a blank, a hyphen, a dot, or what is beyond ASCII. */
uint64_t azm_letters_many_digits(struct azm_text t)
{
    size_t n = 0;

    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.s[i];

        if (letters[c] == DIGIT) {
            if (++n == MANY_DIGITS)
                return AZM_LETTERS_MANY_DIGITS;
        } else if (c != ' ' && c != '-' && c != '.' && c != 0 && c < 0x80)
            n = 0;
    }
    return 0;
}
