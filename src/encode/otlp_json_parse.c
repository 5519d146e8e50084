/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "encode/otlp_json.h"
#include "encode/otlp_json_parse.h"
#include "proto/otlp_logs.pb-c.h"

#define DEPTH_MAX 30          /* of values within values */
#define EXACT_MAX (1LL << 53) /* integers up to here are exact as JSON numbers with a point or an exponent */

/* Messages are put together in the arena, and their texts are those of the JSON. Every function returns 0, -EBADMSG or
 * -ENOMEM, takes NULL and null for "absent", and then leaves *ret alone. */

static bool absent(const json_t *j)
{
    return !j || json_is_null(j);
}

/* An integer in its double form; anything else is none of ours. */
static int whole(const json_t *j, int64_t *ret)
{
    double d = json_real_value(j);

    if (json_is_integer(j)) {
        *ret = json_integer_value(j);
        return 0;
    }
    if (!json_is_real(j) || d != trunc(d) || fabs(d) > (double)EXACT_MAX)
        return -EBADMSG;
    *ret = (int64_t)d;
    return 0;
}

static int parse_uint64(const json_t *j, uint64_t *ret)
{
    const char *s = json_string_value(j);
    int64_t n;
    char *end;

    if (absent(j))
        return 0;
    if (!s) {
        if (whole(j, &n) < 0 || n < 0)
            return -EBADMSG;
        *ret = (uint64_t)n;
        return 0;
    }
    errno = 0;
    *ret = strtoull(s, &end, 10);
    return isdigit((unsigned char)*s) && !*end && !errno ? 0 : -EBADMSG;
}

static int parse_int64(const json_t *j, int64_t *ret)
{
    const char *s = json_string_value(j);
    char *end;

    if (absent(j))
        return 0;
    if (!s)
        return whole(j, ret);
    errno = 0;
    *ret = strtoll(s, &end, 10);
    return isdigit((unsigned char)s[*s == '-']) && !*end && !errno ? 0 : -EBADMSG;
}

static int parse_uint32(const json_t *j, uint32_t *ret)
{
    uint64_t n = 0;
    int r = parse_uint64(j, &n);

    if (r < 0 || n > UINT32_MAX)
        return -EBADMSG;
    *ret = (uint32_t)n;
    return 0;
}

static int parse_int32(const json_t *j, int32_t *ret)
{
    int64_t n = 0;
    int r = parse_int64(j, &n);

    if (r < 0 || n < INT32_MIN || n > INT32_MAX)
        return -EBADMSG;
    *ret = (int32_t)n;
    return 0;
}

static int parse_double(const json_t *j, double *ret)
{
    const char *s = json_string_value(j);
    char *end;

    if (json_is_number(j)) {
        *ret = json_number_value(j);
        return 0;
    }
    if (!s)
        return -EBADMSG;
    if (strcmp(s, "NaN") == 0)
        *ret = NAN;
    else if (strcmp(s, "Infinity") == 0)
        *ret = INFINITY;
    else if (strcmp(s, "-Infinity") == 0)
        *ret = -INFINITY;
    else {
        *ret = strtod(s, &end);
        /* no words, and no hexadecimal numbers as strtod takes them */
        return *s && s[strspn(s, "0123456789+-.eE")] == '\0' && !*end && isfinite(*ret) ? 0 : -EBADMSG;
    }
    return 0;
}

/* `ret` is a `char *` of protobuf-c, which does not write into it. */
static int parse_string(const json_t *j, char **ret)
{
    if (absent(j))
        return 0;
    if (!json_is_string(j))
        return -EBADMSG;
    *ret = (char *)json_string_value(j);
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Of any length: a record may be here because the length of its id is wrong. */
static int parse_hex(struct azm_arena *a, const json_t *j, ProtobufCBinaryData *ret)
{
    const char *s = json_string_value(j);
    size_t len = json_string_length(j) / 2;

    if (absent(j))
        return 0;
    if (!s || json_string_length(j) % 2 != 0)
        return -EBADMSG;
    ret->data = azm_arena_alloc(a, len + 1);
    if (!ret->data)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EBADMSG;
        ret->data[i] = (uint8_t)(high << 4 | low);
    }
    ret->len = len;
    return 0;
}

