/* SPDX-License-Identifier: MIT */
#include <sys/eventfd.h>

#include "tests/unit/azure_exporter_help.h"

/* The exporter and its token: which requests it goes along with, and what becomes of one that is refused or does not
 * come. */

static struct identity ada = IDENTITY("ada"), bob = IDENTITY("bob");

static void begin(struct wish w)
{
    begin_servers(NULL);
    w.to = &a;
    w.profile = AZM_PROFILE_AZURE;
    wish(w);
}

/* Answers 401 to all tokens but those from `accepted` on. */
static atomic_uint accepted;

static void refuse_old_tokens(struct server *s, const struct seen *seen, struct reply *ret)
{
    const char *hyphen = strchr(seen->token, '-');

    (void)s;
    if (!hyphen || strtoul(hyphen + 1, NULL, 10) < accepted)
        *ret =
            (struct reply){.status = 401, .type = "application/json", .body = "{\"code\":\"InvalidToken\"}", .len = 23};
}

/* --- no request without it --- */

START_TEST(nothing_is_sent_before_there_is_a_token)
{
    ada.held = true;
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    submit(2);
    WAIT_UNTIL(&ada, ada.asked == 1);
    let_thread_go_round();
    ck_assert_uint_eq(requests_at(&a), 0);
    assert_no_failure_known(); /* it is on its way */
    LOCKED(&ada, ada.held = false);
    collect_until(2);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert_str_eq(seen_at(&a, 0).token, "Bearer ada-1");
    ck_assert_str_eq(seen_at(&a, 1).token, "Bearer ada-1");
    ck_assert_uint_eq(ada.asked, 1);
    end();
}
END_TEST

START_TEST(a_new_token_goes_along_as_soon_as_it_is_there)
{
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    collect_until(1);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
    LOCKED(&ada, ada.held = true);
    forward(13 * HOUR); /* more than half its life */
    WAIT_UNTIL(&ada, ada.asked == 2);
    submit(2); /* nobody waits for the new one */
    collect_until(2);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
    LOCKED(&ada, ada.held = false);
    WAIT_UNTIL(&ada, ada.issued == 2);
    for (unsigned n = 3; strcmp(last_seen(&a).token, "Bearer ada-2") != 0; n++) {
        ck_assert_uint_lt(n, ELEMENTSOF(finished) - 1);
        submit(n);
        collect_until(n);
    }
    ck_assert_uint_eq(ada.asked, 2);
    end();
}
END_TEST

START_TEST(a_token_that_has_ended_does_not_go_along)
{
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    collect_until(1);
    LOCKED(&ada, ada.held = true);
    forward(25 * HOUR);
    submit(2);
    WAIT_UNTIL(&ada, ada.asked == 2);
    let_thread_go_round();
    ck_assert_uint_eq(requests_at(&a), 1);
    LOCKED(&ada, ada.held = false);
    collect_until(2);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-2");
    end();
}
END_TEST

START_TEST(without_tokens_none_goes_along)
{
    begin((struct wish){.key = "k"});
    submit(1);
    collect_until(1);
    ck_assert_str_eq(last_seen(&a).token, "");
    ck_assert_str_eq(last_seen(&a).key, "k");
    end();
}
END_TEST

/* --- the identity endpoint is down --- */

START_TEST(no_token_shows_and_ends)
{
    keep_log();
    ada.failure = "the endpoint is down";
    begin((struct wish){.tokens = tokens_of(&ada)});
    wait_for_state(AZM_EXPORTER_RETRYING); /* also while there is nothing to send */
    ck_assert_str_eq(status().reason, "no token: the endpoint is down");
    ck_assert_str_eq(status().remedy, "mend it");
    ck_assert_uint_gt(status().failing_since_usec, 0);

    LOCKED(&ada, (ada.failure = "there is no identity", ada.permanent = true));
    submit(1);
    forward(HOUR);
    wait_for_state(AZM_EXPORTER_HELD);
    ck_assert_str_eq(status().reason, "no token: there is no identity");
    ck_assert_uint_eq(requests_at(&a), 0);
    ck_assert_uint_eq(status().failures, 0); /* of requests */

    LOCKED(&ada, ada.failure = NULL);
    forward(HOUR);
    collect_until(1);
    assert_no_failure_known();
    ck_assert_uint_eq(requests_at(&a), 1); /* at once: the destination itself has not failed */
    ck_assert_uint_eq(count_in_log("cannot deliver to Azure: no token: the endpoint is down"), 1);
    ck_assert_uint_eq(count_in_log("delivery is held by Azure: no token: there is no identity"), 1);
    ck_assert_uint_eq(count_in_log("there is a token again; delivery to Azure goes on"), 1);
    ck_assert_uint_eq(count_in_log("Bearer"), 0);

    LOCKED(&ada, (ada.failure = "the endpoint is down", ada.permanent = false));
    forward(25 * HOUR);
    wait_for_state(AZM_EXPORTER_RETRYING);
    LOCKED(&ada, ada.failure = NULL);
    forward(HOUR);
    wait_for_state(AZM_EXPORTER_DELIVERING); /* without a request */
    ck_assert_uint_eq(requests_at(&a), 1);
    end();
}
END_TEST

