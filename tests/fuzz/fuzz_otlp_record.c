/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"
#include "encode/appinsights.h"
#include "encode/original_time.h"
#include "encode/otlp_json.h"
#include "encode/otlp_json_parse.h"
#include "encode/otlp_truncate.h"
#include "proto/otlp_logs.pb-c.h"
#include "tests/fuzz/fuzz.h"

/* The bytes of a Resource and of a LogRecord, as they may lie in a spool: every form that they go out in. */

/* One line for Application Insights: JSON within its limits. */
static void check_track(struct azm_text resource, struct azm_text record)
{
    static struct azm_appinsights insights = {.ikey = "0123abcd-4567-89ef-0123-456789abcdef"};
    static struct azm_buf out;
    const json_t *data;
    json_t *j;

    azm_buf_clear(&out);
    if (azm_appinsights_append(&insights, resource, record, FUZZ_NOW_USEC, &out) < 0) {
        require(out.len == 0);
        return;
    }
    require(memchr(out.data, '\n', out.len) == out.data + out.len - 1);
    require(out.len - 1 <= AZM_APPINSIGHTS_ITEM_MAX);
    j = fuzz_json(fuzz_text(&out));
    data = json_object_get(json_object_get(j, "data"), "baseData");
    require(json_is_object(json_object_get(j, "tags")) && json_is_object(json_object_get(data, "properties")));
    require(json_is_string(json_object_get(data, "message")) || json_is_array(json_object_get(data, "exceptions")));
    json_decref(j);
}

/* One line of OTLP/JSON; what is read of it makes the same line. */
static void check_json(struct azm_text resource, struct azm_text record)
{
    static struct azm_buf line, again, bytes, resource_again, record_again;

    azm_buf_clear(&bytes);
    azm_buf_clear(&line);
    azm_buf_clear(&again);
    require(azm_buf_append(&bytes, record.s, record.len) == 0);
    if (azm_otlp_json_line(resource, &bytes, &line) < 0)
        return;
    json_decref(fuzz_json(fuzz_text(&line)));
    if (azm_otlp_json_parse_line(fuzz_text(&line), &resource_again, &record_again) < 0) /* nested too deep */
        return;
    require(azm_otlp_json_line(fuzz_text(&resource_again), &record_again, &again) == 0);
    require(azm_text_equal(fuzz_text(&line), fuzz_text(&again)));
}

/* protobuf-c takes the field number 0, which is none, in an overlong form, and writes it so that it refuses it. */
static bool packs_again(const Otlp__LogRecord *m)
{
    size_t len = otlp__log_record__get_packed_size(m);
    uint8_t *packed = fuzz_alloc(len);
    Otlp__LogRecord *again;

    otlp__log_record__pack(m, packed);
    again = otlp__log_record__unpack(NULL, len, packed);
    if (again)
        otlp__log_record__free_unpacked(again, NULL);
    return again;
}

/* Smaller, and then there is nothing left to cut. */
static void check_truncate(struct azm_text record)
{
    static struct azm_buf out, again;
    Otlp__LogRecord *m = otlp__log_record__unpack(NULL, record.len, (const uint8_t *)record.s);
    int r;

    azm_buf_clear(&out);
    azm_buf_clear(&again);
    r = azm_otlp_truncate_record(record, &out);
    require((r == -EBADMSG) == (m == NULL));
    require((r == 1) == (out.len > 0));
    if (r == 1 && packs_again(m)) {
        fuzz_require_record(fuzz_text(&out));
        require(azm_otlp_truncate_record(fuzz_text(&out), &again) == 0);
    }
    if (m)
        otlp__log_record__free_unpacked(m, NULL);
}

/* One attribute more, at most, and never two. */
static void check_original_time(struct azm_text record)
{
    static struct azm_buf out, again;
    Otlp__LogRecord *before, *after;

    azm_buf_clear(&out);
    azm_buf_clear(&again);
    if (azm_otlp_append_original_time(record, &out) < 0)
        return;
    require(out.len >= record.len && (record.len == 0 || memcmp(out.data, record.s, record.len) == 0));
    require(azm_otlp_append_original_time(fuzz_text(&out), &again) == 0);
    require(azm_text_equal(fuzz_text(&out), fuzz_text(&again)));
    before = otlp__log_record__unpack(NULL, record.len, (const uint8_t *)record.s);
    after = otlp__log_record__unpack(NULL, out.len, out.data);
    require(!before == !after);
    if (before) {
        require(azm_otlp_time_nsec(record) == before->time_unix_nano);
        require(after->n_attributes == before->n_attributes + (out.len > record.len));
        otlp__log_record__free_unpacked(before, NULL);
        otlp__log_record__free_unpacked(after, NULL);
    }
}

FUZZ_TARGET(otlp_record)
{
    size_t len = fuzz_byte(&in); /* not by a separator, which is a key of protobuf's, too */
    struct fuzz_input first = {.data = in.data};
    struct azm_text resource, record;

    first.size = MIN(len, in.size);
    in.data += first.size;
    in.size -= first.size;
    resource = fuzz_rest(&first);
    record = fuzz_rest(&in);

    check_track(resource, record);
    check_json(resource, record);
    check_truncate(record);
    check_original_time(record);
}
