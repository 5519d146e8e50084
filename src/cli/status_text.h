/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Prints the answer to {"command":"status"} for people, also what cli/actions.h makes of one. What the answer does not
 * have, or has in another form, is left away: azmonlog and this command may be of different versions. `now_usec`
 * (realtime) is for the ages. */
void azm_status_print(FILE *f, const json_t *status, uint64_t now_usec);
