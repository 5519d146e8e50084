/* SPDX-License-Identifier: MIT */
#include "export/transit.h"
#include "tests/unit/exporter_sim.h"

/* What is sent next, splitting, and what is known about what fails. A part is named by its first record's number; batch
 * i has the records 100 * i and following. */

#define PER 100
#define NOBODY 9999

static struct azm_part *part_of(const struct azm_transit *t, size_t i)
{
    struct azm_part *p = t->parts;

    while (i-- > 0)
        p = p->next;
    return p;
}

/* Appends batch i with n records; returns its only part. */
static struct azm_part *append(struct azm_transits *ts, size_t i, size_t n)
{
    struct azm_transit *t = azm_transit_new(sim_batch(PER * i, n));

    ck_assert_ptr_nonnull(t);
    azm_transits_append(ts, t);
    return t->parts;
}

static uint64_t name_of(const struct azm_part *p)
{
    return p ? sim_first(p) : NOBODY;
}

#define assert_next(ts, expected)                                                                                      \
    ck_assert_uint_eq(name_of(azm_transits_next(ts, false, AZM_PROBE_AFTER_UNTRIED)), expected)
#define assert_next_suspect(ts, expected)                                                                              \
    ck_assert_uint_eq(name_of(azm_transits_next(ts, true, AZM_PROBE_AFTER_UNTRIED)), expected)

static void send_part(struct azm_transits *ts, struct azm_part *p)
{
    azm_part_sent(ts, p, 1);
}

static void fail_part(struct azm_transits *ts, struct azm_part *p, bool refused)
{
    send_part(ts, p);
    azm_part_failed(ts, p, refused);
}

/* It is sent and acknowledged; frees its batch if that is through. */
static void pass_part(struct azm_transits *ts, struct azm_part *p)
{
    struct azm_transit *t;

    send_part(ts, p);
    azm_part_acknowledged(ts, p);
    if (azm_part_is_probe(ts, p)) {
        p->state = AZM_PART_READY;
        return;
    }
    t = azm_part_done(ts, p);
    if (t)
        azm_batch_free(azm_transit_free(t));
}

static void split_part(struct azm_part *p)
{
    ck_assert_int_eq(azm_part_split(p, false), 0);
}

/* --- what is next --- */

START_TEST(in_order_while_all_is_well)
{
    struct azm_transits ts = {0};
    struct azm_part *a, *b, *c;

    assert_next(&ts, NOBODY);
    a = append(&ts, 1, 4);
    b = append(&ts, 2, 4);
    c = append(&ts, 3, 4);
    assert_next(&ts, 100);
    send_part(&ts, a);
    assert_next(&ts, 200);
    send_part(&ts, b);
    assert_next(&ts, 300);
    send_part(&ts, c);
    assert_next(&ts, NOBODY);
    assert_next_suspect(&ts, NOBODY);
    azm_transits_clear(&ts);
    ck_assert_ptr_null(ts.oldest);
    assert_next(&ts, NOBODY);
}
END_TEST

/* Records that wait for a place in the quarantine are not sent. */
START_TEST(one_request_of_a_batch_at_a_time)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 1, 4), *b;

    split_part(a);
    b = a->next;
    send_part(&ts, a);
    assert_next(&ts, NOBODY);
    append(&ts, 2, 1);
    assert_next(&ts, 200);
    azm_part_failed(&ts, a, false);
    send_part(&ts, b);
    ck_assert_uint_eq(name_of(azm_transits_next(&ts, false, AZM_PROBE_AFTER_UNTRIED)), 200);
    a->state = AZM_PART_KEEPING;
    azm_part_failed(&ts, b, false);
    pass_part(&ts, azm_transits_next(&ts, false, AZM_PROBE_AFTER_UNTRIED));
    assert_next(&ts, 102);
    b->suspect = true;
    assert_next(&ts, NOBODY);
    assert_next_suspect(&ts, 102);
    azm_transits_clear(&ts);
}
END_TEST

