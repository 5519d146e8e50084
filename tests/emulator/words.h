/* SPDX-License-Identifier: MIT */
/* Splits one line of a fault script into words. */
#pragma once

#include "emulator.h"

#include <stdbool.h>
#include <stddef.h>

/* `text` is NUL-terminated behind its `length` bytes; a quoted word may have further NULs in it. */
struct emu_word {
    char *text;
    size_t length;
    bool quoted;
};

/* Zero-initialise it; free it with emu_words_free. */
struct emu_words {
    struct emu_word *items;
    size_t count;
};

/* Words are separated by blanks; '#' at the start of a word begins a comment. A word in "double quotes" may contain
 * anything: \n \r \t \" \\ and \xNN mean what they mean in C. 0; -ENOMEM; -EINVAL, and then `problem` says why. */
int emu_words_split(const char *line, size_t length, struct emu_words *words, char problem[static EMU_PROBLEM_BYTES]);

void emu_words_free(struct emu_words *words);
