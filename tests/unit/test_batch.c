/* SPDX-License-Identifier: MIT */
#include "batch/batch.h"
#include "encode/scope.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define MANY ((size_t)1 << 30)

/* A batch and what was put into it. A record's time is its number, so that it is known again; a resource is known by
 * its dropped_attributes_count. Both can be padded to any length. */
struct trial {
    struct azm_batch *batch;
    size_t n;
    unsigned resource_of[300]; /* record -> resource */
};

static struct trial trial_begin(size_t records, size_t bytes)
{
    struct trial t = {0};

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){records, bytes}, &t.batch), 0);
    return t;
}

static void trial_end(struct trial *t)
{
    t->batch = azm_batch_free(t->batch);
    ck_assert_ptr_null(t->batch);
}

static char *padding(size_t len)
{
    static char text[1 << 17];

    ck_assert_uint_lt(len, sizeof text);
    memset(text, 'x', len);
    text[len] = '\0';
    return text;
}

static void make_resource(unsigned id, size_t pad, struct azm_buf *ret)
{
    Otlp__KeyValue kv = OTLP__KEY_VALUE__INIT, *pairs[] = {&kv};
    Otlp__Resource m = OTLP__RESOURCE__INIT;

    m.dropped_attributes_count = id;
    if (pad > 0) {
        kv.key = padding(pad);
        m.attributes = pairs;
        m.n_attributes = 1;
    }
    azm_buf_clear(ret);
    ck_assert_int_eq(azm_buf_reserve(ret, otlp__resource__get_packed_size(&m)), 0);
    ret->len = otlp__resource__pack(&m, ret->data);
}

static void make_record(size_t number, size_t pad, struct azm_buf *ret)
{
    Otlp__LogRecord m = OTLP__LOG_RECORD__INIT;

    m.time_unix_nano = number;
    m.event_name = padding(pad);
    azm_buf_clear(ret);
    ck_assert_int_eq(azm_buf_reserve(ret, otlp__log_record__get_packed_size(&m)), 0);
    ret->len = otlp__log_record__pack(&m, ret->data);
}

typedef int (*adder_t)(struct azm_batch *b, struct azm_text resource, const struct azm_buf *record);

/* Adds the next record; returns what `adder` returned. */
static int add_with(adder_t adder, struct trial *t, unsigned resource, size_t resource_pad, size_t pad)
{
    _cleanup_(azm_buf_free) struct azm_buf res = {0}, rec = {0};
    int r;

    ck_assert_uint_lt(t->n, ELEMENTSOF(t->resource_of));
    make_resource(resource, resource_pad, &res);
    make_record(t->n, pad, &rec);
    r = adder(t->batch, (struct azm_text){(const char *)res.data, res.len}, &rec);
    if (res.len > 0)
        memset(res.data, 0xFF, res.len); /* the batch has copies */
    if (rec.len > 0)
        memset(rec.data, 0xFF, rec.len);
    if (r == 1)
        t->resource_of[t->n++] = resource;
    return r;
}

static int add(struct trial *t, unsigned resource, size_t resource_pad, size_t pad)
{
    return add_with(azm_batch_add, t, resource, resource_pad, pad);
}

static int add_beyond(struct trial *t, unsigned resource, size_t resource_pad, size_t pad)
{
    return add_with(azm_batch_add_beyond, t, resource, resource_pad, pad);
}

/* Decodes the request with records first .. first + n - 1: exactly these are in it, each once and under its own
 * resource, per resource in the order in which they came; no group is empty, none is there twice. Returns its size. */
