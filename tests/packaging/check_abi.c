/* SPDX-License-Identifier: MIT */
/* Does plugin/rsyslog_abi.h say what rsyslog's own headers say? Compiled, never run: make check-abi. */
#include "rsyslog.h"

#include "action.h"
#include "conf.h"
#include "dirty.h"
#include "errmsg.h"
#include "module-template.h"
#include "obj.h"
#include "objomsr.h"
#include "rainerscript.h"
#include "statsobj.h"

/* The same names, once more. */
#define nvlstGetParams our_nvlstGetParams
#define cnfparamvalsDestruct our_cnfparamvalsDestruct
#define OMSRconstruct our_OMSRconstruct
#define OMSRsetEntry our_OMSRsetEntry
#define LogMsg our_LogMsg
#define iConfigVerify our_iConfigVerify
#include "plugin/rsyslog_abi.h"
#undef nvlstGetParams
#undef cnfparamvalsDestruct
#undef OMSRconstruct
#undef OMSRsetEntry
#undef LogMsg
#undef iConfigVerify

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours " is " #theirs)
#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(ours) == sizeof(theirs), #ours " has the size of " #theirs)
#define SAME_FIELD(ours, our_field, theirs, their_field)                                                               \
    _Static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field) &&                                       \
                       sizeof(((ours *)0)->our_field) == sizeof(((theirs *)0)->their_field),                           \
                   #ours "." #our_field " is where " #theirs "." #their_field " is")
/* The function has just this type. */
#define IS(function, ...) _Static_assert(_Generic(&(function), __VA_ARGS__ : 1, default : 0), #function)

SAME(RS_INTERFACE_VERSION, CURR_MOD_IF_VERSION);
SAME_SIZE(rs_ret, rsRetVal);
SAME(RS_OK, RS_RET_OK);
SAME(RS_OUT_OF_MEMORY, RS_RET_OUT_OF_MEMORY);
SAME(RS_PARAM_ERROR, RS_RET_PARAM_ERROR);
SAME(RS_MODULE_ENTRY_NOT_FOUND, RS_RET_MODULE_ENTRY_POINT_NOT_FOUND);
SAME(RS_CONFLINE_UNPROCESSED, RS_RET_CONFLINE_UNPROCESSED);
SAME(RS_INCOMPATIBLE, RS_RET_INCOMPATIBLE);
SAME(RS_DISABLE_ACTION, RS_RET_DISABLE_ACTION);
SAME(RS_SUSPENDED, RS_RET_SUSPENDED);
SAME(RS_MISSING_PARAMETERS, RS_RET_MISSING_CNFPARAMS);
SAME(RS_LEGACY_NOT_SUPPORTED, RS_RET_LEGA_ACT_NOT_SUPPORTED);
SAME(RS_MODULE_OUTPUT, eMOD_OUT);
SAME(RS_MODULE_KEEP, eMOD_KEEP);

SAME_SIZE(struct rs_text, actWrkrIParams_t);
SAME_FIELD(struct rs_text, param, actWrkrIParams_t, param);
SAME_FIELD(struct rs_text, buffer_bytes, actWrkrIParams_t, lenBuf);
SAME_FIELD(struct rs_text, len, actWrkrIParams_t, lenStr);

