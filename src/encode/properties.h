/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/arena.h"
#include "encode/json_text.h"

/* The properties of one item for Application Insights: unique keys, text values, all within its limits
 * (facts/azure.md 3.2; lengths are UTF-16 code units). What is cut or left out is marked by two more properties,
 * azmonlog.truncated=true and azmonlog.dropped_attributes_count, which are written last. */

#define AZM_PROPERTY_KEY_UNITS ((size_t)150)
#define AZM_PROPERTY_VALUE_UNITS ((size_t)8192)

/* More than these are left out; journald takes 1024 fields in an entry (its ENTRY_FIELD_COUNT_MAX). */
#define AZM_PROPERTIES_MAX ((size_t)1024)

struct azm_property {
    struct azm_text whole_key, whole_value; /* borrowed, or in the list's arena */
    struct azm_json_text key, value;
    bool of_resource;
};

/* All zero is a valid empty list. It keeps its memory from item to item. */
struct azm_properties {
    struct azm_property *items;
    size_t n, allocated;
    struct azm_arena arena; /* texts that are not borrowed */
    struct azm_buf scratch;
    uint64_t dropped; /* the record's own dropped_attributes_count, and what was left out here */
    bool truncated;   /* whatever else was cut, by whomever */
};

void azm_properties_clear(struct azm_properties *l);
void azm_properties_free(struct azm_properties *l);

/* Appends one; key and value must stay valid as long as the list is used. If the key (as it is after cutting) is there
 * already, the first one stays and this one is counted as dropped. 0 or -ENOMEM. */
int azm_properties_add(struct azm_properties *l, struct azm_text key, struct azm_text value);

/* The same for an encoded KeyValue (encode/any_value.h makes its value text); a mark azmonlog.truncated is taken as
 * such. 0, -EBADMSG, -ENOMEM. */
int azm_properties_add_key_value(struct azm_properties *l, struct azm_text kv);

/* Appends all that is in `resource`, which takes the place of what has the same whole key; another value that was there
 * is counted as dropped. 0 or -ENOMEM. */
int azm_properties_add_resource(struct azm_properties *l, const struct azm_properties *resource);

/* Is there one with this whole key? Then its value, in full, goes to `ret_value` (unless that is NULL). The second
 * function takes it out of the list. */
bool azm_properties_get(const struct azm_properties *l, struct azm_text key, struct azm_text *ret_value);
bool azm_properties_take(struct azm_properties *l, struct azm_text key, struct azm_text *ret_value);

/* Bytes of the list as members of a JSON object, without braces, the marks with them. */
size_t azm_properties_json_bytes(const struct azm_properties *l);

/* Makes the list take at most `max_bytes`, if it does not so already: first all values are cut to 4096 bytes of JSON,
 * then to 2048 and so on down to 64, then properties are left out from the end; log.record.uid, azmonlog.* and
 * the resource's stay as long as there is another one: a flood of fields must not hide who sent it. */
void azm_properties_shrink(struct azm_properties *l, size_t max_bytes);

/* Appends them as members of a JSON object, without braces: 0 or -ENOMEM. */
int azm_properties_append(const struct azm_properties *l, struct azm_buf *out);
