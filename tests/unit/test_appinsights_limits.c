/* SPDX-License-Identifier: MIT */
#include "tests/unit/appinsights_help.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* What Application Insights takes, to the character; and that nothing is lost without a mark. */

#define MESSAGE_UNITS 32768
#define VALUE_UNITS 8192
#define KEY_UNITS 150
#define ITEM_BYTES 65536
#define UID "0123456789abcdef0123456789abcdef"

static const struct azm_buf no_resource;

static size_t property_count(json_t *j)
{
    return json_object_size(json_object_get(data(j), "properties"));
}

/* Texts of `units` UTF-16 code units: plain ones, and some that end with a character of two units or of three bytes. */
static struct azm_text text_of_units(size_t units, const char *last, size_t last_units)
{
    struct azm_text t = repeated("x", units - last_units + 4);

    memcpy((char *)t.s + units - last_units, last, strlen(last));
    t.len = units - last_units + strlen(last);
    return t;
}

struct ending {
    const char *last;
    size_t units;
};

static const struct ending endings[] = {{"z", 1}, {"\xE2\x82\xAC", 1}, {"\xF0\x9F\x98\x80", 2}, {"\n", 1}};

/* Puts texts at the bound and above it into a record, and looks at what became of them. */
static void check_bound(size_t max_units, void (*put)(struct azm_buf *record, struct azm_text t),
                        struct azm_text (*get)(json_t *j))
{
    for (size_t i = 0; i < ELEMENTSOF(endings); i++)
        for (size_t over = 0; over < 3; over++) {
            struct azm_text t = text_of_units(max_units + over, endings[i].last, endings[i].units), expected = t;
            _cleanup_(azm_buf_free) struct azm_buf record = {0};
            json_t *j;

            put(&record, t);
            j = envelope(&no_resource, &record);
            if (over > 0) /* all plain ones that fit */
                expected.len = MIN(max_units, max_units + over - endings[i].units);
            assert_text_equal(get(j), expected);
            ck_assert_int_eq(is_truncated(j), over > 0);
            json_decref(j);
        }
}

static struct azm_text get_value(json_t *j)
{
    return property(j, "k");
}

static void put_value(struct azm_buf *record, struct azm_text t)
{
    text_attribute(record, "k", t);
}

static struct azm_text get_key(json_t *j)
{
    const char *key = json_object_iter_key(json_object_iter(json_object_get(data(j), "properties")));

    return azm_text_of(key);
}

static void put_key(struct azm_buf *record, struct azm_text t)
{
    wire_key_value(record, LOG_ATTRIBUTE, t, any_text(AZM_TEXT("v")));
}

static struct azm_text get_array(json_t *j)
{
    struct azm_text t = property(j, "k");

    return (struct azm_text){t.s + 2, t.len - 2}; /* behind [" */
}

static void put_type(struct azm_buf *record, struct azm_text t)
{
    text_attribute(record, "exception.type", t);
}

static struct azm_text get_type(json_t *j)
{
    return text_at(exception(j), "typeName");
}

static void put_exception_message(struct azm_buf *record, struct azm_text t)
{
    text_attribute(record, "exception.message", t);
}

static struct azm_text get_exception_message(json_t *j)
{
    return text_at(exception(j), "message");
}

static void put_stack(struct azm_buf *record, struct azm_text t)
{
    text_attribute(record, "exception.type", AZM_TEXT("E"));
    text_attribute(record, "exception.stacktrace", t);
}

static struct azm_text get_stack(json_t *j)
{
    ck_assert_int_ne(json_is_true(json_object_get(exception(j), "hasFullStack")), is_truncated(j));
    return text_at(exception(j), "stack");
}

START_TEST(to_the_character)
{
    check_bound(MESSAGE_UNITS, body, message);
    check_bound(VALUE_UNITS, put_value, get_value);
    check_bound(KEY_UNITS, put_key, get_key);
    check_bound(1024, put_type, get_type);
    check_bound(MESSAGE_UNITS, put_exception_message, get_exception_message);
    check_bound(MESSAGE_UNITS, put_stack, get_stack);
}
END_TEST

