/* SPDX-License-Identifier: MIT */
/* The part of a rule that says what to do with a request. */
#pragma once

#include "parser.h"

/* What a rule is about. */
enum emu_rule_subject {
    EMU_ABOUT_RECORDS,  /* requests that bring records */
    EMU_ABOUT_IDENTITY, /* requests for tokens: there is nothing to store, and so no fault about that */
};

/* Parses a fault with all that belongs to it. `words_before` is what could have stood in its place, for the message
 * about an unknown word. 0; -EINVAL with the error written; -ENOMEM. */
int emu_script_fault_parse(struct emu_parser *parser, enum emu_rule_subject subject, const char *words_before,
                           struct emu_rule *rule);
