/* SPDX-License-Identifier: MIT */
#include <stdbool.h>

#include "core/clock.h"
#include "plugin/syslog_meta.h"

/* The next word, up to one blank; blanks are not skipped, since an absent value is an empty word. */
static struct azm_text next_word(struct azm_text *t)
{
    struct azm_text word = *t;
    const char *blank;
    size_t gone;

    if (t->len == 0)
        return word;
    blank = memchr(t->s, ' ', t->len);
    if (blank)
        word.len = (size_t)(blank - t->s);
    gone = word.len + (blank != NULL);
    *t = (struct azm_text){t->s + gone, t->len - gone};
    if (word.len == 1 && *word.s == '-')
        word.len = 0;
    return word;
}

/* Seconds, and a fraction of any length, of which microseconds count. 0 if it is no time. */
static uint64_t parse_time(struct azm_text t)
{
    uint64_t usec = 0, unit = 0; /* of the next digit behind the point; 0: before it */
    size_t point = 0;

    for (size_t i = 0; i < t.len; i++) {
        if (t.s[i] == '.' && point == 0 && i > 0) {
            point = i;
            unit = AZM_USEC_PER_SEC / 10;
            usec *= AZM_USEC_PER_SEC;
        } else if (t.s[i] < '0' || t.s[i] > '9' || (point == 0 && i > 10)) /* 11 digits: to the year 5138 */
            return 0;
        else if (point == 0)
            usec = usec * 10 + (uint64_t)(t.s[i] - '0');
        else {
            usec += unit * (uint64_t)(t.s[i] - '0');
            unit /= 10;
        }
    }
    if (point == 0)
        usec *= AZM_USEC_PER_SEC;
    return usec <= UINT64_MAX / AZM_NSEC_PER_USEC ? usec : 0; /* the record counts nanoseconds */
}

void azm_syslog_meta_read(struct azm_text t, struct azm_syslog_meta *ret)
{
    if (t.len > 0 && t.s[t.len - 1] == '\n')
        t.len--;
    ret->received_usec = parse_time(next_word(&t));
    ret->client = next_word(&t);
    ret->input = next_word(&t);
}
