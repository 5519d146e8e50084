/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "auth/base64url.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int azm_base64url_append(struct azm_secret *out, const void *data, size_t len)
{
    const uint8_t *p = data;
    int r = 0;

    for (size_t i = 0; r == 0 && i < len; i += 3) {
        size_t n = MIN(len - i, (size_t)3);
        unsigned v = (unsigned)p[i] << 16;

        if (n > 1)
            v |= (unsigned)p[i + 1] << 8;
        if (n > 2)
            v |= (unsigned)p[i + 2];
        r = azm_secret_append(out, (char[]){digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]},
                              n + 1);
    }
    return r;
}

int azm_base64url_decode(struct azm_secret *out, const char *text, size_t len)
{
    unsigned v = 0, bits = 0;
    int r = len % 4 == 1 ? -EINVAL : 0;

    for (size_t i = 0; r == 0 && i < len; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

        if (!digit)
            return -EINVAL;
        v = v << 6 | (unsigned)(digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            r = azm_secret_append(out, &(uint8_t){(uint8_t)(v >> bits)}, 1);
        }
    }
    return r;
}
