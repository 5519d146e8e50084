/* SPDX-License-Identifier: MIT */
#pragma once

#include "plugin/parameters.h"
#include "plugin/worker.h"
#include "process/rules.h"

/* One action(type="omazuremonitor"): its configuration, its spool, and the pump behind it.
 *
 * Threads: action_new, action_start and action_free are rsyslog's main thread's; action_commit and action_probe are
 * called by its workers, several at once; action_reload by the main thread meanwhile. What they share is behind one
 * mutex, and the spool guards itself. */
struct action;

/* Checks the parameters, which are taken over when it succeeds, and changes nothing anywhere: 0 or -errno. */
int action_new(struct parameters *p, struct action **ret, struct azm_error *err);

/* Opens the spool and starts the pump; privileges are dropped by then. A failure is logged, and the next
 * action_probe tries again. */
void action_start(struct action *a);

/* Waits up to a second for requests that are under way. */
struct action *action_free(struct action *a);

const char *action_name(const struct action *a);
const struct azm_config *action_config(const struct action *a);
struct azm_rules *action_rules(const struct action *a); /* NULL: there are none */
const struct parameters *action_parameters(const struct action *a);

/* Appends the row to the spool: 0 when it is on disk, -errno if that is not possible now. `records` for the counters.
 */
int action_append(struct action *a, struct azm_spool_row *row);

/* How many messages the rate limit has held back; and puts on disk what is known of them if there are more than
 * `before`: 0 or -errno. */
uint64_t action_held_back(const struct action *a);
int action_save_held_back(struct action *a, uint64_t before);

/* Is the spool there, and does it seem to have room for what was last refused? 0 or -errno; for a second after the disk
 * itself has refused a row, -EAGAIN. */
int action_probe(struct action *a);

/* True after a failure, until a probe or an append has succeeded: without touching the disk. */
bool action_is_down(struct action *a);

void action_reload(struct action *a);
