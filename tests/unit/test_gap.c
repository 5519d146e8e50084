/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "source/gap.h"
#include "tests/unit/place_help.h"
#include "tests/unit/record_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

#define NOW UINT64_C(1800000000000000)

static struct azm_arena arena;
static struct azm_attribute attributes[AZM_GAP_ATTRIBUTES];
static struct azm_record record;

static const struct {
    enum azm_gap_reason reason;
    const char *name, *words;
} reasons[] = {
    {AZM_GAP_VACUUMED, "vacuumed", "vacuumed before they were read"},
    {AZM_GAP_ROLLED_BACK, "rolled_back", "rolled back or recreated"},
    {AZM_GAP_MISSING, "missing", "damaged, truncated or deleted"},
    {AZM_GAP_UNREADABLE, "unreadable", "cannot be read"},
};

static const struct azm_gap full = {.reason = AZM_GAP_MISSING,
                                    .counted = true,
                                    .about = true,
                                    .up_to = true,
                                    .entries = 7,
                                    .from = {.seqnum = 1, .realtime_usec = UINT64_C(1700000000000001)},
                                    .to = {.seqnum = 9, .realtime_usec = UINT64_C(1700000001000002)},
                                    .file = (char *)"/var/log/journal/x.journal"};

static void make(const struct azm_gap *g)
{
    azm_arena_reset(&arena);
    memset(attributes, 0, sizeof attributes);
    ck_assert_int_ge(azm_gap_record(g, AZM_TEXT("the resource"), NOW, &arena, attributes, &record), 0);
    ck_assert_uint_le(record.n_attributes, AZM_GAP_ATTRIBUTES);
}

static const char *body(void)
{
    static char text[2048];

    ck_assert(record.has_body);
    snprintf(text, sizeof text, "%.*s", (int)record.body.len, record.body.s);
    return text;
}

static void assert_has(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "'%s' is not in: %s", words, text);
}

static void assert_has_not(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) == NULL, "'%s' is in: %s", words, text);
}

static void assert_attribute(const char *key, const char *expected)
{
    const char *value = attribute_of(&record, key);

    ck_assert_ptr_nonnull(value);
    ck_assert_str_eq(value, expected);
}

START_TEST(a_record_with_everything)
{
    make(&full);
    ck_assert_int_eq(record.severity, 4);
    ck_assert_uint_eq(record.time_unix_nano, NOW * 1000);
    ck_assert_uint_eq(record.observed_time_unix_nano, NOW * 1000);
    ck_assert(azm_text_equal(record.resource, AZM_TEXT("the resource")));
    ck_assert(!record.has_trace_id && !record.has_span_id);
    ck_assert_uint_eq(record.n_attributes, AZM_GAP_ATTRIBUTES);
    assert_attribute("azmonlog.gap.reason", "missing");
    assert_attribute("azmonlog.gap.entries", "7");
    assert_attribute("azmonlog.gap.about", "true");
    assert_attribute("azmonlog.gap.up_to", "true");
    assert_attribute("azmonlog.gap.from", "2023-11-14T22:13:20.000001Z");
    assert_attribute("azmonlog.gap.to", "2023-11-14T22:13:21.000002Z");
    assert_attribute("azmonlog.gap.file", full.file);
    azm_arena_free(&arena);
}
END_TEST

START_TEST(a_record_with_next_to_nothing)
{
    make(&(struct azm_gap){.reason = AZM_GAP_VACUUMED});
    ck_assert_uint_eq(record.n_attributes, 1);
    assert_attribute("azmonlog.gap.reason", "vacuumed");
    assert_has(body(), "journal entries may have been lost: ");
    assert_has_not(body(), "; "); /* nothing to say about when */
    azm_arena_free(&arena);
}
END_TEST

