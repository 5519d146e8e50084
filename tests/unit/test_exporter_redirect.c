/* SPDX-License-Identifier: MIT */
#include "tests/unit/azure_exporter_help.h"

/* Redirects: where the token goes, and which places are remembered. */

#define TRACK AZM_PROFILE_APPINSIGHTS

static struct identity ada = IDENTITY("ada");

/* To where `elsewhere` says; both servers have a certificate that counts. */
static char elsewhere[128];
static atomic_bool redirects;

static void redirect(struct server *s, const struct seen *seen, struct reply *ret)
{
    (void)s;
    if (redirects && strcmp(seen->url, "/other") != 0)
        *ret = (struct reply){.status = 308, .location = elsewhere};
}

static void begin_with_tls(struct wish w)
{
    make_certificate("right");
    begin_servers(read_text("right.both"));
    a.answer = redirect;
    redirects = true;
    w.to = &a;
    w.ca_file = temp_path("right.pem");
    w.key = "configured";
    w.tokens = tokens_of(&ada);
    wish(w);
}

/* The base of a server's URL with this path. */
static void redirect_to(const struct server *s, const char *path)
{
    snprintf(elsewhere, sizeof elsewhere, "%.*s%s", (int)(strlen(s->url) - strlen("/v1/logs")), s->url, path);
}

START_TEST(no_token_goes_abroad)
{
    begin_with_tls((struct wish){.profile = AZM_PROFILE_AZURE});
    redirect_to(&b, "/other");
    submit(1);
    collect_until(1);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
    ck_assert_str_eq(last_seen(&a).key, "configured");
    ck_assert_str_eq(last_seen(&b).url, "/other");
    ck_assert_str_eq(last_seen(&b).token, "");
    ck_assert_str_eq(last_seen(&b).key, "");
    assert_guid(last_seen(&b).id);
    ck_assert_str_ne(last_seen(&b).id, last_seen(&a).id);
    ck_assert_uint_eq(last_seen(&b).number, 1);
    redirects = false; /* nothing is remembered, neither the place nor that it is abroad */
    submit(2);
    collect_until(2);
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
    ck_assert_str_eq(last_seen(&a).key, "configured");
    end();
}
END_TEST

START_TEST(the_token_stays_on_the_same_origin)
{
    begin_with_tls((struct wish){.profile = AZM_PROFILE_AZURE});
    redirect_to(&a, "/other");
    submit(1);
    collect_until(1);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert_str_eq(last_seen(&a).url, "/other");
    ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
    ck_assert_str_eq(last_seen(&a).key, "configured");
    submit(2); /* OTLP's redirects are for one request */
    collect_until(2);
    ck_assert_uint_eq(requests_at(&a), 4);
    end();
}
END_TEST

/* 127.0.0.1 ends in .0.0.1, as Azure's hosts do in their suffix. */
START_TEST(a_region_is_remembered)
{
    begin_with_tls((struct wish){.profile = TRACK, .trusted_suffix = "0.0.1"});
    redirect_to(&b, "/ignored?as=this");
    for (unsigned n = 1; n <= 3; n++) {
        submit(n);
        collect_until(n);
        ck_assert_uint_eq(requests_at(&a), 1); /* once was enough */
        ck_assert_uint_eq(requests_at(&b), n);
        ck_assert_str_eq(last_seen(&b).url, "/v2.1/track"); /* only the host moves */
        ck_assert_str_eq(last_seen(&b).token, "Bearer ada-1");
        ck_assert_str_eq(last_seen(&b).key, "configured");
    }

    LOCKED(&b, b.status = 503); /* then it is asked for again */
    submit(4);
    wait_for_state(AZM_EXPORTER_RETRYING);
    ck_assert_uint_eq(requests_at(&a), 1);
    redirects = false;
    forward(HOUR);
    collect_until(4);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert_uint_eq(last_seen(&a).number, 4);
    submit(5);
    collect_until(5);
    ck_assert_uint_eq(requests_at(&a), 3);
    ck_assert_uint_eq(requests_at(&b), 4);
    end();
}
END_TEST

/* A place that must not have the token is not remembered. */
START_TEST(a_region_that_is_not_trusted)
{
    begin_with_tls((struct wish){.profile = TRACK});
    redirect_to(&b, "/");
    for (unsigned n = 1; n <= 2; n++) {
        submit(n);
        collect_until(n);
        ck_assert_uint_eq(requests_at(&a), n);
        ck_assert_str_eq(last_seen(&a).token, "Bearer ada-1");
        ck_assert_uint_eq(requests_at(&b), n);
        ck_assert_str_eq(last_seen(&b).token, "");
        ck_assert_str_eq(last_seen(&b).key, "");
    }
    end();
}
END_TEST

/* New options forget the place, and go home. */
START_TEST(a_region_is_forgotten)
{
    begin_with_tls((struct wish){.profile = TRACK, .trusted_suffix = "0.0.1"});
    redirect_to(&b, "/");
    submit(1);
    collect_until(1);
    redirects = false;
    wish((struct wish){.to = &a, .profile = TRACK, .ca_file = temp_path("right.pem"), .trusted_suffix = "0.0.1"});
    submit(2);
    collect_until(2);
    ck_assert_uint_eq(last_seen(&a).number, 2);
    ck_assert_uint_eq(requests_at(&b), 1);
    end();
}
END_TEST

START_TEST(in_circles)
{
    begin_with_tls((struct wish){.profile = TRACK, .trusted_suffix = "0.0.1"});
    redirect_to(&a, "/");
    submit(1);
    wait_for_state(AZM_EXPORTER_HELD);
    ck_assert_uint_eq(requests_at(&a), 1 + AZM_REDIRECTS_MAX);
    ck_assert_str_eq(status().reason, "HTTP 308");
    redirects = false;
    forward(HOUR);
    collect_until(1);
    assert_no_failure_known();
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "no_token_goes_abroad", no_token_goes_abroad);
    add_test_in_dir(s, "the_token_stays_on_the_same_origin", the_token_stays_on_the_same_origin);
    add_test_in_dir(s, "a_region_is_remembered", a_region_is_remembered);
    add_test_in_dir(s, "a_region_that_is_not_trusted", a_region_that_is_not_trusted);
    add_test_in_dir(s, "a_region_is_forgotten", a_region_is_forgotten);
    add_test_in_dir(s, "in_circles", in_circles);
}

TEST_MAIN("exporter_redirect", add_tests)
