/* SPDX-License-Identifier: MIT */
#include "stream/kafka_message.h"

#include <errno.h>
#include <string.h>

static bool header_is(const struct azm_text *value, const char *word)
{
    return value->len == strlen(word) && memcmp(value->s, word, value->len) == 0;
}

static bool get_header(const rd_kafka_headers_t *headers, const char *name, struct azm_text *ret)
{
    const void *value = NULL;
    size_t len = 0;

    if (rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR || !value)
        return false;
    *ret = (struct azm_text){value, len};
    return true;
}

/* stream/kafka.h has the headers. */
static struct azm_stream_message message_of(const rd_kafka_message_t *m)
{
    struct azm_stream_message ret = {.body = m->payload, .len = m->len};
    struct azm_text version, count, encoding;
    rd_kafka_headers_t *headers;

    if (!m->payload || rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        !get_header(headers, "v", &version) || !header_is(&version, "1") || !get_header(headers, "n", &count) ||
        !get_header(headers, "encoding", &encoding) || count.len > 19)
        return (struct azm_stream_message){0};
    for (size_t i = 0; i < count.len; i++) {
        if (count.s[i] < '0' || count.s[i] > '9')
            return (struct azm_stream_message){0};
        ret.records = ret.records * 10 + (size_t)(count.s[i] - '0');
    }
    ret.gzip = header_is(&encoding, "otlp.gz");
    return ret.gzip || header_is(&encoding, "otlp") ? ret : (struct azm_stream_message){0};
}

int kafka_message_copy(struct kafka_message *ret, const rd_kafka_message_t *m)
{
    ret->message = message_of(m);
    ret->partition = m->partition;
    ret->offset = m->offset;
    ret->msec = rd_kafka_message_timestamp(m, NULL);
    azm_buf_clear(&ret->bytes);
    if (!ret->message.body)
        return 0;
    if (azm_buf_append(&ret->bytes, ret->message.body, ret->message.len) < 0)
        return -ENOMEM;
    ret->message.body = ret->bytes.data;
    return 0;
}
