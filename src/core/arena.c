/* SPDX-License-Identifier: MIT */
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/cleanup.h"

#define BLOCK_BYTES ((size_t)32 * 1024)

struct azm_arena_block {
    struct azm_arena_block *next;
    size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

/* All of it is free. */
static void begin_block(struct azm_arena *a, struct azm_arena_block *b)
{
    a->blocks = b;
    a->next = b->bytes;
    a->left = b->size;
}

static bool add_block(struct azm_arena *a, size_t size)
{
    struct azm_arena_block *b = malloc(sizeof *b + size);

    if (!b)
        return false;
    *b = (struct azm_arena_block){.next = a->blocks, .size = size};
    begin_block(a, b);
    return true;
}

void *azm_arena_alloc_more(struct azm_arena *a, size_t size)
{
    if (size > SIZE_MAX - BLOCK_BYTES)
        return NULL;
    /* The first block has the standard size whatever is asked, because it is the one kept. */
    if (!a->blocks) {
        if (!add_block(a, BLOCK_BYTES))
            return NULL;
        return azm_arena_alloc(a, size);
    }
    size += -size % alignof(max_align_t);
    return add_block(a, MAX(size, BLOCK_BYTES)) ? azm_arena_alloc(a, size) : NULL;
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
    begin_block(a, b);
}

void azm_arena_free(struct azm_arena *a)
{
    azm_arena_reset(a);
    free(a->blocks);
    *a = (struct azm_arena){0};
}
