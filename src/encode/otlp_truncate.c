/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "core/utf8.h"
#include "encode/otlp_truncate.h"
#include "proto/otlp_logs.pb-c.h"

/* Far below what any receiver is known to take for one record (Azure keeps 64 KB of a field). */
#define BODY_MAX ((size_t)16 * 1024)
#define VALUE_MAX ((size_t)1024)
#define ATTRIBUTES_MAX 128

static const char mark_key[] = "azmonlog.truncated";

static bool cut_text(Otlp__AnyValue *v, size_t max)
{
    size_t len;

    if (!v || v->value_case != OTLP__ANY_VALUE__VALUE_STRING_VALUE)
        return false;
    len = strlen(v->string_value);
    if (len <= max)
        return false;
    v->string_value[azm_utf8_cut(v->string_value, max)] = '\0';
    return true;
}

static bool is_simple(const Otlp__KeyValue *a)
{
    return a->value && (a->value->value_case == OTLP__ANY_VALUE__VALUE_STRING_VALUE ||
                        a->value->value_case == OTLP__ANY_VALUE__VALUE_INT_VALUE ||
                        a->value->value_case == OTLP__ANY_VALUE__VALUE_BOOL_VALUE ||
                        a->value->value_case == OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE);
}

/* Cuts what is too long, and moves what may stay to the front; returns how many stay. A mark that is there already is
 * neither kept nor dropped. */
static size_t cut_attributes(Otlp__LogRecord *r, bool *cut, uint32_t *dropped)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n_attributes; i++) {
        Otlp__KeyValue *a = r->attributes[i];

        if (strcmp(a->key, mark_key) == 0)
            continue;
        if (!is_simple(a) || kept == ATTRIBUTES_MAX) {
            *cut = true;
            ++*dropped;
            continue;
        }
        *cut |= cut_text(a->value, VALUE_MAX);
        r->attributes[i] = r->attributes[kept];
        r->attributes[kept++] = a;
    }
    return kept;
}

/* Packs the record with `kept` attributes and the mark; `dropped` more were left out. */
static int pack(Otlp__LogRecord *r, size_t kept, uint32_t dropped, struct azm_buf *out)
{
    Otlp__AnyValue yes = OTLP__ANY_VALUE__INIT;
    Otlp__KeyValue mark = OTLP__KEY_VALUE__INIT;
    Otlp__KeyValue *attributes[ATTRIBUTES_MAX + 1], **all = r->attributes;
    size_t n_all = r->n_attributes, len;
    int k;

    yes.value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
    yes.bool_value = 1;
    mark.key = (char *)(uintptr_t)mark_key; /* never written to */
    mark.value = &yes;
    for (size_t i = 0; i < kept; i++)
        attributes[i] = all[i];
    attributes[kept] = &mark;
    r->attributes = attributes;
    r->n_attributes = kept + 1;
    r->dropped_attributes_count += dropped;
    len = otlp__log_record__get_packed_size(r);
    k = azm_buf_reserve(out, len);
    if (k >= 0)
        out->len += otlp__log_record__pack(r, out->data + out->len);
    r->attributes = all; /* as protobuf-c frees them */
    r->n_attributes = n_all;
    return k;
}

int azm_otlp_truncate_record(struct azm_text record, struct azm_buf *out)
{
    Otlp__LogRecord *r = otlp__log_record__unpack(NULL, record.len, (const uint8_t *)record.s);
    uint32_t dropped = 0;
    bool cut;
    size_t kept;
    int k = 0;

    if (!r)
        return -EBADMSG;
    cut = cut_text(r->body, BODY_MAX);
    kept = cut_attributes(r, &cut, &dropped);
    if (cut)
        k = pack(r, kept, dropped, out);
    otlp__log_record__free_unpacked(r, NULL);
    return k < 0 ? k : cut;
}
