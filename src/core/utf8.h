/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"

/* Looks at the character that s[0..len) starts with, which is no ASCII; len > 0. Its length if it is valid; else minus
 * the length of the piece that one U+FFFD is to stand for (1..3). */
int azm_utf8_scan(const char *s, size_t len);

/* The length in bytes of the longest prefix of s[0..len) that is valid UTF-8 (RFC 3629: no surrogates, no overlong
 * forms, nothing above U+10FFFF) without NUL. An OTLP `string` must be valid UTF-8, or proto3 parsers refuse the whole
 * request; NUL is allowed there, but receivers written in C end the text at it, so it counts as bad here. */
size_t azm_utf8_valid_prefix(const char *s, size_t len);

/* Appends s[0..len) with each maximal invalid piece replaced by U+FFFD (the practice of the Unicode
 * standard, chapter 3, "U+FFFD Substitution of Maximal Subparts"): 0 or -ENOMEM. */
int azm_utf8_append_clean(struct azm_buf *out, const char *s, size_t len);

/* The largest n <= max so that s[0..n) ends at a character's end. `s` is valid UTF-8 of more than max bytes. */
size_t azm_utf8_cut(const char *s, size_t max);

/* How many of the len bytes at s are a control character: 1, 2 of U+0080 to U+009F, which some terminals obey as well;
 * 0 if they do not begin with one. */
size_t azm_utf8_control_len(const char *s, size_t len);

/* Makes blanks of all control characters: words of others must not move the cursor of a terminal,
 * nor begin a line. */
void azm_utf8_blank_controls(char *s, size_t len);
