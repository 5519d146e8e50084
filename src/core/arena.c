/* SPDX-License-Identifier: MIT */
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/cleanup.h"

#define BLOCK_BYTES ((size_t)32 * 1024)

struct azm_arena_block {
    struct azm_arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

static struct azm_arena_block *add_block(struct azm_arena *a, size_t size)
{
    struct azm_arena_block *b = malloc(sizeof *b + size);

    if (!b)
        return NULL;
    *b = (struct azm_arena_block){.next = a->blocks, .size = size};
    a->blocks = b;
    return b;
}

void *azm_arena_alloc(struct azm_arena *a, size_t size)
{
    struct azm_arena_block *b = a->blocks;
    void *p;

    if (size > SIZE_MAX - BLOCK_BYTES)
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!b || b->size - b->used < size) {
        /* The first block has the standard size whatever is asked, because it is the one kept. */
        if (!b)
            b = add_block(a, BLOCK_BYTES);
        if (b && b->size - b->used < size)
            b = add_block(a, MAX(size, BLOCK_BYTES));
        if (!b)
            return NULL;
    }
    p = b->bytes + b->used;
    b->used += size;
    return p;
}

void *azm_arena_copy(struct azm_arena *a, const void *data, size_t len)
{
    void *p = azm_arena_alloc(a, len);

    if (p && len > 0)
        memcpy(p, data, len);
    return p;
}

void azm_arena_reset(struct azm_arena *a)
{
    struct azm_arena_block *b = a->blocks;

    if (!b)
        return;
    while (b->next) {
        struct azm_arena_block *next = b->next;

        free(b);
        b = next;
    }
    b->used = 0;
    a->blocks = b;
}

void azm_arena_free(struct azm_arena *a)
{
    azm_arena_reset(a);
    free(a->blocks);
    a->blocks = NULL;
}
