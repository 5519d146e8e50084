/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "message.h"
#include "utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *string_to_json(const char *string)
{
    return json_stringn(string, emu_message_string_length(string));
}

static json_t *base64_to_json(const ProtobufCBinaryData *bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (bytes->len + 2) / 3 * 4;
    char *text = malloc(length + 1);
    if (!text)
        return NULL;

    char *out = text;
    for (size_t i = 0; i < bytes->len; i += 3) {
        size_t have = bytes->len - i;
        uint32_t group = (uint32_t)bytes->data[i] << 16;
        group |= have > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0;
        group |= have > 2 ? bytes->data[i + 2] : 0;
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = have > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = have > 2 ? alphabet[group & 63] : '=';
    }
    json_t *value = json_stringn(text, length);
    free(text);
    return value;
}

static json_t *hex_to_json(const ProtobufCBinaryData *bytes)
{
    char text[2 * 16 + 1] = ""; /* ids have at most 16 bytes, ingest has seen to that */
    for (size_t i = 0; i < bytes->len && i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes->data[i]);
    return json_string(text);
}

static json_t *double_to_json(double number)
{
    if (isnan(number))
        return json_string("NaN"); /* the names of protobuf's JSON mapping */
    if (isinf(number))
        return json_string(number > 0 ? "Infinity" : "-Infinity");
    return json_real(number);
}

/* The two kinds of nested values can fail for their keys as well as for memory. Hence the errno style from here on;
 * and a message without a value is null. */
static int value_to_json(const Otlp__AnyValue *value, json_t **ret, char *problem)
{
    json_t *json = NULL;

    switch (value ? value->value_case : OTLP__ANY_VALUE__VALUE__NOT_SET) {
    case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
        json = string_to_json(value->string_value);
        break;
    case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
        json = json_boolean(value->bool_value);
        break;
    case OTLP__ANY_VALUE__VALUE_INT_VALUE:
        json = json_integer(value->int_value);
        break;
    case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
        json = double_to_json(value->double_value);
        break;
    case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
        json = base64_to_json(&value->bytes_value);
        break;
    case OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
        return emu_json_attributes(value->kvlist_value->values, value->kvlist_value->n_values, ret, problem);
    case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
        json = json_array();
        for (size_t i = 0; json && i < value->array_value->n_values; i++) {
            json_t *item = NULL;
            int r = value_to_json(value->array_value->values[i], &item, problem);
            if (r >= 0 && json_array_append_new(json, item) < 0)
                r = -ENOMEM;
            if (r < 0) {
                json_decref(json);
                return r;
            }
        }
        break;
    case OTLP__ANY_VALUE__VALUE__NOT_SET:
    default:
        json = json_null();
        break;
    }
    *ret = json;
    return json ? 0 : -ENOMEM;
}

int emu_json_attributes(Otlp__KeyValue **list, size_t count, json_t **ret, char problem[static EMU_PROBLEM_BYTES])
{
    _cleanup_(emu_json_decref) json_t *object = json_object();
    if (!object)
        return -ENOMEM;

    for (size_t i = 0; i < count; i++) {
        const char *key = list[i]->key;
        if (strlen(key) != emu_message_string_length(key)) {
            snprintf(problem, EMU_PROBLEM_BYTES, "the attribute key \"%s\" goes on behind a NUL", key);
            return -EINVAL;
        }
        if (json_object_get(object, key)) {
            snprintf(problem, EMU_PROBLEM_BYTES, "the attribute key \"%s\" is used twice in one list", key);
            return -EINVAL;
        }
        json_t *value = NULL;
        int r = value_to_json(list[i]->value, &value, problem);
        if (r < 0)
            return r;
        if (json_object_set_new(object, key, value) < 0)
            return -ENOMEM;
    }
    *ret = object;
    object = NULL;
    return 0;
}

