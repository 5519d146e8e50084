/* SPDX-License-Identifier: MIT */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is a character. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool emu_utf8_valid(const void *text, size_t length);

/* Replaces every byte that is not part of a valid sequence by '?', so that words a client sent can be quoted in an
 * answer or a log line. */
void emu_utf8_repair(char *text);

/* How many UTF-16 code units the valid UTF-8 would have. */
size_t emu_utf8_utf16_length(const char *text, size_t length);
