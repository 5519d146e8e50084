/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/unit/credential_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

#define TOKEN(text) HTTP_ANSWER("200 OK", "{\"access_token\":\"" text "\",\"expires_in\":3599}")
#define ENTRA_ERROR(status, code)                                                                                      \
    HTTP_ANSWER(status, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS" #code ": " MARKER               \
                        "\",\"error_codes\":[" #code "],\"trace_id\":\"0123-abc\"}")

static struct identity_server server;

static void assert_request(size_t n, const char *line, const char *header, const char *body)
{
    const char *request = server.requests[n], *end = strstr(request, "\r\n\r\n");

    ck_assert_msg(strncmp(request, line, strlen(line)) == 0, "%s", request);
    ck_assert_msg(!header || strstr(request, header), "%s", request);
    ck_assert_ptr_nonnull(end);
    ck_assert_str_eq(end + 4, body);
}

static struct azm_credential_options imds_options(void)
{
    struct azm_credential_options o = no_options(AZM_AUTH_IMDS);

    o.test_imds_url = server.url;
    return o;
}

static struct azm_credential_options entra_options(enum azm_auth auth)
{
    struct azm_credential_options o = no_options(auth);

    o.authority = server.url;
    o.tenant_id = "ten.ant";
    o.client_id = GUID_1;
    return o;
}

#define ANSWERS(...)                                                                                                   \
    static const struct canned_answer answers[] = {__VA_ARGS__};                                                       \
                                                                                                                       \
    identity_server_begin(&server, answers, ELEMENTSOF(answers))

#define IMDS_PATH "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmonitor.azure.com"

START_TEST(imds)
{
    struct azm_credential_options o;

    ANSWERS({.text = TOKEN("imds")});
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* IMDS is never asked through a proxy */
    o = imds_options();
    assert_token(&o, "imds");
    assert_request(0, IMDS_PATH " HTTP/1.1\r\n", "\r\nMetadata: true\r\n", "");
    o.client_id = GUID_1;
    assert_token(&o, "imds");
    assert_request(1, IMDS_PATH "&client_id=" GUID_1 " HTTP/1.1\r\n", NULL, "");
    o.client_id = "";
    o.object_id = GUID_2;
    assert_token(&o, "imds");
    assert_request(2, IMDS_PATH "&object_id=" GUID_2 " HTTP/1.1\r\n", NULL, "");
    o.object_id = "";
    o.resource_id = "/subscriptions/a b&c=d";
    assert_token(&o, "imds");
    assert_request(3, IMDS_PATH "&msi_res_id=%2Fsubscriptions%2Fa%20b%26c%3Dd HTTP/1.1\r\n", NULL, "");
    identity_server_end(&server);
}
END_TEST

/* facts/azure.md 2a */
START_TEST(statuses_of_imds)
{
    static const struct {
        const char *status;
        bool permanent;
        const char *remedy;
    } rows[] = {
        {"400 Bad Request", true, "az vm identity assign"},
        {"401 Unauthorized", true, "instance metadata service"},
        {"403 Forbidden", true, "169.254.169.254"},
        {"404 Not Found", false, ""},
        {"405 Method Not Allowed", true, ""},
        {"408 Request Timeout", false, ""},
        {"410 Gone", false, "70 seconds"},
        {"429 Too Many Requests", false, ""},
        {"500 Internal Server Error", false, ""},
        {"503 Service Unavailable", false, ""},
        {"599 Other", false, ""},
        {"204 No Content", true, ""},
        {"302 Found", true, ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_credential_options o;
        struct canned_answer answer;
        char text[512], reason[128];

        snprintf(text, sizeof text,
                 "HTTP/1.1 %s\r\nConnection: close\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
                 "{\"error\":\"invalid_request\",\"error_description\":\"" MARKER "\"}",
                 rows[i].status);
        answer = (struct canned_answer){.text = text};
        identity_server_begin(&server, &answer, 1);
        o = imds_options();
        snprintf(reason, sizeof reason, "(IMDS) answers HTTP %.3s", rows[i].status);
        assert_failure(&o, rows[i].permanent, reason, rows[i].remedy);
        identity_server_end(&server);
    }
}
END_TEST

START_TEST(no_imds_there)
{
    struct azm_credential_options o;

    ANSWERS({.text = ""});
    o = imds_options();
    assert_failure(&o, false, "no answer from", ""); /* there was a connection */
    identity_server_end(&server);
    assert_failure(&o, false, "no answer from", "is this an Azure virtual machine? else set auth=");
}
END_TEST

START_TEST(retry_after)
{
    struct azm_token_failure f;
    struct azm_token token;
    struct azm_credential_options o;

    ANSWERS({.text = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 17\r\n\r\n"});
    o = imds_options();
    ck_assert_int_eq(acquire_once(&o, &token, &f), -EAGAIN);
    ck_assert_uint_eq(f.retry_after_usec, 17000000);
    identity_server_end(&server);
}
END_TEST

START_TEST(login_page)
{
    struct azm_credential_options o;

    ANSWERS({.text = HTTP_ANSWER("200 OK", "<html>" MARKER "</html>")},
            {.text = HTTP_ANSWER("200 OK", "{\"access_token\":5}")});
    o = imds_options();
    assert_failure(&o, false, "answers HTTP 200, but with no JSON object", "proxy");
    assert_failure(&o, false, "answers HTTP 200, but with no access_token in it", "proxy");
    identity_server_end(&server);
}
END_TEST

#define APP_QUERY "api-version=2019-08-01&resource=https%3A%2F%2Fmonitor.azure.com"

START_TEST(app_service)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *header = make_secret(MARKER);
    struct azm_credential_options o = no_options(AZM_AUTH_APP_SERVICE);
    char url[128];

    ANSWERS({.text = HTTP_ANSWER("200 OK", "{\"access_token\":\"app\",\"expires_on\":\"1767232800\"}")});
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    snprintf(url, sizeof url, "%s/msi/token", server.url);
    o.identity_endpoint = url;
    o.identity_header = header;
    assert_token(&o, "app");
    assert_request(0, "GET /msi/token?" APP_QUERY " HTTP/1.1\r\n", "\r\nX-IDENTITY-HEADER: " MARKER "\r\n", "");
    o.client_id = GUID_1;
    assert_token(&o, "app");
    assert_request(1, "GET /msi/token?" APP_QUERY "&client_id=" GUID_1 " HTTP/1.1\r\n", NULL, "");
    o.client_id = "";
    o.object_id = GUID_2;
    assert_token(&o, "app");
    assert_request(2, "GET /msi/token?" APP_QUERY "&principal_id=" GUID_2 " HTTP/1.1\r\n", NULL, "");
    o.object_id = "";
    o.resource_id = "/x";
    assert_token(&o, "app");
    assert_request(3, "GET /msi/token?" APP_QUERY "&mi_res_id=%2Fx HTTP/1.1\r\n", NULL, "");
    snprintf(url, sizeof url, "%s/msi?x=y", server.url);
    o.resource_id = "";
    assert_token(&o, "app");
    assert_request(4, "GET /msi?x=y&" APP_QUERY " HTTP/1.1\r\n", NULL, "");
    identity_server_end(&server);
}
END_TEST

START_TEST(errors_of_app_service)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *header = make_secret(MARKER);
    struct azm_credential_options o = no_options(AZM_AUTH_APP_SERVICE);

    ANSWERS({.text = HTTP_ANSWER("401 Unauthorized", MARKER)}, {.text = HTTP_ANSWER("400 Bad Request", "")},
            {.text = HTTP_ANSWER("500 Internal Server Error", "{\"statusCode\":500,\"message\":\"" MARKER "\"}")});
    o.identity_endpoint = server.url;
    o.identity_header = header;
    assert_failure(&o, true, "HTTP 401", "$IDENTITY_HEADER");
    assert_failure(&o, true, "HTTP 400", "az webapp identity assign");
    assert_failure(&o, false, "HTTP 500", "audience=");
    identity_server_end(&server);
}
END_TEST

#define FORM "grant_type=client_credentials&client_id=" GUID_1 "&scope=https%3A%2F%2Fmonitor.azure.com%2F.default"

START_TEST(client_secret)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *secret = make_secret("a+b&c=d %~\xc3\xa4/" MARKER);
    struct azm_credential_options o;

    ANSWERS({.text = TOKEN("secret")});
    o = entra_options(AZM_AUTH_CLIENT_SECRET);
    o.client_secret = secret;
    assert_token(&o, "secret");
    assert_request(0, "POST /ten.ant/oauth2/v2.0/token HTTP/1.1\r\n",
                   "\r\nContent-Type: application/x-www-form-urlencoded\r\n",
                   FORM "&client_secret=a%2Bb%26c%3Dd%20%25~%C3%A4%2F" MARKER);
    identity_server_end(&server);
}
END_TEST

START_TEST(client_secret_of_a_file)
{
    struct azm_credential_options o;
    struct azm_credential *c;
    struct azm_token_failure f;
    struct azm_token token;

    ANSWERS({.text = TOKEN("secret")});
    o = entra_options(AZM_AUTH_DEFAULT);
    o.client_secret_file = temp_path("secret");
    c = make_credential(&o);
    ck_assert_int_eq(azm_credential_acquire(c, &token, &f), -EPERM);
    ck_assert(f.permanent && strstr(f.reason, "No such file") && strstr(f.remedy, "client_secret_file="));
    write_text("secret", 0644, MARKER);
    ck_assert_int_eq(azm_credential_acquire(c, &token, &f), -EPERM);
    ck_assert_ptr_nonnull(strstr(f.reason, "everybody can read"));
    ck_assert_uint_eq(server.n_requests, 0);
    for (int i = 0; i < 2; i++) { /* it is read anew each time */
        char form[256], secret[32];

        snprintf(secret, sizeof secret, MARKER "%d\n", i);
        write_text("secret", 0600, secret);
        ck_assert_int_eq(azm_credential_acquire(c, &token, &f), 0);
        azm_token_free(&token);
        snprintf(form, sizeof form, "%s&client_secret=" MARKER "%d", FORM, i);
        assert_request((size_t)i, "POST ", NULL, form);
    }
    azm_credential_free(c);
    identity_server_end(&server);
}
END_TEST

START_TEST(workload_identity)
{
    struct azm_credential_options o;

    ANSWERS({.text = TOKEN("workload")});
    o = entra_options(AZM_AUTH_WORKLOAD_IDENTITY);
    o.federated_token_file = temp_path("token");
    assert_failure(&o, true, "No such file", "azure.workload.identity/use");
    write_text("token", 0644, "head.body." MARKER "\n");
    assert_token(&o, "workload");
    assert_request(0, "POST /ten.ant/oauth2/v2.0/token HTTP/1.1\r\n", NULL,
                   FORM "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                        "&client_assertion=head.body." MARKER);
    identity_server_end(&server);
}
END_TEST

START_TEST(errors_of_entra)
{
    static const struct {
        const char *answer;
        bool permanent;
        const char *reason, *remedy;
    } rows[] = {
        {ENTRA_ERROR("401 Unauthorized", 7000215), true,
         "HTTP 401 AADSTS7000215 invalid_client: the client secret is wrong (trace_id 0123-abc)", "not its Secret ID"},
        {ENTRA_ERROR("401 Unauthorized", 7000222), true, "has expired", "az ad app credential reset"},
        {ENTRA_ERROR("400 Bad Request", 700016), true, "no such application in this tenant", "client_id="},
        {ENTRA_ERROR("401 Unauthorized", 700027), true, "certificate", "upload"},
        {ENTRA_ERROR("400 Bad Request", 70011), true, "scope", "audience="},
        {ENTRA_ERROR("400 Bad Request", 70021), true, "federated credential", "federated-credential create"},
        {ENTRA_ERROR("400 Bad Request", 700211), true, "issuer", "OIDC"},
        {ENTRA_ERROR("400 Bad Request", 700213), true, "subject", "system:serviceaccount"},
        {ENTRA_ERROR("400 Bad Request", 90002), true, "no such tenant", "tenant_id="},
        {ENTRA_ERROR("400 Bad Request", 50034), true, "no such account", "tenant_id="},
        {ENTRA_ERROR("400 Bad Request", 424242), true, "AADSTS424242", "https://login.microsoftonline.com/error"},
        {ENTRA_ERROR("503 Service Unavailable", 7000215), false, "HTTP 503", ""},
        {HTTP_ANSWER("429 Too Many Requests", ""), false, "HTTP 429", ""},
        {HTTP_ANSWER("408 Request Timeout", ""), false, "HTTP 408", ""},
        {HTTP_ANSWER("400 Bad Request", "<html>" MARKER), true, "HTTP 400", ""},
        {HTTP_ANSWER("404 Not Found", ""), true, "HTTP 404", "authority="},
        {HTTP_ANSWER("302 Found", ""), true, "HTTP 302", "authority="},
        {HTTP_ANSWER("200 OK", MARKER), false, "HTTP 200", "proxy"},
        {"", false, "no answer from Microsoft Entra ID", ""},
    };
    _cleanup_(azm_secret_unrefp) struct azm_secret *secret = make_secret(MARKER);

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        const struct canned_answer answer = {.text = rows[i].answer};
        struct azm_credential_options o;

        identity_server_begin(&server, &answer, 1);
        o = entra_options(AZM_AUTH_CLIENT_SECRET);
        o.client_secret = secret;
        assert_failure(&o, rows[i].permanent, rows[i].reason, rows[i].remedy);
        identity_server_end(&server);
    }
}
END_TEST

START_TEST(cancelled)
{
    struct azm_credential_options o;
    struct azm_credential *c;
    struct azm_token_failure f;
    struct azm_token token;

    ANSWERS({.text = TOKEN("x")});
    o = imds_options();
    c = make_credential(&o);
    azm_credential_cancel(c);
    ck_assert_int_eq(azm_credential_acquire(c, &token, &f), -ECANCELED);
    ck_assert(*f.reason);
    azm_credential_free(c);
    identity_server_end(&server);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "imds", imds);
    add_test(s, "statuses_of_imds", statuses_of_imds);
    add_test(s, "no_imds_there", no_imds_there);
    add_test(s, "retry_after", retry_after);
    add_test(s, "login_page", login_page);
    add_test(s, "app_service", app_service);
    add_test(s, "errors_of_app_service", errors_of_app_service);
    add_test(s, "client_secret", client_secret);
    add_test_in_dir(s, "client_secret_of_a_file", client_secret_of_a_file);
    add_test_in_dir(s, "workload_identity", workload_identity);
    add_test(s, "errors_of_entra", errors_of_entra);
    add_test(s, "cancelled", cancelled);
}

TEST_MAIN("credential_requests", add_tests)