/* As the encoder writes it: the standard alphabet, padded. */
static int parse_base64(struct azm_arena *a, const json_t *j, ProtobufCBinaryData *ret)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *s = json_string_value(j);
    size_t len = json_string_length(j), digits, padding;

    if (!s || len % 4 != 0 || len > INT32_MAX)
        return -EBADMSG;
    digits = strspn(s, alphabet);
    padding = len - digits;
    if (padding > 2 || strspn(s + digits, "=") != padding)
        return -EBADMSG;
    ret->data = azm_arena_alloc(a, len / 4 * 3 + 1);
    if (!ret->data)
        return -ENOMEM;
    if (len > 0 && EVP_DecodeBlock(ret->data, (const unsigned char *)s, (int)len) < 0)
        return -EBADMSG;
    ret->len = len / 4 * 3 - padding;
    return 0;
}

static int parse_value(struct azm_arena *a, const json_t *j, unsigned depth, Otlp__AnyValue **ret);

/* A list of `n` pointers to messages, for the members `values` and `attributes`. */
static int new_list(struct azm_arena *a, const json_t *list, size_t *ret_n, void ***ret)
{
    if (absent(list)) {
        *ret_n = 0;
        return 0;
    }
    if (!json_is_array(list))
        return -EBADMSG;
    *ret_n = json_array_size(list);
    *ret = azm_arena_alloc(a, (*ret_n + 1) * sizeof(void *));
    return *ret ? 0 : -ENOMEM;
}

static int parse_key_values(struct azm_arena *a, const json_t *list, unsigned depth, size_t *ret_n,
                            Otlp__KeyValue ***ret)
{
    void **items = NULL;
    int r = new_list(a, list, ret_n, &items);

    for (size_t i = 0; r == 0 && i < *ret_n; i++) {
        const json_t *j = json_array_get(list, i);
        Otlp__KeyValue *kv = items[i] = azm_arena_alloc(a, sizeof *kv);

        if (!kv)
            return -ENOMEM;
        if (!json_is_object(j))
            return -EBADMSG;
        otlp__key_value__init(kv);
        r = parse_string(json_object_get(j, "key"), &kv->key);
        if (r == 0)
            r = parse_value(a, json_object_get(j, "value"), depth, &kv->value);
    }
    *ret = (Otlp__KeyValue **)items;
    return r;
}

static int parse_array(struct azm_arena *a, const json_t *j, unsigned depth, Otlp__ArrayValue **ret)
{
    Otlp__ArrayValue *array = azm_arena_alloc(a, sizeof *array);
    const json_t *list = json_object_get(j, "values");
    void **items = NULL;
    int r;

    if (!array)
        return -ENOMEM;
    otlp__array_value__init(array);
    *ret = array;
    if (!json_is_object(j))
        return -EBADMSG;
    r = new_list(a, list, &array->n_values, &items);
    array->values = (Otlp__AnyValue **)items;
    for (size_t i = 0; r == 0 && i < array->n_values; i++) {
        if (absent(json_array_get(list, i)))
            return -EBADMSG;
        r = parse_value(a, json_array_get(list, i), depth, &array->values[i]);
    }
    return r;
}

static int parse_kvlist(struct azm_arena *a, const json_t *j, unsigned depth, Otlp__KeyValueList **ret)
{
    Otlp__KeyValueList *list = azm_arena_alloc(a, sizeof *list);

    if (!list)
        return -ENOMEM;
    otlp__key_value_list__init(list);
    *ret = list;
    if (!json_is_object(j))
        return -EBADMSG;
    return parse_key_values(a, json_object_get(j, "values"), depth, &list->n_values, &list->values);
}

static int parse_bool(const json_t *j, protobuf_c_boolean *ret)
{
    *ret = json_is_true(j);
    return json_is_boolean(j) ? 0 : -EBADMSG;
}

/* The kinds of value; at most one of these members may be there. */
static int parse_kind(struct azm_arena *a, const char *kind, const json_t *j, unsigned depth, Otlp__AnyValue *v)
{
#define KIND(name, CASE, parse)                                                                                        \
    if (strcmp(kind, name) == 0) {                                                                                     \
        if (v->value_case != OTLP__ANY_VALUE__VALUE__NOT_SET)                                                          \
            return -EBADMSG;                                                                                           \
        v->value_case = OTLP__ANY_VALUE__VALUE_##CASE;                                                                 \
        return parse;                                                                                                  \
    }
    KIND("stringValue", STRING_VALUE, parse_string(j, &v->string_value))
    KIND("boolValue", BOOL_VALUE, parse_bool(j, &v->bool_value))
    KIND("intValue", INT_VALUE, parse_int64(j, &v->int_value))
    KIND("doubleValue", DOUBLE_VALUE, parse_double(j, &v->double_value))
    KIND("bytesValue", BYTES_VALUE, parse_base64(a, j, &v->bytes_value))
    KIND("arrayValue", ARRAY_VALUE, parse_array(a, j, depth + 1, &v->array_value))
    KIND("kvlistValue", KVLIST_VALUE, parse_kvlist(a, j, depth + 1, &v->kvlist_value))
#undef KIND
    return 0;
}

