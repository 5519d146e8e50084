/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdalign.h>
#include <stddef.h>
#include <string.h>

/* Memory that lives as long as one record: many small allocations, freed together.
 * Pointers stay valid until azm_arena_reset. All zero is a valid empty arena. */
struct azm_arena {
    struct azm_arena_block *blocks; /* newest first; the oldest is kept over resets */
    unsigned char *next;            /* free bytes of the newest */
    size_t left;
};

/* The same as azm_arena_alloc, when there is no room in the newest block. */
void *azm_arena_alloc_more(struct azm_arena *a, size_t size);

/* `size` bytes aligned for any type, not initialised; NULL when memory is out. */
static inline void *azm_arena_alloc(struct azm_arena *a, size_t size)
{
    size_t padding = -size % alignof(max_align_t);
    void *p = a->next;

    if (!p || size > a->left || padding > a->left - size)
        return azm_arena_alloc_more(a, size);
    a->next += size + padding;
    a->left -= size + padding;
    return p;
}

/* A copy of `len` bytes, or NULL when memory is out. */
static inline void *azm_arena_copy(struct azm_arena *a, const void *data, size_t len)
{
    void *p = azm_arena_alloc(a, len);

    if (p && len > 0)
        memcpy(p, data, len);
    return p;
}

/* Forgets everything; keeps one block, so that a steady stream of records allocates nothing. */
void azm_arena_reset(struct azm_arena *a);

void azm_arena_free(struct azm_arena *a);
