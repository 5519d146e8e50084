/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "pipeline/flush.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

/* --- a source that does what the test says --- */

static struct {
    int mark;    /* what `mark` returns */
    bool passed; /* what `passed` returns */
    unsigned marks;
    char message[32];
    unsigned n;
} fake;

static int fake_mark(struct azm_source *s, const char *message, unsigned n, struct azm_error *err)
{
    (void)s;
    fake.marks++;
    snprintf(fake.message, sizeof fake.message, "%s", message ? message : "(none)");
    fake.n = n;
    return fake.mark < 0 ? azm_error_set(err, fake.mark, "the mark") : fake.mark;
}

static bool fake_passed(struct azm_source *s)
{
    (void)s;
    return fake.passed;
}

static struct azm_source *source(void)
{
    static const struct azm_source_ops ops = {.mark = fake_mark, .passed = fake_passed};
    static struct azm_source s = {.ops = &ops};

    return &s;
}

/* --- who waits --- */

struct waiter {
    unsigned ended;
    bool gone; /* nobody waits any more */
    char error[64];
};

static void done(void *userdata, const char *error)
{
    struct waiter *w = userdata;

    w->ended++;
    snprintf(w->error, sizeof w->error, "%s", error ? error : "");
}

static bool wanted(void *userdata)
{
    return !((struct waiter *)userdata)->gone;
}

static void add(struct azm_flushes *f, const char *message, unsigned n, struct waiter *w)
{
    ck_assert_int_eq(azm_flush_add(f, message, n, &(struct azm_flush_waiter){done, wanted, w}), 0);
}

static int mark(struct azm_flushes *f, int answer)
{
    struct azm_error err;

    fake.mark = answer;
    return azm_flush_mark(f, source(), &err);
}

static bool wants_seal(struct azm_flushes *f, bool passed)
{
    fake.passed = passed;
    return azm_flush_wants_seal(f, source());
}

START_TEST(the_four_steps)
{
    struct azm_flushes f = {0};
    struct waiter w = {0};
    char message[] = "id 5";

    add(&f, message, 3, &w);
    memset(message, 'x', 4); /* it has a copy */
    ck_assert(!azm_flush_reads(&f));
    ck_assert(!wants_seal(&f, true)); /* not marked yet */
    azm_flush_sealed(&f, 1);
    azm_flush_acknowledged(&f, UINT64_MAX);

    ck_assert_int_eq(mark(&f, 0), 0);
    ck_assert_str_eq(fake.message, "id 5");
    ck_assert_uint_eq(fake.n, 3);
    ck_assert(!azm_flush_reads(&f));
    ck_assert_int_eq(mark(&f, 1), 1);
    ck_assert(azm_flush_reads(&f));
    fake.marks = 0;
    ck_assert_int_eq(mark(&f, 1), 0); /* it has its mark */
    ck_assert_uint_eq(fake.marks, 0);

    azm_flush_sealed(&f, 1); /* other batches come and go meanwhile */
    azm_flush_acknowledged(&f, UINT64_MAX);
    ck_assert(!wants_seal(&f, false));
    ck_assert(azm_flush_reads(&f));
    ck_assert(wants_seal(&f, true));
    ck_assert(!azm_flush_reads(&f));
    ck_assert(wants_seal(&f, false)); /* until that is done */

    azm_flush_acknowledged(&f, UINT64_MAX);
    ck_assert_uint_eq(w.ended, 0);
    azm_flush_sealed(&f, 7);
    ck_assert(!wants_seal(&f, true));
    azm_flush_sealed(&f, 9); /* of what came later */
    azm_flush_acknowledged(&f, 6);
    ck_assert_uint_eq(w.ended, 0);
    azm_flush_acknowledged(&f, 7);
    ck_assert_uint_eq(w.ended, 1);
    ck_assert_str_eq(w.error, "");
    azm_flush_acknowledged(&f, 8);
    azm_flush_fail(&f, "too late");
    ck_assert_uint_eq(w.ended, 1);
    ck_assert_ptr_null(f.first);
}
END_TEST

START_TEST(without_a_message)
{
    struct azm_flushes f = {0};
    struct waiter w = {0};

    add(&f, NULL, 0, &w);
    ck_assert_int_eq(mark(&f, 1), 1);
    ck_assert_str_eq(fake.message, "(none)");
    azm_flush_fail(&f, "the end");
    ck_assert_uint_eq(w.ended, 1);
    ck_assert_str_eq(w.error, "the end");
}
END_TEST

START_TEST(an_error_of_the_source)
{
    struct azm_flushes f = {0};
    struct waiter w = {0};
    struct azm_error err = {""};

    add(&f, NULL, 0, &w);
    fake.mark = -EIO;
    ck_assert_int_eq(azm_flush_mark(&f, source(), &err), -EIO);
    ck_assert_str_eq(err.words, "the mark");
    ck_assert_uint_eq(w.ended, 0);
    ck_assert_int_eq(mark(&f, 1), 1); /* another time */
    azm_flush_fail(&f, "x");
}
END_TEST

