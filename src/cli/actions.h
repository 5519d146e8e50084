/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* The actions of rsyslogd's module omazuremonitor that run on this machine, as far as their state is in its usual
 * place, DIRECTORY/NAME (AZM_ACTIONS_DIRECTORY): those that answer on DIRECTORY/NAME/control, by name.
 *
 * An array of what they answer to "status", each with a member "action", its name; one that may not be asked, or does
 * not answer in time, has "error" and nothing else. Empty if there are none; NULL when memory is out. */
json_t *cli_ask_actions(uint64_t deadline_usec);

/* Appends, in the same form, those that do not run although records wait in their spool. */
void cli_find_stranded(json_t *actions);

/* The control socket of an action; the caller frees it, NULL when memory is out. */
char *cli_action_control(const char *name);
