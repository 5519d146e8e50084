/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* The length of the valid sequence at the start of the text, or 0. */
static size_t sequence(const uint8_t *text, size_t length)
{
    uint8_t first = text[0];
    if (first < 0x80)
        return 1;

    size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || length < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;

    /* The second byte decides about overlong forms (E0, F0), surrogates (ED) and the upper end (F4). */
    uint8_t second = text[1];
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
        return 0;
    return size;
}

bool emu_utf8_valid(const void *text, size_t length)
{
    const uint8_t *at = text;
    while (length > 0) {
        size_t size = sequence(at, length);
        if (size == 0)
            return false;
        at += size;
        length -= size;
    }
    return true;
}

void emu_utf8_repair(char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        size_t size = sequence((const uint8_t *)text, length);
        if (size == 0) {
            *text = '?';
            size = 1;
        }
        text += size;
        length -= size;
    }
}

size_t emu_utf8_utf16_length(const char *text, size_t length)
{
    size_t units = 0;
    for (size_t i = 0; i < length; i++) {
        const unsigned char byte = (unsigned char)text[i];
        units += (byte & 0xC0) != 0x80; /* the first byte of a character */
        units += byte >= 0xF0;          /* which needs a surrogate pair */
    }
    return units;
}
