/* SPDX-License-Identifier: MIT */
#include "tests/unit/join_help.h"
#include "tests/unit/prng.h"

/* Positions that are given out while messages are held back: whatever ends it, and wherever it goes on, nothing is
 * lost, and what comes again is the same. */

/* Entries of messages, and those between them: where may reading begin? */
START_TEST(the_position_is_never_in_a_message)
{
    static const bool may_begin[] = {true, true, false, false, false, false, false, false, false, true, true};

    begin("python");
    say(1, "a");       /* 0 */
    say(2, TRACEBACK); /* 1 */
    say(1, "b");       /* 2 */
    say(1, TRACEBACK); /* 3 */
    say(2, "  File");  /* 4 */
    say(2, "KeyError");
    say(2, "c"); /* 6 */
    say(3, TRACEBACK);
    say(1, "KeyError"); /* 8 */
    say(1, "d");
    open_at(0);
    for (;;) {
        int r = source->ops->next(source, &record, &err);

        ck_assert_msg(may_begin[position()], "%zu", position());
        if (r == 0 && azm_source_release(source) == 0)
            break;
    }
    ck_assert_uint_eq(position(), 10);
    finish();
}
END_TEST

/* Where one message begins before the other ends, all the time. */
START_TEST(messages_that_overlap_for_ever)
{
    size_t first = 0, longest;
    _cleanup_(azm_buf_free) struct azm_buf texts = {0};

    begin("indent");
    for (unsigned i = 0; i < ENTRIES_MAX; i++)
        add(i % 2, SEC + i / 4, i % 4 < 2 ? "one" : " two", STDOUT);
    journal.repeats = 20;
    open_at(0);
    while (first == 0) {
        ck_assert_int_eq(source->ops->next(source, &record, &err), 1);
        first = position();
    }
    ck_assert_uint_gt(journal.next, AZM_JOIN_ENTRIES_MAX);
    ck_assert_uint_le(journal.next, AZM_JOIN_ENTRIES_MAX + 10);
    ck_assert_uint_gt(first, AZM_JOIN_ENTRIES_MAX);
    ck_assert_uint_gt(read_all(&texts, "", &longest), 0);
    ck_assert_uint_eq(position(), 20 * ENTRIES_MAX);
    finish();
}
END_TEST

/* The journal goes back by itself (damaged files): the message begins anew, and no position is behind its beginning. */
START_TEST(the_journal_goes_back)
{
    begin("python");
    say(1, "a");
    say(1, TRACEBACK);
    say(1, " b");
    say(1, "KeyError");
    say(1, "c");
    open_at(0);
    assert_next("a");
    ck_assert_uint_eq(position(), 1);
    journal.now = SEC + 2000; /* up to " b" */
    assert_none();
    ck_assert_uint_eq(position(), 1);
    journal.next = 1;
    assert_none();
    ck_assert_uint_eq(position(), 1);
    journal.now = UINT64_MAX / 2;
    assert_next(TRACEBACK "\n b\nKeyError");
    assert_next("c");
    ck_assert_uint_eq(position(), 5);
    finish();
}
END_TEST

/* --- random schedules --- */

#define SEEN_MAX (2 * ENTRIES_MAX)

static struct seen {
    uint8_t uid[16];
    char *body;
    bool again; /* in the run at hand */
} seen[SEEN_MAX];
static size_t n_seen;

static struct seen *find_seen(const uint8_t uid[16])
{
    for (size_t i = 0; i < n_seen; i++)
        if (memcmp(seen[i].uid, uid, 16) == 0)
            return &seen[i];
    return NULL;
}

static void forget_seen(void)
{
    while (n_seen > 0)
        free(seen[--n_seen].body);
}

/* A record has come before, just so, or not at all. */
static bool complete; /* no other one is to come */

