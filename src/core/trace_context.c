/* SPDX-License-Identifier: MIT */
#include "core/trace_context.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(struct azm_text hex, uint8_t *ret, size_t n)
{
    if (hex.len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex.s[2 * i]), low = hex_digit(hex.s[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool azm_trace_parse_id(struct azm_text hex, uint8_t *ret, size_t n)
{
    uint8_t any = 0;

    if (!parse_hex(hex, ret, n))
        return false;
    for (size_t i = 0; i < n; i++)
        any |= ret[i];
    return any != 0;
}

bool azm_trace_parse_flags(struct azm_text hex, uint32_t *ret)
{
    uint8_t flags;

    if (!parse_hex(hex, &flags, 1))
        return false;
    *ret = flags;
    return true;
}
