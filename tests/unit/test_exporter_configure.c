/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>

#include "tests/unit/exporter_help.h"
#include "tests/unit/prng.h"

/* The exporter gets new options while it works. A batch is one record here. */

/* --- allocations of this thread that fail; the linker leads them here --- */

static _Thread_local unsigned fail_at; /* 0: none, else the n-th from now */
static unsigned fail_next;             /* fail_at for the next wish */

static bool fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

#define WRAPPED(type, name, parameters, arguments)                                                                     \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails() ? NULL : __real_##name arguments;                                                               \
    }

WRAPPED(void *, calloc, (size_t n, size_t size), (n, size))
WRAPPED(char *, strdup, (const char *s), (s))
WRAPPED(CURL *, curl_easy_init, (void), ())
WRAPPED(CURLSH *, curl_share_init, (void), ())
WRAPPED(struct curl_slist *, curl_slist_append, (struct curl_slist * l, const char *s), (l, s))

/* --- the exporter under test --- */

static struct server a, b;

/* The dice fall as badly as can be: a backoff of up to an hour takes an hour. They are thrown where a failure is looked
 * at, so holding them holds the exporter's thread there. */
static bool dice_are_held, dice_are_thrown; /* under a.mutex */

static uint64_t longest(void *userdata)
{
    (void)userdata;
    LOCKED(&a, dice_are_thrown = true);
    WAIT_UNTIL(&a, !dice_are_held);
    return HOUR;
}

static struct azm_clock test_clock;

struct wish {
    const struct server *to;
    const char *url;                  /* NULL: the server's */
    const char *name, *key, *ca_file; /* destination, header X-Key */
    bool gzip;
    unsigned connections;                  /* 0: 4 */
    uint64_t timeout_usec, delay_max_usec; /* 0: an hour */
};

/* Begins or configures the exporter. No string outlives the call, so that one that was borrowed is found. */
static int try_to_wish(struct wish w, struct azm_error *err)
{
    _cleanup_free_ char *url = strdup(w.url ? w.url : w.to->url), *name = strdup(w.name ? w.name : "somewhere"),
                        *header = NULL, *ca_file = strdup(w.ca_file ? w.ca_file : "");
    uint64_t delay = w.delay_max_usec ? w.delay_max_usec : HOUR;
    const char *headers[] = {NULL, NULL};
    int r;

    ck_assert_int_gt(asprintf(&header, "X-Key: %s", w.key ? w.key : "none"), 0);
    headers[0] = header;
    struct azm_exporter_options o = {
        .http = {.url = url,
                 .headers = headers,
                 .tls_ca_file = ca_file,
                 .tls_cert_file = "",
                 .tls_key_file = "",
                 .gzip = w.gzip,
                 .connections = w.connections ? w.connections : 4,
                 .timeout_usec = w.timeout_usec ? w.timeout_usec : HOUR},
        .destination = name,
        .clock = &test_clock,
        .retry_initial_delay_usec = delay,
        .retry_max_delay_usec = delay,
        .hold_max_delay_usec = delay,
    };
    fail_at = fail_next;
    r = x ? azm_exporter_configure(x, &o, err) : azm_exporter_new(&o, &x, err);
    fail_at = fail_next = 0;
    memset(url, '?', strlen(url));
    memset(name, '?', strlen(name));
    memset(header, '?', strlen(header));
    memset(ca_file, '?', strlen(ca_file));
    return r;
}

static void wish(struct wish w)
{
    struct azm_error err = {0};

    ck_assert_msg(try_to_wish(w, &err) == 0, "%s", err.words);
}

static void begin(struct wish w)
{
    test_clock = azm_system_clock;
    test_clock.random = longest;
    ck_assert_int_eq(azm_http_global_init(NULL), 0);
    server_begin(&a, NULL);
    server_begin(&b, NULL);
    exporter_forget();
    wish(w);
}

static void end(void)
{
    x = azm_exporter_free(x);
    server_end(&a);
    server_end(&b);
}

/* --- what is under way, and what is not --- */

