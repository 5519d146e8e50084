/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "encode/otlp.h"
#include "pipeline/volume.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

static struct azm_volumes volumes;

static const struct azm_volume *find(const char *service)
{
    const struct azm_volume *found = NULL;

    for (size_t i = 0; i < volumes.n; i++)
        if (strcmp(volumes.items[i].service, service) == 0) {
            ck_assert_ptr_null(found);
            found = &volumes.items[i];
        }
    return found;
}

static void assert_count(struct azm_volume_count c, uint64_t records, uint64_t bytes)
{
    ck_assert_uint_eq(c.records, records);
    ck_assert_uint_eq(c.bytes, bytes);
}

static void add_to_batch(struct azm_batch *b, const char *service, size_t bytes)
{
    const struct azm_attribute attributes[] = {
        {.key = AZM_TEXT("host.name"), .type = AZM_VALUE_TEXT, .text = AZM_TEXT("h")},
        {.key = AZM_TEXT("service.name"), .type = AZM_VALUE_TEXT, .text = azm_text_of(service)},
    };
    _cleanup_(azm_buf_free) struct azm_buf resource = {0}, record = {0};
    static const char zeros[1000];
    struct azm_otlp_encoder e = {.limits = {.value_bytes = 1000, .attributes_bytes = 10000}};

    ck_assert_int_eq(azm_otlp_encode_resource(&e, attributes, service ? 2 : 1, &resource), 0);
    ck_assert_int_eq(azm_buf_append(&record, zeros, bytes), 0);
    ck_assert_int_eq(azm_batch_add(b, (struct azm_text){(const char *)resource.data, resource.len},
                                   (struct azm_text){(const char *)record.data, record.len}),
                     1);
    azm_otlp_encoder_free(&e);
}

START_TEST(batches_are_counted_once)
{
    const struct azm_batch_limits limits = {.records = 100, .bytes = 100000};
    struct azm_batch *b;

    memset(&volumes, 0, sizeof volumes);
    ck_assert_int_eq(azm_batch_new(&limits, &b), 0);
    add_to_batch(b, "web", 100); /* and two bytes of key and length */
    add_to_batch(b, "cron", 50);
    add_to_batch(b, "web", 10);
    add_to_batch(b, NULL, 20);
    azm_volumes_add_batch(&volumes, b);
    ck_assert_uint_eq(volumes.n, 3);
    assert_count(find("web")->now, 2, 114);
    assert_count(find("cron")->now, 1, 52);
    assert_count(find("")->now, 1, 22);
    azm_volumes_add_batch(&volumes, b); /* as for a batch that was not taken, and is put once more */
    assert_count(find("web")->now, 2, 114);
    add_to_batch(b, "web", 1);
    azm_volumes_add_batch(&volumes, b);
    assert_count(find("web")->now, 3, 117);
    assert_count(find("cron")->now, 1, 52);
    azm_batch_free(b);
}
END_TEST

START_TEST(samples)
{
    memset(&volumes, 0, sizeof volumes);
    for (uint64_t i = 1; i <= AZM_RATE_SAMPLES + 2; i++) {
        azm_volumes_add(&volumes, AZM_TEXT("a"), 1, 10);
        azm_volumes_sample(&volumes);
    }
    assert_count(volumes.items[0].then[0], AZM_RATE_SAMPLES + 2, 10 * (AZM_RATE_SAMPLES + 2));
    assert_count(volumes.items[0].then[AZM_RATE_SAMPLES - 1], 3, 30);
}
END_TEST

/* However many names there are, those that make the volume are found, nothing is counted for somebody else, and the sum
 * is right. */
START_TEST(more_services_than_places)
{
    struct prng p = {1};
    uint64_t records = 0, bytes = 0, loud[8] = {0};
    char name[32];

    memset(&volumes, 0, sizeof volumes);
    for (size_t i = 0; i < 100000; i++) {
        size_t len = 1 + prng_next(&p) % 100, who = prng_next(&p) % 4;

        if (who == 0) { /* a quarter of it comes from 8 of them: some 3 % each, more than 1/64 */
            who = prng_next(&p) % ELEMENTSOF(loud);
            snprintf(name, sizeof name, "loud %zu", who);
            loud[who] += len;
        } else
            snprintf(name, sizeof name, "other %zu", (size_t)(prng_next(&p) % 10000));
        azm_volumes_add(&volumes, azm_text_of(name), 1, len);
        records++;
        bytes += len;
    }
    ck_assert_uint_eq(volumes.n, AZM_VOLUMES_MAX);
    for (size_t i = 0; i < ELEMENTSOF(loud); i++) {
        snprintf(name, sizeof name, "loud %zu", i);
        ck_assert_msg(find(name) != NULL, "%s is not in the table", name);
        ck_assert_uint_le(find(name)->now.bytes, loud[i]);
        ck_assert_uint_ge(find(name)->now.bytes, loud[i] * 8 / 10);
    }
    for (size_t i = 0; i < volumes.n; i++) {
        records -= volumes.items[i].now.records;
        bytes -= volumes.items[i].now.bytes;
    }
    assert_count(volumes.others, records, bytes);
}
END_TEST

START_TEST(names)
{
    char name[AZM_VOLUME_NAME_MAX + 3];

    memset(&volumes, 0, sizeof volumes);
    memset(name, 'x', sizeof name);
    azm_volumes_add(&volumes, (struct azm_text){name, sizeof name}, 1, 1);
    azm_volumes_add(&volumes, (struct azm_text){name, sizeof name - 1}, 1, 1); /* the same when they are cut */
    ck_assert_uint_eq(volumes.n, 1);
    ck_assert_uint_eq(strlen(volumes.items[0].service), AZM_VOLUME_NAME_MAX - 1);
    memcpy(name + AZM_VOLUME_NAME_MAX - 2, "ä", 2); /* not in the middle of a character */
    azm_volumes_add(&volumes, (struct azm_text){name, sizeof name}, 1, 1);
    ck_assert_uint_eq(strlen(volumes.items[1].service), AZM_VOLUME_NAME_MAX - 2);
    azm_volumes_add(&volumes, AZM_TEXT("a\xff"), 1, 1);
    ck_assert_str_eq(volumes.items[2].service, "a");
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "batches_are_counted_once", batches_are_counted_once);
    add_test(s, "samples", samples);
    add_test(s, "more_services_than_places", more_services_than_places);
    add_test(s, "names", names);
}

TEST_MAIN("volume", add_tests)
