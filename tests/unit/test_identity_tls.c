/* SPDX-License-Identifier: MIT */
#include "tests/unit/certificate_help.h"
#include "tests/unit/credential_help.h"
#include "tests/unit/http_server_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* Secrets go to a server only whose certificate is trusted and for its name. The server answers 200 without a token,
 * and counts the requests that come through. */
static struct server server;
static struct azm_secret *secret;
static char authority[128];

static struct azm_credential_options begin(void)
{
    struct azm_credential_options o = no_options(AZM_AUTH_CLIENT_SECRET);
    EVP_PKEY *key = make_key(EVP_PKEY_RSA);
    X509 *certificate = make_certificate(key, -10, 1000);
    struct azm_buf pem = {0};

    curl_global_init(CURL_GLOBAL_ALL);
    append_certificate(&pem, certificate);
    write_file("ca.pem", 0644, pem.data, pem.len);
    append_key(&pem, key, NULL);
    ck_assert_int_eq(azm_buf_append(&pem, "", 1), 0);
    server_begin(&server, (const char *)pem.data);
    snprintf(authority, sizeof authority, "%.*s", (int)(strstr(server.url, "/v1/") - server.url), server.url);
    secret = make_secret(MARKER);
    o.authority = authority;
    o.tenant_id = "ten.ant";
    o.client_id = GUID_1;
    o.client_secret = secret;
    azm_buf_free(&pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return o;
}

static void end(void)
{
    azm_secret_unref(secret);
    server_end(&server);
}

START_TEST(trusted)
{
    struct azm_credential_options o = begin();

    o.tls_ca_file = temp_path("ca.pem");
    assert_failure(&o, false, "answers HTTP 200, but with no JSON object", "");
    ck_assert_uint_eq(requests_at(&server), 1);
    end();
}
END_TEST

START_TEST(not_trusted)
{
    struct azm_credential_options o = begin();

    assert_failure(&o, false, "no answer from Microsoft Entra ID", "is not trusted");
    ck_assert_uint_eq(requests_at(&server), 0);
    end();
}
END_TEST

START_TEST(of_another_host)
{
    struct azm_credential_options o = begin();

    o.tls_ca_file = temp_path("ca.pem");
    snprintf(authority, sizeof authority, "https://localhost:%u",
             MHD_get_daemon_info(server.daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    assert_failure(&o, false, "no answer from Microsoft Entra ID", "is not trusted");
    ck_assert_uint_eq(requests_at(&server), 0);
    end();
}
END_TEST

START_TEST(no_ca_file)
{
    struct azm_credential_options o = begin();

    o.tls_ca_file = temp_path("missing.pem");
    assert_failure(&o, true, "no answer from Microsoft Entra ID", "check tls_ca_file=");
    ck_assert_uint_eq(requests_at(&server), 0);
    end();
}
END_TEST

START_TEST(no_tls_there)
{
    static const struct canned_answer answer = {.text = HTTP_ANSWER("400 Bad Request", "")};
    struct azm_credential_options o = begin();
    static struct identity_server other;

    identity_server_begin(&other, &answer, 1);
    snprintf(authority, sizeof authority, "https://127.0.0.1:%u", other.port);
    assert_failure(&o, false, "no answer from Microsoft Entra ID", "TLS 1.2");
    assert_no_marker(other.requests[0]);
    identity_server_end(&other);
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "trusted", trusted);
    add_test_in_dir(s, "not_trusted", not_trusted);
    add_test_in_dir(s, "of_another_host", of_another_host);
    add_test_in_dir(s, "no_ca_file", no_ca_file);
    add_test_in_dir(s, "no_tls_there", no_tls_there);
}

TEST_MAIN("identity_tls", add_tests)
