/* SPDX-License-Identifier: MIT */
/* One envelope of Application Insights: the schema is github.com/microsoft/ApplicationInsights-Home,
 * EndpointSpecs/Schemas/Bond, the limits are learn.microsoft.com, "Application Insights limits". */
#pragma once

#include "emulator.h"
#include "json.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Is it as it should be, for the resource with this instrumentation key? If not, `problem` says why. `now_nsec` is
 * CLOCK_REALTIME. */
bool emu_track_item_check(const json_t *envelope, const char *ikey, int64_t now_nsec,
                          char problem[static EMU_PROBLEM_BYTES]);

/* 0 to 4, from a number or a name; -1 = it is neither. */
json_int_t emu_track_severity(const json_t *value);

/* Appends its line, as README.md has it. The facts about the line are borrowed from the envelope, which has passed
 * emu_track_item_check. 0 or -ENOMEM. */
int emu_track_item_render(const json_t *envelope, uint64_t number, struct emu_lines *lines);