START_TEST(in_flight_finishes_where_it_was_begun)
{
    a.held = 1 << 1;
    begin((struct wish){.to = &a, .key = "old"});
    submit(1);
    WAIT_UNTIL(&a, a.n_seen == 1);
    wish((struct wish){.to = &b, .key = "new"});
    submit(2);
    WAIT_UNTIL(&b, b.n_answered == 1);
    let_thread_go_round();
    collect();
    ck_assert_int_eq(collected, 1); /* the second one */
    ck_assert_uint_eq(position, 0);
    LOCKED(&a, a.held = 0);
    collect_until(2);
    ck_assert_uint_eq(times_seen(&a, 1), 1);
    ck_assert_str_eq(last_seen(&a).key, "old");
    ck_assert_uint_eq(times_seen(&b, 2), 1);
    ck_assert_str_eq(last_seen(&b).key, "new");
    let_thread_go_round();
    ck_assert_uint_eq(status().requests, 2);
    end();
}
END_TEST

START_TEST(what_waits_goes_the_new_way)
{
    a.held = 1 << 1 | 1 << 2;
    begin((struct wish){.to = &a, .connections = 2});
    for (unsigned n = 1; n <= 4; n++)
        submit(n);
    WAIT_UNTIL(&a, a.n_seen == 2);
    wish((struct wish){.to = &b});
    WAIT_UNTIL(&b, b.n_answered == 2);
    ck_assert_uint_eq(times_seen(&b, 3), 1);
    ck_assert_uint_eq(times_seen(&b, 4), 1);

    /* The order stays: nothing is acknowledged before the first, then the first alone, then all. */
    let_thread_go_round();
    collect();
    ck_assert_uint_eq(position, 0);
    LOCKED(&a, a.held = 1 << 2);
    collect_until(1);
    ck_assert_uint_eq(position, 1);
    LOCKED(&a, a.held = 0);
    collect_until(4);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert_uint_eq(requests_at(&b), 2);
    end();
}
END_TEST

/* The old destination's failure is no news about the new one: no backoff of an hour, no change of state. */
START_TEST(a_failing_one_in_flight_goes_the_new_way)
{
    a.held = 1 << 1;
    b.held = 1 << 1;
    begin((struct wish){.to = &a, .key = "old", .gzip = true});
    submit(1);
    WAIT_UNTIL(&a, a.n_seen == 1);
    wish((struct wish){.to = &b, .key = "new"});
    let_thread_go_round();
    LOCKED(&a, a.status = 503);
    LOCKED(&a, a.held = 0);
    WAIT_UNTIL(&b, b.n_seen == 1);
    ck_assert_uint_eq(status().failures, 1);
    assert_no_failure_known();
    LOCKED(&b, b.held = 0);
    collect_until(1);
    ck_assert_uint_eq(requests_at(&a), 1);
    ck_assert_uint_eq(times_seen(&b, 1), 1);
    ck_assert_str_eq(last_seen(&b).key, "new");
    ck_assert(!last_seen(&b).gzip);
    end();
}
END_TEST

/* The same when both come at once: the thread has begun to look at the failure when the options change. */
START_TEST(a_failure_that_crosses_the_new_options_says_nothing)
{
    a.status = 503;
    begin((struct wish){.to = &a});
    dice_are_held = true;
    submit(1);
    WAIT_UNTIL(&a, dice_are_thrown);
    wish((struct wish){.to = &a}); /* nobody has time for these; the last ones count */
    wish((struct wish){.to = &b});
    LOCKED(&b, b.held = 1 << 1);
    LOCKED(&a, dice_are_held = false);
    WAIT_UNTIL(&b, b.n_seen == 1);
    ck_assert_uint_eq(status().failures, 1);
    assert_no_failure_known();
    LOCKED(&b, b.held = 0);
    collect_until(1);
    ck_assert_uint_eq(requests_at(&a), 1);
    ck_assert_uint_eq(times_seen(&b, 1), 1);
    end();
}
END_TEST

/* --- what the options say --- */

