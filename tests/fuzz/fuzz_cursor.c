/* SPDX-License-Identifier: MIT */
#include "source/place.h"
#include "tests/fuzz/fuzz.h"

/* A cursor of the journal: what it says is what it says when it is written again. */

FUZZ_TARGET(cursor)
{
    struct azm_place p, q;
    char text[AZM_PLACE_TEXT_MAX];

    if (!azm_place_parse(fuzz_string(&in), &p))
        return;
    azm_place_print(&p, text);
    require(strnlen(text, sizeof text) < sizeof text);
    require(azm_place_parse(text, &q) && azm_place_equal(&p, &q));
    require(p.monotonic_usec == q.monotonic_usec && p.realtime_usec == q.realtime_usec && p.hash == q.hash);
}
