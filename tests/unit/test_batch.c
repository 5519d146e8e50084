/* SPDX-License-Identifier: MIT */
#include <errno.h>

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

typedef int (*adder_t)(struct azm_batch *b, struct azm_text resource, struct azm_text record);

/* Adds the next record; returns what `adder` returned. */
static int add_with(adder_t adder, struct trial *t, unsigned resource, size_t resource_pad, size_t pad)
{
    _cleanup_(azm_buf_free) struct azm_buf res = {0}, rec = {0};
    int r;

    ck_assert_uint_lt(t->n, ELEMENTSOF(t->resource_of));
    make_resource(resource, resource_pad, &res);
    make_record(t->n, pad, &rec);
    r = adder(t->batch, azm_buf_text(&res), azm_buf_text(&rec));
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
    struct trial t = trial_begin(MANY, MANY);

    for (size_t k = 1; k <= 3; k++) {
        ck_assert_int_eq(azm_batch_add(t.batch, AZM_TEXT(""), AZM_TEXT("")), 1);
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

/* Programs choose names, and a relay has any number of senders. */
START_TEST(any_number_of_resources)
{
    struct trial t = trial_begin(MANY, MANY);

    for (unsigned i = 0; i < 270; i++)
        ck_assert_int_eq(add(&t, i, 0, i % 3), 1);
    for (unsigned i = 0; i < 270; i += 11) /* the known ones are found again */
        ck_assert_int_eq(add(&t, i, 0, 0), 1);
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

/* --- from a request, and single records --- */

static struct trial random_trial(struct prng *p, size_t n, unsigned resources, size_t pad_max)
{
    struct trial t = trial_begin(MANY, MANY);

    for (size_t i = 0; i < n; i++) {
        unsigned resource = (unsigned)prng_below(p, resources);

        ck_assert_int_eq(add(&t, resource, resource % 7 * 20, prng_below(p, pad_max)), 1);
    }
    return t;
}

static struct azm_buf serialize(const struct azm_batch *b)
{
    struct azm_buf out = {0};

    ck_assert_int_eq(azm_batch_serialize(b, 0, azm_batch_records(b), &out), 0);
    return out;
}

/* What is read back and written again are the same bytes, limits or not. */
START_TEST(a_request_and_back)
{
    struct prng p = {8};

    for (int i = 0; i < 100; i++) {
        struct trial t = random_trial(&p, prng_below(&p, 299), 1 + (unsigned)prng_below(&p, 250), 300),
                     u = trial_begin(1, 1);
        _cleanup_(azm_buf_free) struct azm_buf before = serialize(t.batch), after = {0};

        ck_assert_int_eq(azm_batch_add_request(u.batch, before.data, before.len), 0);
        ck_assert_uint_eq(azm_batch_records(u.batch), t.n);
        ck_assert_uint_eq(azm_batch_bytes(u.batch), before.len);
        after = serialize(u.batch);
        ck_assert_uint_eq(after.len, before.len);
        ck_assert(after.len == 0 || memcmp(after.data, before.data, after.len) == 0);
        trial_end(&t);
        trial_end(&u);
    }
}
END_TEST

/* Two requests one after the other are one request; the records of a resource come together. */
START_TEST(requests_add_up)
{
    struct prng p = {9};
    struct trial t = random_trial(&p, 50, 5, 100), u = trial_begin(1, 1);
    _cleanup_(azm_buf_free) struct azm_buf all = serialize(t.batch);

    u.n = t.n;
    memcpy(u.resource_of, t.resource_of, sizeof u.resource_of);
    for (size_t first = 0; first < t.n; first += 10) {
        _cleanup_(azm_buf_free) struct azm_buf piece = {0};

        ck_assert_int_eq(azm_batch_serialize(t.batch, first, 10, &piece), 0);
        ck_assert_int_eq(azm_batch_add_request(u.batch, piece.data, piece.len), 0);
    }
    ck_assert_uint_eq(azm_batch_records(u.batch), t.n);
    ck_assert_uint_eq(check_request(&u, 0, t.n), all.len);
    trial_end(&t);
    trial_end(&u);
}
END_TEST

/* Cut at any byte: either it is seen, or it was cut between two resources and what is there is whole. */
START_TEST(a_request_cut_anywhere)
{
    struct prng p = {10};
    struct trial t = random_trial(&p, 40, 6, 200);
    _cleanup_(azm_buf_free) struct azm_buf whole = serialize(t.batch);
    unsigned ok = 0;

    for (size_t len = 0; len <= whole.len; len++) {
        _cleanup_free_ uint8_t *cut = malloc(MAX(len, (size_t)1)); /* a sanitizer sees what is read behind it */
        struct trial u = trial_begin(1, 1);
        int r;

        memcpy(cut, whole.data, len);
        r = azm_batch_add_request(u.batch, cut, len);
        if (r == 0) {
            _cleanup_(azm_buf_free) struct azm_buf again = serialize(u.batch);

            ck_assert_uint_eq(again.len, len);
            ck_assert(len == 0 || memcmp(again.data, whole.data, len) == 0);
            ok++;
        } else
            ck_assert_int_eq(r, -EBADMSG);
        trial_end(&u);
    }
    ck_assert_uint_eq(ok, 7); /* nothing, and after each of six */
    trial_end(&t);
}
END_TEST

/* Whatever is in it: no crash, and what was understood can be written. */
START_TEST(a_request_with_wrong_bytes)
{
    struct prng p = {11};
    struct trial t = random_trial(&p, 30, 6, 40);
    _cleanup_(azm_buf_free) struct azm_buf whole = serialize(t.batch);
    unsigned bad = 0;

    for (int i = 0; i < 5000; i++) {
        _cleanup_free_ uint8_t *wrong = malloc(whole.len);
        _cleanup_(azm_buf_free) struct azm_buf again = {0};
        struct trial u = trial_begin(1, 1);
        int r;

        memcpy(wrong, whole.data, whole.len);
        for (size_t k = 1 + prng_below(&p, 4); k > 0; k--)
            wrong[prng_below(&p, whole.len)] = (uint8_t)prng_next(&p);
        r = azm_batch_add_request(u.batch, wrong, whole.len);
        if (r != 0 && r != -EBADMSG)
            ck_abort_msg("%d", r);
        bad += r < 0;
        if (azm_batch_serialize(u.batch, 0, azm_batch_records(u.batch), &again) < 0 ||
            again.len != azm_batch_bytes(u.batch))
            ck_abort_msg("what was read is not what is written");
        u.batch = azm_batch_free(u.batch);
    }
    ck_assert_uint_gt(bad, 100);
    trial_end(&t);
}
END_TEST

START_TEST(a_request_of_others_is_read_leniently)
{
    /* clang-format off */
    static const uint8_t request[] = {
        0x48, 1,                                  /* an unknown field */
        0x4A, 6, 0x12, 4, 0x12, 2, 0x28, 1,       /* another one, which looks like a ResourceLogs */
        0x0A, 0,                                  /* ResourceLogs: empty */
        0x0A, 21,                                 /* ResourceLogs: */
        0x0A, 2, 0x10, 7,                         /*   resource */
        0x1A, 1, 'u',                             /*   schema_url */
        0x12, 8, 0x12, 2, 0x28, 1, 0x10, 5, 8, 1, /*   ScopeLogs: a record, and fields of a wrong type */
        0x12, 2, 0x12, 0,                         /*   ScopeLogs: an empty record */
    };
    /* clang-format on */
    struct trial t = trial_begin(1, 1);
    struct azm_text resource, record;

    ck_assert_int_eq(azm_batch_add_request(t.batch, request, sizeof request), 0);
    ck_assert_uint_eq(azm_batch_records(t.batch), 2);
    for (size_t i = 0; i < 2; i++) {
        azm_batch_get(t.batch, i, &resource, &record);
        assert_text(resource, "\x10\x07");
        assert_text(record, i == 0 ? "\x28\x01" : "");
    }
    trial_end(&t);
}
END_TEST

START_TEST(get_gives_what_was_added)
{
    struct prng p = {12};
    struct trial t = random_trial(&p, 200, 40, 300);

    for (size_t i = 0; i < t.n; i++) {
        struct azm_text resource, record;
        struct azm_buf bytes;
        _cleanup_(otlp_free_record) Otlp__LogRecord *r = NULL;
        _cleanup_(otlp_free_resource) Otlp__Resource *res = NULL;

        azm_batch_get(t.batch, i, &resource, &record);
        bytes = (struct azm_buf){.data = (uint8_t *)(uintptr_t)record.s, .len = record.len};
        r = otlp_decode_record(&bytes);
        res = otlp_decode_resource(resource);
        ck_assert_uint_eq(r->time_unix_nano, i);
        ck_assert_uint_eq(res->dropped_attributes_count, t.resource_of[i]);
    }
    trial_end(&t);
}
END_TEST

/* The first half ends with the record that makes it half of the bytes or more; neither half is empty. */
START_TEST(half_is_by_bytes)
{
    struct prng p = {13};

    for (int i = 0; i < 200; i++) {
        struct trial t = trial_begin(MANY, MANY);
        size_t sizes[40], n = 2 + prng_below(&p, ELEMENTSOF(sizes) - 1);

        for (size_t k = 0; k < n; k++) {
            struct azm_text resource, record;

            ck_assert_int_eq(add(&t, (unsigned)prng_below(&p, 3), 0, prng_below(&p, 10) ? prng_below(&p, 200) : 10000),
                             1);
            azm_batch_get(t.batch, k, &resource, &record);
            sizes[k] = record.len + (record.len < 128 ? 2 : 3); /* as it is in the request */
        }
        for (int k = 0; k < 20; k++) {
            size_t first = prng_below(&p, n - 1), len = 2 + prng_below(&p, n - first - 1), all = 0, left = 0, half;

            for (size_t j = first; j < first + len; j++)
                all += sizes[j];
            half = azm_batch_half(t.batch, first, len);
            if (half < 1 || half >= len)
                ck_abort_msg("%zu of %zu", half, len);
            for (size_t j = first; j < first + half - 1; j++)
                left += sizes[j];
            if (half > 1 && left >= all / 2)
                ck_abort_msg("less were half");
            left += sizes[first + half - 1];
            if (half < len - 1 && left < all / 2)
                ck_abort_msg("more were half");
        }
        trial_end(&t);
    }
}
END_TEST

START_TEST(text_knows_no_limits)
{
    struct trial t = trial_begin(1, 10);
    struct azm_text resource, record;

    for (unsigned i = 0; i < 5000; i++) {
        char name[8];

        snprintf(name, sizeof name, "r%u", i);
        ck_assert_int_eq(azm_batch_add_anyway(t.batch, azm_text_of(name), AZM_TEXT("a record")), 1);
    }
    ck_assert_int_eq(azm_batch_add_anyway(t.batch, AZM_TEXT("r7"), AZM_TEXT("")), 1);
    ck_assert_uint_eq(azm_batch_records(t.batch), 5001);
    azm_batch_get(t.batch, 4999, &resource, &record);
    assert_text(resource, "r4999");
    assert_text(record, "a record");
    azm_batch_get(t.batch, 5000, &resource, &record);
    assert_text(resource, "r7");
    assert_text(record, "");
    trial_end(&t);
}
END_TEST

/* Where resources begin and end alike, they are still told apart. */
START_TEST(resources_that_differ_in_the_middle)
{
    static const struct azm_batch_limits limits = {.records = 10000, .bytes = 10000000};
    struct azm_batch *b;
    char resource[300];

    ck_assert_int_eq(azm_batch_new(&limits, &b), 0);
    memset(resource, 'r', sizeof resource);
    for (int round = 0; round < 3; round++)
        for (unsigned char i = 0; i < 200; i++) {
            struct azm_text had_resource, had_record;
            const struct azm_text record = {(const char *)&i, 1};

            resource[150] = (char)i;
            ck_assert_int_eq(azm_batch_add_anyway(b, (struct azm_text){resource, sizeof resource}, record), 1);
            azm_batch_get(b, azm_batch_records(b) - 1, &had_resource, &had_record);
            assert_text_equal(had_record, record);
            assert_text_equal(had_resource, ((struct azm_text){resource, sizeof resource}));
        }
    azm_batch_free(b);
}
END_TEST

/* A batch that was cleared is as good as a new one. */
START_TEST(cleared_is_new)
{
    static const struct azm_batch_limits limits = {.records = 100, .bytes = 100000};
    _cleanup_(azm_buf_free) struct azm_buf expected = {0}, got = {0};
    struct azm_batch *fresh, *used;

    ck_assert_int_eq(azm_batch_new(&limits, &used), 0);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(azm_batch_add_anyway(used, i % 2 ? AZM_TEXT("one") : AZM_TEXT("other"), AZM_TEXT("record")),
                         1);
    ck_assert_int_eq(azm_buf_append(azm_batch_position(used), "here", 4), 0);
    azm_batch_clear(used);
    ck_assert_uint_eq(azm_batch_records(used), 0);
    ck_assert_uint_eq(azm_batch_bytes(used), 0);
    ck_assert_uint_eq(azm_batch_position(used)->len, 0);

    ck_assert_int_eq(azm_batch_new(&limits, &fresh), 0);
    for (int i = 0; i < 5; i++) {
        const struct azm_text resource = i % 3 ? AZM_TEXT("other") : AZM_TEXT("third");

        ck_assert_int_eq(azm_batch_add_anyway(used, resource, AZM_TEXT("a record")), 1);
        ck_assert_int_eq(azm_batch_add_anyway(fresh, resource, AZM_TEXT("a record")), 1);
    }
    ck_assert_uint_eq(azm_batch_bytes(used), azm_batch_bytes(fresh));
    ck_assert_int_eq(azm_batch_serialize(used, 1, 3, &got), 0);
    ck_assert_int_eq(azm_batch_serialize(fresh, 1, 3, &expected), 0);
    ck_assert_uint_eq(got.len, expected.len);
    ck_assert_mem_eq(got.data, expected.data, got.len);
    azm_batch_free(used);
    azm_batch_free(fresh);
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
    add_test(s, "any_number_of_resources", any_number_of_resources);
    add_test(s, "every_stretch", every_stretch);
    add_test(s, "position_travels_with_the_batch", position_travels_with_the_batch);
    add_test(s, "a_request_and_back", a_request_and_back);
    add_test(s, "requests_add_up", requests_add_up);
    add_test(s, "a_request_cut_anywhere", a_request_cut_anywhere);
    add_test(s, "a_request_with_wrong_bytes", a_request_with_wrong_bytes);
    add_test(s, "a_request_of_others_is_read_leniently", a_request_of_others_is_read_leniently);
    add_test(s, "get_gives_what_was_added", get_gives_what_was_added);
    add_test(s, "half_is_by_bytes", half_is_by_bytes);
    add_test(s, "text_knows_no_limits", text_knows_no_limits);
    add_test(s, "resources_that_differ_in_the_middle", resources_that_differ_in_the_middle);
    add_test(s, "cleared_is_new", cleared_is_new);
}

TEST_MAIN("batch", add_tests)
