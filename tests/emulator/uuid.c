/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "uuid.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

bool emu_uuid(char text[static EMU_UUID_BYTES])
{
    uint8_t id[16];
    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
        return false;
    id[6] = (uint8_t)((id[6] & 0x0F) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
    char *out = text;
    for (size_t i = 0; i < sizeof(id); i++)
        out += sprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    return true;
}
