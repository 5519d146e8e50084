/* SPDX-License-Identifier: MIT */
#pragma once

#include <libestr.h>
#include <stddef.h>
#include <stdint.h>

/* The interface between rsyslogd and an output module, in our own words: rsyslog installs no headers. Version 6, as it
 * is since 2010; checked against 8.24 (2017) to 8.2610 (2026). What is not here (messages, queues, glbl, datetime)
 * moves about from release to release and must not be touched. Source: facts/rsyslog.md 2; `make check-abi` compares it
 * with real headers. */

#define RS_INTERFACE_VERSION 6

typedef int rs_ret;
typedef void (*rs_function)(void); /* any of them: called by its own type only */

enum { /* rsRetVal */
       RS_OK = 0,
       RS_NO_CODE = -1, /* for LogMsg: nothing that rsyslog.com explains */
       RS_OUT_OF_MEMORY = -6,
       RS_PARAM_ERROR = -1000,
       RS_MODULE_ENTRY_NOT_FOUND = -1004,
       RS_CONFLINE_UNPROCESSED = -2001,
       RS_INCOMPATIBLE = -2003,
       RS_DISABLE_ACTION = -2006,
       RS_SUSPENDED = -2007,
       RS_MISSING_PARAMETERS = -2211,
       RS_LEGACY_NOT_SUPPORTED = -2215,
};

/* What modInit, modGetType and modGetKeepType say. Kept: our thread and OpenSSL's clean-up at exit outlive a dlclose.
 */
enum { RS_MODULE_OUTPUT = 1 };
enum { RS_MODULE_KEEP = 1 };

/* One rendered template of one message: actWrkrIParams_t. lenStr is 0 for type="subtree" templates before 8.2508. */
struct rs_text {
    unsigned char *param;
    uint32_t buffer_bytes;
    uint32_t len;
};

/* --- parameters of action() --- */

enum { RS_PARAM_STRING = 14, RS_PARAM_ARRAY = 15 };

struct rs_parameter { /* struct cnfparamdescr */
    const char *name;
    int type;
    unsigned flags;
};

struct rs_parameters { /* struct cnfparamblk */
    uint16_t version;  /* 1 */
    uint16_t n;
    struct rs_parameter *items;
};

struct rs_array { /* struct cnfarray */
    unsigned node_type;
    int n;
    es_str_t **items;
};

struct rs_svar { /* struct svar */
    union {
        es_str_t *string;
        struct rs_array *array;
        long long number;
    } d;
    char type;
};

struct rs_value { /* struct cnfparamvals */
    struct rs_svar value;
    unsigned char used;
};

_Static_assert(sizeof(struct rs_value) == 3 * sizeof(void *) || sizeof(void *) != 8, "as rsyslog's compiler has it");

struct nvlst;
struct rs_value *nvlstGetParams(struct nvlst *lst, struct rs_parameters *p, struct rs_value *values);
void cnfparamvalsDestruct(const struct rs_value *values, const struct rs_parameters *p);

/* --- which templates the module wants --- */

struct rs_templates; /* omodStringRequest_t */
rs_ret OMSRconstruct(struct rs_templates **ret, int n);
rs_ret OMSRsetEntry(struct rs_templates *t, int i, unsigned char *name, int options); /* owns the name */

/* --- messages of the module itself --- */

void LogMsg(int error_number, int code, int severity, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* rsyslogd -N1: the configuration is only looked at. Not part of any interface, so it may not be there. */
extern int iConfigVerify __attribute__((weak));

/* --- interfaces of objects --- */

#define RS_INTERFACE_FUNCTIONS 24

/* Any of them: a version, a flag, and functions. */
struct rs_interface {
    int version, loaded;
    rs_function functions[RS_INTERFACE_FUNCTIONS];
};

#define RS_OBJECT_VERSION 2
#define RS_OBJECT_USE 0 /* UseObj(file, object, object's file or NULL, struct rs_interface *) */

/* statsobj. Its later functions move with the version: of AddCounter see plugin/statistics.c. */
#define RS_STATISTICS_CONSTRUCT 1          /* (void **) */
#define RS_STATISTICS_CONSTRUCT_FINALIZE 2 /* (void *) */
#define RS_STATISTICS_DESTRUCT 3           /* (void **) */
#define RS_STATISTICS_SET_NAME 4           /* (void *, unsigned char *) */
#define RS_STATISTICS_SET_ORIGIN 5         /* (void *, unsigned char *) */

enum { RS_COUNTER_UINT64 = 0 };
enum { RS_COUNTER_NOT_RESETTABLE = 0, RS_COUNTER_RESETTABLE = 1 };
