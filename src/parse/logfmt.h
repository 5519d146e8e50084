/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "core/record.h"

/* A line of logfmt, as go-logfmt and logrus write it, becomes an object of texts:
 *
 *     level=info msg="order taken" id=7 note="a \"quoted\" word\n"
 *
 * Pairs stand apart by blanks or tabs. A name has neither blanks nor control characters nor any of = " \ in it. A value
 * is a word without blanks, = and ", or stands in double quotes with the escapes of JSON, or is empty. A word that is
 * no pair makes it another kind of line: prose would be one otherwise.
 *
 * `line` is valid UTF-8. 1; 0 if it is no such line, or has a name twice; -ENOMEM. */
int azm_logfmt_parse(struct azm_text line, json_t **ret);
