/* SPDX-License-Identifier: MIT */
/* Encoded requests, as far as they are looked at without unpacking. What protobuf-c does not check while it unpacks:
 * UTF-8 and the depth of nesting; and the bytes of each record. */
#pragma once

#include "emulator.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* Walks the encoded message along its descriptor. proto3 strings must be UTF-8, which protobuf-c leaves to
 * its user; and it unpacks recursively without a limit, so a small hostile body could use up the stack: as in
 * Google's implementations, messages may be nested 100 deep.
 *
 * 0; -EILSEQ when a string is not UTF-8, -ELOOP when the nesting is too deep, -EBADMSG when the bytes cannot
 * be walked. On an error `where` names the field, such as
 * "resource_logs[0].scope_logs[0].log_records[2].body". What passes may still have a field of the wrong wire
 * type; unpacking refuses that. */
int emu_wire_check(const ProtobufCMessageDescriptor *type, const void *bytes, size_t length,
                   char where[static EMU_PROBLEM_BYTES]);

/* What is in an ExportLogsServiceRequest. */
struct emu_wire_counts {
    size_t resources, scopes, records;
};

/* Calls `visit`, unless it is NULL, with the encoded bytes of each record of an ExportLogsServiceRequest, in the order
 * in which they unpack. 0, or -EBADMSG when the bytes cannot be walked; what is in the records is not looked at. */
int emu_wire_records(const void *bytes, size_t length, struct emu_wire_counts *counts,
                     void (*visit)(void *context, const uint8_t *record, size_t length), void *context);