/* Two bytes for two units: it is characters that count, not bytes. */
START_TEST(characters_not_bytes)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0};
    struct azm_text t = repeated("\xE2\x82\xAC", VALUE_UNITS);
    json_t *j;

    text_attribute(&record, "k", t);
    j = envelope(&no_resource, &record);
    assert_text_equal(property(j, "k"), t);
    ck_assert(!is_truncated(j));
    json_decref(j);
}
END_TEST

START_TEST(a_long_array)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0};
    struct azm_text t = repeated("x", VALUE_UNITS);
    json_t *j;

    attribute(&record, "k", any_array((struct azm_buf[]){any_text(t)}, 1));
    j = envelope(&no_resource, &record);
    t.len = VALUE_UNITS - 2;
    assert_text_equal(get_array(j), t);
    ck_assert(is_truncated(j));
    json_decref(j);
}
END_TEST

START_TEST(tags)
{
    static const struct {
        const char *key, *tag;
        size_t max;
    } table[] = {
        {"service.name", "ai.cloud.role", 256},
        {"service.instance.id", "ai.cloud.roleInstance", 256},
        {"host.name", "ai.internal.nodeName", 256},
        {"service.version", "ai.application.ver", 1024},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        for (size_t over = 0; over < 2; over++) {
            _cleanup_(azm_buf_free) struct azm_buf resource = {0};
            struct azm_text t = repeated("\xC3\xA9", table[i].max + over);
            json_t *j;

            wire_key_value(&resource, RESOURCE_ATTRIBUTE, azm_text_of(table[i].key), any_text(t));
            j = envelope(&resource, &no_resource);
            t.len = 2 * table[i].max;
            assert_text_equal(tag(j, table[i].tag), t);
            ck_assert_int_eq(is_truncated(j), over > 0);
            json_decref(j);
        }
}
END_TEST

/* --- keys that are there twice --- */

START_TEST(keys_that_become_the_same)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, resource = {0};
    char one[200], two[200];
    json_t *j;

    memset(one, 'k', sizeof one);
    memcpy(two, one, sizeof two);
    one[180] = '1';
    two[180] = '2';
    wire_key_value(&record, LOG_ATTRIBUTE, (struct azm_text){one, sizeof one}, any_int(1));
    wire_key_value(&record, LOG_ATTRIBUTE, (struct azm_text){two, sizeof two}, any_int(2));
    wire_key_value(&resource, RESOURCE_ATTRIBUTE, (struct azm_text){two, KEY_UNITS}, any_int(3));
    text_attribute(&record, "twice", AZM_TEXT("first"));
    text_attribute(&record, "twice", AZM_TEXT("second"));
    text_attribute(&record, "\xFF", AZM_TEXT("first"));
    text_attribute(&record, "\xFE", AZM_TEXT("second"));
    text_attribute(&record, "severity_text", AZM_TEXT("theirs"));
    wire_bytes(&record, LOG_SEVERITY_TEXT, "ours", 4);
    j = envelope(&resource, &record);
    one[KEY_UNITS] = '\0';
    assert_text(property(j, one), "1");
    assert_text(property(j, "twice"), "first");
    assert_text(property(j, "\xEF\xBF\xBD"), "first");
    assert_text(property(j, "severity_text"), "theirs");
    assert_text(property(j, "azmonlog.dropped_attributes_count"), "5");
    ck_assert(is_truncated(j));
    ck_assert_uint_eq(property_count(j), 6);
    json_decref(j);
}
END_TEST

/* What was cut before is marked once, and counted on. */
START_TEST(earlier_marks)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, resource = {0};
    json_t *j;

    attribute(&record, "azmonlog.truncated", any_bool(true));
    wire_uint(&record, LOG_DROPPED, 7);
    text_attribute(&record, "azmonlog.dropped_attributes_count", AZM_TEXT("not ours"));
    wire_uint(&resource, 2, 2);
    j = envelope(&resource, &record);
    ck_assert(is_truncated(j));
    assert_text(property(j, "azmonlog.dropped_attributes_count"), "10");
    ck_assert_uint_eq(property_count(j), 2);
    json_decref(j);
}
END_TEST

/* --- the item --- */

/* A record with this message, a uid, an old time, and `n` values. */
static struct azm_buf sample(struct azm_text text, size_t n, struct azm_text value)
{
    struct azm_buf record = {0};
    char key[32];

