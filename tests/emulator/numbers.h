/* SPDX-License-Identifier: MIT */
/* The numbers that people write: in a fault script, on the command line, in a control request. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Both ends included. */
struct emu_range {
    uint64_t first;
    uint64_t last;
};

#define EMU_ANY_NUMBER ((struct emu_range){0, UINT64_MAX})

/* Digits at *text, up to the given maximum; moves *text behind them. */
bool emu_read_number(const char **text, uint64_t maximum, uint64_t *ret);

/* "7", "1-5", "9-" (and all larger ones) or "*". */
bool emu_parse_range(const char *text, struct emu_range *ret);

bool emu_range_has(struct emu_range range, uint64_t number);

/* "250ms", "5s" or "2min"; at most a day. */
bool emu_parse_duration(const char *text, unsigned *ret_msec);
