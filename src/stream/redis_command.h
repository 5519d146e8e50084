/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/record.h"

/* Appends a command of `n` words as Redis reads it, an array of bulk strings (RESP2): 0, or -ENOMEM and nothing. All
 * the room is made at once, so that growing leaves no copy of a secret behind. */
int redis_command_append(struct azm_buf *b, const struct azm_text *words, size_t n);
