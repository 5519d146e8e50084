/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/utf8.h"

int azm_utf8_scan(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    uint8_t low = 0x80, high = 0xBF; /* bounds of the second byte */
    int need, i;

    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        need = 2;
    else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        need = 3;
        if (s[0] == 0xE0)
            low = 0xA0; /* overlong */
        else if (s[0] == 0xED)
            high = 0x9F; /* surrogates */
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        need = 4;
        if (s[0] == 0xF0)
            low = 0x90; /* overlong */
        else if (s[0] == 0xF4)
            high = 0x8F; /* above U+10FFFF */
    } else
        return -1;

    for (i = 1; i < need; i++) {
        if ((size_t)i >= len || s[i] < low || s[i] > high)
            return -i;
        low = 0x80;
        high = 0xBF;
    }
    return need;
}

/* The highest bit of one of the bytes is set where they are not all from 1 to 127. */
static uint64_t oddity(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return (word - UINT64_C(0x0101010101010101)) | word;
}

/* Are these eight bytes all from 1 to 127? */
static bool is_plain(const uint8_t *p)
{
    return !(oddity(p) & UINT64_C(0x8080808080808080));
}

static bool are_32_plain(const uint8_t *p)
{
    return !((oddity(p) | oddity(p + 8) | oddity(p + 16) | oddity(p + 24)) & UINT64_C(0x8080808080808080));
}

size_t azm_utf8_valid_prefix(const char *s, size_t len)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t i = 0;

    while (i < len) {
        int n;

        /* Log text is nearly always ASCII: many bytes at a time, the last ones together with some before them. */
        if (len - i >= 32 && are_32_plain(p + i)) {
            i += 32;
            continue;
        }
        if (len - i >= 8 && is_plain(p + i)) {
            i += 8;
            continue;
        }
        if (len - i < 8 && len >= 8 && is_plain(p + len - 8))
            return len;
        if (p[i] > 0 && p[i] < 0x80) {
            i++;
            continue;
        }
        n = azm_utf8_scan(s + i, len - i);
        if (n < 0)
            return i;
        i += (size_t)n;
    }
    return len;
}

int azm_utf8_append_clean(struct azm_buf *out, const char *s, size_t len)
{
    while (len > 0) {
        size_t valid = azm_utf8_valid_prefix(s, len);
        size_t bad;
        int r;

        r = azm_buf_append(out, s, valid);
        if (r < 0)
            return r;
        s += valid;
        len -= valid;
        if (len == 0)
            break;
        r = azm_buf_append(out, "\xEF\xBF\xBD", 3);
        if (r < 0)
            return r;
        bad = (size_t)-azm_utf8_scan(s, len);
        s += bad;
        len -= bad;
    }
    return 0;
}

size_t azm_utf8_cut(const char *s, size_t max)
{
    while (max > 0 && ((uint8_t)s[max] & 0xC0) == 0x80)
        max--;
    return max;
}

size_t azm_utf8_control_len(const char *s, size_t len)
{
    unsigned char c = len > 0 ? (unsigned char)*s : ' ';

    if (c < ' ' || c == 0x7F)
        return 1;
    return c == 0xC2 && len > 1 && (unsigned char)s[1] < 0xA0 ? 2 : 0;
}

void azm_utf8_blank_controls(char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t n = azm_utf8_control_len(s + i, len - i);

        if (n == 0)
            continue;
        memset(s + i, ' ', n);
        i += n - 1;
    }
}
