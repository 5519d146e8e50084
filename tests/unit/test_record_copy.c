/* SPDX-License-Identifier: MIT */
#include "core/record_copy.h"
#include "source/entry.h"
#include "tests/unit/test.h"

/* What a source lends, until it is asked for the next record. */
static _Alignas(max_align_t) char lent[8192];
static size_t n_lent;

static void *lend(const void *p, size_t n)
{
    void *place = lent + n_lent;

    n_lent += (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    ck_assert_uint_le(n_lent, sizeof lent);
    memcpy(place, p, n);
    return place;
}

static struct azm_text text(const char *s, size_t len)
{
    return (struct azm_text){lend(s, len), len};
}

#define LEND(literal) text((literal), sizeof(literal) - 1)

/* The source makes the next record. */
static void take_back(void)
{
    memset(lent, 'x', sizeof lent);
    n_lent = 0;
}

static void assert_text(struct azm_text is, struct azm_text shall)
{
    ck_assert_uint_eq(is.len, shall.len);
    ck_assert_mem_eq(is.s, shall.s, shall.len);
}

static void assert_key(const struct azm_attribute *a, const char *key, enum azm_value_type type)
{
    assert_text(a->key, azm_text_of(key));
    ck_assert_int_eq(a->type, type);
}

/* Attributes of each kind, after each of which comes another one: whose texts are counted wrong gets those of the next.
 */
static struct azm_record make_record(void)
{
    const struct azm_text several[] = {LEND("one"), LEND(""), LEND("th\0ree")};
    const struct azm_attribute attributes[] = {
        {.key = LEND("text"), .type = AZM_VALUE_TEXT, .text = LEND("a\0b\xff")},
        {.key = LEND("several"),
         .type = AZM_VALUE_TEXTS,
         .texts = {lend(several, sizeof several), ELEMENTSOF(several)}},
        {.key = LEND("integer"), .type = AZM_VALUE_INT, .integer = INT64_MIN},
        {.key = LEND("empty"), .type = AZM_VALUE_TEXT},
        {.key = LEND("none"), .type = AZM_VALUE_TEXTS},
        {.key = LEND("last"), .type = AZM_VALUE_TEXTS, .texts = {lend(several, sizeof several[0]), 1}},
    };
    const struct azm_attribute fields[] = {
        {.key = LEND("_UID"), .type = AZM_VALUE_TEXT, .text = LEND("1000")},
        {.key = LEND("TAG"), .type = AZM_VALUE_TEXTS, .texts = {lend(several, sizeof several), ELEMENTSOF(several)}},
        {.key = LEND("_UID"), .type = AZM_VALUE_TEXT, .text = LEND("1001")},
    };
    static const struct azm_entry_line line;

    return (struct azm_record){
        .time_unix_nano = 1,
        .observed_time_unix_nano = 2,
        .severity = 3,
        .has_body = true,
        .body = LEND("body"),
        .resource = LEND("resource"),
        .event_name = LEND("event"),
        .uid = {1, [15] = 16},
        .has_trace_id = true,
        .has_span_id = true,
        .trace_id = {2, [15] = 17},
        .span_id = {3, [7] = 8},
        .trace_flags = 1,
        .attributes = lend(attributes, sizeof attributes),
        .n_attributes = ELEMENTSOF(attributes),
        .n_dropped = 4,
        .line = &line,
        .own = true,
        .service = LEND("shop"),
        .fields = lend(fields, sizeof fields),
        .n_fields = ELEMENTSOF(fields),
    };
}

static void assert_several(const struct azm_attribute *a, size_t n)
{
    static const struct azm_text several[] = {AZM_TEXT("one"), AZM_TEXT(""), AZM_TEXT("th\0ree")};

    ck_assert_uint_eq(a->texts.n, n);
    for (size_t i = 0; i < n; i++)
        assert_text(a->texts.items[i], several[i]);
}

static void assert_attributes(const struct azm_attribute *a)
{
    assert_key(&a[0], "text", AZM_VALUE_TEXT);
    assert_text(a[0].text, AZM_TEXT("a\0b\xff"));
    assert_key(&a[1], "several", AZM_VALUE_TEXTS);
    assert_several(&a[1], 3);
    assert_key(&a[2], "integer", AZM_VALUE_INT);
    ck_assert_int_eq(a[2].integer, INT64_MIN);
    assert_key(&a[3], "empty", AZM_VALUE_TEXT);
    ck_assert_uint_eq(a[3].text.len, 0);
    assert_key(&a[4], "none", AZM_VALUE_TEXTS);
    ck_assert_uint_eq(a[4].texts.n, 0);
    assert_key(&a[5], "last", AZM_VALUE_TEXTS);
    assert_several(&a[5], 1);
}

static void assert_fields(const struct azm_record *r)
{
    ck_assert_uint_eq(r->n_fields, 3);
    assert_key(&r->fields[0], "_UID", AZM_VALUE_TEXT);
    assert_text(r->fields[0].text, AZM_TEXT("1000"));
    assert_key(&r->fields[1], "TAG", AZM_VALUE_TEXTS);
    assert_several(&r->fields[1], 3);
    assert_key(&r->fields[2], "_UID", AZM_VALUE_TEXT);
    assert_text(r->fields[2].text, AZM_TEXT("1001"));
}

/* A copy with room for `more` attributes, of a record that is gone. */
static struct azm_record_copy make_copy(size_t more)
{
    struct azm_record r = make_record();
    struct azm_record_copy copy;

    ck_assert_int_eq(azm_record_copy(&r, more, &copy), 0);
    take_back();
    return copy;
}

START_TEST(outlives_what_it_was_made_of)
{
    _cleanup_(azm_record_copy_free) struct azm_record_copy copy = make_copy(0);
    const struct azm_record *r = &copy.record;

    ck_assert_uint_eq(r->time_unix_nano, 1);
    ck_assert_uint_eq(r->observed_time_unix_nano, 2);
    ck_assert_int_eq(r->severity, 3);
    ck_assert_mem_eq(r->uid, ((uint8_t[16]){1, [15] = 16}), 16);
    ck_assert(r->has_trace_id && r->has_span_id);
    ck_assert_mem_eq(r->trace_id, ((uint8_t[16]){2, [15] = 17}), 16);
    ck_assert_mem_eq(r->span_id, ((uint8_t[8]){3, [7] = 8}), 8);
    ck_assert_uint_eq(r->trace_flags, 1);
    ck_assert_uint_eq(r->n_dropped, 4);
    ck_assert(r->own);
    assert_text(r->resource, AZM_TEXT("resource"));
    assert_text(r->event_name, AZM_TEXT("event"));
    assert_text(r->service, AZM_TEXT("shop"));
    ck_assert_uint_eq(r->n_attributes, 6);
    assert_attributes(r->attributes);
    assert_fields(r);
}
END_TEST

START_TEST(has_neither_body_nor_line)
{
    _cleanup_(azm_record_copy_free) struct azm_record_copy copy = make_copy(0);

    ck_assert(copy.record.has_body);
    ck_assert_uint_eq(copy.record.body.len, 0);
    ck_assert_ptr_null(copy.record.line);
}
END_TEST

/* Nothing else is where these go. */
START_TEST(has_room_for_more_attributes)
{
    _cleanup_(azm_record_copy_free) struct azm_record_copy copy = make_copy(2);
    struct azm_attribute *attributes = copy.memory;

    ck_assert_ptr_eq(copy.record.attributes, attributes);
    ck_assert_uint_eq(copy.record.n_attributes, 6);
    memset(attributes + 6, 'y', 2 * sizeof *attributes);
    assert_attributes(attributes);
    assert_fields(&copy.record);
    assert_text(copy.record.service, AZM_TEXT("shop"));
}
END_TEST

/* By it the memory of what is held back is bounded. */
START_TEST(says_how_much_it_takes)
{
    _cleanup_(azm_record_copy_free) struct azm_record_copy copy = make_copy(0), roomy = make_copy(3);
    static const size_t structs = (6 + 3) * sizeof(struct azm_attribute) + (3 + 1 + 3) * sizeof(struct azm_text);
    static const size_t keys = 4 + 7 + 7 + 5 + 4 + 4 + 4 + 3 + 4;
    static const size_t values = 4 + 9 + 3 + 4 + 9 + 4;
    static const size_t others = 8 + 5 + 4;

    ck_assert_uint_eq(copy.bytes, structs + keys + values + others);
    ck_assert_uint_eq(roomy.bytes, copy.bytes + 3 * sizeof(struct azm_attribute));
}
END_TEST

START_TEST(of_nothing_is_nothing)
{
    static const struct azm_record nothing;
    struct azm_record_copy copy, empty = {0};

    ck_assert_int_eq(azm_record_copy(&nothing, 0, &copy), 0);
    ck_assert_uint_eq(copy.bytes, 0);
    ck_assert_uint_eq(copy.record.n_attributes + copy.record.n_fields + copy.record.service.len, 0);
    azm_record_copy_free(&copy);
    ck_assert_ptr_null(copy.memory);
    azm_record_copy_free(&copy);
    azm_record_copy_free(&empty);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "outlives_what_it_was_made_of", outlives_what_it_was_made_of);
    add_test(s, "has_neither_body_nor_line", has_neither_body_nor_line);
    add_test(s, "has_room_for_more_attributes", has_room_for_more_attributes);
    add_test(s, "says_how_much_it_takes", says_how_much_it_takes);
    add_test(s, "of_nothing_is_nothing", of_nothing_is_nothing);
}

TEST_MAIN("record_copy", add_tests)