static size_t check_request(const struct trial *t, size_t first, size_t n)
{
    _cleanup_(azm_buf_free) struct azm_buf out = {0};
    _cleanup_(otlp_free_request) Otlp__ExportLogsServiceRequest *m = NULL;
    size_t found = 0;

    ck_assert_int_eq(azm_buf_append(&out, "what was there before", 21), 0);
    ck_assert_int_eq(azm_batch_serialize(t->batch, first, n, &out), 0);
    m = otlp_decode_request(&out);
    for (size_t i = 0; i < m->n_resource_logs; i++) {
        const Otlp__ResourceLogs *group = m->resource_logs[i];
        const Otlp__ScopeLogs *scope;
        uint64_t before = 0;

        ck_assert_ptr_nonnull(group->resource);
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_ne(m->resource_logs[k]->resource->dropped_attributes_count,
                              group->resource->dropped_attributes_count);
        ck_assert_uint_eq(group->n_scope_logs, 1);
        scope = group->scope_logs[0];
        ck_assert_str_eq(scope->scope->name, AZM_SCOPE_NAME);
        ck_assert_str_eq(scope->scope->version, AZM_SCOPE_VERSION);
        ck_assert_uint_gt(scope->n_log_records, 0);
        for (size_t k = 0; k < scope->n_log_records; k++) {
            uint64_t number = scope->log_records[k]->time_unix_nano;

            ck_assert_msg(number >= first && number < first + n, "record %zu is in [%zu, %zu)", (size_t)number, first,
                          first + n);
            ck_assert(k == 0 || number > before); /* so none is there twice */
            ck_assert_uint_eq(t->resource_of[number], group->resource->dropped_attributes_count);
            before = number;
            found++;
        }
    }
    ck_assert_uint_eq(found, n);
    return out.len;
}

static size_t border_len(struct prng *p) /* near a place where a length grows by a byte */
{
    static const size_t borders[] = {20, 100, 128, 128, 16384};
    size_t len = borders[prng_below(p, ELEMENTSOF(borders))], less = prng_below(p, 70);

    return len > less ? len - less : 0;
}

START_TEST(empty)
{
    struct trial t = trial_begin(10, 1000);

    ck_assert_uint_eq(azm_batch_records(t.batch), 0);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), 0);
    ck_assert_uint_eq(azm_batch_room(t.batch), 1000);
    ck_assert(!azm_batch_full(t.batch));
    ck_assert_uint_eq(check_request(&t, 0, 0), 0);
    trial_end(&t);
    ck_assert_ptr_null(azm_batch_free(NULL));
}
END_TEST

START_TEST(bytes_are_exact_after_every_add)
{
    struct prng p = {5};

    for (int i = 0; i < 60; i++) {
        struct trial t = trial_begin(MANY, MANY);
        size_t pads[6];
        unsigned n = 1 + (unsigned)prng_below(&p, ELEMENTSOF(pads));

        for (size_t k = 0; k < ELEMENTSOF(pads); k++)
            pads[k] = border_len(&p);
        for (size_t k = 1; k <= 40; k++) {
            unsigned resource = (unsigned)prng_below(&p, n);

            ck_assert_int_eq(add(&t, resource, pads[resource], border_len(&p)), 1);
            ck_assert_uint_eq(azm_batch_records(t.batch), k);
            ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, k));
            ck_assert_uint_eq(azm_batch_room(t.batch), MANY - azm_batch_bytes(t.batch));
        }
        trial_end(&t);
    }
}
END_TEST

/* A resource without attributes and a record without fields are zero bytes long. */
START_TEST(nothing_is_something_too)
{
    const struct azm_buf nothing = {0};
    struct trial t = trial_begin(MANY, MANY);

    for (size_t k = 1; k <= 3; k++) {
        ck_assert_int_eq(azm_batch_add(t.batch, AZM_TEXT(""), &nothing), 1);
        ck_assert_uint_eq(azm_batch_records(t.batch), k);
    }
    trial_end(&t);

    t = trial_begin(MANY, MANY);
    ck_assert_int_eq(add(&t, 0, 0, 0), 1); /* both all defaults */
    ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, 1));
    trial_end(&t);
}
END_TEST

START_TEST(record_limit)
{
    struct trial t = trial_begin(5, MANY);

    for (unsigned i = 0; i < 5; i++) {
        ck_assert(!azm_batch_full(t.batch));
        ck_assert_int_eq(add(&t, i % 2, 0, 0), 1);
    }
    ck_assert(azm_batch_full(t.batch));
    ck_assert_int_eq(add(&t, 0, 0, 0), 0);
    ck_assert_uint_eq(azm_batch_records(t.batch), 5);
    trial_end(&t);
}
END_TEST

