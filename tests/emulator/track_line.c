/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rfc3339.h"
#include "track_item.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* Sets a key of the line unless the value is absent; the value is borrowed. */
static int set(json_t *line, const char *key, json_t *value)
{
    return value ? json_object_set(line, key, value) : 0;
}

static int set_time(json_t *line, const json_t *time)
{
    int64_t nsec = 0;
    char text[24];

    emu_rfc3339_parse(json_string_value(time), json_string_length(time), &nsec);
    snprintf(text, sizeof(text), "%" PRId64, nsec);
    return json_object_set_new(line, "time_unix_nano", json_string(text)); /* as with OTLP */
}

static int fill(json_t *line, const json_t *envelope, const json_t *uid)
{
    static const char *const data_keys[] = {"properties", "measurements", "exceptions"};
    const json_t *tags = json_object_get(envelope, "tags"), *data = json_object_get(envelope, "data");
    const json_t *base = json_object_get(data, "baseData");
    const json_t *severity = json_object_get(base, "severityLevel");
    const json_t *exception = json_array_get(json_object_get(base, "exceptions"), 0);
    const struct {
        const char *key;
        json_t *value;
    } members[] = {
        {"uid", json_is_string(uid) ? (json_t *)uid : json_null()},
        {"name", json_object_get(envelope, "name")},
        {"time", json_object_get(envelope, "time")},
        {"base_type", json_object_get(data, "baseType")},
        {"service", json_object_get(tags, "ai.cloud.role")},
        {"role", json_object_get(tags, "ai.cloud.role")},
        {"instance", json_object_get(tags, "ai.cloud.roleInstance")},
        {"operation_id", json_object_get(tags, "ai.operation.id")},
        {"parent_id", json_object_get(tags, "ai.operation.parentId")},
        {"body", json_object_get(exception ? exception : base, "message")},
        {"tags", (json_t *)tags},
    };
    int r = set_time(line, json_object_get(envelope, "time"));

    for (size_t i = 0; r >= 0 && i < sizeof(members) / sizeof(members[0]); i++)
        r = set(line, members[i].key, members[i].value);
    if (r >= 0 && severity)
        r = json_object_set_new(line, "severity_level", json_integer(emu_track_severity(severity)));
    for (size_t i = 0; r >= 0 && i < sizeof(data_keys) / sizeof(data_keys[0]); i++)
        r = set(line, data_keys[i], json_object_get(base, data_keys[i]));
    return r;
}

int emu_track_item_render(const json_t *envelope, uint64_t number, struct emu_lines *lines)
{
    const json_t *base = json_object_get(json_object_get(envelope, "data"), "baseData");
    const json_t *uid = json_object_get(json_object_get(base, "properties"), "log.record.uid");
    const json_t *role = json_object_get(json_object_get(envelope, "tags"), "ai.cloud.role");
    _cleanup_(emu_json_decref) json_t *line = json_pack("{s:I}", "request", (json_int_t)number);

    if (!line || fill(line, envelope, uid) < 0)
        return -ENOMEM;
    int r = emu_json_append_line(&lines->text, line);
    if (r < 0)
        return r;
    lines->items[lines->count++] = (struct emu_line){
        .end = lines->text.length,
        .uid = json_string_value(uid),
        .uid_length = json_string_length(uid),
        .service = json_string_value(role),
        .service_length = json_string_length(role),
    };
    return 0;
}
