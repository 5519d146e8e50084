/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rfc3339.h"
#include "track_item.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LONGEST_MESSAGE = 32768,
    LONGEST_NAME = 1024,
    LONGEST_KEY = 150,
    LONGEST_VALUE = 8192,
};

static const int64_t hour_nsec = INT64_C(3600000000000);

struct judge {
    const char *ikey;
    int64_t now_nsec;
    char *problem;
};

/* A key of an object. */
struct field {
    const char *name;
    bool required;
    bool (*check)(const struct judge *judge, const char *where, const json_t *value);
};

static bool fail(const struct judge *judge, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(const struct judge *judge, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(judge->problem, EMU_PROBLEM_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* Has the object the keys that it must have, and no unknown ones, which would be typing errors? */
static bool check_object(const struct judge *judge, const char *where, const json_t *value, const struct field *fields)
{
    size_t known = 0;

    if (!json_is_object(value))
        return fail(judge, "Field '%s' is of incorrect type. Expected: object", where);
    for (const struct field *field = fields; field->name; field++) {
        const json_t *member = json_object_get(value, field->name);
        char name[128];
        snprintf(name, sizeof(name), "%s.%s", where, field->name);
        known += member != NULL;
        if (!member && field->required)
            return fail(judge, "Field '%s' is required but missing", name);
        if (member && !field->check(judge, name, member))
            return false;
    }
    return known == json_object_size(value) || fail(judge, "Object '%s' has an unknown field", where);
}

/* Lengths are in UTF-16 code units, which is how .NET counts characters. */
static bool check_text(const struct judge *judge, const char *where, const json_t *value, size_t shortest,
                       size_t longest)
{
    if (!json_is_string(value))
        return fail(judge, "Field '%s' is of incorrect type. Expected: string", where);
    const size_t length = emu_utf8_utf16_length(json_string_value(value), json_string_length(value));
    if (length < shortest)
        return fail(judge, "Field '%s' is required but missing or empty", where);
    return length <= longest ||
           fail(judge, "Field '%s' has %zu characters, at most %zu are allowed", where, length, longest);
}

static bool check_name(const struct judge *judge, const char *where, const json_t *value)
{
    return check_text(judge, where, value, 1, LONGEST_NAME);
}

static bool check_message(const struct judge *judge, const char *where, const json_t *value)
{
    return check_text(judge, where, value, 1, LONGEST_MESSAGE);
}

static bool check_stack(const struct judge *judge, const char *where, const json_t *value)
{
    return check_text(judge, where, value, 0, LONGEST_MESSAGE);
}

static bool check_number(const struct judge *judge, const char *where, const json_t *value)
{
    return json_is_number(value) || fail(judge, "Field '%s' is of incorrect type. Expected: number", where);
}

static bool check_boolean(const struct judge *judge, const char *where, const json_t *value)
{
    return json_is_boolean(value) || fail(judge, "Field '%s' is of incorrect type. Expected: bool", where);
}

static bool check_envelope_version(const struct judge *judge, const char *where, const json_t *value)
{
    return json_integer_value(value) == 1 || fail(judge, "Field '%s' must be 1", where);
}

static bool check_data_version(const struct judge *judge, const char *where, const json_t *value)
{
    return json_integer_value(value) == 2 || fail(judge, "Field '%s' must be 2", where);
}

static bool check_time(const struct judge *judge, const char *where, const json_t *value)
{
    int64_t nsec;
    if (!json_is_string(value) || !emu_rfc3339_parse(json_string_value(value), json_string_length(value), &nsec))
        return fail(judge, "Field '%s' is no time such as 2026-11-22T20:22:35.733Z", where);
    if (nsec < judge->now_nsec - 48 * hour_nsec)
        return fail(judge, "Field '%s' is older than the allowed min date. Expected: now - 172800000ms", where);
    if (nsec > judge->now_nsec + 24 * hour_nsec)
        return fail(judge, "Field '%s' is newer than the allowed max date. Expected: now + 86400000ms", where);
    return true;
}

static bool check_ikey(const struct judge *judge, const char *where, const json_t *value)
{
    (void)where;
    return (json_is_string(value) && strcmp(json_string_value(value), judge->ikey) == 0) ||
           fail(judge, "Invalid instrumentation key");
}

static bool check_tags(const struct judge *judge, const char *where, const json_t *value)
{
    const char *key;
    json_t *member;

    if (!json_is_object(value))
        return fail(judge, "Field '%s' is of incorrect type. Expected: object", where);
    json_object_foreach((json_t *)value, key, member) if (!json_is_string(member)) return fail(
        judge, "Field '%s.%.100s' is of incorrect type. Expected: string", where, key);
    return true;
}

/* The keys of properties and measurements. */
static bool check_key(const struct judge *judge, const char *where, const char *key)
{
    const size_t length = emu_utf8_utf16_length(key, strlen(key));
    return (length > 0 && length <= LONGEST_KEY) ||
           fail(judge, "A key of '%s' has %zu characters, 1 to %d are allowed: '%.200s'", where, length, LONGEST_KEY,
                key);
}

static bool check_properties(const struct judge *judge, const char *where, const json_t *value)
{
    const char *key;
    json_t *member;

    if (!check_tags(judge, where, value))
        return false;
    json_object_foreach((json_t *)value, key, member)
    {
        char name[256];
        snprintf(name, sizeof(name), "%s.%.150s", where, key);
        if (!check_key(judge, where, key) || !check_text(judge, name, member, 0, LONGEST_VALUE))
            return false;
    }
    return true;
}

static bool check_measurements(const struct judge *judge, const char *where, const json_t *value)
{
    const char *key;
    json_t *member;

    if (!json_is_object(value))
        return fail(judge, "Field '%s' is of incorrect type. Expected: object", where);
    json_object_foreach((json_t *)value, key,
                        member) if (!check_key(judge, where, key) || !check_number(judge, where, member)) return false;
    return true;
}

static const char *const severities[] = {"Verbose", "Information", "Warning", "Error", "Critical"};

enum { SEVERITIES = sizeof(severities) / sizeof(severities[0]) };

json_int_t emu_track_severity(const json_t *value)
{
    if (json_is_integer(value))
        return json_integer_value(value) >= 0 && json_integer_value(value) < SEVERITIES ? json_integer_value(value)
                                                                                        : -1;
    for (json_int_t i = 0; json_is_string(value) && i < SEVERITIES; i++)
        if (strcmp(json_string_value(value), severities[i]) == 0)
            return i;
    return -1;
}

static bool check_severity(const struct judge *judge, const char *where, const json_t *value)
{
    return emu_track_severity(value) >= 0 || fail(judge, "Field '%s' must be 0 to 4, or Verbose to Critical", where);
}

static bool check_frames(const struct judge *judge, const char *where, const json_t *value)
{
    static const struct field fields[] = {
        {"level", true, check_number},   {"method", true, check_name},  {"assembly", false, check_name},
        {"fileName", false, check_name}, {"line", false, check_number}, {0},
    };
    if (!json_is_array(value))
        return fail(judge, "Field '%s' must be an array", where);
    for (size_t i = 0; i < json_array_size(value); i++) {
        char name[300];
        snprintf(name, sizeof(name), "%.250s[%zu]", where, i);
        if (!check_object(judge, name, json_array_get(value, i), fields))
            return false;
    }
    return true;
}

static bool check_exceptions(const struct judge *judge, const char *where, const json_t *value)
{
    static const struct field fields[] = {
        {"id", false, check_number},           {"outerId", false, check_number},
        {"typeName", true, check_name},        {"message", true, check_message},
        {"hasFullStack", true, check_boolean}, {"stack", false, check_stack},
        {"parsedStack", false, check_frames},  {0},
    };
    if (json_array_size(value) == 0)
        return fail(judge, "Field '%s' must be an array that is not empty", where);
    for (size_t i = 0; i < json_array_size(value); i++) {
        char name[256];
        snprintf(name, sizeof(name), "%.200s[%zu]", where, i);
        if (!check_object(judge, name, json_array_get(value, i), fields))
            return false;
    }
    return true;
}

static const struct field message_fields[] = {
    {"ver", true, check_data_version},           {"message", true, check_message},
    {"severityLevel", false, check_severity},    {"properties", false, check_properties},
    {"measurements", false, check_measurements}, {0},
};

static const struct field exception_fields[] = {
    {"ver", true, check_data_version},
    {"exceptions", true, check_exceptions},
    {"severityLevel", false, check_severity},
    {"problemId", false, check_name},
    {"properties", false, check_properties},
    {"measurements", false, check_measurements},
    {0},
};

static bool check_data(const struct judge *judge, const char *where, const json_t *value)
{
    const json_t *type = json_object_get(value, "baseType");
    const char *name = json_is_string(type) ? json_string_value(type) : "";

    (void)where;
    if (json_object_size(value) != 2)
        return fail(judge, "Field 'data' must have baseType and baseData, and nothing else");
    if (strcmp(name, "MessageData") == 0)
        return check_object(judge, "MessageData", json_object_get(value, "baseData"), message_fields);
    if (strcmp(name, "ExceptionData") == 0)
        return check_object(judge, "ExceptionData", json_object_get(value, "baseData"), exception_fields);
    return fail(judge, "Field 'data.baseType' must be MessageData or ExceptionData, not '%.100s'", name);
}

bool emu_track_item_check(const json_t *envelope, const char *ikey, int64_t now_nsec,
                          char problem[static EMU_PROBLEM_BYTES])
{
    static const struct field fields[] = {
        {"iKey", true, check_ikey},
        {"ver", false, check_envelope_version},
        {"name", true, check_name},
        {"time", true, check_time},
        {"sampleRate", false, check_number},
        {"seq", false, check_name},
        {"tags", true, check_tags},
        {"data", true, check_data},
        {0},
    };
    const struct judge judge = {ikey, now_nsec, problem};
    return check_object(&judge, "Envelope", envelope, fields);
}
