/* SPDX-License-Identifier: MIT */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "config/places.h"

#define BLANKS " \t"

/* The first word of what is left, and what is left behind it. */
static struct azm_text take_word(const char **list)
{
    struct azm_text word = {*list + strspn(*list, BLANKS), 0};

    word.len = strcspn(word.s, BLANKS);
    *list = word.s + word.len;
    return word;
}

size_t azm_places_count(const char *list)
{
    size_t n = 0;

    while (take_word(&list).len > 0)
        n++;
    return n;
}

struct azm_text azm_places_get(const char *list, size_t i)
{
    while (i-- > 0)
        take_word(&list);
    return take_word(&list);
}

size_t azm_places_choose(const char *list, const char *host)
{
    uint64_t seed = XXH3_64bits(host, strlen(host)), most = 0;
    size_t chosen = 0;
    struct azm_text place;

    for (size_t i = 0; (place = take_word(&list)).len > 0; i++) {
        uint64_t score = XXH3_64bits_withSeed(place.s, place.len, seed);

        if (i == 0 || score > most) {
            most = score;
            chosen = i;
        }
    }
    return chosen;
}