static void see(void)
{
    struct seen *s = find_seen(record.uid);
    char *body = strndup(record.body.s, record.body.len);

    if (!s) {
        ck_assert_msg(!complete, "\"%s\" of %s is new", body, attribute_of(&record, "process.pid"));
        s = &seen[n_seen++];
        memcpy(s->uid, record.uid, 16);
        s->body = body;
        return;
    }
    ck_assert_msg(strcmp(s->body, body) == 0, "\"%s\" came again as \"%s\"", s->body, body);
    s->again = true;
    free(body);
}

static void write_journal(struct prng *p, size_t n)
{
    static const char *const lines[] = {TRACEBACK,
                                        "  File \"a\", line 1",
                                        "  File \"b\", line 2",
                                        "ValueError: no",
                                        "During handling of the above exception, another exception occurred:",
                                        "words"};
    uint64_t usec = SEC;
    char text[128];

    for (size_t i = 0; i < n; i++) {
        /* often at once, sometimes within the timeout or just at its end, sometimes much later */
        static const uint64_t steps[] = {0, 0, 0, 1, 1000, 300000, 999999, 1000000, 1000001, 5000000};
        bool piece = prng_below(p, 12) == 0;

        usec += steps[prng_below(p, ELEMENTSOF(steps))];
        snprintf(text, sizeof text, "%s", lines[prng_below(p, ELEMENTSOF(lines))]);
        if (prng_below(p, 2) == 0 && strcmp(text, TRACEBACK) != 0)
            snprintf(text, sizeof text, "  File %zu", i);
        add(1 + (unsigned)prng_below(p, 4), usec, text, piece ? STDOUT "_LINE_BREAK=line-max\n" : STDOUT);
    }
}

/* Follows the journal as it grows, with positions that are acknowledged now and then, and a death now and then. */
static void follow(struct prng *p)
{
    _cleanup_(azm_buf_free) struct azm_buf noted = {0};

    journal.acknowledged = 0;
    journal.now = SEC;
    open_at(0);
    for (;;) {
        int r = source->ops->next(source, &record, &err);

        ck_assert_int_ge(r, 0);
        if (r > 0)
            see();
        if (prng_below(p, 5) == 0) /* all that was given so far arrives */
            ck_assert_int_eq(source->ops->position(source, &noted, &err), 0);
        if (prng_below(p, 7) == 0 && noted.len > 0)
            source->ops->acknowledge(source, &noted, &err);
        if (prng_below(p, 60) == 0) {
            close_source();
            azm_buf_clear(&noted);
            open_at(journal.acknowledged);
            continue;
        }
        if (r > 0 || source->ops->process(source, &err) > 0)
            continue;
        /* nothing more now: time goes on to the next entry, or to where the source wants to look again */
        if (journal.next < journal.n)
            journal.now = MIN(journal.entries[journal.next].usec, wait_until_usec());
        else if (wait_until_usec() < AZM_USEC_INFINITY)
            journal.now = wait_until_usec();
        else
            break;
    }
    ck_assert_uint_eq(position(), journal.n);
    close_source();
}

/* Whoever reads, when, and however often he dies: the records are the same, and none is missing. */
START_TEST(random_schedules)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct prng p = {seed};
        complete = false;
        begin("python");
        write_journal(&p, 300);
        open_at(0); /* all at once */
        while (read_on())
            see();
        close_source();
        complete = true;
        for (int i = 0; i < 3; i++) {
            for (size_t k = 0; k < n_seen; k++)
                seen[k].again = false;
            follow(&p);
            for (size_t k = 0; k < n_seen; k++)
                ck_assert_msg(seen[k].again, "\"%s\" is lost", seen[k].body);
        }
        forget_seen();
        finish();
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "the_position_is_never_in_a_message", the_position_is_never_in_a_message);
    add_test(s, "messages_that_overlap_for_ever", messages_that_overlap_for_ever);
    add_test(s, "the_journal_goes_back", the_journal_goes_back);
    add_test(s, "random_schedules", random_schedules);
}

TEST_MAIN("join_position", add_tests)