/* While the token is valid nobody needs the endpoint. */
START_TEST(an_endpoint_that_is_down_is_not_missed)
{
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    collect_until(1);
    LOCKED(&ada, ada.failure = "the endpoint is down");
    forward(13 * HOUR);
    WAIT_UNTIL(&ada, ada.asked == 2);
    submit(2);
    collect_until(2);
    let_thread_go_round();
    assert_no_failure_known();
    forward(12 * HOUR); /* now it has ended */
    submit(3);
    wait_for_state(AZM_EXPORTER_RETRYING);
    ck_assert_str_eq(status().reason, "no token: the endpoint is down");
    LOCKED(&ada, ada.failure = NULL);
    forward(HOUR);
    collect_until(3);
    assert_no_failure_known();
    end();
}
END_TEST

/* --- 401 --- */

/* Revoked, say. The requests go out again at once with a new token, and nothing has failed, as far as a person is
 * concerned. */
static void refuse_once(unsigned n)
{
    keep_log();
    accepted = 2;
    a.answer = refuse_old_tokens;
    a.held = UINT64_MAX;
    begin((struct wish){.tokens = tokens_of(&ada)});
    for (unsigned i = 1; i <= n; i++)
        submit(i);
    WAIT_UNTIL(&a, a.n_seen == n);
    forward(60 * AZM_USEC_PER_SEC); /* a new one is not asked for more often than every 30 seconds */
    LOCKED(&a, a.held = 0);
    collect_until(n);
    assert_no_failure_known();
    ck_assert_uint_eq(requests_at(&a), 2 * n);
    ck_assert_uint_eq(ada.asked, 2);
    for (unsigned i = 0; i < 2 * n; i++)
        ck_assert_str_eq(seen_at(&a, i).token, i < n ? "Bearer ada-1" : "Bearer ada-2");
    for (unsigned i = 1; i <= n; i++)
        ck_assert_uint_eq(times_seen(&a, i), 2);
    ck_assert_uint_eq(status().failures, n);
    ck_assert_uint_eq(count_in_log("deliver"), 0);
    ck_assert_uint_eq(count_in_log("token again"), 0);
    end();
}

START_TEST(a_token_is_refused_once)
{
    refuse_once(1);
}
END_TEST

START_TEST(a_token_is_refused_to_four_at_once)
{
    refuse_once(4);
}
END_TEST

/* It was asked for just now, and may be for the wrong audience: the second one tells. */
START_TEST(a_young_token_is_refused)
{
    accepted = 2;
    a.answer = refuse_old_tokens;
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    collect_until(1);
    assert_no_failure_known();
    ck_assert_uint_eq(ada.asked, 2);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-2");
    end();
}
END_TEST

static void assert_held_by_401(void)
{
    let_thread_go_round();
    ck_assert_int_eq(status().state, AZM_EXPORTER_HELD);
    ck_assert_str_eq(status().reason, "HTTP 401 (InvalidToken)");
    ck_assert_ptr_nonnull(strstr(status().remedy, "are cloud= and audience= in [destination]"));
}

