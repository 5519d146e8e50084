/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "cli/words.h"
#include "core/clock.h"
#include "core/timespan.h"
#include "core/utf8.h"

const char *azm_json_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

int64_t azm_json_count(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

void azm_put_string(struct azm_buf *line, const char *s)
{
    if (s)
        azm_buf_printf(line, "%s", s);
}

void azm_put_separator(struct azm_buf *line, const char *separator)
{
    azm_put_string(line, line->len > 0 ? separator : NULL);
}

void azm_put_count(struct azm_buf *line, int64_t n, const char *one, const char *many)
{
    azm_buf_printf(line, "%" PRId64 " %s", n, n == 1 ? one : many);
}

void azm_put_span(struct azm_buf *line, double seconds)
{
    uint64_t s = seconds < 0 ? 0 : seconds < 1e15 ? (uint64_t)seconds : UINT64_C(1000000000000000);

    if (seconds <= 0)
        azm_buf_printf(line, "0s");
    else if (seconds < 1)
        azm_buf_printf(line, "%.1fs", seconds);
    else if (s < 60)
        azm_buf_printf(line, "%" PRIu64 "s", s);
    else if (s < 3600)
        azm_buf_printf(line, "%" PRIu64 "min %" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        azm_buf_printf(line, "%" PRIu64 "h %" PRIu64 "min", s / 3600, s / 60 % 60);
    else
        azm_buf_printf(line, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
}

void azm_put_latency(struct azm_buf *line, double seconds)
{
    if (seconds >= 0 && seconds < 1)
        azm_buf_printf(line, "%.*f ms", seconds < 0.01 ? 1 : 0, seconds * 1000);
    else
        azm_put_span(line, seconds);
}

void azm_put_bytes(struct azm_buf *line, double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit + 1 < ELEMENTSOF(units)) {
        bytes /= 1024;
        unit++;
    }
    azm_buf_printf(line, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
}

void azm_put_spooled(struct azm_buf *line, const json_t *spool)
{
    if (json_is_integer(json_object_get(spool, "records"))) {
        azm_put_count(line, azm_json_count(spool, "records"), "record", "records");
        azm_put_string(line, ", ");
    }
    azm_put_bytes(line, (double)azm_json_count(spool, "bytes"));
    if (azm_json_count(spool, "max_bytes") > 0) {
        azm_put_string(line, " of ");
        azm_put_bytes(line, (double)azm_json_count(spool, "max_bytes"));
    }
}

bool azm_read_time(const char *time, uint64_t now_usec, uint64_t *ret_usec)
{
    return time && strlen(time) >= strlen("2026-01-31T12:00:00Z") && time[strlen(time) - 1] == 'Z' &&
           azm_parse_time(time, now_usec, ret_usec) == 0;
}

void azm_put_time(struct azm_buf *line, const char *time, uint64_t now_usec)
{
    uint64_t usec;

    if (!azm_read_time(time, now_usec, &usec)) {
        azm_put_string(line, time);
        return;
    }
    azm_buf_printf(line, "%.10s %.8s UTC, %s", time, time + 11, usec > now_usec ? "in " : "");
    azm_put_span(line, (double)(usec > now_usec ? usec - now_usec : now_usec - usec) / (double)AZM_USEC_PER_SEC);
    azm_put_string(line, usec > now_usec ? "" : " ago");
}

void azm_mask_controls(struct azm_buf *line)
{
    size_t to = 0;

    for (size_t i = 0; i < line->len;) {
        size_t n = azm_utf8_control_len((const char *)line->data + i, line->len - i);

        line->data[to++] = n > 0 ? '?' : line->data[i];
        i += MAX(n, (size_t)1);
    }
    line->len = to;
}