/* Undoubted, in order; then what was not tried since it was split, in order; then what failed longest ago. */
START_TEST(the_undoubted_go_before_the_untried_and_these_before_the_failed)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 1, 4), *b = append(&ts, 2, 4), *c = append(&ts, 3, 4);

    fail_part(&ts, b, false);
    fail_part(&ts, a, false);
    fail_part(&ts, c, true);
    assert_next(&ts, 200);
    fail_part(&ts, b, false);
    assert_next(&ts, 100);
    fail_part(&ts, a, false);
    assert_next(&ts, 300);

    split_part(c); /* its halves were not tried, but are in doubt */
    assert_next(&ts, 300);
    fail_part(&ts, c, true);
    assert_next(&ts, 302);
    fail_part(&ts, c->next, true);
    assert_next(&ts, 200);

    append(&ts, 4, 1); /* nothing was ever said against it */
    append(&ts, 5, 1);
    assert_next(&ts, 400);
    send_part(&ts, azm_transits_next(&ts, false, AZM_PROBE_AFTER_UNTRIED));
    assert_next(&ts, 500);
    pass_part(&ts,
              azm_transits_next(&ts, false, AZM_PROBE_AFTER_UNTRIED)); /* ends the doubt for all that failed before */
    assert_next(&ts, 100);
    send_part(&ts, a);
    assert_next(&ts, 200);
    send_part(&ts, b);
    assert_next(&ts, 300);
    azm_transits_clear(&ts);
}
END_TEST

START_TEST(untried_is_ready_not_suspect_and_without_a_failure)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 1, 4);

    ck_assert(azm_transits_have_untried(&ts));
    fail_part(&ts, a, true);
    ck_assert(!azm_transits_have_untried(&ts));
    split_part(a);
    ck_assert(azm_transits_have_untried(&ts));
    send_part(&ts, a);
    ck_assert(azm_transits_have_untried(&ts)); /* the other half */
    azm_part_failed(&ts, a, true);
    a->next->suspect = true;
    ck_assert(!azm_transits_have_untried(&ts));
    azm_transits_clear(&ts);
}
END_TEST

/* --- the probe --- */

static struct azm_transits with_probe(struct azm_part **ret)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 0, 3);

    send_part(&ts, a);
    azm_part_acknowledged(&ts, a);
    ck_assert_int_eq(azm_transits_set_probe(&ts, a), 0);
    pass_part(&ts, a);
    ck_assert_uint_eq(ts.probe->parts->n, 1);
    ck_assert_uint_eq(name_of(ts.probe->parts), 0);
    ck_assert(azm_part_is_probe(&ts, ts.probe->parts));
    ck_assert_ptr_null(ts.oldest); /* it is not on the list */
    *ret = append(&ts, 1, 4);
    ck_assert(!azm_part_is_probe(&ts, *ret));
    return ts;
}

static bool probe_is_next(const struct azm_transits *ts)
{
    const struct azm_part *p = azm_transits_next(ts, false, AZM_PROBE_AFTER_UNTRIED);

    return p && azm_part_is_probe(ts, p);
}

START_TEST(the_probe_goes_only_where_there_is_doubt)
{
    struct azm_part *a;
    struct azm_transits ts = with_probe(&a);

    ck_assert(!probe_is_next(&ts));
    send_part(&ts, a);
    ck_assert(!probe_is_next(&ts)); /* it may yet be acknowledged */
    azm_part_failed(&ts, a, true);
    ck_assert(probe_is_next(&ts));
    ck_assert_uint_eq(name_of(azm_transits_next(&ts, false, AZM_PROBE_NOT)), 100); /* not now */
    assert_next_suspect(&ts, NOBODY);                                              /* nor outside the window */

    pass_part(&ts, ts.probe->parts);
    ck_assert(!probe_is_next(&ts)); /* it has told */
    ck_assert(azm_part_is_proven(&ts, a));
    fail_part(&ts, a, true);
    ck_assert(probe_is_next(&ts)); /* a new doubt */
    send_part(&ts, a);
    ck_assert(!probe_is_next(&ts)); /* the part itself may tell */
    azm_part_failed(&ts, a, true);
    send_part(&ts, ts.probe->parts);
    ck_assert(!probe_is_next(&ts)); /* one is enough */
    azm_part_failed(&ts, a, true);
    ck_assert(!probe_is_next(&ts));
    azm_part_failed(&ts, ts.probe->parts, true);
    ck_assert(probe_is_next(&ts));
    fail_part(&ts, ts.probe->parts, true);
    ck_assert(!probe_is_next(&ts)); /* it has told that nothing is taken now */
    azm_transits_clear(&ts);
    ck_assert_ptr_null(ts.probe);
}
END_TEST

/* An outage shows its end by itself: the probe would only be a duplicate. When the same part fails five times with
 * nothing else to compare it with, it may be no outage. */
