/* SPDX-License-Identifier: MIT */
#include "encode/wire.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* The reader of protobuf's wire format, on what is right and what is not. Every input lies in memory of exactly its
 * size, so that a sanitizer sees what is read behind it. */

#define MAX64 "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01" /* 2^64 - 1 */

struct input {
    const char *bytes;
    size_t len;
};

#define IN(text)                                                                                                       \
    {                                                                                                                  \
        (text), sizeof(text) - 1                                                                                       \
    }

/* Reads one field: what azm_wire_next says, and how far it came. */
static int read_one(struct input in, struct azm_wire_field *ret, size_t *ret_used)
{
    uint8_t *copy = malloc(MAX(in.len, (size_t)1));
    const uint8_t *p = copy;
    int r;

    memcpy(copy, in.bytes, in.len);
    *ret = (struct azm_wire_field){.data = (const uint8_t *)"?", .len = 77};
    r = azm_wire_next(&p, copy + in.len, ret);
    ck_assert(p >= copy && p <= copy + in.len);
    *ret_used = (size_t)(p - copy);
    if (r == 1 && ret->type == AZM_WIRE_LEN) {
        ck_assert(ret->data >= copy && ret->data + ret->len == p);
        ret->data = (const uint8_t *)in.bytes + (ret->data - copy);
    }
    free(copy);
    return r;
}

START_TEST(fields_of_every_type)
{
    static const struct {
        struct input in;
        uint64_t number, value;
        int type;
        size_t len;
    } rows[] = {
        {IN("\x08\x00"), 1, 0, AZM_WIRE_VARINT, 0},
        {IN("\x78\x7F"), 15, 127, AZM_WIRE_VARINT, 0},
        {IN("\x08\x80\x01"), 1, 128, AZM_WIRE_VARINT, 0},
        {IN("\x08" MAX64), 1, UINT64_MAX, AZM_WIRE_VARINT, 0},
        {IN("\x08\x80\x80\x80\x00"), 1, 0, AZM_WIRE_VARINT, 0}, /* longer than it need be */
        {IN("\x80\x01\x05"), 16, 5, AZM_WIRE_VARINT, 0},
        {IN("\xF8\xFF\xFF\xFF\x0F\x05"), 536870911, 5, AZM_WIRE_VARINT, 0}, /* the greatest field number */
        {IN("\x0A\x00"), 1, 0, AZM_WIRE_LEN, 0},
        {IN("\x12\x03"
            "abc"),
         2, 3, AZM_WIRE_LEN, 3},
        {IN("\x09\x01\x02\x03\x04\x05\x06\x07\x88"), 1, UINT64_C(0x8807060504030201), AZM_WIRE_FIXED64, 0},
        {IN("\x0D\x01\x02\x03\x84"), 1, 0x84030201, AZM_WIRE_FIXED32, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_wire_field f;
        size_t used;

        ck_assert_int_eq(read_one(rows[i].in, &f, &used), 1);
        ck_assert_uint_eq(used, rows[i].in.len);
        ck_assert_uint_eq(f.number, rows[i].number);
        ck_assert_uint_eq(f.value, rows[i].value);
        ck_assert_int_eq(f.type, rows[i].type);
        ck_assert_uint_eq(f.len, rows[i].len);
        ck_assert_int_eq(f.data != NULL, f.type == AZM_WIRE_LEN);
        for (size_t len = 1; len < rows[i].in.len; len++) /* cut anywhere it is none */
            ck_assert_int_eq(read_one((struct input){rows[i].in.bytes, len}, &f, &used), -EBADMSG);
        ck_assert_int_eq(read_one((struct input){rows[i].in.bytes, 0}, &f, &used), 0);
    }
}
END_TEST

START_TEST(what_is_no_field)
{
    static const struct input rows[] = {
        IN("\x80"),                                             /* a key without an end */
        IN("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),         /* one that never ends */
        IN("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00"), /* eleven bytes */
        IN("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), /* a value of eleven bytes */
        IN("\x0B"),                                             /* groups */
        IN("\x0C"),
        IN("\x0E\x00"), /* types that there are not */
        IN("\x0F\x00"),
        IN("\x0A\x01"), /* longer than what is there */
        IN("\x0A\x80\x01"
           "abc"),
        IN("\x0A" MAX64 "abc"), /* p + len would wrap */
        IN("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"
           "abc"), /* 2^63 - 1 */
        IN("\x0A\xFF\xFF\xFF\xFF\x0F"
           "abc"), /* 2^32 - 1 */
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_wire_field f;
        size_t used;

        ck_assert_msg(read_one(rows[i], &f, &used) == -EBADMSG, "row %zu", i);
    }
}
END_TEST

/* What the writers write is read again, of any size. */
START_TEST(what_is_written_is_read)
{
    struct prng dice = {1};

    for (int i = 0; i < 2000; i++) {
        uint64_t v = prng_next(&dice) >> prng_below(&dice, 64);
        int field = 1 + (int)prng_below(&dice, 15);
        uint8_t bytes[400], content[300] = {0}, *end = bytes;
        const uint8_t *p = bytes;
        struct azm_wire_field f[5];
        size_t len = prng_below(&dice, 300);

        end = azm_put_uint(end, field, v);
        ck_assert_uint_eq((size_t)(end - bytes), 1 + azm_varint_len(v));
        end = azm_put_fixed64(end, field, v);
        end = azm_put_fixed32(end, field, (uint32_t)v);
        end = azm_put_bytes(end, field, content, len);
        for (unsigned k = 0; k < 4; k++) {
            ck_assert_int_eq(azm_wire_next(&p, end, &f[k]), 1);
            ck_assert_uint_eq(f[k].number, (uint64_t)field);
        }
        ck_assert_int_eq(azm_wire_next(&p, end, &f[4]), 0);
        ck_assert(f[0].value == v && f[1].value == v && f[2].value == (uint32_t)v && f[3].len == len);
        ck_assert_uint_eq(azm_field_len(len), 1 + azm_varint_len(len) + len);
        ck_assert(f[3].data + len == end);
    }
}
END_TEST

START_TEST(noise_ends)
{
    struct prng dice = {2};

    for (int i = 0; i < 20000; i++) {
        size_t len = 1 + prng_below(&dice, 60);
        _cleanup_free_ uint8_t *noise = malloc(len);
        const uint8_t *p = noise, *before = noise;
        struct azm_wire_field f;
        int r;

        prng_bytes(&dice, noise, len);
        while ((r = azm_wire_next(&p, noise + len, &f)) > 0) {
            if (p <= before || p > noise + len)
                ck_abort_msg("it does not move on, or too far");
            before = p;
        }
        if ((r != 0 && r != -EBADMSG) || (r == 0 && p != noise + len))
            ck_abort_msg("%d", r);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "fields_of_every_type", fields_of_every_type);
    add_test(s, "what_is_no_field", what_is_no_field);
    add_test(s, "what_is_written_is_read", what_is_written_is_read);
    add_test(s, "noise_ends", noise_ends);
}

TEST_MAIN("wire", add_tests)
