/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <stdatomic.h>

#include "tests/unit/exporter_help.h"

/* For a while there is no memory, or there are no descriptors, to wait for the network, or to begin a request. The
 * linker leads libcurl's calls here. */

static atomic_bool is_short, is_short_of_requests;
static atomic_uint refused_waits, refused_requests;

CURLMcode __real_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    if (is_short_of_requests) {
        refused_requests++;
        return CURLM_OUT_OF_MEMORY;
    }
    return __real_curl_multi_add_handle(multi, easy);
}

CURLMcode __real_curl_multi_wait(CURLM *multi, struct curl_waitfd fds[], unsigned n, int timeout_ms, int *ret);
CURLMcode __wrap_curl_multi_wait(CURLM *multi, struct curl_waitfd fds[], unsigned n, int timeout_ms, int *ret);
CURLMcode __wrap_curl_multi_wait(CURLM *multi, struct curl_waitfd fds[], unsigned n, int timeout_ms, int *ret)
{
    if (is_short) {
        refused_waits++;
        return CURLM_OUT_OF_MEMORY;
    }
    return __real_curl_multi_wait(multi, fds, n, timeout_ms, ret);
}

static struct server a;

static void begin(void)
{
    const char *headers[] = {NULL};
    struct azm_error err = {0};
    int r;

    ck_assert_int_eq(azm_http_global_init(NULL), 0);
    server_begin(&a, NULL);
    keep_log();
    is_short = true;
    r = azm_exporter_new(
        &(struct azm_exporter_options){
            .http = {.url = a.url,
                     .headers = headers,
                     .tls_ca_file = "",
                     .tls_cert_file = "",
                     .tls_key_file = "",
                     .connections = 4,
                     .timeout_usec = HOUR},
            .destination = "somewhere",
            .clock = &azm_system_clock,
            .retry_initial_delay_usec = HOUR,
            .retry_max_delay_usec = HOUR,
            .hold_max_delay_usec = HOUR,
        },
        &x, &err);
    ck_assert_msg(r == 0, "%s", err.words);
}

static void end(void)
{
    x = azm_exporter_free(x);
    server_end(&a);
}

/* Both are said once, however often it has tried; and what was submitted meanwhile goes. */
START_TEST(is_said_once_and_passes)
{
    begin();
    submit(1);
    while (refused_waits < 3)
        poll(NULL, 0, 1);
    ck_assert_uint_eq(count_in_log("no memory or no descriptors"), 1);
    ck_assert_uint_eq(count_in_log("memory and descriptors again"), 0);
    is_short = false;
    collect_until(1);
    let_thread_go_round();
    ck_assert_uint_eq(count_in_log("no memory or no descriptors"), 1);
    ck_assert_uint_eq(count_in_log("memory and descriptors again"), 1);
    ck_assert_uint_eq(count_in_log("\n"), 2);
    end();
}
END_TEST

/* A request that cannot begin begins later. */
START_TEST(goes_when_it_can)
{
    begin();
    is_short = false;
    is_short_of_requests = true;
    submit(1);
    while (refused_requests < 2 && count_in_log("failed for good") == 0)
        poll(NULL, 0, 1);
    ck_assert_uint_eq(count_in_log("failed for good"), 0);
    is_short_of_requests = false;
    collect_until(1);
    end();
}
END_TEST

/* Nothing that the thread is woken for waits for its next try, else these would take a second each; nor does its end.
 */
START_TEST(wakes_up_at_once)
{
    const uint64_t since = azm_monotonic_usec(&azm_system_clock);
    unsigned woken = 0;
    uint64_t seconds;

    begin();
    for (unsigned i = 0; i < 1000; i++) {
        azm_exporter_alive(x);
        for (woken++; !azm_exporter_alive(x); woken++)
            poll(NULL, 0, 1);
        woken++;
    }
    seconds = (azm_monotonic_usec(&azm_system_clock) - since) / AZM_USEC_PER_SEC;
    ck_assert_uint_le(refused_waits, woken + seconds + 2); /* it does not run in circles, either */
    end();
    for (unsigned i = 0; i < 100; i++) {
        begin();
        end();
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "is_said_once_and_passes", is_said_once_and_passes);
    add_test_in_dir(s, "goes_when_it_can", goes_when_it_can);
    add_test_in_dir(s, "wakes_up_at_once", wakes_up_at_once);
}

TEST_MAIN("exporter_shortage", add_tests)