START_TEST(no_probe_in_an_outage)
{
    struct azm_part *a;
    struct azm_transits ts = with_probe(&a);

    for (unsigned i = 0; i < 5; i++) {
        ck_assert(!probe_is_next(&ts));
        fail_part(&ts, a, false);
        a->failures = 1;
        a->tries++;
    }
    ck_assert(probe_is_next(&ts));
    a->tries = 0; /* not for itself: no connection, throttled */
    ck_assert(!probe_is_next(&ts));
    a->failures = 2; /* others were taken in between */
    ck_assert(probe_is_next(&ts));
    a->failures = 1;
    a->suspect = true;
    ck_assert(probe_is_next(&ts));
    azm_transits_clear(&ts);
}
END_TEST

START_TEST(no_duplicate_while_something_else_can_tell)
{
    struct azm_part *a;
    struct azm_transits ts = with_probe(&a);
    struct azm_part *b;

    fail_part(&ts, a, true);
    ck_assert(probe_is_next(&ts));
    b = append(&ts, 2, 1);
    assert_next(&ts, 200);
    split_part(a);
    fail_part(&ts, a, true);
    send_part(&ts, b);
    assert_next(&ts, 102); /* untried since it was split */
    fail_part(&ts, a->next, true);
    ck_assert(probe_is_next(&ts));
    azm_part_acknowledged(&ts, b); /* sent after the first half had failed, before the second */
    assert_next(&ts, 100);
    fail_part(&ts, a, true);
    ck_assert(probe_is_next(&ts));
    azm_transits_clear(&ts);
}
END_TEST

START_TEST(the_probe_is_replaced_unless_it_is_under_way)
{
    struct azm_part *a;
    struct azm_transits ts = with_probe(&a);
    uint64_t sent;

    pass_part(&ts, ts.probe->parts);
    sent = ts.probe->parts->sent;
    ck_assert_uint_gt(sent, 0);
    ck_assert_int_eq(azm_transits_set_probe(&ts, a), 0);
    ck_assert_uint_eq(name_of(ts.probe->parts), 100);
    ck_assert_uint_eq(ts.probe->parts->sent, sent); /* what was asked is known */
    send_part(&ts, ts.probe->parts);
    split_part(a);
    ck_assert_int_eq(azm_transits_set_probe(&ts, a->next), 0);
    ck_assert_uint_eq(name_of(ts.probe->parts), 100);
    ck_assert_int_eq(ts.probe->parts->state, AZM_PART_SENDING);
    azm_transits_clear(&ts);
}
END_TEST

/* --- what is known --- */

/* Only a request that began after the refusal and was taken proves that the data is at fault. */
START_TEST(proof_is_what_was_sent_after_the_refusal)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 1, 4), *b = append(&ts, 2, 4), *c = append(&ts, 3, 4), *d = append(&ts, 4, 1);

    ck_assert(!azm_part_is_proven(&ts, a)); /* nothing was ever taken */
    send_part(&ts, b);
    fail_part(&ts, a, true);
    azm_part_acknowledged(&ts, b);
    ck_assert(!azm_part_is_proven(&ts, a));
    ck_assert(azm_part_is_proven(&ts, c));  /* many, not refused before: anything taken will do */
    ck_assert(!azm_part_is_proven(&ts, d)); /* one, never refused before: it may be the destination that has changed */
    send_part(&ts, c);
    ck_assert(!azm_part_is_proven(&ts, a));
    azm_part_acknowledged(&ts, c);
    ck_assert(azm_part_is_proven(&ts, a));

    fail_part(&ts, a, true); /* the first refusal counts */
    ck_assert(azm_part_is_proven(&ts, a));
    split_part(a);
    ck_assert(azm_part_is_proven(&ts, a) && azm_part_is_proven(&ts, a->next)); /* for both halves */
    azm_transits_clear(&ts);
}
END_TEST

START_TEST(others_passed_since_the_last_failure)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 1, 4), *b = append(&ts, 2, 4), *c = append(&ts, 3, 4);

    fail_part(&ts, a, false);
    ck_assert(!azm_part_others_passed(&ts, a));
    send_part(&ts, b);
    azm_part_acknowledged(&ts, b);
    ck_assert(azm_part_others_passed(&ts, a));
    send_part(&ts, c);
    fail_part(&ts, a, false);
    ck_assert(!azm_part_others_passed(&ts, a));
    azm_part_acknowledged(&ts, c); /* began before */
    ck_assert(!azm_part_others_passed(&ts, a));
    azm_part_acknowledged(&ts, b); /* answers come in any order: a proof does not become older */
    ck_assert_uint_eq(ts.proof, c->sent);
    azm_transits_clear(&ts);
}
END_TEST