SAME(RS_PARAM_STRING, eCmdHdlrString);
SAME(RS_PARAM_ARRAY, eCmdHdlrArray);
SAME_SIZE(struct rs_parameter, struct cnfparamdescr);
SAME_FIELD(struct rs_parameter, name, struct cnfparamdescr, name);
SAME_FIELD(struct rs_parameter, type, struct cnfparamdescr, type);
SAME_FIELD(struct rs_parameter, flags, struct cnfparamdescr, flags);
SAME(1, CNFPARAMBLK_VERSION);
SAME_SIZE(struct rs_parameters, struct cnfparamblk);
SAME_FIELD(struct rs_parameters, version, struct cnfparamblk, version);
SAME_FIELD(struct rs_parameters, n, struct cnfparamblk, nParams);
SAME_FIELD(struct rs_parameters, items, struct cnfparamblk, descr);
SAME_FIELD(struct rs_array, node_type, struct cnfarray, nodetype);
SAME_FIELD(struct rs_array, n, struct cnfarray, nmemb);
SAME_FIELD(struct rs_array, items, struct cnfarray, arr);
SAME_SIZE(struct rs_svar, struct svar);
SAME_FIELD(struct rs_svar, d.string, struct svar, d.estr);
SAME_FIELD(struct rs_svar, d.array, struct svar, d.ar);
SAME_FIELD(struct rs_svar, d.number, struct svar, d.n);
SAME_FIELD(struct rs_svar, type, struct svar, datatype);
SAME_SIZE(struct rs_value, struct cnfparamvals);
SAME_FIELD(struct rs_value, value, struct cnfparamvals, val);
SAME_FIELD(struct rs_value, used, struct cnfparamvals, bUsed);
IS(nvlstGetParams, struct cnfparamvals *(*)(struct nvlst *, struct cnfparamblk *, struct cnfparamvals *));
IS(cnfparamvalsDestruct, void (*)(const struct cnfparamvals *, const struct cnfparamblk *));

SAME(0, OMSR_NO_RQD_TPL_OPTS);
IS(OMSRconstruct, rsRetVal (*)(omodStringRequest_t **, int));
IS(OMSRsetEntry, rsRetVal (*)(omodStringRequest_t *, int, uchar *, int));
IS(LogMsg, void (*)(const int, const int, const int, const char *, ...));
IS(iConfigVerify, int *);

/* Interfaces: the functions of struct rs_interface by their numbers. */
#define SAME_FUNCTION(number, theirs, their_function)                                                                  \
    _Static_assert(offsetof(struct rs_interface, functions) + (number) * sizeof(rs_function) ==                        \
                       offsetof(theirs, their_function),                                                               \
                   #number " is " #their_function)

SAME(RS_OBJECT_VERSION, objCURR_IF_VERSION);
SAME_FIELD(struct rs_interface, version, obj_if_t, ifVersion);
SAME_FIELD(struct rs_interface, loaded, obj_if_t, ifIsLoaded);
SAME_FUNCTION(RS_OBJECT_USE, obj_if_t, UseObj);
IS(*((obj_if_t *)0)->UseObj, rsRetVal (*)(const char *, uchar *, uchar *, interface_t *));

SAME_FUNCTION(RS_STATISTICS_CONSTRUCT, statsobj_if_t, Construct);
SAME_FUNCTION(RS_STATISTICS_CONSTRUCT_FINALIZE, statsobj_if_t, ConstructFinalize);
SAME_FUNCTION(RS_STATISTICS_DESTRUCT, statsobj_if_t, Destruct);
SAME_FUNCTION(RS_STATISTICS_SET_NAME, statsobj_if_t, SetName);
SAME_FUNCTION(RS_STATISTICS_SET_ORIGIN, statsobj_if_t, SetOrigin);
SAME(RS_COUNTER_UINT64, ctrType_IntCtr);
SAME(RS_COUNTER_NOT_RESETTABLE, CTR_FLAG_NONE);
SAME(RS_COUNTER_RESETTABLE, CTR_FLAG_RESETTABLE);
_Static_assert(sizeof(statsobj_if_t) <= sizeof(struct rs_interface), "rsyslog fills it in as a whole");
/* plugin/statistics.c: where AddCounter is, by version */
#if statsobjCURR_IF_VERSION == 13
SAME_FUNCTION(10, statsobj_if_t, AddCounter);
#elif statsobjCURR_IF_VERSION == 14 || statsobjCURR_IF_VERSION == 15
SAME_FUNCTION(11, statsobj_if_t, AddCounter);
#elif statsobjCURR_IF_VERSION == 16
SAME_FUNCTION(12, statsobj_if_t, AddCounter);
#else
#warning "plugin/statistics.c does not know this version of statsobj: the module will have no counters"
#endif
#if statsobjCURR_IF_VERSION <= 16
IS(*((statsobj_if_t *)0)->AddCounter, rsRetVal (*)(statsobj_t *, const uchar *, statsCtrType_t, int8_t, void *));
#endif
