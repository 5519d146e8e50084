/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "auth/identity_http.h"
#include "core/clock.h"
#include "tests/unit/credential_help.h"
#include "tests/unit/test.h"

#define SEC AZM_USEC_PER_SEC

static struct identity_server server;

static int ask_with(struct azm_identity_http *h, const char *path, const struct azm_identity_request *more,
                    struct azm_identity_answer *ret)
{
    struct azm_identity_request q = *more;
    char url[256];

    snprintf(url, sizeof url, "%s%s", server.url, path);
    q.url = url;
    q.connect_timeout_usec = 5 * SEC;
    return azm_identity_http_ask(h, &q, ret);
}

/* One request of a client made for it. */
static int ask(uint64_t timeout_usec, const struct azm_identity_request *more, struct azm_identity_answer *ret)
{
    struct azm_identity_http *h;
    int r;

    ck_assert_int_eq(azm_identity_http_new("", timeout_usec, &h), 0);
    r = ask_with(h, "/path?query=1", more, ret);
    azm_identity_http_free(h);
    return r;
}

#define ANSWERS(...)                                                                                                   \
    static const struct canned_answer answers[] = {__VA_ARGS__};                                                       \
                                                                                                                       \
    identity_server_begin(&server, answers, ELEMENTSOF(answers))

static void assert_transfer_fails(uint64_t timeout_usec, int curl_code, bool too_long)
{
    struct azm_identity_answer a;

    ck_assert_int_eq(ask(timeout_usec, &(struct azm_identity_request){0}, &a), 0);
    ck_assert_msg(a.curl_code == curl_code, "%d: %s", a.curl_code, a.curl_words);
    ck_assert(*a.curl_words);
    ck_assert_int_eq(a.too_long, too_long);
    ck_assert(a.connected);
    azm_identity_answer_free(&a);
    identity_server_end(&server);
}

START_TEST(bytes_of_a_get)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *line = make_secret("X-IDENTITY-HEADER: " MARKER);
    struct azm_identity_answer a;
    char want[512];

    ANSWERS({.text = HTTP_OK
             "Retry-After: 17\r\nWWW-Authenticate:  Basic realm=/x y.key \r\nContent-Length: 4\r\n\r\nbody"});
    ck_assert_int_eq(
        ask(0, &(struct azm_identity_request){.header = "Metadata: true", .secret_header = line, .direct = true}, &a),
        0);
    ck_assert_int_eq(a.curl_code, 0);
    ck_assert_int_eq(a.status, 200);
    ck_assert_str_eq(a.retry_after, "17");
    ck_assert_str_eq(a.www_authenticate, "Basic realm=/x y.key");
    ck_assert_str_eq(azm_secret_text(a.body), "body");
    azm_identity_answer_free(&a);
    snprintf(want, sizeof want,
             "GET /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: azmonlog/" PACKAGE_VERSION
             "\r\nAccept: application/json\r\nMetadata: true\r\nX-IDENTITY-HEADER: " MARKER "\r\n\r\n",
             server.port);
    ck_assert_str_eq(server.requests[0], want);
    identity_server_end(&server);
}
END_TEST

START_TEST(bytes_of_a_post)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *form = make_secret("a=b&c=%00");
    struct azm_identity_answer a;
    char want[512];

    ANSWERS({.text = HTTP_ANSWER("400 Bad Request", "no")});
    ck_assert_int_eq(ask(0, &(struct azm_identity_request){.form = form}, &a), 0);
    ck_assert_int_eq(a.status, 400);
    ck_assert_str_eq(azm_secret_text(a.body), "no");
    azm_identity_answer_free(&a);
    snprintf(want, sizeof want,
             "POST /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: azmonlog/" PACKAGE_VERSION
             "\r\nAccept: application/json\r\nContent-Length: 9\r\n"
             "Content-Type: application/x-www-form-urlencoded\r\n\r\na=b&c=%%00",
             server.port);
    ck_assert_str_eq(server.requests[0], want);
    identity_server_end(&server);
}
END_TEST

START_TEST(endless_body)
{
    ANSWERS({.text = HTTP_OK "\r\n0123456789", .repeat = SIZE_MAX});
    assert_transfer_fails(0, CURLE_WRITE_ERROR, true);
}
END_TEST

