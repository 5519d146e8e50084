/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/cleanup.h"

/* The words for the user that go with a negative errno: what, where, and what to do.
 * A function that takes a `struct azm_error *` fills it whenever it returns a negative
 * value; the caller that handles the failure prints it, once. */
struct azm_error {
    char words[768];
};

/* Writes the words (truncated to fit) and returns -abs(error), so that a failure reads
 * `return azm_error_set(err, ENOENT, "cannot open %s: %m", path);`. `err` may be NULL.
 * `%m` stands for strerror(abs(error)). */
int azm_error_set(struct azm_error *err, int error, const char *format, ...) _printf_(3, 4);