/* A few more may go with those that are in it already: the limit of bytes holds for them, too. */
START_TEST(beyond_the_record_limit)
{
    struct trial t = trial_begin(3, 1000);
    size_t bytes;

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(add(&t, i, 0, 0), 1);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(add(&t, 0, 0, 0), 0);
        ck_assert_int_eq(add_beyond(&t, i, 0, 0), 1); /* also of new resources */
        ck_assert(azm_batch_full(t.batch));
    }
    ck_assert_uint_eq(azm_batch_records(t.batch), 8);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, 8));
    bytes = azm_batch_bytes(t.batch);
    ck_assert_int_eq(add_beyond(&t, 0, 0, 1000), 0);
    ck_assert_uint_eq(azm_batch_records(t.batch), 8);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), bytes);
    while (add_beyond(&t, 0, 0, 20) == 1)
        ck_assert_uint_le(azm_batch_bytes(t.batch), 1000);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, t.n));
    trial_end(&t);

    t = trial_begin(MANY, MANY);
    for (unsigned i = 0; i < 256; i++)
        ck_assert_int_eq(add_beyond(&t, i, 0, 0), 1);
    ck_assert_int_eq(add_beyond(&t, 256, 0, 0), 0); /* as for azm_batch_add */
    trial_end(&t);

    t = trial_begin(1, 100);
    ck_assert_int_eq(add_beyond(&t, 1, 0, 100000), 1); /* an empty one takes every record */
    trial_end(&t);
}
END_TEST

/* The limit holds to the byte, and what does not fit leaves no trace. */
START_TEST(byte_limit)
{
    struct prng p = {6};
    unsigned refusals = 0;

    for (int i = 0; i < 300; i++) {
        size_t limit = 200 + prng_below(&p, 2000);
        struct trial t = trial_begin(MANY, limit), free_of_limits = trial_begin(MANY, MANY);

        for (int k = 0; k < 50; k++) {
            _cleanup_(azm_buf_free) struct azm_buf before = {0}, after = {0};
            unsigned resource = (unsigned)prng_below(&p, 4);
            size_t pad = prng_below(&p, 200), bytes = azm_batch_bytes(t.batch);
            int r;

            ck_assert_int_eq(azm_batch_serialize(t.batch, 0, t.n, &before), 0);
            ck_assert_int_eq(add(&free_of_limits, resource, 100, pad), 1);
            r = add(&t, resource, 100, pad);
            ck_assert_int_eq(r, free_of_limits.n == 1 || azm_batch_bytes(free_of_limits.batch) <= limit);
            if (r == 1) {
                ck_assert(t.n == 1 || azm_batch_bytes(t.batch) <= limit);
                continue;
            }
            refusals++;
            ck_assert_int_eq(azm_batch_serialize(t.batch, 0, t.n, &after), 0);
            ck_assert_uint_eq(after.len, before.len);
            ck_assert_mem_eq(after.data, before.data, after.len);
            ck_assert_uint_eq(azm_batch_bytes(t.batch), bytes);
            ck_assert_uint_eq(azm_batch_records(t.batch), t.n);
            break;
        }
        trial_end(&t);
        trial_end(&free_of_limits);
    }
    ck_assert_uint_gt(refusals, 250);
}
END_TEST

/* After a refusal a smaller record may still fit; the room says so. */
START_TEST(room_is_what_is_left)
{
    struct trial t = trial_begin(MANY, 300);
    size_t room;

    ck_assert_int_eq(add(&t, 1, 0, 0), 1);
    room = azm_batch_room(t.batch);
    ck_assert_uint_eq(room, 300 - check_request(&t, 0, 1));
    ck_assert_int_eq(add(&t, 1, 0, 290), 0);
    ck_assert_uint_eq(azm_batch_room(t.batch), room);
    ck_assert_int_eq(add(&t, 1, 0, 50), 1);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, 2));
    trial_end(&t);
}
END_TEST

