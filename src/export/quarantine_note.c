/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "core/utf8.h"
#include "export/quarantine_note.h"

#define MESSAGE_MAX_BYTES ((size_t)1024)

static const char *const reasons[] = {
    [AZM_QUARANTINE_REFUSED] = "refused",
    [AZM_QUARANTINE_SUSPECT] = "suspect",
    [AZM_QUARANTINE_TOO_LARGE] = "too_large",
    [AZM_QUARANTINE_PARTIAL] = "partial",
};

const char *azm_quarantine_reason_name(enum azm_quarantine_reason reason)
{
    return reasons[reason];
}

int azm_quarantine_reason_parse(const char *name, enum azm_quarantine_reason *ret)
{
    for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
        if (strcmp(reasons[i], name) == 0) {
            *ret = (enum azm_quarantine_reason)i;
            return 0;
        }
    return -EINVAL;
}

/* Takes the reference to `v` in any case. */
static int add(json_t *o, const char *key, json_t *v)
{
    return v && json_object_set_new(o, key, v) == 0 ? 0 : -ENOMEM;
}

/* The server's text, which may be anything; nothing if it is empty. */
static int add_text(json_t *o, const char *key, struct azm_text t)
{
    _cleanup_(azm_buf_free) struct azm_buf clean = {0};

    if (t.len == 0)
        return 0;
    t.len = MIN(t.len, MESSAGE_MAX_BYTES + 4); /* enough to find the end of the last character */
    if (azm_utf8_append_clean(&clean, t.s, t.len) < 0)
        return -ENOMEM;
    if (clean.len > MESSAGE_MAX_BYTES)
        clean.len = azm_utf8_cut((const char *)clean.data, MESSAGE_MAX_BYTES);
    return add(o, key, json_stringn((const char *)clean.data, clean.len));
}

static int fill(json_t *o, const struct azm_quarantine_note *note, const char *uid, uint64_t now_realtime_usec)
{
    char time[AZM_TIME_TEXT_MAX];
    int r = 0;

    azm_time_print(now_realtime_usec, time);
    if (*time)
        r = add(o, "time", json_string(time));
    if (r == 0 && uid)
        r = add_text(o, "uid", azm_text_of(uid));
    if (r == 0)
        r = add(o, "reason", json_string(azm_quarantine_reason_name(note->reason)));
    if (r == 0 && note->status)
        r = add(o, "status", json_integer(note->status));
    if (r == 0)
        r = add_text(o, "code", azm_text_of(note->code));
    if (r == 0)
        r = add_text(o, "message", note->message);
    if (r == 0)
        r = add_text(o, "request_id", azm_text_of(note->request_id));
    if (r == 0 && note->reason == AZM_QUARANTINE_PARTIAL) {
        r = add(o, "rejected", json_integer((json_int_t)note->rejected));
        if (r == 0)
            r = add(o, "of", json_integer((json_int_t)note->of));
    }
    return r;
}

json_t *azm_quarantine_note_json(const struct azm_quarantine_note *note, const char *uid, uint64_t now_realtime_usec)
{
    json_t *o = json_object();

    if (o && fill(o, note, uid, now_realtime_usec) < 0) {
        json_decref(o);
        o = NULL;
    }
    return o;
}
