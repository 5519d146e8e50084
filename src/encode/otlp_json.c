/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "encode/otlp_json.h"
#include "encode/scope.h"
#include "proto/otlp_logs.pb-c.h"

/* Every helper returns NULL on failure; jansson's _new setters take the reference, also of NULL. */

static json_t *text(const char *s)
{
    return json_string(s);
}

static json_t *uint64_text(uint64_t v)
{
    return json_sprintf("%" PRIu64, v);
}

static json_t *hex(ProtobufCBinaryData b)
{
    char digits[65];

    if (b.len > 32)
        return NULL;
    for (size_t i = 0; i < b.len; i++)
        snprintf(digits + 2 * i, 3, "%02x", b.data[i]);
    digits[2 * b.len] = '\0';
    return json_string(digits);
}

static json_t *base64(ProtobufCBinaryData b)
{
    _cleanup_free_ unsigned char *s = malloc(4 * ((b.len + 2) / 3) + 1);

    if (!s || b.len > INT32_MAX)
        return NULL;
    EVP_EncodeBlock(s, b.data, (int)b.len);
    return json_string((const char *)s);
}

static json_t *attributes(Otlp__KeyValue **kv, size_t n);

static json_t *value(const Otlp__AnyValue *v)
{
    json_t *o = json_object();
    json_t *values;

    if (!v || !o)
        return o;
    switch (v->value_case) {
    case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
        json_object_set_new(o, "stringValue", text(v->string_value));
        break;
    case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
        json_object_set_new(o, "boolValue", json_boolean(v->bool_value));
        break;
    case OTLP__ANY_VALUE__VALUE_INT_VALUE:
        json_object_set_new(o, "intValue", json_sprintf("%" PRIi64, v->int_value));
        break;
    case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
        json_object_set_new(o, "doubleValue", json_real(v->double_value));
        break;
    case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
        json_object_set_new(o, "bytesValue", base64(v->bytes_value));
        break;
    case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
        values = json_array();
        for (size_t i = 0; i < v->array_value->n_values; i++)
            json_array_append_new(values, value(v->array_value->values[i]));
        json_object_set_new(o, "arrayValue", json_pack("{s:o}", "values", values));
        break;
    case OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
        values = attributes(v->kvlist_value->values, v->kvlist_value->n_values);
        json_object_set_new(o, "kvlistValue", json_pack("{s:o}", "values", values));
        break;
    default:
        break;
    }
    return o;
}

static json_t *attributes(Otlp__KeyValue **kv, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_pack("{s:o,s:o}", "key", text(kv[i]->key), "value", value(kv[i]->value)));
    return a;
}

static json_t *log_record(const Otlp__LogRecord *r)
{
    json_t *o = json_object();

    json_object_set_new(o, "timeUnixNano", uint64_text(r->time_unix_nano));
    if (r->observed_time_unix_nano)
        json_object_set_new(o, "observedTimeUnixNano", uint64_text(r->observed_time_unix_nano));
    if (r->severity_number)
        json_object_set_new(o, "severityNumber", json_integer(r->severity_number));
    if (*r->severity_text)
        json_object_set_new(o, "severityText", text(r->severity_text));
    if (r->body)
        json_object_set_new(o, "body", value(r->body));
    json_object_set_new(o, "attributes", attributes(r->attributes, r->n_attributes));
    if (r->dropped_attributes_count)
        json_object_set_new(o, "droppedAttributesCount", json_integer(r->dropped_attributes_count));
    if (r->flags)
        json_object_set_new(o, "flags", json_integer(r->flags));
    if (r->trace_id.len)
        json_object_set_new(o, "traceId", hex(r->trace_id));
    if (r->span_id.len)
        json_object_set_new(o, "spanId", hex(r->span_id));
    return o;
}

static void free_record(Otlp__LogRecord **r)
{
    otlp__log_record__free_unpacked(*r, NULL);
}

static void free_resource(Otlp__Resource **r)
{
    otlp__resource__free_unpacked(*r, NULL);
}

static void free_json(json_t **j)
{
    json_decref(*j);
}

int azm_otlp_json_line(struct azm_text resource, const struct azm_buf *record, struct azm_buf *out)
{
    _cleanup_(free_record) Otlp__LogRecord *r = otlp__log_record__unpack(NULL, record->len, record->data);
    _cleanup_(free_resource) Otlp__Resource *res =
        otlp__resource__unpack(NULL, resource.len, (const uint8_t *)resource.s);
    _cleanup_(free_json) json_t *line = NULL;
    _cleanup_free_ char *s = NULL;

    if (!r || !res)
        return -EBADMSG;
    line = json_pack("{s:[{s:{s:o},s:[{s:{s:s,s:s},s:[o]}]}]}", "resourceLogs", "resource", "attributes",
                     attributes(res->attributes, res->n_attributes), "scopeLogs", "scope", "name", AZM_SCOPE_NAME,
                     "version", AZM_SCOPE_VERSION, "logRecords", log_record(r));
    if (!line)
        return -ENOMEM;
    s = json_dumps(line, JSON_COMPACT);
    if (!s)
        return -ENOMEM;
    return azm_buf_printf(out, "%s\n", s);
}