/* Several wait, each at its own step. */
START_TEST(each_for_its_own_batches)
{
    struct azm_flushes f = {0};
    struct waiter w[4] = {{0}};

    add(&f, NULL, 0, &w[0]);
    ck_assert_int_eq(mark(&f, 1), 1);
    ck_assert(wants_seal(&f, true));
    azm_flush_sealed(&f, 1);
    add(&f, NULL, 0, &w[1]);
    add(&f, "m", 1, &w[2]);
    ck_assert_int_eq(mark(&f, 1), 1);
    ck_assert(wants_seal(&f, true));
    azm_flush_sealed(&f, 2);
    add(&f, "m", 1, &w[3]);

    azm_flush_acknowledged(&f, 0);
    ck_assert_uint_eq(w[0].ended, 0);
    azm_flush_acknowledged(&f, 1);
    ck_assert_uint_eq(w[0].ended, 1);
    ck_assert_uint_eq(w[1].ended + w[2].ended, 0);
    azm_flush_acknowledged(&f, 2);
    ck_assert_uint_eq(w[1].ended, 1);
    ck_assert_uint_eq(w[2].ended, 1);
    ck_assert_uint_eq(w[3].ended, 0);
    azm_flush_fail(&f, "stopped");
    ck_assert_str_eq(w[1].error, "");
    ck_assert_uint_eq(w[3].ended, 1);
    ck_assert_str_eq(w[3].error, "stopped");
}
END_TEST

/* A client that went away does not make the daemon look for its message for ever. */
START_TEST(those_that_nobody_wants_end_when_one_is_added)
{
    struct azm_flushes f = {0};
    struct waiter w[6] = {{0}};

    for (size_t i = 0; i < 5; i++) {
        add(&f, NULL, 0, &w[i]);
        if (i == 1)
            ck_assert_int_eq(mark(&f, 1), 1);
    }
    w[0].gone = w[2].gone = w[4].gone = true;
    ck_assert_uint_eq(w[0].ended + w[2].ended + w[4].ended, 0);
    add(&f, NULL, 0, &w[5]);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(w[i].ended, w[i].gone);
        ck_assert_int_eq(*w[i].error != '\0', w[i].gone);
    }
    azm_flush_fail(&f, "x");
    for (size_t i = 0; i < 6; i++)
        ck_assert_uint_eq(w[i].ended, 1);
}
END_TEST

/* --- property --- */

/* A made-up pipeline: entries are written, read, sealed into batches and acknowledged, in any order of events. A flush
 * ends only when everything is acknowledged that had been written when it was added, and it does end. The source keeps
 * the latest mark only, as the real one. */
static struct {
    uint64_t written, read, mark, sealed[4096];
    size_t batches;
} world;

static int world_mark(struct azm_source *s, const char *message, unsigned n, struct azm_error *err)
{
    (void)s, (void)message, (void)n, (void)err;
    world.mark = world.written;
    return 1;
}

static bool world_passed(struct azm_source *s)
{
    (void)s;
    return world.read >= world.mark;
}

START_TEST(never_too_early_and_never_never)
{
    static const struct azm_source_ops ops = {.mark = world_mark, .passed = world_passed};
    static struct waiter w[4096];
    static uint64_t wants[4096];
    struct azm_source s = {.ops = &ops};
    struct azm_flushes f = {0};
    struct azm_error err;
    struct prng prng = {1};
    size_t n = 0, acknowledged = 0;

    for (int i = 0; i < 20000; i++) {
        bool last = i >= 19990; /* everything calms down */

        switch (last ? 4 : prng_below(&prng, 10)) {
        case 0:
            if (n < ELEMENTSOF(w)) {
                wants[n] = world.written;
                add(&f, NULL, 0, &w[n++]);
            }
            break;
        case 1:
        case 2:
            world.written += prng_below(&prng, 5);
            break;
        case 3:
            ck_assert_int_ge(azm_flush_mark(&f, &s, &err), 0);
            break;
        default:
            ck_assert_int_ge(azm_flush_mark(&f, &s, &err), 0);
            world.read += last ? world.written - world.read : prng_below(&prng, world.written - world.read + 1);
            if (azm_flush_wants_seal(&f, &s) && world.batches < ELEMENTSOF(world.sealed)) {
                world.sealed[world.batches++] = world.read;
                azm_flush_sealed(&f, world.batches);
            }
            if (acknowledged < world.batches)
                acknowledged = last ? world.batches : acknowledged + prng_below(&prng, 2);
            azm_flush_acknowledged(&f, acknowledged);
        }
        for (size_t k = 0; k < n; k++)
            if (w[k].ended > 0 && (acknowledged == 0 || world.sealed[acknowledged - 1] < wants[k]))
                ck_abort_msg("flush %zu ended too early", k);
    }
    ck_assert_uint_gt(n, 500);
    ck_assert_uint_lt(world.batches, ELEMENTSOF(world.sealed));
    for (size_t k = 0; k < n; k++) {
        ck_assert_uint_eq(w[k].ended, 1);
        ck_assert_str_eq(w[k].error, "");
    }
    ck_assert_ptr_null(f.first);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "the_four_steps", the_four_steps);
    add_test(s, "without_a_message", without_a_message);
    add_test(s, "an_error_of_the_source", an_error_of_the_source);
    add_test(s, "each_for_its_own_batches", each_for_its_own_batches);
    add_test(s, "those_that_nobody_wants_end_when_one_is_added", those_that_nobody_wants_end_when_one_is_added);
    add_test(s, "never_too_early_and_never_never", never_too_early_and_never_never);
}

TEST_MAIN("flush", add_tests)