    wire_fixed64(&record, LOG_TIME, UINT64_C(1600000000000000000));
    body(&record, text);
    text_attribute(&record, "azmonlog.gap.reason", AZM_TEXT("vacuumed"));
    text_attribute(&record, "log.record.uid", AZM_TEXT(UID));
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key%zu", i);
        text_attribute(&record, key, value);
    }
    return record;
}

static void check_dear_ones(json_t *j)
{
    assert_text(property(j, "log.record.uid"), UID);
    assert_text(property(j, "azmonlog.original_time"), "2020-09-13T12:26:40.000000Z");
    assert_text(property(j, "azmonlog.gap.reason"), "vacuumed");
    ck_assert(is_truncated(j));
}

START_TEST(exactly_as_large_as_may_be)
{
    struct azm_text value = repeated("v", 8000), text = repeated("m", MESSAGE_UNITS);
    struct azm_buf record;
    size_t bytes, spare;
    json_t *j;

    text.len = 8000;
    record = sample(text, 6, value);
    json_decref(envelope_at(&no_resource, &record, NOW_USEC, &bytes));
    azm_buf_free(&record);
    ck_assert_uint_lt(bytes, ITEM_BYTES);
    spare = ITEM_BYTES - bytes;
    for (size_t over = 0; over < 2; over++) {
        text.len = 8000 + spare + over;
        record = sample(text, 6, value);
        j = envelope_at(&no_resource, &record, NOW_USEC, &bytes);
        ck_assert_uint_eq(bytes, ITEM_BYTES); /* all of the room is used */
        ck_assert_int_eq(is_truncated(j), over > 0);
        ck_assert_int_eq(message(j).len == text.len, over == 0);
        for (size_t i = 0; i < 6; i++)
            assert_text_equal(property(j, (const char *[]){"key0", "key1", "key2", "key3", "key4", "key5"}[i]), value);
        json_decref(j);
        azm_buf_free(&record);
    }
}
END_TEST

/* The message gives first, but not all of it; then the values; their keys stay. */
START_TEST(then_the_values)
{
    struct azm_text value = repeated("\"", VALUE_UNITS); /* two bytes each */
    _cleanup_(azm_buf_free) struct azm_buf record = {0};
    json_t *j;

    record = sample(repeated("m", MESSAGE_UNITS), 20, value);
    text_attribute(&record, "short", repeated("s", 900));
    j = envelope(&no_resource, &record);
    check_dear_ones(j);
    ck_assert_uint_eq(message(j).len, 1024);
    value.len = 1024; /* 20 of 4096 are too many, 20 of 2048 are not */
    assert_text_equal(property(j, "key0"), value);
    assert_text_equal(property(j, "key19"), value);
    ck_assert_uint_eq(property(j, "short").len, 900);
    ck_assert_uint_eq(property_count(j), 25);
    assert_none(property(j, "azmonlog.dropped_attributes_count"));
    json_decref(j);
}
END_TEST

START_TEST(then_the_last_ones_go)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0};
    size_t kept;
    char key[32];
    json_t *j;

    record = sample(repeated("\x01", MESSAGE_UNITS), 1000, repeated("v", 100));
    text_attribute(&record, "azmonlog.last", AZM_TEXT("stays"));
    j = envelope(&no_resource, &record);
    check_dear_ones(j);
    assert_text(property(j, "azmonlog.last"), "stays");
    kept = property_count(j) - 6; /* four dear ones, two marks */
    ck_assert_uint_gt(kept, 700);
    ck_assert_uint_lt(kept, 1000);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%zu", i);
        ck_assert_uint_eq(property(j, key).len, i < kept ? 64 : 0);
    }
    snprintf(key, sizeof key, "%zu", 1000 - kept);
    assert_text(property(j, "azmonlog.dropped_attributes_count"), key);
    json_decref(j);
}
END_TEST