START_TEST(words_and_reasons)
{
    for (size_t i = 0; i < ELEMENTSOF(reasons); i++) {
        struct azm_gap g = {.reason = reasons[i].reason, .entries = 99};

        make(&g);
        assert_attribute("azmonlog.gap.reason", reasons[i].name);
        assert_has(body(), reasons[i].words);
        assert_has(body(), "may have been lost");
        assert_has_not(body(), "99"); /* not known */
        ck_assert_ptr_null(attribute_of(&record, "azmonlog.gap.entries"));
        g.counted = true;
        make(&g);
        ck_assert_ptr_eq(strstr(body(), "99 journal entries were lost: "), body());
        g.entries = 1;
        make(&g);
        ck_assert_ptr_eq(strstr(body(), "1 journal entry was lost: "), body());
        g.about = true;
        make(&g);
        ck_assert_ptr_eq(strstr(body(), "about 1 journal entry"), body());
        g.up_to = true;
        make(&g);
        ck_assert_ptr_eq(strstr(body(), "up to about 1 journal entry"), body());
        g.about = false;
        make(&g);
        ck_assert_ptr_eq(strstr(body(), "up to 1 journal entry"), body());
    }
    make(&(struct azm_gap){.reason = AZM_GAP_FILE, .file = (char *)"/x.journal"});
    assert_attribute("azmonlog.gap.reason", "file");
    assert_attribute("azmonlog.gap.file", "/x.journal");
    assert_has(body(), "/x.journal cannot be read or gives no entry");
    azm_arena_free(&arena);
}
END_TEST

START_TEST(between_two_times)
{
    struct azm_gap g = {.reason = AZM_GAP_VACUUMED};

    g.from.realtime_usec = UINT64_C(1700000000000001);
    make(&g);
    assert_has(body(), "; after 2023-11-14T22:13:20.000001Z");
    assert_has_not(body(), "before 2");
    ck_assert_ptr_null(attribute_of(&record, "azmonlog.gap.to"));
    g.to.realtime_usec = UINT64_C(1700000001000002);
    make(&g);
    assert_has(body(), "; after 2023-11-14T22:13:20.000001Z, before 2023-11-14T22:13:21.000002Z");
    g.from.realtime_usec = UINT64_C(1700000002000003); /* the clock was set back in between */
    make(&g);
    assert_has(body(), "; after 2023-11-14T22:13:21.000002Z, before 2023-11-14T22:13:22.000003Z");
    ck_assert_str_eq(attribute_of(&record, "azmonlog.gap.from"), "2023-11-14T22:13:21.000002Z");
    g.from.realtime_usec = 0;
    make(&g);
    assert_has(body(), "; before 2023-11-14T22:13:21.000002Z");
    ck_assert_ptr_null(attribute_of(&record, "azmonlog.gap.from"));
    azm_arena_free(&arena);
}
END_TEST

/* Found again after a crash, at another time, by another resource: the far end tells that it is the same. */
START_TEST(the_uid_is_the_gaps)
{
    struct azm_gap others[] = {full, full, full, full, full, full};
    uint8_t uid[16];

    make(&full);
    memcpy(uid, record.uid, 16);
    azm_arena_reset(&arena);
    ck_assert_int_ge(azm_gap_record(&full, AZM_TEXT("another"), NOW + 1, &arena, attributes, &record), 0);
    ck_assert_mem_eq(record.uid, uid, 16);

    others[0].reason = AZM_GAP_VACUUMED;
    others[1].entries++;
    others[2].from.seqnum++;
    others[3].to.hash++;
    others[4].file = (char *)"/var/log/journal/y.journal";
    others[5].file = NULL;
    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        make(&others[i]);
        ck_assert_msg(memcmp(record.uid, uid, 16) != 0, "gap %zu has the uid of another", i);
    }
    make(&(struct azm_gap){.reason = AZM_GAP_FILE, .file = (char *)"/a"});
    memcpy(uid, record.uid, 16);
    make(&(struct azm_gap){.reason = AZM_GAP_FILE, .file = (char *)"/b"});
    ck_assert_mem_ne(record.uid, uid, 16);
    azm_arena_free(&arena);
}
END_TEST