START_TEST(longest_body)
{
    static char text[AZM_IDENTITY_ANSWER_MAX_BYTES + 64];
    static const struct canned_answer answer = {.text = text};

    for (size_t more = 0; more <= 1; more++) {
        struct azm_identity_answer a;
        size_t n = (size_t)snprintf(text, sizeof text, HTTP_OK "\r\n");

        memset(text + n, 'x', AZM_IDENTITY_ANSWER_MAX_BYTES + more);
        text[n + AZM_IDENTITY_ANSWER_MAX_BYTES + more] = '\0';
        identity_server_begin(&server, &answer, 1);
        ck_assert_int_eq(ask(0, &(struct azm_identity_request){0}, &a), 0);
        ck_assert_int_eq(a.too_long, more > 0);
        ck_assert(more > 0 || azm_secret_len(a.body) == AZM_IDENTITY_ANSWER_MAX_BYTES);
        azm_identity_answer_free(&a);
        identity_server_end(&server);
    }
}
END_TEST

START_TEST(endless_headers)
{
    struct azm_identity_answer a;

    ANSWERS(
        {.text = "HTTP/1.1 100 Continue\r\nX: 0123456789012345678901234567890123456789\r\n\r\n", .repeat = SIZE_MAX});
    ck_assert_int_eq(ask(0, &(struct azm_identity_request){0}, &a), 0);
    ck_assert_int_ne(a.curl_code, 0);
    azm_identity_answer_free(&a);
    identity_server_end(&server);
}
END_TEST

START_TEST(nothing_comes)
{
    ANSWERS({.text = "", .hangs = true});
    assert_transfer_fails(SEC / 4, CURLE_OPERATION_TIMEDOUT, false);
}
END_TEST

START_TEST(rest_never_comes)
{
    ANSWERS({.text = HTTP_OK "Content-Length: 10\r\n\r\n12345", .hangs = true});
    assert_transfer_fails(SEC / 4, CURLE_OPERATION_TIMEDOUT, false);
}
END_TEST

START_TEST(truncated_body)
{
    ANSWERS({.text = HTTP_OK "Content-Length: 10\r\n\r\n12345"});
    assert_transfer_fails(0, CURLE_PARTIAL_FILE, false);
}
END_TEST

START_TEST(closed_without_an_answer)
{
    ANSWERS({.text = ""});
    assert_transfer_fails(0, CURLE_GOT_NOTHING, false);
}
END_TEST

START_TEST(no_http)
{
    ANSWERS({.text = "SSH-2.0-OpenSSH\r\n"});
    assert_transfer_fails(0, CURLE_UNSUPPORTED_PROTOCOL, false);
}
END_TEST

START_TEST(headers_that_are_too_long_count_as_none)
{
    static char text[4096];
    static const struct canned_answer answer = {.text = text};
    struct azm_identity_answer a;

    snprintf(text, sizeof text,
             HTTP_OK "Retry-After: %0100d\r\nWWW-Authenticate: Basic realm=%0600d\r\nContent-Length: 0\r\n\r\n", 1, 2);
    identity_server_begin(&server, &answer, 1);
    ck_assert_int_eq(ask(0, &(struct azm_identity_request){0}, &a), 0);
    ck_assert_int_eq(a.curl_code, 0);
    ck_assert_str_eq(a.retry_after, "");
    ck_assert_str_eq(a.www_authenticate, "");
    azm_identity_answer_free(&a);
    identity_server_end(&server);
}
END_TEST

START_TEST(headers_of_an_informational_answer_do_not_count)
{
    struct azm_identity_answer a;

    ANSWERS({.text = "HTTP/1.1 100 Continue\r\nRetry-After: 5\r\nWWW-Authenticate: Basic realm=/x.key\r\n\r\n" HTTP_OK
                     "Content-Length: 0\r\n\r\n"});
    ck_assert_int_eq(ask(0, &(struct azm_identity_request){0}, &a), 0);
    ck_assert_str_eq(a.retry_after, "");
    ck_assert_str_eq(a.www_authenticate, "");
    azm_identity_answer_free(&a);
    identity_server_end(&server);
}
END_TEST

START_TEST(redirects_are_not_followed)
{
    static char text[256];
    static const struct canned_answer answer = {.text = text};
    struct azm_identity_answer a;

    identity_server_begin(&server, &answer, 1);
    snprintf(text, sizeof text, "HTTP/1.1 302 Found\r\nLocation: %s/other\r\nContent-Length: 0\r\n\r\n", server.url);
    ck_assert_int_eq(ask(0, &(struct azm_identity_request){0}, &a), 0);
    ck_assert_int_eq(a.status, 302);
    ck_assert_uint_eq(server.n_requests, 1);
    azm_identity_answer_free(&a);
    identity_server_end(&server);
}
END_TEST

