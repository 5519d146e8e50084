/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base64url.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int emu_base64url_encode(struct emu_buf *text, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    int r = emu_buf_reserve(text, (length + 2) / 3 * 4);
    if (r < 0)
        return r;
    char *out = text->data + text->length;
    for (size_t i = 0; i < length; i += 3) {
        const size_t have = length - i;
        uint32_t group = (uint32_t)from[i] << 16;
        group |= have > 1 ? (uint32_t)from[i + 1] << 8 : 0;
        group |= have > 2 ? from[i + 2] : 0;
        for (size_t digit = 0; digit < 4 && digit <= have; digit++)
            *out++ = alphabet[group >> (18 - 6 * digit) & 63];
    }
    text->length = (size_t)(out - text->data);
    return 0;
}

int emu_base64url_decode(struct emu_buf *bytes, const char *text, size_t length)
{
    uint32_t bits = 0;
    unsigned count = 0;
    int r = emu_buf_reserve(bytes, length / 4 * 3 + 3);

    if (r < 0)
        return r;
    if (length % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        const char *digit = text[i] ? strchr(alphabet, text[i]) : NULL;
        if (!digit)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes->data[bytes->length++] = (char)(bits >> count);
            bits &= (1U << count) - 1;
        }
    }
    return bits == 0 ? 0 : -EINVAL; /* one text for the same bytes, not several */
}
