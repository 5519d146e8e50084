/* SPDX-License-Identifier: MIT */
/* The body of a request to Application Insights: envelopes as JSON, each judged on its own. */
#pragma once

#include "answer.h"
#include "emulator.h"
#include "json.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EMU_TRACK_ITEMS = 64000,          /* in one request */
    EMU_TRACK_ITEM_BYTES = 65536,     /* as it was sent */
    EMU_TRACK_PLAIN_BYTES = 16 << 20, /* decompressed: the emulator's own limit, Azure's is not known */
};

struct emu_track_item {
    json_t *json;
    const char *text; /* as it was sent, in the body */
    size_t length;
    unsigned status; /* 0 = accepted */
    char *message;   /* NULL = accepted */
};

/* Zero-initialise it; free it with emu_track_free, after its lines. */
struct emu_track {
    struct emu_track_item *items;
    size_t count;
    size_t accepted;
};

/* Takes a body apart: lines of JSON (application/x-json-stream), or an array or a single object (application/json). 0;
 * -EINVAL, and then `problem` says why it is neither; -E2BIG when there are too many items; -ENOMEM. */
int emu_track_parse(struct emu_track *track, const char *body, size_t length, bool stream,
                    char problem[static EMU_PROBLEM_BYTES]);

/* Judges each item, and renders a line for each that is accepted. `number` is the request's. 0 or -ENOMEM. */
int emu_track_judge(struct emu_track *track, const char *ikey, uint64_t number, struct emu_lines *lines);

/* Rejects the accepted items that have the text in them, and says in keep[], which has one for each line, whose lines
 * are to stay. The number of those that it has rejected, or -ENOMEM. */
ssize_t emu_track_reject(struct emu_track *track, const struct emu_buf *text, unsigned status, const char *message,
                         bool *keep);

/* 200 when all are accepted, 206 when some are, 400 when none is. */
unsigned emu_track_status(const struct emu_track *track);

/* The answer with the numbers and the errors of items. 0 or -ENOMEM. */
int emu_track_answer(const struct emu_track *track, unsigned status, struct emu_answer *answer);

void emu_track_free(struct emu_track *track);