/* The longest there can be: a path of any length, all numbers at their largest. The sentence is cut, nothing else. */
START_TEST(the_longest)
{
    struct azm_gap g = full;
    char file[4096];

    memset(file, 'x', sizeof file);
    memset(&g.from, 0xFF, sizeof g.from);
    memset(&g.to, 0xFF, sizeof g.to);
    g.entries = INT64_MAX;
    for (size_t len = 700; len < sizeof file; len += len < 1100 ? 1 : 97) {
        file[len] = '\0';
        g.file = file;
        for (size_t i = 0; i <= AZM_GAP_FILE; i++) {
            g.reason = (enum azm_gap_reason)i;
            make(&g);
            ck_assert_uint_lt(record.body.len, 1024);
            assert_attribute("azmonlog.gap.file", file);
        }
        file[len] = 'x';
    }
    azm_arena_free(&arena);
}
END_TEST

/* --- the queue --- */

static void catch_log(void)
{
    ck_assert_ptr_nonnull(freopen(temp_path("log"), "w", stderr));
}

START_TEST(each_is_logged_counted_and_given_once)
{
    struct azm_losses losses = {0};
    struct azm_gaps gaps = {0};

    catch_log();
    ck_assert_ptr_null(azm_gaps_take(&gaps));
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 1; i <= 10; i++) {
            struct azm_gap g = {.reason = AZM_GAP_FILE, .counted = i % 2, .entries = i, .file = strdup("/x")};

            ck_assert_int_eq(azm_gaps_add(&gaps, &losses, &g), 0);
        }
        for (unsigned i = 1; i <= 10; i++) {
            const struct azm_gap *g = azm_gaps_take(&gaps);

            ck_assert_ptr_nonnull(g);
            ck_assert_uint_eq(g->entries, i);
            ck_assert_str_eq(g->file, "/x");
        }
        ck_assert_ptr_null(azm_gaps_take(&gaps));
        ck_assert_ptr_null(azm_gaps_take(&gaps));
    }
    ck_assert_uint_eq(losses.gaps, 30);
    ck_assert_uint_eq(losses.gap_entries, 3 * (1 + 3 + 5 + 7 + 9)); /* of those whose size is known */
    ck_assert_uint_eq(losses.damaged_files, 0);
    {
        const char *log = read_text("log");
        unsigned lines = 0;

        for (; (log = strchr(log, '\n')); log++)
            lines++;
        ck_assert_uint_eq(lines, 30);
    }
}
END_TEST

/* One found while others wait comes after them. */
START_TEST(in_order)
{
    struct azm_losses losses = {0};
    struct azm_gaps gaps = {0};
    uint64_t taken = 0, added = 0;
    struct prng prng = {1};

    catch_log();
    while (taken < 300) {
        if (prng_below(&prng, 2) == 0) {
            struct azm_gap g = {.reason = AZM_GAP_VACUUMED, .entries = ++added, .file = strdup("/x")};

            ck_assert_int_eq(azm_gaps_add(&gaps, &losses, &g), 0);
        } else {
            const struct azm_gap *g = azm_gaps_take(&gaps);

            ck_assert(!g == (taken == added));
            if (g)
                ck_assert_uint_eq(g->entries, ++taken);
        }
    }
    azm_gaps_free(&gaps); /* with those that wait */
    ck_assert_ptr_null(azm_gaps_take(&gaps));
}
END_TEST

START_TEST(the_log_line_is_a_warning_and_the_sentence)
{
    catch_log();
    azm_log_init(AZM_LOG_ERROR);
    azm_gap_log(&full);
    ck_assert_str_eq(read_text("log"), "");
    azm_log_init(AZM_LOG_WARNING);
    azm_gap_log(&full);
    make(&full);
    ck_assert_ptr_nonnull(strstr(read_text("log"), body()));
    azm_arena_free(&arena);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "a_record_with_everything", a_record_with_everything);
    add_test(s, "a_record_with_next_to_nothing", a_record_with_next_to_nothing);
    add_test(s, "words_and_reasons", words_and_reasons);
    add_test(s, "between_two_times", between_two_times);
    add_test(s, "the_uid_is_the_gaps", the_uid_is_the_gaps);
    add_test(s, "the_longest", the_longest);
    add_test_in_dir(s, "each_is_logged_counted_and_given_once", each_is_logged_counted_and_given_once);
    add_test_in_dir(s, "in_order", in_order);
    add_test_in_dir(s, "the_log_line_is_a_warning_and_the_sentence", the_log_line_is_a_warning_and_the_sentence);
}

TEST_MAIN("gap", add_tests)
