/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "export/quarantine.h"

/* "refused", "suspect", "too_large", "partial" */
const char *azm_quarantine_reason_name(enum azm_quarantine_reason reason);

/* 0, or -EINVAL if there is no reason of this name. */
int azm_quarantine_reason_parse(const char *name, enum azm_quarantine_reason *ret);

/* The note as the member "azmonlog" of a line; `uid` may be NULL. The caller releases it; NULL if memory is out. */
json_t *azm_quarantine_note_json(const struct azm_quarantine_note *note, const char *uid, uint64_t now_realtime_usec);
