/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "core/utf8.h"
#include "encode/json_text.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* How the character at the start of a text is written. */
struct piece {
    size_t bytes; /* that it is long */
    size_t json_bytes, units;
    bool as_is;
    char escape[6]; /* what is written instead; for bad bytes it is `replacement` */
};

static struct piece ascii(unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    struct piece p = {.bytes = 1, .json_bytes = 2, .units = 1, .escape = {'\\'}};

    switch (c) {
    case '"':
    case '\\':
        p.escape[1] = (char)c;
        return p;
    case '\n':
        p.escape[1] = 'n';
        return p;
    case '\r':
        p.escape[1] = 'r';
        return p;
    case '\t':
        p.escape[1] = 't';
        return p;
    case '\0':
        p.json_bytes = sizeof replacement - 1;
        memcpy(p.escape, replacement, p.json_bytes);
        return p;
    default:
        p.as_is = c >= ' ';
        p.json_bytes = p.as_is ? 1 : 6;
        memcpy(p.escape + 1, "u00", 3);
        p.escape[4] = digits[c >> 4];
        p.escape[5] = digits[c & 15];
        return p;
    }
}

static struct piece next(const char *s, size_t len)
{
    struct piece p = {.units = 1};
    int n;

    if ((unsigned char)*s < 0x80)
        return ascii((unsigned char)*s);
    n = azm_utf8_scan(s, len);
    if (n < 0) {
        p.bytes = (size_t)-n;
        p.json_bytes = sizeof replacement - 1;
        memcpy(p.escape, replacement, p.json_bytes);
        return p;
    }
    p.bytes = p.json_bytes = (size_t)n;
    p.as_is = true;
    p.units = n == 4 ? 2 : 1; /* outside of the basic plane: a surrogate pair */
    return p;
}

/* Nearly every character: one byte, one unit, one byte of JSON. */
static bool is_plain(char c)
{
    return c >= ' ' && c != '"' && c != '\\' && (unsigned char)c < 0x80;
}

struct azm_json_text azm_json_fit(struct azm_text t, size_t max_units, size_t max_json_bytes)
{
    size_t i = 0, json_bytes = 0, units = 0;

    while (i < t.len) {
        struct piece p = {.bytes = 1, .json_bytes = 1, .units = 1};

        if (!is_plain(t.s[i]))
            p = next(t.s + i, t.len - i);
        if (units + p.units > max_units || json_bytes + p.json_bytes > max_json_bytes)
            break;
        i += p.bytes;
        units += p.units;
        json_bytes += p.json_bytes;
    }
    return (struct azm_json_text){{t.s, i}, json_bytes, i < t.len};
}

int azm_json_append(struct azm_buf *out, struct azm_text t)
{
    size_t start = 0, i = 0;

    while (i < t.len) {
        struct piece p;

        if (is_plain(t.s[i])) {
            i++;
            continue;
        }
        p = next(t.s + i, t.len - i);
        if (!p.as_is) {
            if (azm_buf_append(out, t.s + start, i - start) < 0 || azm_buf_append(out, p.escape, p.json_bytes) < 0)
                return -ENOMEM;
            start = i + p.bytes;
        }
        i += p.bytes;
    }
    return azm_buf_append(out, t.s + start, i - start);
}
