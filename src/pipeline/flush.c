/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/flush.h"

enum step { TO_MARK, TO_READ, TO_SEAL, TO_ACKNOWLEDGE };

struct azm_flush {
    struct azm_flush *next;
    enum step step;
    char *message;
    unsigned n;
    uint64_t batches; /* to be acknowledged */
    struct azm_flush_waiter waiter;
};

static void end(struct azm_flush *x, const char *error)
{
    x->waiter.done(x->waiter.userdata, error);
    free(x->message);
    free(x);
}

int azm_flush_add(struct azm_flushes *f, const char *message, unsigned n, const struct azm_flush_waiter *waiter)
{
    struct azm_flush *new = calloc(1, sizeof *new);

    for (struct azm_flush **link = &f->first, *x; (x = *link);)
        if (!x->waiter.wanted(x->waiter.userdata)) {
            *link = x->next;
            end(x, "nobody waits");
        } else
            link = &x->next;
    if (!new || (message && !(new->message = strdup(message)))) {
        free(new);
        return -ENOMEM;
    }
    new->n = n;
    new->waiter = *waiter;
    new->next = f->first;
    f->first = new;
    return 0;
}

int azm_flush_mark(struct azm_flushes *f, struct azm_source *source, struct azm_error *err)
{
    int marked = 0;

    for (struct azm_flush *x = f->first; x; x = x->next) {
        int r;

        if (x->step != TO_MARK || !x->waiter.wanted(x->waiter.userdata))
            continue;
        r = source->ops->mark(source, x->message, x->n, err);
        if (r < 0)
            return r;
        if (r > 0) {
            x->step = TO_READ; /* the source keeps the latest mark only: earlier ones then wait a little longer */
            marked = 1;
        }
    }
    return marked;
}

bool azm_flush_reads(const struct azm_flushes *f)
{
    for (const struct azm_flush *x = f->first; x; x = x->next)
        if (x->step == TO_READ)
            return true;
    return false;
}

bool azm_flush_wants_seal(struct azm_flushes *f, struct azm_source *source)
{
    bool wanted = false;

    for (struct azm_flush *x = f->first; x; x = x->next) {
        if (x->step == TO_READ && source->ops->passed(source))
            x->step = TO_SEAL;
        wanted |= x->step == TO_SEAL;
    }
    return wanted;
}

void azm_flush_sealed(struct azm_flushes *f, uint64_t submitted)
{
    for (struct azm_flush *x = f->first; x; x = x->next)
        if (x->step == TO_SEAL) {
            x->step = TO_ACKNOWLEDGE;
            x->batches = submitted;
        }
}

void azm_flush_acknowledged(struct azm_flushes *f, uint64_t acknowledged)
{
    for (struct azm_flush **link = &f->first, *x; (x = *link);)
        if (x->step == TO_ACKNOWLEDGE && x->batches <= acknowledged) {
            *link = x->next;
            end(x, NULL);
        } else
            link = &x->next;
}

void azm_flush_fail(struct azm_flushes *f, const char *error)
{
    while (f->first) {
        struct azm_flush *x = f->first;

        f->first = x->next;
        end(x, error);
    }
}
