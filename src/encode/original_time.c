/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>

#include "core/clock.h"
#include "encode/any_value.h"
#include "encode/original_time.h"
#include "encode/wire.h"

/* Field numbers, as in proto/otlp_logs.proto */
enum { LOG_TIME = 1, LOG_ATTRIBUTES = 6, KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2, ANY_STRING = 1 };

uint64_t azm_otlp_time_nsec(struct azm_text record)
{
    const uint8_t *p = (const uint8_t *)record.s, *end = p + record.len;
    struct azm_wire_field f;
    uint64_t nsec = 0;
    int r;

    while ((r = azm_wire_next(&p, end, &f)) > 0)
        if (f.number == LOG_TIME && f.type == AZM_WIRE_FIXED64)
            nsec = f.value; /* the last one counts */
    return r < 0 ? 0 : nsec;
}

/* Has it the attribute? Or -EBADMSG. */
static int has_original_time(struct azm_text record)
{
    const uint8_t *p = (const uint8_t *)record.s, *end = p + record.len;
    struct azm_text key, value;
    struct azm_wire_field f;
    bool has = false;
    int r;

    while ((r = azm_wire_next(&p, end, &f)) > 0) {
        if (f.number != LOG_ATTRIBUTES)
            continue;
        if (f.type != AZM_WIRE_LEN ||
            azm_key_value_read((struct azm_text){(const char *)f.data, f.len}, &key, &value) < 0)
            return -EBADMSG;
        has |= azm_text_equal(key, AZM_TEXT(AZM_ORIGINAL_TIME_KEY));
    }
    return r < 0 ? r : has;
}

int azm_otlp_append_original_time(struct azm_text record, struct azm_buf *out)
{
    const struct azm_text key = AZM_TEXT(AZM_ORIGINAL_TIME_KEY);
    uint64_t nsec = azm_otlp_time_nsec(record);
    size_t len, value_len, content_len;
    char text[AZM_TIME_TEXT_MAX];
    uint8_t *p;
    int has = has_original_time(record);

    if (has < 0)
        return has;
    azm_time_print(nsec / AZM_NSEC_PER_USEC, text);
    len = strlen(text);
    if (has || len == 0)
        return azm_buf_append(out, record.s, record.len);
    value_len = azm_field_len(len);
    content_len = azm_field_len(key.len) + azm_field_len(value_len);
    /* All or nothing: room for both first. */
    if (azm_buf_reserve(out, record.len + azm_field_len(content_len)) < 0)
        return -ENOMEM;
    memcpy(out->data + out->len, record.s, record.len);
    p = out->data + out->len + record.len;
    p = azm_put_len_key(p, LOG_ATTRIBUTES, content_len);
    p = azm_put_bytes(p, KEY_VALUE_KEY, key.s, key.len);
    p = azm_put_len_key(p, KEY_VALUE_VALUE, value_len);
    p = azm_put_bytes(p, ANY_STRING, text, len);
    out->len = (size_t)(p - out->data);
    return 0;
}