START_TEST(a_new_token_is_refused_as_well)
{
    keep_log();
    accepted = 4;
    a.answer = refuse_old_tokens;
    a.held = UINT64_MAX;
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    WAIT_UNTIL(&a, a.n_seen == 1);
    forward(60 * AZM_USEC_PER_SEC);
    LOCKED(&a, a.held = 0);
    wait_for_state(AZM_EXPORTER_HELD);
    assert_held_by_401();
    ck_assert_uint_eq(ada.asked, 2);
    ck_assert_uint_eq(requests_at(&a), 2);
    forward(HOUR); /* it tries again, with the third one */
    WAIT_UNTIL(&a, a.n_seen == 3);
    wait_for_failures(3);
    assert_held_by_401();
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-3");
    WAIT_UNTIL(&ada, ada.asked == 4);
    forward(HOUR);
    collect_until(1);
    assert_no_failure_known();
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-4");
    ck_assert_uint_eq(count_in_log("delivery is held by Azure: HTTP 401 (InvalidToken)"), 1);
    ck_assert_uint_eq(count_in_log("no token"), 0);
    ck_assert_uint_eq(count_in_log("delivery to Azure works again"), 1);
    ck_assert_uint_eq(count_in_log("Bearer"), 0);

    /* It is another time, and another token: that one may be refused once again. */
    accepted = 5;
    forward(HOUR);
    submit(2);
    collect_until(2);
    assert_no_failure_known();
    ck_assert_uint_eq(ada.asked, 5);
    ck_assert_uint_eq(count_in_log("held"), 1);
    end();
}
END_TEST

/* The same tokens under a new configuration: another one is not asked for so soon again, and that must show. */
START_TEST(new_options_do_not_hide_a_refusal)
{
    struct azm_tokens *tokens;

    keep_log(); /* before there are threads that log */
    tokens = tokens_of(&ada);
    accepted = 9;
    a.answer = refuse_old_tokens;
    begin((struct wish){.tokens = tokens});
    submit(1);
    wait_for_state(AZM_EXPORTER_HELD);
    ck_assert_uint_eq(ada.asked, 2);
    azm_tokens_mended(tokens);
    wish((struct wish){.to = &a, .profile = AZM_PROFILE_AZURE, .tokens = tokens});
    wait_for_state(AZM_EXPORTER_HELD);
    assert_held_by_401();
    ck_assert_uint_eq(ada.asked, 3);
    ck_assert_uint_eq(count_in_log("delivery is held by Azure: HTTP 401 (InvalidToken)"), 2);
    accepted = 4;
    forward(60 * AZM_USEC_PER_SEC); /* twice 30 seconds, since it was refused twice */
    WAIT_UNTIL(&ada, ada.issued == 4);
    forward(HOUR);
    collect_until(1);
    assert_no_failure_known();
    end();
}
END_TEST

/* Only a person can give the role; the token is as good as any. */
START_TEST(a_403_does_not_renew)
{
    begin((struct wish){.tokens = tokens_of(&ada)});
    LOCKED(&a, a.status = 403);
    forward(60 * AZM_USEC_PER_SEC);
    submit(1);
    wait_for_state(AZM_EXPORTER_HELD);
    ck_assert_ptr_nonnull(strstr(status().remedy, "--assignee-object-id object-of-ada "));
    ck_assert_ptr_nonnull(strstr(status().remedy, "immutableId=='" RULE "'"));
    ck_assert_uint_eq(ada.asked, 1);
    LOCKED(&a, a.status = 200);
    forward(HOUR);
    collect_until(1);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
    end();
}
END_TEST

/* --- another identity --- */

START_TEST(other_tokens)
{
    ada.failure = "there is no identity";
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    wait_for_state(AZM_EXPORTER_RETRYING);
    wish((struct wish){.to = &b, .profile = AZM_PROFILE_AZURE, .tokens = tokens_of(&bob)});
    collect_until(1);
    assert_no_failure_known();
    ck_assert_str_eq(last_seen(&b).token, "Bearer bob-1");
    forward(HOUR); /* what becomes of ada is of no interest any more */
    WAIT_UNTIL(&ada, ada.asked >= 2);
    let_thread_go_round();
    assert_no_failure_known();
    submit(2);
    collect_until(2);
    ck_assert_str_eq(last_seen(&b).token, "Bearer bob-1");
    ck_assert_uint_eq(requests_at(&a), 0);

    wish((struct wish){.to = &a, .profile = AZM_PROFILE_AZURE}); /* none at all */
    submit(3);
    collect_until(3);
    ck_assert_str_eq(last_seen(&a).token, "");
    end();
}
END_TEST

