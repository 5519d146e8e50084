/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "plugin/parameters.h"

/* Prints the name of each parameter that omazuremonitor tells rsyslog it knows, and "list" behind those that are one.
 * rsyslog's part is played here. */

struct nvlst { /* what stands in an action: nothing */
    char nothing;
};

struct rs_value *nvlstGetParams(struct nvlst *list, struct rs_parameters *known, struct rs_value *values)
{
    (void)list;
    (void)values;
    for (int i = 0; i < known->n; i++)
        printf("%s%s\n", known->items[i].name, known->items[i].type == RS_PARAM_ARRAY ? "\tlist" : "");
    return NULL;
}

void cnfparamvalsDestruct(const struct rs_value *values, const struct rs_parameters *known)
{
    (void)values;
    (void)known;
}

int main(void)
{
    struct nvlst list = {0};
    struct parameters p;

    if (parameters_init() < 0)
        return 1;
    (void)parameters_read(&list, &p); /* it ends behind the call above */
    return fflush(stdout) == 0 ? 0 : 1;
}
