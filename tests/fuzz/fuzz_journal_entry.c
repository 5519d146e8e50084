/* SPDX-License-Identifier: MIT */
#include "encode/otlp.h"
#include "source/entry.h"
#include "tests/fuzz/fuzz.h"

/* An entry of the journal: which fields are taken, then its fields. Its record, in OTLP, is what protobuf-c reads and
 * writes; in OTLP/JSON it comes back byte for byte. An equal entry that follows has another uid, and the same one where
 * counting begins anew. */

static struct azm_config config;

static struct azm_entry_reader *new_reader(enum azm_fields fields)
{
    struct azm_entry_reader *reader = NULL;

    if (!config.endpoint)
        require(azm_config_init(&config) == 0);
    config.fields = fields;
    require(azm_entry_reader_new(&config, &reader) == 0);
    return reader;
}

static int read_entry(struct azm_entry_reader *reader, struct fuzz_input in, struct azm_record *ret)
{
    static const struct azm_entry_times times = {
        .realtime_usec = 1700000000000000, .monotonic_usec = 5000000, .boot = {.bytes = {1}}};

    azm_entry_begin(reader);
    while (in.size > 0) {
        struct azm_text field = fuzz_part(&in);

        require(azm_entry_add_field(reader, field.s, field.len) == 0);
    }
    return azm_entry_finish(reader, &times, ret);
}

static void check_record(const struct azm_record *r)
{
    static struct azm_otlp_encoder encoder = {.limits = {4096, 1024, 16384}};
    static struct azm_buf out;

    for (size_t i = 0; i < r->n_attributes; i++)
        for (size_t k = 0; k < i; k++)
            require(!azm_text_equal(r->attributes[i].key, r->attributes[k].key));
    require(azm_otlp_encode_record(&encoder, r, &out) == 0);
    fuzz_require_record(fuzz_text(&out));
    fuzz_require_resource(r->resource);
    fuzz_require_json_line(r->resource, fuzz_text(&out));
}

FUZZ_TARGET(journal_entry)
{
    static const enum azm_fields fields[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};
    struct azm_entry_reader *reader = new_reader(fields[fuzz_byte(&in) % 3]);
    struct azm_record record;
    uint8_t uid[16];

    require(read_entry(reader, in, &record) == 1);
    memcpy(uid, record.uid, sizeof uid);
    check_record(&record);
    require(read_entry(reader, in, &record) == 1);
    require(memcmp(uid, record.uid, sizeof uid) != 0);
    azm_uid_state_free(azm_entry_uid_state(reader));
    require(read_entry(reader, in, &record) == 1);
    require(memcmp(uid, record.uid, sizeof uid) == 0);
    azm_entry_reader_free(reader);
}
