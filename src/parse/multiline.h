/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "core/record.h"

/* Messages of several lines that a program prints line by line, such as stack traces: does a line go on with the
 * message before it? The shapes are those that the runtimes themselves print; docs/mapping.md has them for users.
 * journald drops empty lines of stdout, so none of them needs one. */

/* Where in a message the last line stood; 0: in none that could go on. */
typedef uint8_t azm_multiline_state;

/* After a line that begins a message: 0 if no other line can belong to it. */
azm_multiline_state azm_multiline_begin(enum azm_multiline kind, struct azm_text line);

/* Does the line go on with the message? Then `state` is the one after it; else as it was. */
bool azm_multiline_continue(azm_multiline_state *state, struct azm_text line);