START_TEST(another_destination_knows_nothing)
{
    struct azm_part *a, *b;
    struct azm_transits ts = with_probe(&a);

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){1, 1}, &a->truncated), 0);
    fail_part(&ts, a, true);
    a->failures = a->tries = 4;
    b = append(&ts, 2, 2);
    fail_part(&ts, b, false);
    split_part(b);
    b->next->suspect = true;
    azm_transits_forget(&ts);
    ck_assert_uint_eq(ts.proof, 0);
    for (const struct azm_transit *t = ts.oldest; t; t = t->next)
        for (const struct azm_part *p = t->parts; p; p = p->next) {
            ck_assert(p->refused == 0 && p->failed == 0 && p->failures == 0 && p->tries == 0 && !p->suspect);
            ck_assert_ptr_null(p->truncated);
            ck_assert(!azm_part_is_proven(&ts, p));
        }
    ck_assert_ptr_nonnull(ts.probe);
    assert_next(&ts, 100); /* in order again */
    azm_transits_clear(&ts);
}
END_TEST

START_TEST(batches_under_suspicion)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 1, 4), *b = append(&ts, 2, 4);

    append(&ts, 3, 4);
    ck_assert_uint_eq(azm_transits_suspects(&ts), 0);
    a->failures = 1; /* as in every outage */
    ck_assert_uint_eq(azm_transits_suspects(&ts), 0);
    a->failures = 2;
    ck_assert_uint_eq(azm_transits_suspects(&ts), 1);
    b->suspect = true;
    split_part(b);
    ck_assert_uint_eq(azm_transits_suspects(&ts), 2); /* batches, not parts */
    ck_assert(b->next->suspect);
    pass_part(&ts, b);
    ck_assert_uint_eq(azm_transits_suspects(&ts), 2);
    pass_part(&ts, ts.oldest->next->parts);
    ck_assert_uint_eq(azm_transits_suspects(&ts), 1);
    azm_transits_clear(&ts);
}
END_TEST

/* --- splitting --- */

START_TEST(split_by_records)
{
    struct azm_transits ts = {0};
    struct azm_part *a = append(&ts, 1, 5), *b;

    a->failures = a->tries = 3;
    a->suspect = true;
    fail_part(&ts, a, true);
    send_part(&ts, a);
    split_part(a);
    b = a->next;
    ck_assert_uint_eq(a->first, 0);
    ck_assert_uint_eq(a->n, 2);
    ck_assert_uint_eq(b->first, 2);
    ck_assert_uint_eq(b->n, 3);
    ck_assert_ptr_eq(b->transit, a->transit);
    for (const struct azm_part *p = a; p; p = p->next) {
        ck_assert_int_eq(p->state, AZM_PART_READY);
        ck_assert(p->failed == 0 && p->failures == 0 && p->tries == 0);
        ck_assert_uint_eq(p->refused, 2);
        ck_assert(p->suspect);
    }
    split_part(a); /* goes between */
    ck_assert_uint_eq(part_of(ts.oldest, 0)->first, 0);
    ck_assert_uint_eq(part_of(ts.oldest, 1)->first, 1);
    ck_assert_uint_eq(part_of(ts.oldest, 2)->first, 2);
    ck_assert_ptr_null(part_of(ts.oldest, 2)->next);
    azm_transits_clear(&ts);
}
END_TEST

START_TEST(split_by_bytes)
{
    static char text[100000];
    struct azm_transits ts = {0};
    struct azm_batch *batch;
    struct azm_transit *t;

    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){10, SIZE_MAX}, &batch), 0);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(azm_batch_add_anyway(batch, AZM_TEXT("r"), (struct azm_text){text, i == 1 ? sizeof text : 10}),
                         1);
    t = azm_transit_new(batch);
    ck_assert_ptr_nonnull(t);
    azm_transits_append(&ts, t);
    ck_assert_int_eq(azm_part_split(t->parts, true), 0);
    ck_assert_uint_eq(t->parts->n, 2);
    ck_assert_uint_eq(t->parts->next->first, 2);
    ck_assert_uint_eq(t->parts->next->n, 6);
    ck_assert_int_eq(azm_part_split(t->parts, true), 0);
    ck_assert_uint_eq(t->parts->n, 1);
    ck_assert_uint_eq(t->parts->next->first, 1);
    ck_assert_uint_eq(t->parts->next->n, 1);
    azm_transits_clear(&ts);
}
END_TEST

