/* SPDX-License-Identifier: MIT */
#include "encode/otlp.h"
#include "source/entry.h"
#include "tests/fuzz/fuzz.h"

/* An entry of the journal: which fields are taken, and whether it may be a line of a unit whose lines are taken apart
 * or joined, then its fields. Its record, in OTLP, is what protobuf-c reads and writes; in OTLP/JSON it comes back byte
 * for byte. An equal entry that follows has another uid, and the same one where counting begins anew. */

static void configure(struct azm_config *c, const char *section, const char *key, const char *value)
{
    require(azm_config_set(c, section, key, value, "fuzz", false, NULL) == 0);
}

/* Lines as they are; taken apart; joined. */
enum { PLAIN, PARSED, JOINED, KINDS };

static struct azm_config *configuration(int kind)
{
    static struct azm_config configs[KINDS];
    struct azm_config *c = &configs[kind];

    if (c->endpoint)
        return c;
    require(azm_config_init(c) == 0);
    if (kind >= PARSED) {
        configure(c, "journal", "parse", "auto");
        configure(c, "unit \"a*\"", "parse", "json");
        configure(c, "unit \"[b-d]?.service\"", "parse", "logfmt");
    }
    if (kind == JOINED) {
        configure(c, "journal", "multiline", "auto");
        configure(c, "unit \"b*\"", "multiline", "pieces");
    }
    return c;
}

static struct azm_entry_reader *new_reader(uint8_t how)
{
    static const enum azm_fields fields[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};
    struct azm_config *config = configuration(how / ELEMENTSOF(fields) % KINDS);
    struct azm_entry_reader *reader = NULL;

    config->fields = fields[how % ELEMENTSOF(fields)];
    require(azm_entry_reader_new(config, &reader) == 0);
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
    struct azm_entry_reader *reader = new_reader(fuzz_byte(&in));
    struct azm_record record;
    XXH128_hash_t stream = {0};
    uint8_t uid[16];

    require(read_entry(reader, in, &record) == 1);
    memcpy(uid, record.uid, sizeof uid);
    check_record(&record);
    if (record.line) {
        require(record.line->joinable || !record.line->unfinished);
        require(!record.line->joinable || !memmem(record.body.s, record.body.len, "\n", 1));
        stream = record.line->stream;
    }
    require(read_entry(reader, in, &record) == 1);
    require(memcmp(uid, record.uid, sizeof uid) != 0);
    require(!record.line || XXH128_isEqual(record.line->stream, stream));
    azm_uid_state_free(azm_entry_uid_state(reader));
    require(read_entry(reader, in, &record) == 1);
    require(memcmp(uid, record.uid, sizeof uid) == 0);
    azm_entry_reader_free(reader);
}
