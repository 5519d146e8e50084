/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "core/buf.h"
#include "parse/attributes.h"

/* A JSON object whose members become attributes, as a template of the user's renders it (`%$!%`, or a list template
 * with option.jsonf="on"):
 *
 *     text -> text, whole number -> integer, true, false and other numbers -> text, null -> nothing,
 *     array -> array of texts (arrays and objects in it as JSON), object -> its members as `name.member`
 *
 * trace_id and the like at the top (parse/trace_names.h) go to the record. Anything else than a JSON object, one of
 * more than 256 KiB or nested deeper than 32, and one with the same name twice, is one attribute `syslog.attributes`:
 * the text as it is. Invalid UTF-8 is repaired first: rsyslog lets it pass. */

#define AZM_JSON_BYTES_MAX ((size_t)256 << 10)
#define AZM_JSON_DEPTH_MAX 32

/* Kept from record to record. All zero is a valid one. */
struct azm_json_attributes {
    struct azm_buf clean; /* the text with valid UTF-8 only */
    struct azm_buf key;   /* of the member in hand */
    json_t *root;         /* its texts are lent to the attributes */
};

void azm_json_attributes_free(struct azm_json_attributes *j);

/* Makes `root` of an object's text: 1; 0 if it is none, and `root` is NULL; -ENOMEM. */
int azm_json_attributes_parse(struct azm_json_attributes *j, struct azm_text text);

/* Adds a member of `root` to the attributes, or to the record what belongs there: 0 or -ENOMEM. `name` is borrowed. */
int azm_json_attributes_add(struct azm_json_attributes *j, const char *name, json_t *value, struct azm_attributes *a,
                            struct azm_record *r);

/* Both, for all members: 0 or -ENOMEM. The attributes borrow from `j` and from `text` until the next call. */
int azm_json_attributes_read(struct azm_json_attributes *j, struct azm_text text, struct azm_attributes *a,
                             struct azm_record *r);
