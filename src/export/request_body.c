/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "encode/original_time.h"
#include "export/request_body.h"

#define OLD_USEC (47 * 3600 * AZM_USEC_PER_SEC)

int azm_body_maker_init(struct azm_body_maker *m, enum azm_profile profile, const char *ikey)
{
    *m = (struct azm_body_maker){.profile = profile, .ikey = strdup(ikey)};
    m->insights.ikey = m->ikey;
    return m->ikey ? 0 : -ENOMEM;
}

void azm_body_maker_free(struct azm_body_maker *m)
{
    azm_appinsights_free(&m->insights);
    azm_buf_free(&m->record);
    free(m->ikey);
    *m = (struct azm_body_maker){0};
}

const char *azm_body_content_type(enum azm_profile profile)
{
    return profile == AZM_PROFILE_APPINSIGHTS ? "application/x-json-stream" : "application/x-protobuf";
}

bool azm_body_is_old(struct azm_text record, uint64_t now_realtime_usec)
{
    uint64_t usec = azm_otlp_time_nsec(record) / AZM_NSEC_PER_USEC;

    return usec > 0 && usec + OLD_USEC < now_realtime_usec;
}

static bool any_is_old(const struct azm_batch *batch, size_t first, size_t n, uint64_t now_realtime_usec)
{
    for (size_t i = first; i < first + n; i++) {
        struct azm_text resource, record;

        azm_batch_get(batch, i, &resource, &record);
        if (azm_body_is_old(record, now_realtime_usec))
            return true;
    }
    return false;
}

static int make_dated(struct azm_body_maker *m, const struct azm_batch *batch, size_t first, size_t n,
                      uint64_t now_realtime_usec, struct azm_buf *out)
{
    const struct azm_batch_limits limits = {.records = n, .bytes = SIZE_MAX};
    struct azm_batch *dated;
    int r = azm_batch_new(&limits, &dated);

    if (r < 0)
        return r;
    for (size_t i = first; i < first + n && r >= 0; i++) {
        struct azm_text resource, record;

        azm_batch_get(batch, i, &resource, &record);
        if (azm_body_is_old(record, now_realtime_usec)) {
            azm_buf_clear(&m->record);
            r = azm_otlp_append_original_time(record, &m->record);
            record = azm_buf_text(&m->record);
        }
        if (r >= 0)
            r = azm_batch_add_anyway(dated, resource, record);
    }
    if (r >= 0)
        r = azm_batch_serialize(dated, 0, n, out);
    azm_batch_free(dated);
    return r;
}

static int make_lines(struct azm_body_maker *m, const struct azm_batch *batch, size_t first, size_t n,
                      uint64_t now_realtime_usec, struct azm_buf *out)
{
    int r = 0;

    azm_buf_clear(out);
    for (size_t i = first; i < first + n && r >= 0; i++) {
        struct azm_text resource, record;

        azm_batch_get(batch, i, &resource, &record);
        r = azm_appinsights_append(&m->insights, resource, record, now_realtime_usec, out);
    }
    return r;
}

int azm_body_make(struct azm_body_maker *m, const struct azm_batch *batch, size_t first, size_t n,
                  uint64_t now_realtime_usec, struct azm_buf *out)
{
    switch (m->profile) {
    case AZM_PROFILE_APPINSIGHTS:
        return make_lines(m, batch, first, n, now_realtime_usec, out);
    case AZM_PROFILE_AZURE:
        if (any_is_old(batch, first, n, now_realtime_usec))
            return make_dated(m, batch, first, n, now_realtime_usec, out);
        break;
    case AZM_PROFILE_OTLP:
        break;
    }
    return azm_batch_serialize(batch, first, n, out);
}