/* What was refused by the one says nothing about the other, whose tokens have the same numbers. */
START_TEST(a_refusal_is_not_handed_on)
{
    accepted = 9;
    a.answer = refuse_old_tokens;
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    wait_for_state(AZM_EXPORTER_HELD);
    accepted = 2;
    wish((struct wish){.to = &b, .profile = AZM_PROFILE_AZURE, .tokens = tokens_of(&bob)});
    collect_until(1);
    assert_no_failure_known();
    ck_assert_str_eq(last_seen(&b).token, "Bearer bob-1");
    b.answer = refuse_old_tokens;
    forward(60 * AZM_USEC_PER_SEC);
    submit(2);
    collect_until(2);
    assert_no_failure_known();
    ck_assert_str_eq(last_seen(&b).token, "Bearer bob-2");
    ck_assert_uint_eq(bob.asked, 2);
    end();
}
END_TEST

START_TEST(ends_without_a_token)
{
    ada.held = true;
    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    WAIT_UNTIL(&ada, ada.asked == 1);
    x = azm_exporter_free(x);
    LOCKED(&ada, ada.held = false);
    end();
}
END_TEST

/* Tokens outlive the exporters that they were lent to: one that is configured, one that is freed. */
START_TEST(nobody_writes_to_what_is_closed)
{
    struct pollfd fds[16];

    begin((struct wish){.tokens = tokens_of(&ada)});
    submit(1);
    collect_until(1);
    wish((struct wish){.to = &a, .profile = AZM_PROFILE_AZURE, .tokens = tokens_of(&bob)});
    submit(2);
    collect_until(2);
    x = azm_exporter_free(x);
    for (size_t i = 0; i < ELEMENTSOF(fds); i++) /* they have the numbers of its descriptors */
        fds[i] = (struct pollfd){.fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN};
    forward(25 * HOUR);
    WAIT_UNTIL(&ada, ada.issued == 2);
    WAIT_UNTIL(&bob, bob.issued == 2);
    end(); /* their threads have ended */
    ck_assert_int_eq(poll(fds, ELEMENTSOF(fds), 0), 0);
    for (size_t i = 0; i < ELEMENTSOF(fds); i++)
        close(fds[i].fd);
}
END_TEST

/* The exporter's reference is enough. */
START_TEST(tokens_live_as_long_as_the_exporter)
{
    begin((struct wish){.tokens = tokens_of(&ada)});
    all_tokens[0] = azm_tokens_unref(all_tokens[0]);
    submit(1);
    collect_until(1);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "nothing_is_sent_before_there_is_a_token", nothing_is_sent_before_there_is_a_token);
    add_test(s, "a_new_token_goes_along_as_soon_as_it_is_there", a_new_token_goes_along_as_soon_as_it_is_there);
    add_test(s, "a_token_that_has_ended_does_not_go_along", a_token_that_has_ended_does_not_go_along);
    add_test(s, "without_tokens_none_goes_along", without_tokens_none_goes_along);
    add_test_in_dir(s, "no_token_shows_and_ends", no_token_shows_and_ends);
    add_test(s, "an_endpoint_that_is_down_is_not_missed", an_endpoint_that_is_down_is_not_missed);
    add_test_in_dir(s, "a_token_is_refused_once", a_token_is_refused_once);
    add_test_in_dir(s, "a_token_is_refused_to_four_at_once", a_token_is_refused_to_four_at_once);
    add_test(s, "a_young_token_is_refused", a_young_token_is_refused);
    add_test_in_dir(s, "a_new_token_is_refused_as_well", a_new_token_is_refused_as_well);
    add_test_in_dir(s, "new_options_do_not_hide_a_refusal", new_options_do_not_hide_a_refusal);
    add_test(s, "a_403_does_not_renew", a_403_does_not_renew);
    add_test(s, "other_tokens", other_tokens);
    add_test(s, "a_refusal_is_not_handed_on", a_refusal_is_not_handed_on);
    add_test(s, "ends_without_a_token", ends_without_a_token);
    add_test(s, "nobody_writes_to_what_is_closed", nobody_writes_to_what_is_closed);
    add_test(s, "tokens_live_as_long_as_the_exporter", tokens_live_as_long_as_the_exporter);
}

TEST_MAIN("exporter_token", add_tests)