START_TEST(other_schemes_are_refused)
{
    struct azm_identity_http *h;
    struct azm_identity_answer a;

    curl_global_init(CURL_GLOBAL_ALL);
    ck_assert_int_eq(azm_identity_http_new("", 0, &h), 0);
    ck_assert_int_eq(
        azm_identity_http_ask(
            h, &(struct azm_identity_request){.url = "file:///etc/passwd", .connect_timeout_usec = SEC}, &a),
        0);
    ck_assert_int_eq(a.curl_code, CURLE_UNSUPPORTED_PROTOCOL);
    ck_assert_uint_eq(azm_secret_len(a.body), 0);
    azm_identity_answer_free(&a);
    azm_identity_http_free(h);
}
END_TEST

START_TEST(proxies)
{
    struct azm_identity_answer a;
    char line[128];

    ANSWERS({.text = HTTP_OK "Content-Length: 0\r\n\r\n"});
    setenv("http_proxy", server.url, 1);
    setenv("all_proxy", server.url, 1);
    ck_assert_int_eq(ask(0, &(struct azm_identity_request){0}, &a), 0);
    azm_identity_answer_free(&a);
    snprintf(line, sizeof line, "GET %s/path?query=1 HTTP/1.1\r\n", server.url); /* as a proxy is asked */
    ck_assert(strncmp(server.requests[0], line, strlen(line)) == 0);
    ck_assert_int_eq(ask(0, &(struct azm_identity_request){.direct = true}, &a), 0);
    azm_identity_answer_free(&a);
    ck_assert(strncmp(server.requests[1], "GET /path?query=1 HTTP/1.1\r\n", 28) == 0);
    identity_server_end(&server);
}
END_TEST

START_TEST(nobody_there)
{
    struct azm_identity_answer a;
    struct azm_identity_http *h;
    char url[128];

    ANSWERS({.text = ""});
    snprintf(url, sizeof url, "%s/", server.url);
    identity_server_end(&server);
    ck_assert_int_eq(azm_identity_http_new("", 0, &h), 0);
    ck_assert_int_eq(
        azm_identity_http_ask(h, &(struct azm_identity_request){.url = url, .connect_timeout_usec = SEC}, &a), 0);
    ck_assert_int_eq(a.curl_code, CURLE_COULDNT_CONNECT);
    ck_assert(!a.connected);
    azm_identity_answer_free(&a);
    azm_identity_http_free(h);
}
END_TEST

static void *ask_and_hang(void *userdata)
{
    struct azm_identity_answer a;

    ck_assert_int_eq(ask_with(userdata, "/", &(struct azm_identity_request){0}, &a), -ECANCELED);
    ck_assert_ptr_null(a.body);
    return NULL;
}

/* The time of the request is an hour, so nothing but the cancelling ends it. */
START_TEST(cancelling)
{
    struct azm_identity_http *h;
    pthread_t thread;

    ANSWERS({.text = HTTP_OK "Content-Length: 10\r\n\r\n12345", .hangs = true});
    ck_assert_int_eq(azm_identity_http_new("", 3600 * SEC, &h), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_and_hang, h), 0);
    identity_server_wait_requests(&server, 1);
    azm_identity_http_cancel(h);
    pthread_join(thread, NULL);
    pthread_mutex_lock(&server.mutex);
    while (!server.client_gone)
        pthread_cond_wait(&server.changed, &server.mutex);
    pthread_mutex_unlock(&server.mutex);
    ask_and_hang(h); /* and every later one: it does not even begin */
    ck_assert_uint_eq(server.n_requests, 1);
    azm_identity_http_free(h);
    identity_server_end(&server);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "bytes_of_a_get", bytes_of_a_get);
    add_test(s, "bytes_of_a_post", bytes_of_a_post);
    add_test(s, "endless_body", endless_body);
    add_test(s, "longest_body", longest_body);
    add_test(s, "endless_headers", endless_headers);
    add_test(s, "nothing_comes", nothing_comes);
    add_test(s, "rest_never_comes", rest_never_comes);
    add_test(s, "truncated_body", truncated_body);
    add_test(s, "closed_without_an_answer", closed_without_an_answer);
    add_test(s, "no_http", no_http);
    add_test(s, "headers_that_are_too_long_count_as_none", headers_that_are_too_long_count_as_none);
    add_test(s, "headers_of_an_informational_answer_do_not_count", headers_of_an_informational_answer_do_not_count);
    add_test(s, "redirects_are_not_followed", redirects_are_not_followed);
    add_test(s, "other_schemes_are_refused", other_schemes_are_refused);
    add_test(s, "proxies", proxies);
    add_test(s, "nobody_there", nobody_there);
    add_test(s, "cancelling", cancelling);
}

TEST_MAIN("identity_http", add_tests)
