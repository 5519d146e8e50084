/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/record.h"

/* What a rule did to a record, for those who want it explained. */

enum azm_place {
    AZM_PLACE_RECORD, /* as a whole */
    AZM_PLACE_BODY,
    AZM_PLACE_EVENT_NAME,
    AZM_PLACE_KEY,   /* the name of an attribute */
    AZM_PLACE_VALUE, /* its value, or one of its values */
};

struct azm_effect {
    const char *kind, *rule;
    enum azm_place place;
    struct azm_text key; /* of the attribute, as it is now */
    size_t times;
    bool overflow; /* it could not tell, and did the safe thing */
};

/* Whoever wants to know; `tell` NULL: nobody. What it is told is borrowed for the call. */
struct azm_listener {
    void (*tell)(void *userdata, const struct azm_effect *e);
    void *userdata;
};
