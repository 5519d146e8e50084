/* SPDX-License-Identifier: MIT */
#pragma once

#include "source/entry.h"
#include "tests/unit/otlp_help.h"

/* Where every test gets its records from: one reader, one configuration. */
static struct azm_config config;
static struct azm_entry_reader *reader;
static struct azm_record record;
static const struct azm_entry_times times = {
    .realtime_usec = 1700000000000000, .monotonic_usec = 5000000, .boot = {.bytes = {1}}};

static inline void begin(enum azm_fields fields)
{
    ck_assert_int_eq(azm_config_init(&config), 0);
    config.fields = fields;
    ck_assert_int_eq(azm_entry_reader_new(&config, &reader), 0);
}

static inline void end(void)
{
    reader = azm_entry_reader_free(reader);
    azm_config_free(&config);
}

/* Like sd_journal's memory, the field's is gone after the call. */
static inline void add_field(const char *data, size_t len)
{
    char *copy = malloc(len + 1);

    memcpy(copy, data, len);
    ck_assert_int_eq(azm_entry_add_field(reader, copy, len), 0);
    memset(copy, '#', len);
    free(copy);
}

static inline int finish(void)
{
    return azm_entry_finish(reader, &times, &record);
}

/* An entry with these fields (C strings, NULL at the end) becomes `record`. */
static inline void read_fields(const char *const *fields)
{
    azm_entry_begin(reader);
    for (; *fields; fields++)
        add_field(*fields, strlen(*fields));
    ck_assert_int_eq(finish(), 1);
}

#define READ(...) read_fields((const char *const[]){__VA_ARGS__, NULL})

/* The attribute of `record`, or NULL; keys are unique. */
static inline const struct azm_attribute *attribute(const char *key)
{
    const struct azm_attribute *found = NULL;

    for (size_t i = 0; i < record.n_attributes; i++)
        if (azm_text_equal(record.attributes[i].key, azm_text_of(key))) {
            ck_assert_msg(!found, "%s is there twice", key);
            found = &record.attributes[i];
        }
    return found;
}

/* Its text; "(none)" if it is not there. */
static inline struct azm_text text_of(const char *key)
{
    const struct azm_attribute *a = attribute(key);

    if (!a)
        return AZM_TEXT("(none)");
    ck_assert_int_eq(a->type, AZM_VALUE_TEXT);
    return a->text;
}
