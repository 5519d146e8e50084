/* SPDX-License-Identifier: MIT */
/* The script that is running: shared by the threads of all connections, replaceable at any time. */
#pragma once

#include "script.h"

#include <stddef.h>
#include <stdint.h>

struct emu_faults;

/* Starts without a script, which means without faults. 0 or -ENOMEM. */
int emu_faults_new(struct emu_faults **ret);

/* Takes over the script and counts everything from 1 again. 0 or -ENOMEM (and then the old script goes
 * on). Requests under way keep the rule they have. */
int emu_faults_load(struct emu_faults *faults, struct emu_script *script);

/* Counts from 1 again, with the same script. */
void emu_faults_restart(struct emu_faults *faults);

/* The rule a request has drawn. It keeps the script it belongs to alive until emu_drawn_rule_release. */
struct emu_drawn_rule {
    const struct emu_rule *rule; /* NULL = none: the normal treatment */
    struct emu_shared_script *owner;
};

/* Counts one request and finds its rule. */
struct emu_drawn_rule emu_faults_draw(struct emu_faults *faults, const struct emu_request_facts *facts);

/* The same for a request for a token. */
struct emu_drawn_rule emu_faults_draw_identity(struct emu_faults *faults);

/* Counts one connection and finds its rule; without one it is normal. */
struct emu_connection_rule emu_faults_draw_connection(struct emu_faults *faults);

void emu_drawn_rule_release(struct emu_drawn_rule *drawn);

/* No thread may use the faults any more, and every drawn rule must have been released. NULL is allowed. */
void emu_faults_free(struct emu_faults *faults);
