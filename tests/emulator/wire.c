/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "utf8.h"
#include "wire.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* https://protobuf.dev/programming-guides/encoding/ */
enum wire_type { VARINT = 0, FIXED64 = 1, LENGTH_DELIMITED = 2, FIXED32 = 5 };

enum { NESTING_LIMIT = 100, FIELDS_LIMIT = 32 };

struct cursor {
    const uint8_t *at;
    size_t left;
};

static int read_varint(struct cursor *cursor, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && cursor->left > 0; shift += 7) {
        uint8_t byte = *cursor->at++;
        cursor->left--;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret = value;
            return 0;
        }
    }
    return -EBADMSG;
}

static int skip(struct cursor *cursor, uint64_t length)
{
    if (length > cursor->left)
        return -EBADMSG;
    cursor->at += length;
    cursor->left -= (size_t)length;
    return 0;
}

/* Finds the extent of one field's value and moves past it. */
static int read_value(struct cursor *cursor, unsigned wire_type, const uint8_t **ret, size_t *ret_length)
{
    uint64_t length = 0;
    int r = 0;

    switch (wire_type) {
    case VARINT:
        r = read_varint(cursor, &length); /* the value itself is of no interest here */
        length = 0;
        break;
    case FIXED64:
        length = 8;
        break;
    case LENGTH_DELIMITED:
        r = read_varint(cursor, &length);
        break;
    case FIXED32:
        length = 4;
        break;
    default:
        return -EBADMSG;
    }
    if (r < 0)
        return r;
    *ret = cursor->at;
    *ret_length = (size_t)length;
    return skip(cursor, length);
}

/* The name of a field is put together from the inside out, and only once something is wrong with it; of an absurdly
 * long one the innermost part is cut. */
static void prepend(char *where, const ProtobufCFieldDescriptor *field, unsigned index)
{
    char tail[EMU_PROBLEM_BYTES];
    snprintf(tail, sizeof tail, "%s", where);
    const char *dot = tail[0] ? "." : "";
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        snprintf(where, EMU_PROBLEM_BYTES, "%s[%u]%s%.400s", field->name, index, dot, tail);
    else
        snprintf(where, EMU_PROBLEM_BYTES, "%s%s%.400s", field->name, dot, tail);
}

static int check_message(const ProtobufCMessageDescriptor *type, struct cursor cursor, unsigned depth, char *where)
{
    unsigned seen[FIELDS_LIMIT] = {0};

    if (depth > NESTING_LIMIT)
        return -ELOOP;
    if (type->n_fields > FIELDS_LIMIT)
        return -EBADMSG;
    while (cursor.left > 0) {
        uint64_t tag;
        const uint8_t *value;
        size_t length;

        int r = read_varint(&cursor, &tag);
        if (r >= 0)
            r = read_value(&cursor, tag & 7, &value, &length);
        if (r < 0)
            return r;

        const ProtobufCFieldDescriptor *field =
            tag >> 3 <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3)) : NULL;
        if (!field || (tag & 7) != LENGTH_DELIMITED)
            continue;

        unsigned index = seen[field - type->fields]++;
        if (field->type == PROTOBUF_C_TYPE_STRING && !emu_utf8_valid(value, length))
            r = -EILSEQ;
        else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            r = check_message(field->descriptor, (struct cursor){value, length}, depth + 1, where);
        if (r < 0) {
            prepend(where, field, index);
            return r;
        }
    }
    return 0;
}

int emu_wire_check(const ProtobufCMessageDescriptor *type, const void *bytes, size_t length,
                   char where[static EMU_PROBLEM_BYTES])
{
    where[0] = '\0';
    return check_message(type, (struct cursor){bytes, length}, 1, where);
}

struct walk {
    size_t counts[3]; /* of resource_logs, scope_logs, log_records */
    void (*visit)(void *context, const uint8_t *record, size_t length);
    void *context;
};

static int walk_level(struct walk *walk, struct cursor cursor, unsigned level)
{
    static const uint64_t tags[] = {1 << 3 | LENGTH_DELIMITED, 2 << 3 | LENGTH_DELIMITED, 2 << 3 | LENGTH_DELIMITED};
    const unsigned last = sizeof(tags) / sizeof(tags[0]) - 1;

    while (cursor.left > 0) {
        uint64_t tag;
        const uint8_t *value;
        size_t length;

        int r = read_varint(&cursor, &tag);
        if (r >= 0)
            r = read_value(&cursor, tag & 7, &value, &length);
        if (r < 0)
            return r;
        if (tag != tags[level])
            continue;
        walk->counts[level]++;
        if (level < last)
            r = walk_level(walk, (struct cursor){value, length}, level + 1);
        else if (walk->visit)
            walk->visit(walk->context, value, length);
        if (r < 0)
            return r;
    }
    return 0;
}

int emu_wire_records(const void *bytes, size_t length, struct emu_wire_counts *counts,
                     void (*visit)(void *context, const uint8_t *record, size_t length), void *context)
{
    struct walk walk = {.visit = visit, .context = context};
    int r = walk_level(&walk, (struct cursor){bytes, length}, 0);
    *counts = (struct emu_wire_counts){walk.counts[0], walk.counts[1], walk.counts[2]};
    return r;
}
