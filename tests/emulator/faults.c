/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A script and how many hold it: the running one counts as one holder, and so does every drawn rule. */
struct emu_shared_script {
    atomic_uint holders;
    struct emu_script *script;
};

struct emu_faults {
    pthread_mutex_t lock;
    uint64_t requests, identity, connections; /* under the lock */
    struct emu_shared_script *running;        /* under the lock; NULL = no script */
};

static void let_go(struct emu_shared_script *shared)
{
    if (!shared || atomic_fetch_sub(&shared->holders, 1) != 1)
        return;
    emu_script_free(shared->script);
    free(shared);
}

int emu_faults_new(struct emu_faults **ret)
{
    struct emu_faults *faults = calloc(1, sizeof(*faults));
    if (!faults)
        return -ENOMEM;
    pthread_mutex_init(&faults->lock, NULL); /* cannot fail with default attributes */
    *ret = faults;
    return 0;
}

int emu_faults_load(struct emu_faults *faults, struct emu_script *script)
{
    struct emu_shared_script *shared = calloc(1, sizeof(*shared));
    if (!shared) {
        emu_script_free(script);
        return -ENOMEM;
    }
    shared->holders = 1;
    shared->script = script;

    pthread_mutex_lock(&faults->lock);
    struct emu_shared_script *old = faults->running;
    faults->running = shared;
    faults->requests = faults->identity = faults->connections = 0;
    pthread_mutex_unlock(&faults->lock);
    let_go(old);
    return 0;
}

void emu_faults_restart(struct emu_faults *faults)
{
    pthread_mutex_lock(&faults->lock);
    faults->requests = faults->identity = faults->connections = 0;
    pthread_mutex_unlock(&faults->lock);
}

/* Counts one more, and holds the running script. */
static struct emu_shared_script *count(struct emu_faults *faults, uint64_t *counter, uint64_t *ret_number)
{
    pthread_mutex_lock(&faults->lock);
    *ret_number = ++*counter;
    struct emu_shared_script *running = faults->running;
    if (running)
        atomic_fetch_add(&running->holders, 1);
    pthread_mutex_unlock(&faults->lock);
    return running;
}

struct emu_drawn_rule emu_faults_draw(struct emu_faults *faults, const struct emu_request_facts *facts)
{
    uint64_t number;
    struct emu_drawn_rule drawn = {.owner = count(faults, &faults->requests, &number)};
    if (drawn.owner) /* the search may be long, and the script cannot change or go away */
        drawn.rule = emu_rules_find(&drawn.owner->script->requests, number, facts);
    return drawn;
}

struct emu_drawn_rule emu_faults_draw_identity(struct emu_faults *faults)
{
    const struct emu_request_facts nothing = {0};
    uint64_t number;
    struct emu_drawn_rule drawn = {.owner = count(faults, &faults->identity, &number)};
    if (drawn.owner)
        drawn.rule = emu_rules_find(&drawn.owner->script->identity, number, &nothing);
    return drawn;
}

struct emu_connection_rule emu_faults_draw_connection(struct emu_faults *faults)
{
    const struct emu_connection_rule *rule = NULL;

    pthread_mutex_lock(&faults->lock);
    uint64_t number = ++faults->connections;
    if (faults->running)
        rule = emu_script_find_connection(faults->running->script, number);
    const struct emu_connection_rule drawn = rule ? *rule : (struct emu_connection_rule){0};
    pthread_mutex_unlock(&faults->lock);
    return drawn;
}

void emu_drawn_rule_release(struct emu_drawn_rule *drawn)
{
    let_go(drawn->owner);
    *drawn = (struct emu_drawn_rule){0};
}

void emu_faults_free(struct emu_faults *faults)
{
    if (!faults)
        return;
    let_go(faults->running);
    pthread_mutex_destroy(&faults->lock);
    free(faults);
}