static const char *string_attribute(Otlp__KeyValue **list, size_t count, const char *key, size_t *ret_length)
{
    for (size_t i = 0; i < count; i++) {
        const Otlp__AnyValue *value = list[i]->value;
        if (strcmp(list[i]->key, key) != 0 || !value)
            continue;
        if (value->value_case != OTLP__ANY_VALUE__VALUE_STRING_VALUE)
            continue;
        *ret_length = emu_message_string_length(value->string_value);
        return value->string_value;
    }
    *ret_length = 0;
    return NULL;
}

/* Sets a key of the line unless the field is absent; `failed` collects a lack of memory over many calls. */
static void set(json_t *line, const char *key, bool present, json_t *value, bool *failed)
{
    if (!present)
        json_decref(value);
    else if (json_object_set_new(line, key, value) < 0)
        *failed = true;
}

json_t *emu_json_time(uint64_t nanoseconds)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, nanoseconds); /* a string: doubles cannot hold it */
    return json_string(text);
}

struct origin {
    const Otlp__Resource *resource;
    json_t *resource_json;
    const Otlp__InstrumentationScope *scope;
    uint64_t number;
};

static void set_text(json_t *line, const char *key, const char *string, bool *failed)
{
    bool present = emu_message_string_length(string) > 0;
    set(line, key, present, present ? string_to_json(string) : NULL, failed);
}

static void set_resource_text(json_t *line, const char *key, const Otlp__Resource *resource, const char *attribute,
                              bool *failed)
{
    size_t length = 0;
    const char *text =
        resource ? string_attribute(resource->attributes, resource->n_attributes, attribute, &length) : NULL;
    set(line, key, text, text ? json_stringn(text, length) : NULL, failed);
}

static int record_to_json(const Otlp__LogRecord *record, const struct origin *origin, json_t **ret, char *problem)
{
    _cleanup_(emu_json_decref) json_t *line = json_object();
    _cleanup_(emu_json_decref) json_t *body = NULL, *attributes = NULL;
    size_t uid_length;
    const char *uid = string_attribute(record->attributes, record->n_attributes, "log.record.uid", &uid_length);
    bool failed = !line;

    int r = value_to_json(record->body, &body, problem);
    if (r >= 0)
        r = emu_json_attributes(record->attributes, record->n_attributes, &attributes, problem);
    if (r < 0)
        return r;

    set(line, "request", true, json_integer((json_int_t)origin->number), &failed);
    set(line, "uid", true, uid ? json_stringn(uid, uid_length) : json_null(), &failed);
    set(line, "time_unix_nano", record->time_unix_nano != 0, emu_json_time(record->time_unix_nano), &failed);
    set(line, "observed_time_unix_nano", record->observed_time_unix_nano != 0,
        emu_json_time(record->observed_time_unix_nano), &failed);
    set(line, "severity_number", record->severity_number != 0, json_integer(record->severity_number), &failed);
    set_text(line, "severity_text", record->severity_text, &failed);
    set_text(line, "event_name", record->event_name, &failed);
    set_resource_text(line, "service", origin->resource, "service.name", &failed);
    set_resource_text(line, "host", origin->resource, "host.name", &failed);
    set(line, "body", record->body, json_incref(body), &failed);
    set(line, "trace_id", record->trace_id.len > 0, hex_to_json(&record->trace_id), &failed);
    set(line, "span_id", record->span_id.len > 0, hex_to_json(&record->span_id), &failed);
    set(line, "flags", record->flags != 0, json_integer(record->flags), &failed);
    set(line, "dropped_attributes_count", record->dropped_attributes_count != 0,
        json_integer(record->dropped_attributes_count), &failed);
    set(line, "attributes", record->n_attributes > 0, json_incref(attributes), &failed);
    set(line, "resource", origin->resource && origin->resource->n_attributes > 0, json_incref(origin->resource_json),
        &failed);
    if (origin->scope) {
        set_text(line, "scope", origin->scope->name, &failed);
        set_text(line, "scope_version", origin->scope->version, &failed);
    }
    if (failed)
        return -ENOMEM;
    *ret = line;
    line = NULL;
    return 0;
}