/* A flood of fields does not hide who sent it. */
START_TEST(the_resource_stays)
{
    static const size_t n_fields[] = {1000, AZM_PROPERTIES_MAX + 100};

    for (size_t i = 0; i < ELEMENTSOF(n_fields); i++) {
        _cleanup_(azm_buf_free) struct azm_buf record = sample(AZM_TEXT("m"), n_fields[i], repeated("v", 100));
        _cleanup_(azm_buf_free) struct azm_buf resource = {0};
        json_t *j;

        wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("service.name"), any_text(AZM_TEXT("shop")));
        wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("systemd.unit"), any_text(AZM_TEXT("shop.service")));
        wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("host.name"), any_text(AZM_TEXT("web1")));
        j = envelope(&resource, &record);
        check_dear_ones(j);
        assert_text(property(j, "systemd.unit"), "shop.service");
        assert_text(property(j, "host.name"), "web1");
        json_decref(j);
        azm_arena_reset(&texts);
    }
}
END_TEST

/* The marks take room, too: whatever the sizes are, it is found without what must stay. */
START_TEST(room_for_the_marks)
{
    for (size_t pad = 0; pad < 64; pad++) {
        _cleanup_(azm_buf_free) struct azm_buf record = sample(AZM_TEXT("m"), 1000, repeated("v", 64));
        json_t *j;

        text_attribute(&record, "azmonlog.last", repeated("p", pad));
        j = envelope(&no_resource, &record);
        check_dear_ones(j);
        ck_assert_uint_eq(property(j, "azmonlog.last").len, pad);
        ck_assert_ptr_nonnull(property(j, "azmonlog.last").s);
        json_decref(j);
        azm_arena_reset(&texts);
    }
}
END_TEST

START_TEST(more_properties_than_may_be)
{
    _cleanup_(azm_buf_free) struct azm_buf record = sample(AZM_TEXT("m"), 5000, AZM_TEXT(""));
    char dropped[32];
    json_t *j;

    text_attribute(&record, "azmonlog.last", AZM_TEXT("stays"));
    j = envelope(&no_resource, &record);
    check_dear_ones(j);
    assert_text(property(j, "azmonlog.last"), "stays");
    snprintf(dropped, sizeof dropped, "%zu", 5000 - (AZM_PROPERTIES_MAX - 2));
    assert_text(property(j, "azmonlog.dropped_attributes_count"), dropped);
    json_decref(j);
}
END_TEST

/* Even what must stay goes, if there is nothing else: an item that is too large is lost as a whole. */
START_TEST(nothing_but_dear_ones)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0};
    char key[200];
    json_t *j;

    text_attribute(&record, "log.record.uid", AZM_TEXT(UID));
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "azmonlog.%0140u", i);
        text_attribute(&record, key, AZM_TEXT("v"));
    }
    j = envelope(&no_resource, &record);
    assert_text(property(j, "log.record.uid"), UID);
    ck_assert(is_truncated(j));
    ck_assert_uint_gt(property_count(j), 300);
    json_decref(j);
}
END_TEST

START_TEST(large_exceptions)
{
    struct azm_text long_text = repeated("m", MESSAGE_UNITS), stack = repeated("s", MESSAGE_UNITS);
    struct azm_buf record = sample(AZM_TEXT("body"), 0, AZM_TEXT(""));
    json_t *j;

    text_attribute(&record, "exception.type", repeated("\x01", 2000));
    text_attribute(&record, "exception.message", long_text);
    text_attribute(&record, "exception.stacktrace", stack);
    j = envelope(&no_resource, &record);
    check_dear_ones(j);
    assert_text(property(j, "message"), "body");
    assert_text_equal(text_at(exception(j), "stack"), stack); /* the message was enough */
    ck_assert(json_is_true(json_object_get(exception(j), "hasFullStack")));
    ck_assert_uint_gt(text_at(exception(j), "message").len, 20000);
    ck_assert_uint_eq(text_at(exception(j), "typeName").len, 1024);
    json_decref(j);
    azm_buf_free(&record);

    record = sample(AZM_TEXT("body"), 4, repeated("v", VALUE_UNITS));
    text_attribute(&record, "exception.message", long_text);
    text_attribute(&record, "exception.stacktrace", stack);
    j = envelope(&no_resource, &record);
    ck_assert_uint_eq(text_at(exception(j), "message").len, 1024);
    ck_assert_uint_gt(text_at(exception(j), "stack").len, 20000);
    ck_assert_uint_lt(text_at(exception(j), "stack").len, MESSAGE_UNITS);
    ck_assert(json_is_false(json_object_get(exception(j), "hasFullStack")));
    ck_assert_uint_eq(property(j, "key3").len, VALUE_UNITS);
    json_decref(j);
    azm_buf_free(&record);

    record = sample(AZM_TEXT("body"), 10, repeated("v", VALUE_UNITS));
    text_attribute(&record, "exception.message", long_text);
    text_attribute(&record, "exception.stacktrace", stack);
    j = envelope(&no_resource, &record);
    ck_assert_uint_eq(text_at(exception(j), "stack").len, 4096);
    ck_assert_uint_eq(property(j, "key9").len, 4096);
    json_decref(j);
    azm_buf_free(&record);
}
END_TEST