static struct azm_part *random_part(struct prng *dice, const struct azm_transits *ts)
{
    struct azm_part *all[1024];
    size_t n = 0;

    for (struct azm_transit *t = ts->oldest; t; t = t->next)
        for (struct azm_part *p = t->parts; p; p = p->next)
            all[n++] = p;
    ck_assert_uint_lt(n, ELEMENTSOF(all));
    return all[prng_below(dice, n)];
}

/* Parts are split and finished in whatever order: every record is done exactly once, and every batch comes off the list
 * with its last one. */
START_TEST(nothing_is_lost_by_splitting)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct prng dice = {seed};
        struct azm_transits ts = {0};
        unsigned char done[8 * PER] = {0};
        size_t records = 0, left[8], batches = 1 + prng_below(&dice, ELEMENTSOF(left)), off = 0;

        for (size_t i = 0; i < batches; i++) {
            left[i] = 1 + prng_below(&dice, PER);
            append(&ts, i, left[i]);
            records += left[i];
        }
        while (ts.oldest) {
            struct azm_part *p = random_part(&dice, &ts);
            size_t i = sim_first(p) / PER;
            struct azm_transit *t;

            if (p->n > 1 && prng_below(&dice, 4)) {
                ck_assert_int_eq(azm_part_split(p, prng_below(&dice, 2)), 0);
                continue;
            }
            for (size_t k = 0; k < p->n; k++)
                done[sim_first(p) + k]++;
            left[i] -= p->n;
            t = azm_part_done(&ts, p);
            ck_assert_int_eq(t != NULL, left[i] == 0);
            if (t) {
                off++;
                azm_batch_free(azm_transit_free(t));
            }
        }
        ck_assert_uint_eq(off, batches);
        ck_assert_ptr_null(ts.youngest);
        for (size_t i = 0; i < ELEMENTSOF(done); i++) {
            if (done[i] > 1)
                ck_abort_msg("record %zu was done %d times", i, done[i]);
            records -= done[i];
        }
        ck_assert_uint_eq(records, 0);
        append(&ts, 1, 1); /* the list works again */
        ck_assert_ptr_eq(ts.oldest, ts.youngest);
        azm_transits_clear(&ts);
    }
}
END_TEST

START_TEST(taking_from_the_list)
{
    struct azm_transits ts = {0};

    for (size_t i = 1; i <= 3; i++)
        append(&ts, i, 1);
    for (size_t i = 1; i <= 3; i++) {
        struct azm_transit *t = azm_transits_take(&ts);

        ck_assert_uint_eq(name_of(t->parts), PER * i);
        azm_batch_free(azm_transit_free(t));
    }
    ck_assert_ptr_null(azm_transits_take(&ts));
    ck_assert_ptr_null(ts.youngest);
    azm_transits_clear(&ts);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "in_order_while_all_is_well", in_order_while_all_is_well);
    add_test(s, "one_request_of_a_batch_at_a_time", one_request_of_a_batch_at_a_time);
    add_test(s, "the_undoubted_go_before_the_untried_and_these_before_the_failed",
             the_undoubted_go_before_the_untried_and_these_before_the_failed);
    add_test(s, "untried_is_ready_not_suspect_and_without_a_failure",
             untried_is_ready_not_suspect_and_without_a_failure);
    add_test(s, "the_probe_goes_only_where_there_is_doubt", the_probe_goes_only_where_there_is_doubt);
    add_test(s, "no_probe_in_an_outage", no_probe_in_an_outage);
    add_test(s, "no_duplicate_while_something_else_can_tell", no_duplicate_while_something_else_can_tell);
    add_test(s, "the_probe_is_replaced_unless_it_is_under_way", the_probe_is_replaced_unless_it_is_under_way);
    add_test(s, "proof_is_what_was_sent_after_the_refusal", proof_is_what_was_sent_after_the_refusal);
    add_test(s, "others_passed_since_the_last_failure", others_passed_since_the_last_failure);
    add_test(s, "another_destination_knows_nothing", another_destination_knows_nothing);
    add_test(s, "batches_under_suspicion", batches_under_suspicion);
    add_test(s, "split_by_records", split_by_records);
    add_test(s, "split_by_bytes", split_by_bytes);
    add_test(s, "nothing_is_lost_by_splitting", nothing_is_lost_by_splitting);
    add_test(s, "taking_from_the_list", taking_from_the_list);
}

TEST_MAIN("transit", add_tests)
