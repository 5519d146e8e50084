/* SPDX-License-Identifier: MIT */
#include "source/lookup3.h"

#include <endian.h>
#include <string.h>

struct state {
    uint32_t a, b, c;
};

static uint32_t rotated(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static void add_block(struct state *s, const uint8_t block[static 12])
{
    uint32_t words[3];

    memcpy(words, block, sizeof words);
    s->a += le32toh(words[0]);
    s->b += le32toh(words[1]);
    s->c += le32toh(words[2]);
}

static void mix(struct state *s)
{
    uint32_t a = s->a, b = s->b, c = s->c;

    a = (a - c) ^ rotated(c, 4), c += b;
    b = (b - a) ^ rotated(a, 6), a += c;
    c = (c - b) ^ rotated(b, 8), b += a;
    a = (a - c) ^ rotated(c, 16), c += b;
    b = (b - a) ^ rotated(a, 19), a += c;
    c = (c - b) ^ rotated(b, 4), b += a;
    *s = (struct state){a, b, c};
}

static void mix_last(struct state *s)
{
    uint32_t a = s->a, b = s->b, c = s->c;

    c = (c ^ b) - rotated(b, 14);
    a = (a ^ c) - rotated(c, 11);
    b = (b ^ a) - rotated(a, 25);
    c = (c ^ b) - rotated(b, 16);
    a = (a ^ c) - rotated(c, 4);
    b = (b ^ a) - rotated(a, 14);
    c = (c ^ b) - rotated(b, 24);
    *s = (struct state){a, b, c};
}

uint64_t azm_lookup3(const void *data, size_t len)
{
    const uint32_t initial = 0xdeadbeef + (uint32_t)len;
    struct state s = {initial, initial, initial};
    const uint8_t *p = data;
    uint8_t last[12] = {0};

    for (; len > sizeof last; p += sizeof last, len -= sizeof last) {
        add_block(&s, p);
        mix(&s);
    }
    if (len > 0) {
        memcpy(last, p, len);
        add_block(&s, last);
        mix_last(&s);
    }
    return (uint64_t)s.c << 32 | s.b;
}
