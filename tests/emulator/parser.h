/* SPDX-License-Identifier: MIT */
/* Reading the words of one line of a fault script, from left to right. */
#pragma once

#include "buf.h"
#include "script.h"
#include "words.h"

#include <stdbool.h>

struct emu_parser {
    const struct emu_words *words;
    size_t next;
    size_t label_end; /* where the fault's label ends, if not with the rule */
    struct emu_script_error *error;
};

/* Those that return int: 0; -EINVAL with the error written; some also -ENOMEM. `what` names what is expected. */

/* Always -EINVAL. */
int emu_parser_fail(struct emu_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next word, or NULL at the end of the line. */
const struct emu_word *emu_parser_peek(const struct emu_parser *parser);

/* Moves behind the next word if it is this one, without quotes. */
bool emu_parser_accept(struct emu_parser *parser, const char *keyword);

/* A word without quotes. */
int emu_parser_plain(struct emu_parser *parser, const char *what, const char **ret);

/* A text in quotes. */
int emu_parser_quoted(struct emu_parser *parser, const char *what, const struct emu_word **ret);

int emu_parser_duration(struct emu_parser *parser, unsigned *ret_msec);

/* An HTTP status; the label ends behind it. */
int emu_parser_status(struct emu_parser *parser, unsigned lowest, unsigned highest, unsigned *ret);

/* Nothing may follow. */
int emu_parser_end(struct emu_parser *parser);
