/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "encode/otlp.h"
#include "plugin/syslog5424.h"
#include "plugin/syslog_resource.h"
#include "proto/otlp_logs.pb-c.h"

/* libFuzzer: the input is the three templates' strings, separated by 0x1E, of one message. Whatever they are, there is
 * a record, its bytes are an OTLP LogRecord with unique keys, and the end of the line is its body. `make fuzz` builds
 * and runs it. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
    if (!what)
        abort();
}

/* A copy of exactly this size: AddressSanitizer sees who reads behind it. */
static struct azm_text copy(const uint8_t *data, size_t len)
{
    char *s = calloc(1, len);

    require(s != NULL || len == 0);
    if (len > 0)
        memcpy(s, data, len);
    return (struct azm_text){s, len};
}

static void split(const uint8_t *data, size_t size, struct azm_text parts[3])
{
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *end = i < 2 && size > 0 ? memchr(data, 0x1E, size) : NULL;
        size_t len = end ? (size_t)(end - data) : size;

        parts[i] = copy(data, len);
        data += len + (end != NULL);
        size -= len + (end != NULL);
    }
}

static void check_record(const struct azm_record *r, struct azm_text line)
{
    static struct azm_otlp_encoder encoder = {.limits = {65536, 65536, 262144}};
    static struct azm_buf out;
    Otlp__LogRecord *m;

    if (line.len > 0 && line.s[line.len - 1] == '\n')
        line.len--;
    require(r->time_unix_nano != 0 && r->observed_time_unix_nano != 0);
    require(r->body.len <= line.len);
    require(r->body.len == 0 || memcmp(r->body.s, line.s + line.len - r->body.len, r->body.len) == 0);
    for (size_t i = 0; i < r->n_attributes; i++)
        for (size_t k = 0; k < i; k++)
            require(!azm_text_equal(r->attributes[i].key, r->attributes[k].key));
    require(azm_otlp_encode_record(&encoder, r, &out) == 0);
    m = otlp__log_record__unpack(NULL, out.len, out.data);
    require(m != NULL);
    otlp__log_record__free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct azm_syslog_reader *reader;
    static struct azm_syslog_resources *resources;
    static struct azm_key_values none;
    struct azm_syslog_message message;
    struct azm_syslog_input in = {.now_unix_nano = 1};
    struct azm_text parts[3], resource;
    Otlp__Resource *m;

    if (!reader)
        require(azm_syslog_reader_new(&reader) == 0 && azm_syslog_resources_new(&none, &resources) == 0);
    split(data, size, parts);
    in.line = parts[0];
    in.meta = parts[1];
    in.attributes = parts[2];
    require(azm_syslog_read(reader, &in, &message) == 0);
    check_record(&message.record, in.line);
    require(azm_syslog_resources_get(resources, message.host, message.app, &resource) == 0);
    m = otlp__resource__unpack(NULL, resource.len, (const uint8_t *)resource.s);
    require(m != NULL);
    otlp__resource__free_unpacked(m, NULL);
    for (size_t i = 0; i < 3; i++)
        free((char *)parts[i].s);
    return 0;
}
