/* SPDX-License-Identifier: MIT */
#include "encode/otlp.h"
#include "plugin/syslog5424.h"
#include "plugin/syslog_resource.h"
#include "tests/fuzz/fuzz.h"

/* What the three templates of rsyslog render of one message. Whatever it is, there is a record, its bytes are an OTLP
 * LogRecord with unique keys, and the end of the line is its body. */

static void check_record(const struct azm_record *r, struct azm_text line)
{
    static struct azm_otlp_encoder encoder = {.limits = {65536, 65536, 262144}};
    static struct azm_buf out;

    if (line.len > 0 && line.s[line.len - 1] == '\n')
        line.len--;
    require(r->time_unix_nano != 0 && r->observed_time_unix_nano != 0);
    require(r->body.len <= line.len);
    require(r->body.len == 0 || memcmp(r->body.s, line.s + line.len - r->body.len, r->body.len) == 0);
    for (size_t i = 0; i < r->n_attributes; i++)
        for (size_t k = 0; k < i; k++)
            require(!azm_text_equal(r->attributes[i].key, r->attributes[k].key));
    require(azm_otlp_encode_record(&encoder, r, &out) == 0);
    fuzz_require_record(fuzz_text(&out));
}

FUZZ_TARGET(syslog5424)
{
    static struct azm_syslog_reader *reader;
    static struct azm_syslog_resources *resources;
    static struct azm_key_values none;
    struct azm_syslog_message message;
    struct azm_syslog_input input = {.now_unix_nano = 1};
    struct azm_text resource;

    if (!reader)
        require(azm_syslog_reader_new(&reader) == 0 && azm_syslog_resources_new(&none, &resources) == 0);
    input.line = fuzz_part(&in);
    input.meta = fuzz_part(&in);
    input.attributes = fuzz_part(&in);
    require(azm_syslog_read(reader, &input, &message) == 0);
    check_record(&message.record, input.line);
    require(azm_syslog_resources_get(resources, message.host, message.app, &resource) == 0);
    fuzz_require_resource(resource);
}
