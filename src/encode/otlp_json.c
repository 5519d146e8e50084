/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <string.h>

#include "encode/otlp_json.h"
#include "encode/scope.h"
#include "proto/otlp_logs.pb-c.h"

/* Every function here returns NULL on failure (out of memory, text that is not UTF-8), and takes NULL for the failure
 * of another one; references given are always taken. */

/* `o` with one member more */
static json_t *with(json_t *o, const char *key, json_t *v)
{
    if (o && v && json_object_set_new(o, key, v) == 0)
        return o;
    if (!o)
        json_decref(v);
    json_decref(o);
    return NULL;
}

/* `a` with one item more */
static json_t *with_item(json_t *a, json_t *v)
{
    if (a && v && json_array_append_new(a, v) == 0)
        return a;
    if (!a)
        json_decref(v);
    json_decref(a);
    return NULL;
}

/* Of any length, as encode/otlp_json_parse.c takes it. */
static json_t *hex(ProtobufCBinaryData b)
{
    _cleanup_free_ char *digits = malloc(2 * b.len + 1);

    if (!digits)
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

/* JSON has no numbers for these three (protobuf.dev, "ProtoJSON Format"). */
static json_t *real(double d)
{
    if (isnan(d))
        return json_string("NaN");
    if (isinf(d))
        return json_string(d > 0 ? "Infinity" : "-Infinity");
    return json_real(d);
}

static json_t *attributes(Otlp__KeyValue **kv, size_t n);
static json_t *value(const Otlp__AnyValue *v);

static json_t *array(const Otlp__ArrayValue *v)
{
    json_t *a = json_array();

    for (size_t i = 0; i < v->n_values; i++)
        a = with_item(a, value(v->values[i]));
    return with(json_object(), "values", a);
}

static json_t *value(const Otlp__AnyValue *v)
{
    json_t *o = json_object();

    switch (v->value_case) {
    case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
        return with(o, "stringValue", json_string(v->string_value));
    case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
        return with(o, "boolValue", json_boolean(v->bool_value));
    case OTLP__ANY_VALUE__VALUE_INT_VALUE:
        return with(o, "intValue", json_sprintf("%" PRIi64, v->int_value));
    case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
        return with(o, "doubleValue", real(v->double_value));
    case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
        return with(o, "bytesValue", base64(v->bytes_value));
    case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
        return with(o, "arrayValue", array(v->array_value));
    case OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
        return with(o, "kvlistValue",
                    with(json_object(), "values", attributes(v->kvlist_value->values, v->kvlist_value->n_values)));
    default:
        return o; /* no value: an empty object */
    }
}

static json_t *attributes(Otlp__KeyValue **kv, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *o = with(json_object(), "key", json_string(kv[i]->key));

        a = with_item(a, kv[i]->value ? with(o, "value", value(kv[i]->value)) : o);
    }
    return a;
}

static json_t *log_record(const Otlp__LogRecord *r)
{
    json_t *o = with(json_object(), "timeUnixNano", json_sprintf("%" PRIu64, r->time_unix_nano));

    if (r->observed_time_unix_nano)
        o = with(o, "observedTimeUnixNano", json_sprintf("%" PRIu64, r->observed_time_unix_nano));
    if (r->severity_number)
        o = with(o, "severityNumber", json_integer(r->severity_number));
    if (*r->severity_text)
        o = with(o, "severityText", json_string(r->severity_text));
    if (r->body)
        o = with(o, "body", value(r->body));
    o = with(o, "attributes", attributes(r->attributes, r->n_attributes));
    if (r->dropped_attributes_count)
        o = with(o, "droppedAttributesCount", json_integer(r->dropped_attributes_count));
    if (r->flags)
        o = with(o, "flags", json_integer(r->flags));
    if (r->trace_id.len)
        o = with(o, "traceId", hex(r->trace_id));
    if (r->span_id.len)
        o = with(o, "spanId", hex(r->span_id));
    if (*r->event_name)
        o = with(o, "eventName", json_string(r->event_name));
    return o;
}

static json_t *request(const Otlp__Resource *resource, const Otlp__LogRecord *record)
{
    json_t *scope = json_pack("{s:s,s:s}", "name", AZM_SCOPE_NAME, "version", AZM_SCOPE_VERSION);
    json_t *scope_logs =
        with(with(json_object(), "scope", scope), "logRecords", with_item(json_array(), log_record(record)));
    json_t *resource_attributes =
        with(json_object(), "attributes", attributes(resource->attributes, resource->n_attributes));
    json_t *resource_logs;

    if (resource->dropped_attributes_count)
        resource_attributes =
            with(resource_attributes, "droppedAttributesCount", json_integer(resource->dropped_attributes_count));
    resource_logs =
        with(with(json_object(), "resource", resource_attributes), "scopeLogs", with_item(json_array(), scope_logs));
    return with(json_object(), "resourceLogs", with_item(json_array(), resource_logs));
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

int azm_otlp_json_object(struct azm_text resource, struct azm_text record, json_t **ret)
{
    _cleanup_(free_record) Otlp__LogRecord *r = otlp__log_record__unpack(NULL, record.len, (const uint8_t *)record.s);
    _cleanup_(free_resource) Otlp__Resource *res =
        otlp__resource__unpack(NULL, resource.len, (const uint8_t *)resource.s);

    *ret = r && res ? request(res, r) : NULL;
    return *ret ? 0 : -EBADMSG;
}

int azm_otlp_json_append(const json_t *line, struct azm_buf *out)
{
    _cleanup_free_ char *s = json_dumps(line, JSON_COMPACT);

    return s ? azm_buf_printf(out, "%s\n", s) : -ENOMEM;
}

int azm_otlp_json_line(struct azm_text resource, const struct azm_buf *record, struct azm_buf *out)
{
    _cleanup_(free_json) json_t *line = NULL;
    int r;

    r = azm_otlp_json_object(resource, (struct azm_text){(const char *)record->data, record->len}, &line);
    return r < 0 ? r : azm_otlp_json_append(line, out);
}

/* The only item of an array that is a member of `o`; borrowed, NULL if it is not so. */
static json_t *only(const json_t *o, const char *key)
{
    const json_t *a = json_object_get(o, key);

    return json_array_size(a) == 1 ? json_array_get(a, 0) : NULL;
}

json_t *azm_otlp_json_resource(const json_t *line)
{
    return json_object_get(only(line, "resourceLogs"), "resource");
}

json_t *azm_otlp_json_record(const json_t *line)
{
    return only(only(only(line, "resourceLogs"), "scopeLogs"), "logRecords");
}

const char *azm_otlp_json_attribute(const json_t *holder, const char *key)
{
    const json_t *attribute;
    size_t i;

    json_array_foreach(json_object_get(holder, "attributes"), i, attribute)
    {
        const char *k = json_string_value(json_object_get(attribute, "key"));

        if (k && strcmp(k, key) == 0)
            return json_string_value(json_object_get(json_object_get(attribute, "value"), "stringValue"));
    }
    return NULL;
}