START_TEST(a_record_above_the_limit_travels_alone)
{
    struct trial t = trial_begin(10, 1000);

    ck_assert_int_eq(add(&t, 1, 0, 100000), 1);
    ck_assert_uint_gt(azm_batch_bytes(t.batch), 100000);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, 1));
    ck_assert_uint_eq(azm_batch_room(t.batch), 0);
    ck_assert_int_eq(add(&t, 1, 0, 0), 0);
    ck_assert_int_eq(add(&t, 2, 0, 0), 0);
    ck_assert_uint_eq(azm_batch_records(t.batch), 1);
    trial_end(&t);
}
END_TEST

START_TEST(at_most_256_resources)
{
    struct trial t = trial_begin(MANY, MANY);

    for (unsigned i = 0; i < 256; i++)
        ck_assert_int_eq(add(&t, i, 0, i % 3), 1);
    ck_assert_int_eq(add(&t, 256, 0, 0), 0);
    for (unsigned i = 0; i < 256; i += 51) /* the known ones have room */
        ck_assert_int_eq(add(&t, i, 0, 0), 1);
    ck_assert_int_eq(add(&t, 300, 0, 0), 0);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, t.n));
    for (size_t k = 0; k <= t.n; k += 13) {
        check_request(&t, 0, k);
        check_request(&t, k, t.n - k);
    }
    trial_end(&t);
}
END_TEST

/* Any stretch is a request of its own: so the halves of every split, and of the halves, hold together exactly the
 * records of the whole. */
START_TEST(every_stretch)
{
    struct prng p = {7};
    struct trial t = trial_begin(MANY, MANY);
    size_t pads[5];

    for (size_t i = 0; i < ELEMENTSOF(pads); i++)
        pads[i] = border_len(&p);
    for (size_t i = 0; i < 40; i++) {
        unsigned resource = (unsigned)prng_below(&p, ELEMENTSOF(pads));

        ck_assert_int_eq(add(&t, resource, pads[resource], prng_below(&p, 150)), 1);
    }
    for (size_t first = 0; first <= t.n; first++)
        for (size_t n = 0; first + n <= t.n; n++)
            check_request(&t, first, n);
    trial_end(&t);
}
END_TEST

START_TEST(position_travels_with_the_batch)
{
    struct trial t = trial_begin(10, 1000);
    struct azm_buf *position = azm_batch_position(t.batch), taken;

    ck_assert_uint_eq(position->len, 0); /* not known yet */
    ck_assert_int_eq(azm_buf_append(position, "cursor=x\n", 9), 0);
    ck_assert_int_eq(add(&t, 1, 0, 0), 1);
    ck_assert_uint_eq(azm_batch_bytes(t.batch), check_request(&t, 0, 1)); /* it is no part of the request */
    ck_assert_uint_eq(azm_batch_position(t.batch)->len, 9);
    taken = azm_buf_take(azm_batch_position(t.batch));
    ck_assert_mem_eq(taken.data, "cursor=x\n", 9);
    azm_buf_free(&taken);
    trial_end(&t);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "empty", empty);
    add_test(s, "bytes_are_exact_after_every_add", bytes_are_exact_after_every_add);
    add_test(s, "nothing_is_something_too", nothing_is_something_too);
    add_test(s, "record_limit", record_limit);
    add_test(s, "beyond_the_record_limit", beyond_the_record_limit);
    add_test(s, "byte_limit", byte_limit);
    add_test(s, "room_is_what_is_left", room_is_what_is_left);
    add_test(s, "a_record_above_the_limit_travels_alone", a_record_above_the_limit_travels_alone);
    add_test(s, "at_most_256_resources", at_most_256_resources);
    add_test(s, "every_stretch", every_stretch);
    add_test(s, "position_travels_with_the_batch", position_travels_with_the_batch);
}

TEST_MAIN("batch", add_tests)
