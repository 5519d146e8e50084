/* SPDX-License-Identifier: MIT */
/* OTLP log records as JSON, one line each: the form in which the store keeps them (README.md, "The store"). */
#pragma once

#include "buf.h"
#include "emulator.h"

#include "proto/otlp_logs.pb-c.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the store's counters need to know about a line. The pointers are borrowed from the unpacked message (from the
 * JSON value, when lines are read back from a file); NULL = absent. */
struct emu_line {
    size_t end; /* the offset in the text behind this line's newline */
    const char *uid;
    size_t uid_length;
    const char *service;
    size_t service_length;
};

/* The lines of one request. Zero-initialise it; free it with emu_lines_free before the message. */
struct emu_lines {
    struct emu_buf text;
    struct emu_line *items;
    size_t count;
};

/* Renders every record of the message (which came from emu_message_unpack). `number` is the request's number. 0;
 * -ENOMEM; -EINVAL when an attribute's key is not fit for a JSON object (used twice in one list, which OTLP forbids,
 * or with a NUL in it), and then `problem` says which: the store would lose a value without a word. */
int emu_json_render(const Otlp__ExportLogsServiceRequest *message, uint64_t number, struct emu_lines *lines,
                    char problem[static EMU_PROBLEM_BYTES]);

/* A list of attributes as an object: 0, -ENOMEM, -EINVAL, as emu_json_render. */
int emu_json_attributes(Otlp__KeyValue **list, size_t count, json_t **ret, char problem[static EMU_PROBLEM_BYTES]);

/* A time in nanoseconds, as text: a double cannot hold it. */
json_t *emu_json_time(uint64_t nanoseconds);

/* Takes out the lines for which keep[] says false. */
void emu_lines_keep(struct emu_lines *lines, const bool *keep);

void emu_lines_free(struct emu_lines *lines);

/* Appends the value as one line without spaces. 0 or -ENOMEM. */
int emu_json_append_line(struct emu_buf *buf, const json_t *value);

/* A JSON string from words of a client that need not be UTF-8; NULL gives NULL, as does a lack of memory. */
json_t *emu_json_text(const char *text);

void emu_json_decref(json_t **value);
