/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "track.h"
#include "track_item.h"
#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY };

static int add_item(struct emu_track *track, json_t *json, const char *text, size_t length)
{
    if (track->count == EMU_TRACK_ITEMS) {
        json_decref(json);
        return -E2BIG;
    }
    if (track->count % 1024 == 0) {
        struct emu_track_item *items = reallocarray(track->items, track->count + 1024, sizeof(*items));
        if (!items) {
            json_decref(json);
            return -ENOMEM;
        }
        track->items = items;
    }
    track->items[track->count++] = (struct emu_track_item){.json = json, .text = text, .length = length};
    return 0;
}

static int refuse(char *problem, size_t offset, const char *what)
{
    snprintf(problem, EMU_PROBLEM_BYTES, "The body is not valid at byte %zu: %.300s", offset, what);
    emu_utf8_repair(problem);
    return -EINVAL;
}

static int parse_stream(struct emu_track *track, const char *body, size_t length, char *problem)
{
    const char *end = body + length;
    int r = 0;

    for (const char *line = body; r >= 0 && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline ? newline : end;
        json_error_t error;
        json_t *json = json_loadb(line, (size_t)(line_end - line), FLAGS, &error);
        r = json ? add_item(track, json, line, (size_t)(line_end - line))
                 : refuse(problem, (size_t)(line - body), error.text);
        line = line_end + 1;
    }
    return r;
}

static size_t skip_blanks(const char *body, size_t length, size_t at)
{
    while (at < length && memchr(" \t\r\n", body[at], 4))
        at++;
    return at;
}

/* Reads the value at `*at` and moves behind it. */
static int parse_value(struct emu_track *track, const char *body, size_t length, size_t *at, char *problem)
{
    json_error_t error;
    json_t *json = json_loadb(body + *at, length - *at, FLAGS | JSON_DISABLE_EOF_CHECK, &error);
    if (!json)
        return refuse(problem, *at, error.text);
    const size_t start = *at, read = (size_t)error.position; /* of a success: how many bytes it took */
    *at = skip_blanks(body, length, start + read);
    return add_item(track, json, body + start, read);
}

/* Piece by piece, so that it is known how each item was spelled. */
static int parse_array(struct emu_track *track, const char *body, size_t length, size_t *at, char *problem)
{
    int r = 0;

    *at = skip_blanks(body, length, *at + 1);
    if (*at < length && body[*at] == ']') {
        *at = skip_blanks(body, length, *at + 1);
        return 0;
    }
    for (;;) {
        r = parse_value(track, body, length, at, problem);
        if (r < 0)
            return r;
        if (*at == length || (body[*at] != ',' && body[*at] != ']'))
            return refuse(problem, *at, "',' or ']' expected in the array");
        const bool last = body[*at] == ']';
        *at = skip_blanks(body, length, *at + 1);
        if (last)
            return 0;
    }
}

int emu_track_parse(struct emu_track *track, const char *body, size_t length, bool stream,
                    char problem[static EMU_PROBLEM_BYTES])
{
    size_t at = skip_blanks(body, length, 0);
    int r;

    if (at == length)
        return refuse(problem, at, "there is nothing");
    if (stream)
        return parse_stream(track, body, length, problem);
    if (body[at] == '[')
        r = parse_array(track, body, length, &at, problem);
    else
        r = parse_value(track, body, length, &at, problem);
    if (r >= 0 && at != length)
        r = refuse(problem, at, "the end expected");
    return r;
}

/* One that was accepted is so no longer. */
static int reject(struct emu_track_item *item, unsigned status, const char *message)
{
    item->status = status;
    item->message = strdup(message);
    if (!item->message)
        return -ENOMEM;
    emu_utf8_repair(item->message);
    return 0;
}

int emu_track_judge(struct emu_track *track, const char *ikey, uint64_t number, struct emu_lines *lines)
{
    struct timespec now;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t now_nsec = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    lines->items = calloc(track->count + 1, sizeof(*lines->items));
    if (!lines->items)
        return -ENOMEM;
    for (size_t i = 0; r >= 0 && i < track->count; i++) {
        struct emu_track_item *item = &track->items[i];
        char problem[EMU_PROBLEM_BYTES];
        if (item->length > EMU_TRACK_ITEM_BYTES)
            r = reject(item, 400, "Telemetry item length must not exceed 65536");
        else if (!emu_track_item_check(item->json, ikey, now_nsec, problem))
            r = reject(item, 400, problem);
        else
            r = emu_track_item_render(item->json, number, lines);
        track->accepted += r >= 0 && item->status == 0;
    }
    return r;
}

ssize_t emu_track_reject(struct emu_track *track, const struct emu_buf *text, unsigned status, const char *message,
                         bool *keep)
{
    ssize_t rejected = 0;
    size_t line = 0;

    for (size_t i = 0; i < track->count; i++) {
        struct emu_track_item *item = &track->items[i];
        if (item->status != 0)
            continue;
        keep[line] = !memmem(item->text, item->length, text->data, text->length);
        if (!keep[line++]) {
            if (reject(item, status, message) < 0)
                return -ENOMEM;
            rejected++;
            track->accepted--;
        }
    }
    return rejected;
}

unsigned emu_track_status(const struct emu_track *track)
{
    if (track->accepted == track->count)
        return 200;
    return track->accepted > 0 ? 206 : 400;
}

int emu_track_answer(const struct emu_track *track, unsigned status, struct emu_answer *answer)
{
    json_t *errors = json_array();
    bool failed = !errors;

    for (size_t i = 0; i < track->count; i++) {
        const struct emu_track_item *item = &track->items[i];
        if (item->status != 0)
            failed |= json_array_append_new(errors, json_pack("{s:I, s:i, s:s}", "index", (json_int_t)i, "statusCode",
                                                              (int)item->status, "message", item->message)) < 0;
    }
    if (failed) {
        json_decref(errors);
        return -ENOMEM;
    }
    return emu_answer_json(answer, status,
                           json_pack("{s:I, s:I, s:o}", "itemsReceived", (json_int_t)track->count, "itemsAccepted",
                                     (json_int_t)track->accepted, "errors", errors));
}

void emu_track_free(struct emu_track *track)
{
    for (size_t i = 0; i < track->count; i++) {
        json_decref(track->items[i].json);
        free(track->items[i].message);
    }
    free(track->items);
    *track = (struct emu_track){0};
}
