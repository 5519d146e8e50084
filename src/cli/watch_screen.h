/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

/* What stands on the screen of azmonlog status --watch: made of answers, without any terminal. */

enum watch_paint {
    WATCH_PLAIN,
    WATCH_GOOD,
    WATCH_DOUBTFUL,
    WATCH_BAD,
    WATCH_STRONG,
};

#define WATCH_LINES_MAX 200

struct watch_line {
    struct azm_buf text; /* UTF-8 without control characters, never wider than the screen */
    enum watch_paint paint;
};

struct watch_screen {
    struct watch_line lines[WATCH_LINES_MAX]; /* the last one is to stand at the bottom */
    size_t n;                                 /* at most the screen's height */
};

struct watch_view {
    const json_t *statuses; /* as cli_collect_status gives them */
    size_t selected;        /* which of them is shown; the first line is about the worst of them all */
    const json_t *trend;    /* its answer to "trend", NULL if there is none */
    uint64_t now_usec;      /* realtime */
    unsigned width, height;
    bool utf8;
};

/* How many intervals of the trend fit. */
unsigned watch_graph_width(unsigned screen_width);

/* `screen` is all zero at first, and reused. */
void watch_render(const struct watch_view *v, struct watch_screen *screen);
void watch_screen_free(struct watch_screen *screen);
