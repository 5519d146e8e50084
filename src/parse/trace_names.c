/* SPDX-License-Identifier: MIT */
#include <strings.h>

#include "core/cleanup.h"
#include "core/trace_context.h"
#include "parse/trace_names.h"

static bool may_set(bool has, const uint8_t *old, const uint8_t *new, size_t n)
{
    return !has || memcmp(old, new, n) == 0;
}

static bool take_trace_id(struct azm_record *r, struct azm_text value)
{
    uint8_t id[sizeof r->trace_id];

    if (!azm_trace_parse_id(value, id, sizeof id) || !may_set(r->has_trace_id, r->trace_id, id, sizeof id))
        return false;
    memcpy(r->trace_id, id, sizeof id);
    r->has_trace_id = true;
    return true;
}

static bool take_span_id(struct azm_record *r, struct azm_text value)
{
    uint8_t id[sizeof r->span_id];

    if (!azm_trace_parse_id(value, id, sizeof id) || !may_set(r->has_span_id, r->span_id, id, sizeof id))
        return false;
    memcpy(r->span_id, id, sizeof id);
    r->has_span_id = true;
    return true;
}

static bool take_flags(struct azm_record *r, struct azm_text value)
{
    uint32_t flags;

    if (!azm_trace_parse_flags(value, &flags) || (r->trace_flags != 0 && r->trace_flags != flags))
        return false;
    r->trace_flags = flags;
    return true;
}

/* "00-" trace id "-" span id "-" flags; versions to come may add more behind another "-", ff is none. */
static bool take_traceparent(struct azm_record *r, struct azm_text value)
{
    enum { TRACE_ID = 3, SPAN_ID = 36, FLAGS = 53, END = 55 };
    struct azm_record taken = *r;
    uint32_t version;

    if (value.len < END || value.s[TRACE_ID - 1] != '-' || value.s[SPAN_ID - 1] != '-' || value.s[FLAGS - 1] != '-' ||
        !azm_trace_parse_flags((struct azm_text){value.s, 2}, &version) || version == 0xFF)
        return false;
    if (value.len > END && (version == 0 || value.s[END] != '-'))
        return false;
    if (!take_trace_id(&taken, (struct azm_text){value.s + TRACE_ID, SPAN_ID - 1 - TRACE_ID}) ||
        !take_span_id(&taken, (struct azm_text){value.s + SPAN_ID, FLAGS - 1 - SPAN_ID}) ||
        !take_flags(&taken, (struct azm_text){value.s + FLAGS, END - FLAGS}))
        return false;
    *r = taken; /* all of it, or nothing */
    return true;
}

bool azm_trace_take(struct azm_record *r, struct azm_text name, struct azm_text value)
{
    static const struct {
        struct azm_text name;
        bool (*take)(struct azm_record *r, struct azm_text value);
    } names[] = {
        {AZM_TEXT("trace_id"), take_trace_id},       {AZM_TEXT("traceid"), take_trace_id},
        {AZM_TEXT("span_id"), take_span_id},         {AZM_TEXT("spanid"), take_span_id},
        {AZM_TEXT("trace_flags"), take_flags},       {AZM_TEXT("traceflags"), take_flags},
        {AZM_TEXT("traceparent"), take_traceparent},
    };

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (name.len == names[i].name.len && strncasecmp(name.s, names[i].name.s, name.len) == 0)
            return names[i].take(r, value);
    return false;
}