/* A body that was made once, and failed, is made again as the headers now say. */
static void toggle_gzip(bool first)
{
    a.status = 503;
    begin((struct wish){.to = &a, .gzip = first});
    submit(1);
    wait_for_state(AZM_EXPORTER_RETRYING);
    ck_assert(last_seen(&a).gzip == first);
    wish((struct wish){.to = &b, .gzip = !first});
    collect_until(1);
    ck_assert_uint_eq(last_seen(&b).number, 1);
    ck_assert(last_seen(&b).gzip == !first);
    wish((struct wish){.to = &b, .gzip = first});
    submit(2);
    collect_until(2);
    ck_assert_uint_eq(last_seen(&b).number, 2);
    ck_assert(last_seen(&b).gzip == first);
    end();
}

START_TEST(gzip_off)
{
    toggle_gzip(true);
}
END_TEST

START_TEST(gzip_on)
{
    toggle_gzip(false);
}
END_TEST

START_TEST(a_new_key_opens_the_door)
{
    begin((struct wish){.to = &a, .key = "wrong"});
    LOCKED(&a, a.status = 403);
    submit(1);
    wait_for_state(AZM_EXPORTER_HELD);
    LOCKED(&a, a.status = 200);
    wish((struct wish){.to = &a, .key = "right"});
    collect_until(1);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert_str_eq(last_seen(&a).key, "right");
    end();
}
END_TEST

START_TEST(the_window_is_the_new_one)
{
    a.held = UINT64_MAX;
    begin((struct wish){.to = &a, .connections = 2});
    submit(1);
    ck_assert(azm_exporter_has_room(x));
    submit(2);
    WAIT_UNTIL(&a, a.n_seen == 2);
    ck_assert(!azm_exporter_has_room(x));
    collect();
    wish((struct wish){.to = &a, .connections = 3});
    ck_assert(azm_exporter_has_room(x));
    wait_for_owner_event(); /* who waits for room is told */
    for (unsigned n = 3; n <= 4; n++)
        submit(n);
    ck_assert(!azm_exporter_has_room(x));
    WAIT_UNTIL(&a, a.n_seen == 3);
    let_thread_go_round();
    ck_assert_uint_eq(requests_at(&a), 3);

    wish((struct wish){.to = &a, .connections = 1});
    LOCKED(&a, a.held = UINT64_MAX - 7);
    collect_until(2);
    let_thread_go_round();
    ck_assert_uint_eq(requests_at(&a), 3);
    LOCKED(&a, a.held = 0);
    collect_until(4);
    ck_assert(azm_exporter_has_room(x));
    ck_assert_uint_eq(requests_at(&a), 4);
    end();
}
END_TEST

START_TEST(timeout_and_delays_are_the_new_ones)
{
    a.held = 1 << 1;
    begin((struct wish){.to = &b});
    wish((struct wish){.to = &a, .timeout_usec = 200 * AZM_USEC_PER_MSEC, .delay_max_usec = 1});
    submit(1);
    wait_for_failures(3);
    LOCKED(&a, a.held = 0);
    collect_until(1);
    ck_assert_uint_eq(requests_at(&b), 0);
    end();
}
END_TEST

/* --- connections --- */

/* Whatever has been replaced in place, a certificate or what an address stands for, must count: nothing goes out over
 * a connection from before, and that one does not stay open. */
START_TEST(connections_are_new)
{
    begin((struct wish){.to = &a});
    for (unsigned n = 1; n <= 3; n++) {
        submit(n);
        collect_until(n);
    }
    ck_assert_uint_eq(GET(&a, n_opened), 1);
    wish((struct wish){.to = &a});
    WAIT_UNTIL(&a, a.n_closed == 1);
    for (unsigned n = 4; n <= 6; n++) {
        submit(n);
        collect_until(n);
        ck_assert_uint_eq(last_seen(&a).connection, 2);
    }
    end();
}
END_TEST

START_TEST(a_ca_file_repaired_in_place_counts)
{
    static struct server s;

    make_certificate("right");
    make_certificate("wrong");
    server_begin(&s, read_text("right.both"));
    write_text("ca", 0600, read_text("wrong.pem"));
    begin((struct wish){.to = &s, .ca_file = temp_path("ca")});
    submit(1);
    wait_for_state(AZM_EXPORTER_RETRYING);
    ck_assert_ptr_nonnull(strstr(status().remedy, "the issuer known"));
    write_text("ca", 0600, read_text("right.pem"));
    wish((struct wish){.to = &s, .ca_file = temp_path("ca")});
    collect_until(1);
    ck_assert_uint_eq(times_seen(&s, 1), 1);
    end();
    server_end(&s);
}
END_TEST

