/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "core/cleanup.h"
#include "core/guid.h"

void azm_guid_bytes(uint8_t ret[static 16])
{
    while (getrandom(ret, 16, 0) != 16) /* so few bytes come whole, unless a signal comes first */
        ;
}

void azm_guid_make(char ret[static AZM_GUID_MAX])
{
    uint8_t b[16];
    size_t n = 0;

    azm_guid_bytes(b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof b; i++) {
        static const char digits[] = "0123456789abcdef";

        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret[n++] = '-';
        ret[n++] = digits[b[i] >> 4];
        ret[n++] = digits[b[i] & 15];
    }
    ret[n] = '\0';
}

bool azm_is_guid(const char *s)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < sizeof form; i++) /* with the NUL */
        if (form[i] == 'x' ? !isxdigit((unsigned char)s[i]) : s[i] != form[i])
            return false;
    return true;
}