/* The largest tags there can be, and texts that take six bytes for each character. */
START_TEST(the_worst)
{
    _cleanup_(azm_buf_free) struct azm_buf record = {0}, resource = {0};
    struct azm_text bad = repeated("\x01", 5000);
    json_t *j;

    record = sample(repeated("\x01", MESSAGE_UNITS), 500, bad);
    text_attribute(&record, "exception.type", bad);
    text_attribute(&record, "exception.message", repeated("\x01", MESSAGE_UNITS));
    text_attribute(&record, "exception.stacktrace", repeated("\x01", MESSAGE_UNITS));
    wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("service.name"), any_text(bad));
    wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("service.version"), any_text(bad));
    wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("service.instance.id"), any_text(bad));
    wire_key_value(&resource, RESOURCE_ATTRIBUTE, AZM_TEXT("host.name"), any_text(bad));
    j = envelope(&resource, &record);
    check_dear_ones(j);
    json_decref(j);
}
END_TEST

/* Random sizes: it always fits, and what is not whole is marked. */
START_TEST(nothing_is_lost_without_a_mark)
{
    static const char *const kinds[] = {"a", "\x01", "\n", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    struct prng p = {77};

    for (int i = 0; i < 300; i++) {
        const char *kind = kinds[prng_below(&p, ELEMENTSOF(kinds))];
        size_t n = prng_below(&p, 60), got = 0, wanted;
        struct azm_text text = repeated(kind, prng_below(&p, 40000));
        struct azm_text value = repeated(kind, prng_below(&p, i & 1 ? 10000 : 600));
        _cleanup_(azm_buf_free) struct azm_buf record = sample(text, n, value);
        char key[32];
        json_t *j = envelope(&no_resource, &record);

        wanted = MAX(text.len, (size_t)3) + n * value.len;
        got = message(j).len;
        for (size_t k = 0; k < n; k++) {
            snprintf(key, sizeof key, "key%zu", k);
            got += property(j, key).len;
        }
        ck_assert_uint_ge(wanted, got);
        ck_assert_int_eq(is_truncated(j), got < wanted);
        if (is_truncated(j))
            check_dear_ones(j);
        json_decref(j);
        azm_arena_reset(&texts);
    }
    azm_appinsights_free(&appinsights);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "to_the_character", to_the_character);
    add_test(s, "characters_not_bytes", characters_not_bytes);
    add_test(s, "a_long_array", a_long_array);
    add_test(s, "tags", tags);
    add_test(s, "keys_that_become_the_same", keys_that_become_the_same);
    add_test(s, "earlier_marks", earlier_marks);
    add_test(s, "exactly_as_large_as_may_be", exactly_as_large_as_may_be);
    add_test(s, "then_the_values", then_the_values);
    add_test(s, "then_the_last_ones_go", then_the_last_ones_go);
    add_test(s, "the_resource_stays", the_resource_stays);
    add_test(s, "room_for_the_marks", room_for_the_marks);
    add_test(s, "more_properties_than_may_be", more_properties_than_may_be);
    add_test(s, "nothing_but_dear_ones", nothing_but_dear_ones);
    add_test(s, "large_exceptions", large_exceptions);
    add_test(s, "the_worst", the_worst);
    add_test(s, "nothing_is_lost_without_a_mark", nothing_is_lost_without_a_mark);
}

TEST_MAIN("appinsights_limits", add_tests)