static int render_record(const Otlp__LogRecord *record, const struct origin *origin, struct emu_lines *lines,
                         char *problem)
{
    _cleanup_(emu_json_decref) json_t *json = NULL;
    struct emu_line *line = &lines->items[lines->count];

    int r = record_to_json(record, origin, &json, problem);
    if (r >= 0)
        r = emu_json_append_line(&lines->text, json);
    if (r < 0)
        return r;
    line->end = lines->text.length;
    line->uid = string_attribute(record->attributes, record->n_attributes, "log.record.uid", &line->uid_length);
    if (origin->resource)
        line->service = string_attribute(origin->resource->attributes, origin->resource->n_attributes, "service.name",
                                         &line->service_length);
    lines->count++;
    return 0;
}

static int render_resource(const Otlp__ResourceLogs *group, uint64_t number, struct emu_lines *lines, char *problem)
{
    const Otlp__Resource *resource = group->resource;
    _cleanup_(emu_json_decref) json_t *resource_json = NULL;
    int r = emu_json_attributes(resource ? resource->attributes : NULL, resource ? resource->n_attributes : 0,
                                &resource_json, problem);

    for (size_t s = 0; r >= 0 && s < group->n_scope_logs; s++) {
        const Otlp__ScopeLogs *scope = group->scope_logs[s];
        struct origin origin = {resource, resource_json, scope->scope, number};
        for (size_t i = 0; r >= 0 && i < scope->n_log_records; i++)
            r = render_record(scope->log_records[i], &origin, lines, problem);
    }
    return r;
}

static size_t count_records(const Otlp__ExportLogsServiceRequest *message)
{
    size_t count = 0;
    for (size_t g = 0; g < message->n_resource_logs; g++)
        for (size_t s = 0; s < message->resource_logs[g]->n_scope_logs; s++)
            count += message->resource_logs[g]->scope_logs[s]->n_log_records;
    return count;
}

int emu_json_render(const Otlp__ExportLogsServiceRequest *message, uint64_t number, struct emu_lines *lines,
                    char problem[static EMU_PROBLEM_BYTES])
{
    int r = 0;
    lines->items = calloc(count_records(message) + 1, sizeof(*lines->items));
    if (!lines->items)
        return -ENOMEM;
    for (size_t g = 0; r >= 0 && g < message->n_resource_logs; g++)
        r = render_resource(message->resource_logs[g], number, lines, problem);
    return r;
}

void emu_lines_keep(struct emu_lines *lines, const bool *keep)
{
    size_t kept = 0, start = 0, length = 0;

    for (size_t i = 0; i < lines->count; i++) {
        struct emu_line line = lines->items[i];
        size_t next = line.end;
        if (keep[i]) {
            memmove(lines->text.data + length, lines->text.data + start, next - start);
            length += next - start;
            line.end = length;
            lines->items[kept++] = line;
        }
        start = next;
    }
    lines->count = kept;
    lines->text.length = length;
}

void emu_lines_free(struct emu_lines *lines)
{
    emu_buf_free(&lines->text);
    free(lines->items);
    *lines = (struct emu_lines){0};
}

static int append_dumped(const char *text, size_t length, void *buf)
{
    return emu_buf_append(buf, text, length);
}

int emu_json_append_line(struct emu_buf *buf, const json_t *value)
{
    if (json_dump_callback(value, append_dumped, buf, JSON_COMPACT) < 0)
        return -ENOMEM;
    return emu_buf_append(buf, "\n", 1);
}

json_t *emu_json_text(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        return NULL;
    emu_utf8_repair(copy);
    json_t *value = json_string(copy);
    free(copy);
    return value;
}

void emu_json_decref(json_t **value)
{
    json_decref(*value);
}
