/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "uid_set.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1024 };

static uint64_t hash(const char *uid, size_t length)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        h = (h ^ (uint8_t)uid[i]) * 1099511628211u;
    return h;
}

static const char *uid_at(const struct emu_uid_set *set, size_t slot, size_t *ret_length)
{
    const char *entry = set->bytes.data + set->slots[slot] - 1;
    memcpy(ret_length, entry, sizeof(*ret_length));
    return entry + sizeof(*ret_length);
}

/* The slot that holds the uid, or the empty one where it belongs. */
static size_t find_slot(const struct emu_uid_set *set, const char *uid, size_t length)
{
    size_t mask = set->slot_count - 1;
    size_t slot = (size_t)hash(uid, length) & mask;
    while (set->slots[slot] != 0) {
        size_t have_length;
        const char *have = uid_at(set, slot, &have_length);
        if (have_length == length && memcmp(have, uid, length) == 0)
            break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

static int grow(struct emu_uid_set *set)
{
    struct emu_uid_set wider = *set;
    wider.slot_count = set->slot_count ? set->slot_count * 2 : FIRST_SLOTS;
    wider.slots = calloc(wider.slot_count, sizeof(*wider.slots));
    if (!wider.slots)
        return -ENOMEM;

    for (size_t i = 0; i < set->slot_count; i++)
        if (set->slots[i] != 0) {
            size_t length;
            const char *uid = uid_at(set, i, &length);
            wider.slots[find_slot(&wider, uid, length)] = set->slots[i];
        }
    free(set->slots);
    *set = wider;
    return 0;
}

int emu_uid_set_add(struct emu_uid_set *set, const char *uid, size_t length)
{
    int r = 0;

    if (set->count >= set->slot_count / 2)
        r = grow(set);
    if (r < 0)
        return r;
    size_t slot = find_slot(set, uid, length);
    if (set->slots[slot] != 0)
        return 0;

    r = emu_buf_reserve(&set->bytes, sizeof(length) + length);
    if (r < 0)
        return r;
    set->slots[slot] = set->bytes.length + 1;
    set->count++;
    emu_buf_append(&set->bytes, &length, sizeof(length)); /* cannot fail, there is room */
    emu_buf_append(&set->bytes, uid, length);
    return 1;
}

void emu_uid_set_clear(struct emu_uid_set *set)
{
    emu_buf_free(&set->bytes);
    free(set->slots);
    *set = (struct emu_uid_set){0};
}