/* --- holds, and how they show --- */

START_TEST(a_long_hold_is_cut_short)
{
    begin((struct wish){.to = &a});
    LOCKED(&a, a.status = 404);
    for (unsigned n = 1; n <= 3; n++)
        submit(n);
    wait_for_state(AZM_EXPORTER_HELD);
    LOCKED(&a, a.status = 200); /* repaired: the options are the same */
    wish((struct wish){.to = &a});
    assert_no_failure_known();
    collect_until(3);
    assert_no_failure_known();
    end();
}
END_TEST

START_TEST(the_next_failure_shows_again)
{
    uint64_t since = azm_realtime_usec(&azm_system_clock);
    struct azm_exporter_status s;

    keep_log();
    begin((struct wish){.to = &a, .name = "Ada", .delay_max_usec = 1});
    assert_no_failure_known();
    LOCKED(&a, a.status = 404);
    submit(1);
    wait_for_failures(3);
    s = status();
    ck_assert_int_eq(s.state, AZM_EXPORTER_HELD);
    ck_assert_str_eq(s.reason, "HTTP 404");
    ck_assert_ptr_nonnull(strstr(s.remedy, "check host and path"));
    ck_assert_uint_ge(s.failing_since_realtime_usec, since);
    ck_assert_uint_le(s.failing_since_realtime_usec, azm_realtime_usec(&azm_system_clock));
    let_thread_go_round();
    ck_assert_uint_eq(count_in_log("held by"), 1);
    ck_assert_uint_eq(count_in_log("held by Ada"), 1);

    LOCKED(&b, b.status = 503);
    wish((struct wish){.to = &b, .name = "Bob", .delay_max_usec = 1});
    wait_for_state(AZM_EXPORTER_RETRYING);
    s = status();
    ck_assert_str_eq(s.reason, "HTTP 503");
    ck_assert_str_eq(s.remedy, "");
    let_thread_go_round();
    ck_assert_uint_eq(count_in_log("cannot deliver to"), 1);
    ck_assert_uint_eq(count_in_log("cannot deliver to Bob"), 1);

    wish((struct wish){.to = &b, .name = "Bob", .delay_max_usec = 1});
    wait_for_state(AZM_EXPORTER_RETRYING);
    let_thread_go_round();
    ck_assert_uint_eq(count_in_log("cannot deliver to Bob"), 2);
    LOCKED(&b, b.status = 200);
    collect_until(1);
    assert_no_failure_known();
    ck_assert_uint_eq(count_in_log("works again"), 1);
    ck_assert_uint_eq(count_in_log("delivery to Bob works again"), 1);
    end();
}
END_TEST

/* --- errors --- */

START_TEST(without_memory_everything_stays)
{
    struct azm_error err;
    unsigned n = 0;
    int r;

    begin((struct wish){.to = &a, .key = "old", .gzip = true, .connections = 2});
    do {
        fail_next = ++n;
        err = (struct azm_error){0};
        r = try_to_wish((struct wish){.to = &b, .key = "new", .connections = 1}, &err);
        submit(n);
        if (r < 0) {
            ck_assert_int_eq(r, -ENOMEM);
            ck_assert_ptr_nonnull(strcasestr(err.words, "out of memory"));
            ck_assert(azm_exporter_has_room(x));
        }
        collect_until(n);
        ck_assert_uint_eq(last_seen(r < 0 ? &a : &b).number, n);
        ck_assert_str_eq(last_seen(r < 0 ? &a : &b).key, r < 0 ? "old" : "new");
        ck_assert(last_seen(r < 0 ? &a : &b).gzip == (r < 0));
    } while (r < 0);
    ck_assert_uint_ge(n, 8); /* two objects, a name, libcurl's two, three headers; then all is well */
    ck_assert_uint_eq(requests_at(&b), 1);
    end();
}
END_TEST

