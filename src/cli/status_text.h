/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct azm_status_style {
    bool colour;
    unsigned width; /* lines are broken there; 0: never */
};

/* Prints the answer to {"command":"status"} for people, also what cli/status_collect.h makes of one. What the answer
 * does not have, or has in another form, is left away: azmonlog and this command may be of different versions.
 * `now_usec` (realtime) is for the ages. */
void azm_status_print(FILE *f, const json_t *status, uint64_t now_usec, const struct azm_status_style *style);

/* The same for an array of them, one block for each. The first line says how the worst of them is. */
void azm_status_print_all(FILE *f, const json_t *statuses, uint64_t now_usec, const struct azm_status_style *style);
