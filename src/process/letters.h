/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/record.h"

/* Which letters a text has, as a set of 64 bits: most patterns cannot match most texts, because a letter is missing
 * there that they cannot do without, and to see that is much cheaper than to try. Letters of both cases are one, and so
 * are all digits and all kinds of blanks. */

#define AZM_LETTERS_BEYOND_ASCII (UINT64_C(1) << 62) /* or control characters */
#define AZM_LETTERS_MANY_DIGITS                                                                                        \
    (UINT64_C(1) << 63)      /* 13 and more, with nothing in between but what may separate them */
#define AZM_LETTER_IS "\x1f" /* stands for either of = and : */

/* Without AZM_LETTERS_MANY_DIGITS, which is another look. */
uint64_t azm_letters_of(struct azm_text t);

/* AZM_LETTERS_MANY_DIGITS or 0. */
uint64_t azm_letters_many_digits(struct azm_text t);