static int parse_value(struct azm_arena *a, const json_t *j, unsigned depth, Otlp__AnyValue **ret)
{
    Otlp__AnyValue *v;
    const char *kind;
    json_t *content;

    if (absent(j))
        return 0;
    if (!json_is_object(j) || depth > DEPTH_MAX)
        return -EBADMSG;
    v = azm_arena_alloc(a, sizeof *v);
    if (!v)
        return -ENOMEM;
    otlp__any_value__init(v);
    json_object_foreach((json_t *)j, kind, content)
    {
        int r = absent(content) ? 0 : parse_kind(a, kind, content, depth, v);

        if (r < 0)
            return r;
    }
    *ret = v;
    return 0;
}

static int parse_resource(struct azm_arena *a, const json_t *j, Otlp__Resource *ret)
{
    int r;

    otlp__resource__init(ret);
    if (absent(j))
        return 0;
    if (!json_is_object(j))
        return -EBADMSG;
    r = parse_key_values(a, json_object_get(j, "attributes"), 0, &ret->n_attributes, &ret->attributes);
    return r < 0 ? r : parse_uint32(json_object_get(j, "droppedAttributesCount"), &ret->dropped_attributes_count);
}

static int parse_record(struct azm_arena *a, const json_t *j, Otlp__LogRecord *ret)
{
    int r;

    otlp__log_record__init(ret);
    if (!json_is_object(j))
        return -EBADMSG;
#define GET(name) json_object_get(j, name)
    r = parse_uint64(GET("timeUnixNano"), &ret->time_unix_nano);
    r = r < 0 ? r : parse_uint64(GET("observedTimeUnixNano"), &ret->observed_time_unix_nano);
    r = r < 0 ? r : parse_int32(GET("severityNumber"), &ret->severity_number);
    r = r < 0 ? r : parse_string(GET("severityText"), &ret->severity_text);
    r = r < 0 ? r : parse_value(a, GET("body"), 0, &ret->body);
    r = r < 0 ? r : parse_key_values(a, GET("attributes"), 0, &ret->n_attributes, &ret->attributes);
    r = r < 0 ? r : parse_uint32(GET("droppedAttributesCount"), &ret->dropped_attributes_count);
    r = r < 0 ? r : parse_uint32(GET("flags"), &ret->flags);
    r = r < 0 ? r : parse_hex(a, GET("traceId"), &ret->trace_id);
    r = r < 0 ? r : parse_hex(a, GET("spanId"), &ret->span_id);
    r = r < 0 ? r : parse_string(GET("eventName"), &ret->event_name);
#undef GET
    return r;
}

static int pack(const ProtobufCMessage *m, struct azm_buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(m);

    if (azm_buf_reserve(out, len) < 0)
        return -ENOMEM;
    out->len = protobuf_c_message_pack(m, out->data);
    return 0;
}

int azm_otlp_json_parse(const json_t *line, struct azm_buf *resource, struct azm_buf *record)
{
    _cleanup_(azm_arena_free) struct azm_arena arena = {0};
    Otlp__Resource res;
    Otlp__LogRecord rec;
    int r;

    azm_buf_clear(resource);
    azm_buf_clear(record);
    r = parse_record(&arena, azm_otlp_json_record(line), &rec);
    if (r == 0)
        r = parse_resource(&arena, azm_otlp_json_resource(line), &res);
    if (r == 0)
        r = pack(&res.base, resource);
    if (r == 0)
        r = pack(&rec.base, record);
    if (r < 0)
        azm_buf_clear(resource);
    return r;
}

int azm_otlp_json_parse_line(struct azm_text line, struct azm_buf *resource, struct azm_buf *record)
{
    json_t *j = json_loadb(line.s, line.len, JSON_REJECT_DUPLICATES, NULL);
    int r = azm_otlp_json_parse(j, resource, record);

    json_decref(j);
    return r;
}