/* The hold stays as well: a mistake in a file must not make the exporter knock at the door. */
START_TEST(bad_options_change_nothing)
{
    _cleanup_free_ char *endless = malloc(9000001);
    struct azm_error err = {0};

    memset(endless, 'u', 9000000);
    endless[9000000] = '\0';
    begin((struct wish){.to = &a});
    LOCKED(&a, a.status = 404);
    submit(1);
    wait_for_state(AZM_EXPORTER_HELD);
    LOCKED(&a, a.status = 200);
    ck_assert_int_eq(try_to_wish((struct wish){.url = endless}, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.words, "options of the destination"));
    let_thread_go_round();
    ck_assert_int_eq(status().state, AZM_EXPORTER_HELD);
    ck_assert_str_eq(status().reason, "HTTP 404");
    ck_assert_uint_eq(requests_at(&a), 1);
    wish((struct wish){.to = &a});
    collect_until(1);
    end();
}
END_TEST

/* --- all of it at once --- */

START_TEST(new_options_at_any_moment)
{
    struct prng dice = {1};
    unsigned n = 0;

    begin((struct wish){.to = &a, .key = "a", .gzip = true});
    while (n < 400) {
        if (azm_exporter_has_room(x))
            submit(++n);
        else
            wait_for_owner_event();
        collect();
        if (prng_below(&dice, 4) == 0) {
            bool to_a = prng_below(&dice, 2);

            wish((struct wish){.to = to_a ? &a : &b,
                               .key = to_a ? "a" : "b",
                               .gzip = to_a,
                               .connections = 1 + (unsigned)prng_below(&dice, 8)});
        }
    }
    collect_until(n);
    for (unsigned i = 1; i <= n; i++) /* once, by one way */
        ck_assert_uint_eq(times_seen(&a, i) + times_seen(&b, i), 1);
    ck_assert_uint_eq(requests_at(&a) + requests_at(&b), n);
    ck_assert_uint_gt(requests_at(&a), n / 10);
    ck_assert_uint_gt(requests_at(&b), n / 10);
    for (size_t i = 0; i < requests_at(&a); i++)
        ck_assert(GET(&a, seen[i]).gzip && strcmp(GET(&a, seen[i]).key, "a") == 0);
    for (size_t i = 0; i < requests_at(&b); i++)
        ck_assert(!GET(&b, seen[i]).gzip && strcmp(GET(&b, seen[i]).key, "b") == 0);
    end();
}
END_TEST

/* Ended with new options that nobody has looked at, and with a request that nobody has answered. */
START_TEST(ends_at_any_moment)
{
    a.held = 1 << 1;
    begin((struct wish){.to = &a});
    submit(1);
    WAIT_UNTIL(&a, a.n_seen == 1);
    wish((struct wish){.to = &b});
    wish((struct wish){.to = &b});
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "in_flight_finishes_where_it_was_begun", in_flight_finishes_where_it_was_begun);
    add_test(s, "what_waits_goes_the_new_way", what_waits_goes_the_new_way);
    add_test(s, "a_failing_one_in_flight_goes_the_new_way", a_failing_one_in_flight_goes_the_new_way);
    add_test(s, "a_failure_that_crosses_the_new_options_says_nothing",
             a_failure_that_crosses_the_new_options_says_nothing);
    add_test(s, "gzip_off", gzip_off);
    add_test(s, "gzip_on", gzip_on);
    add_test(s, "a_new_key_opens_the_door", a_new_key_opens_the_door);
    add_test(s, "the_window_is_the_new_one", the_window_is_the_new_one);
    add_test(s, "timeout_and_delays_are_the_new_ones", timeout_and_delays_are_the_new_ones);
    add_test(s, "connections_are_new", connections_are_new);
    add_test_in_dir(s, "a_ca_file_repaired_in_place_counts", a_ca_file_repaired_in_place_counts);
    add_test(s, "a_long_hold_is_cut_short", a_long_hold_is_cut_short);
    add_test_in_dir(s, "the_next_failure_shows_again", the_next_failure_shows_again);
    add_test(s, "without_memory_everything_stays", without_memory_everything_stays);
    add_test(s, "bad_options_change_nothing", bad_options_change_nothing);
    add_test(s, "new_options_at_any_moment", new_options_at_any_moment);
    add_test(s, "ends_at_any_moment", ends_at_any_moment);
}

TEST_MAIN("exporter_configure", add_tests)
