/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/error.h"
#include "core/record.h"

/* Regular expressions, as PCRE2 has them (pcre2pattern(3)). Text is matched as UTF-8, whatever bytes it has: one that
 * is no UTF-8 matches nothing. Classes such as \w and \d are ASCII's.
 *
 * No pattern can take the machine, be it ever so unhappy: the work from one place of the text on is bounded, and so is
 * the memory (a match that needs more gives -EOVERFLOW). Just-in-time compiled where the system lets a program make
 * code (MemoryDenyWriteExecute= of systemd does not), else interpreted, with the same matches. */

#define AZM_PATTERN_MAX 4096 /* bytes of one */

struct azm_pattern; /* does not change once it is made: may be used by several threads at once */
struct azm_matcher; /* what a thread needs to match with any pattern; of one thread */

/* 0; -ENOMEM; or -EINVAL, with words that say what is wrong, and where in the pattern. */
int azm_pattern_new(const char *words, struct azm_pattern **ret, struct azm_error *err);

/* The same for texts that are known to be valid UTF-8: others must not be matched with it. Faster where it matches
 * often: every match begins with a look at all of the text otherwise. */
int azm_pattern_new_utf8(const char *words, struct azm_pattern **ret, struct azm_error *err);

struct azm_pattern *azm_pattern_free(struct azm_pattern *p);

/* Bytes, in either case, all of which a text has that the pattern matches, as far as that is easily said: 0 to 2 of
 * them.
 */
size_t azm_pattern_get_needs(const struct azm_pattern *p, char ret[static 2]);

/* 0 or -ENOMEM. */
int azm_matcher_new(struct azm_matcher **ret);
struct azm_matcher *azm_matcher_free(struct azm_matcher *m);

/* Finds the first match in text[from..), which sees what stands before it: 1, and then *ret_start < *ret_end, both in
 * the text: a match of nothing is none; 0: there is none; -EOVERFLOW: it would take too much work or memory to say;
 * -ENOMEM. The returned place may be NULL. */
int azm_pattern_match(const struct azm_pattern *p, struct azm_matcher *m, struct azm_text text, size_t from,
                      size_t *ret_start, size_t *ret_end);
