/* SPDX-License-Identifier: MIT */
#include <syslog.h>

#include "core/cleanup.h"
#include "plugin/statistics.h"

#define ORIGIN "omazuremonitor"

static struct rs_interface statsobj;
static int add_counter = -1; /* the index of the function; -1: no statistics */

void statistics_init(rs_ret (*host)(unsigned char *name, rs_function *ret))
{
    /* Versions and where AddCounter is in them (facts/rsyslog.md 2). A guess for another one would crash. */
    static const struct {
        int version, add_counter;
    } known[] = {{13, 10}, {14, 11}, {15, 11}, {16, 12}};
    typedef rs_ret (*get_interface_t)(struct rs_interface *);
    typedef rs_ret (*use_t)(const char *, const char *, const char *, struct rs_interface *);
    struct rs_interface object = {.version = RS_OBJECT_VERSION};
    rs_function get;

    if (host((unsigned char *)"objGetObjInterface", &get) != RS_OK || ((get_interface_t)get)(&object) != RS_OK)
        return;
    for (size_t i = 0; i < ELEMENTSOF(known) && add_counter < 0; i++) {
        statsobj = (struct rs_interface){.version = known[i].version};
        if (((use_t)object.functions[RS_OBJECT_USE])(__FILE__, "statsobj", NULL, &statsobj) == RS_OK)
            add_counter = known[i].add_counter;
    }
    if (add_counter < 0)
        LogMsg(0, RS_NO_CODE, LOG_NOTICE,
               ORIGIN ": this rsyslog's interface for statistics is not known to this module; it works, but impstats "
                      "shows no counters of it");
}

void *statistics_new(const char *name, const struct statistics_counter *counters, size_t n)
{
    typedef rs_ret (*construct_t)(void **);
    typedef rs_ret (*finalize_t)(void *);
    typedef rs_ret (*set_text_t)(void *, unsigned char *);
    typedef rs_ret (*add_t)(void *, const unsigned char *, int, int8_t, void *);
    void *o = NULL;

    if (add_counter < 0 || ((construct_t)statsobj.functions[RS_STATISTICS_CONSTRUCT])(&o) != RS_OK)
        return NULL;
    ((set_text_t)statsobj.functions[RS_STATISTICS_SET_NAME])(o, (unsigned char *)name);
    ((set_text_t)statsobj.functions[RS_STATISTICS_SET_ORIGIN])(o, (unsigned char *)ORIGIN);
    for (size_t i = 0; i < n; i++)
        ((add_t)statsobj.functions[add_counter])(
            o, (const unsigned char *)counters[i].name, RS_COUNTER_UINT64,
            counters[i].resettable ? RS_COUNTER_RESETTABLE : RS_COUNTER_NOT_RESETTABLE, counters[i].value);
    ((finalize_t)statsobj.functions[RS_STATISTICS_CONSTRUCT_FINALIZE])(o);
    return o;
}

void statistics_free(void *object)
{
    typedef rs_ret (*destruct_t)(void **);

    if (object)
        ((destruct_t)statsobj.functions[RS_STATISTICS_DESTRUCT])(&object);
}
