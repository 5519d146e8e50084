/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <time.h>

#include "auth/assertion.h"
#include "auth/base64url.h"
#include "tests/unit/certificate_help.h"
#include "tests/unit/credential_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

#define URL "https://login.microsoftonline.com/ten.ant/oauth2/v2.0/token"

static struct azm_secret *decode(const char *text, size_t len)
{
    struct azm_secret *s;

    ck_assert_int_eq(azm_secret_new(len + 1, &s), 0);
    ck_assert_int_eq(azm_base64url_decode(s, text, len), 0);
    return s;
}

/* RFC 4648, 10, without padding, and the two digits of the URL's alphabet */
START_TEST(base64url)
{
    static const struct {
        const char *plain, *encoded;
    } rows[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
    };
    static const char *const bad[] = {"Z", "Zg==", "Zm9v+g", "Zm9v/g", "Zm 9", "Zm9vY"};
    _cleanup_(azm_secret_unrefp) struct azm_secret *s = NULL;

    ck_assert_int_eq(azm_secret_new(8, &s), 0);
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        size_t n = strlen(rows[i].plain);
        struct azm_secret *plain = decode(rows[i].encoded, strlen(rows[i].encoded));

        azm_secret_clear(s);
        ck_assert_int_eq(azm_base64url_append(s, rows[i].plain, n), 0);
        ck_assert_str_eq(azm_secret_text(s), rows[i].encoded);
        ck_assert_uint_eq(AZM_BASE64URL_LEN(n), azm_secret_len(s));
        ck_assert_str_eq(azm_secret_text(plain), rows[i].plain);
        azm_secret_unref(plain);
    }
    azm_secret_clear(s);
    ck_assert_int_eq(azm_base64url_append(s, "1234567", 7), -E2BIG);
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        azm_secret_clear(s);
        ck_assert_int_eq(azm_base64url_decode(s, bad[i], strlen(bad[i])), -EINVAL);
    }
    azm_secret_clear(s);
    ck_assert_int_eq(azm_base64url_decode(s, "AAAAAAAAAAAA", 12), -E2BIG);
}
END_TEST

static json_t *decode_json(const char *text, size_t len)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *s = decode(text, len);
    json_t *j = json_loadb(azm_secret_text(s), azm_secret_len(s), JSON_REJECT_DUPLICATES, NULL);

    ck_assert_ptr_nonnull(j);
    return j;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    ck_assert_msg(s != NULL, "%s is missing", key);
    return s;
}

static void assert_signature(const char *signed_text, size_t len, const char *signature, EVP_PKEY *key)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *s = decode(signature, strlen(signature));
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how;

    ck_assert_int_eq(EVP_DigestVerifyInit(c, &how, EVP_sha256(), NULL, key), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(how, 32), 1); /* exactly (RFC 7518, 3.5) */
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_mgf1_md(how, EVP_sha256()), 1);
    ck_assert_int_eq(EVP_DigestVerifyUpdate(c, signed_text, len), 1);
    ck_assert_int_eq(EVP_DigestVerifyFinal(c, (const unsigned char *)azm_secret_text(s), azm_secret_len(s)), 1);
    EVP_MD_CTX_free(c);
}

/* The token is what a server would check: facts/azure.md 2e. Writes its jti. */
static void assert_assertion(const char *jwt, X509 *certificate, EVP_PKEY *key, const char *audience, json_int_t now,
                             char jti[static 64])
{
    const char *claims_text = strchr(jwt, '.') + 1, *signature = strchr(claims_text, '.') + 1;
    json_t *header = decode_json(jwt, (size_t)(claims_text - 1 - jwt));
    json_t *claims = decode_json(claims_text, (size_t)(signature - 1 - claims_text));
    _cleanup_(azm_secret_unrefp) struct azm_secret *thumbprint = NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;

    ck_assert_uint_eq(json_object_size(header), 3);
    ck_assert_str_eq(text_of(header, "alg"), "PS256");
    ck_assert_str_eq(text_of(header, "typ"), "JWT");
    ck_assert_int_eq(X509_digest(certificate, EVP_sha256(), digest, &len), 1);
    thumbprint = decode(text_of(header, "x5t#S256"), strlen(text_of(header, "x5t#S256")));
    ck_assert_uint_eq(azm_secret_len(thumbprint), 32);
    ck_assert_mem_eq(azm_secret_text(thumbprint), digest, 32);

    ck_assert_uint_eq(json_object_size(claims), 7);
    ck_assert_str_eq(text_of(claims, "aud"), audience);
    ck_assert_str_eq(text_of(claims, "iss"), GUID_1);
    ck_assert_str_eq(text_of(claims, "sub"), GUID_1);
    ck_assert_int_ge(json_integer_value(json_object_get(claims, "nbf")), now);
    ck_assert_int_le(json_integer_value(json_object_get(claims, "nbf")), now + 60);
    ck_assert_int_eq(json_integer_value(json_object_get(claims, "iat")),
                     json_integer_value(json_object_get(claims, "nbf")));
    ck_assert_int_eq(json_integer_value(json_object_get(claims, "exp")),
                     json_integer_value(json_object_get(claims, "nbf")) + 600);
    snprintf(jti, 64, "%s", text_of(claims, "jti"));
    ck_assert_uint_eq(strlen(jti), 36);
    ck_assert(jti[8] == '-' && jti[13] == '-' && jti[14] == '4' && jti[18] == '-' && strchr("89ab", jti[19]) &&
              jti[23] == '-');
    ck_assert_uint_eq(strspn(jti, "0123456789abcdef-"), 36);
    assert_signature(jwt, (size_t)(signature - 1 - jwt), signature, key);
    json_decref(header);
    json_decref(claims);
}

static int make(const struct azm_buf *pem, struct azm_secret **ret, struct azm_error *err)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *s = NULL;
    int r;

    ck_assert_int_eq(azm_secret_new(pem->len, &s), 0);
    ck_assert_int_eq(azm_secret_append(s, pem->data, pem->len), 0);
    r = azm_assertion_make(s, GUID_1, URL, (uint64_t)time(NULL) * AZM_USEC_PER_SEC, ret, err);
    ck_assert(r == 0 || !strstr(err->words, "-----END"));
    return r;
}

static void assert_makes(const struct azm_buf *pem, X509 *certificate, EVP_PKEY *key)
{
    json_int_t now = time(NULL);
    char jti[2][64];

    for (int i = 0; i < 2; i++) {
        struct azm_secret *jwt;
        struct azm_error err;
        int r = make(pem, &jwt, &err);

        ck_assert_msg(r == 0, "%s", err.words);
        assert_assertion(azm_secret_text(jwt), certificate, key, URL, now, jti[i]);
        azm_secret_unref(jwt);
    }
    ck_assert_str_ne(jti[0], jti[1]);
}

static void assert_refused(const struct azm_buf *pem, int error, const char *words)
{
    struct azm_secret *jwt;
    struct azm_error err = {.words = ""};

    ck_assert_int_eq(make(pem, &jwt, &err), -error);
    ck_assert_msg(strstr(err.words, words) != NULL, "%s", err.words);
}

START_TEST(orders_of_a_file)
{
    EVP_PKEY *key = make_key(EVP_PKEY_RSA), *other = make_key(EVP_PKEY_RSA);
    X509 *certificate = make_certificate(key, -10, 1000), *chain = make_certificate(other, -10, 1000);
    struct azm_buf pem = {0};

    append_certificate(&pem, certificate);
    append_key(&pem, key, NULL);
    assert_makes(&pem, certificate, key);
    azm_buf_free(&pem);

    append_traditional_key(&pem, key, NULL);
    ck_assert_int_eq(azm_buf_printf(&pem, "Bag Attributes\n    friendlyName: x\n\n"), 0);
    append_certificate(&pem, certificate);
    append_certificate(&pem, chain);
    assert_makes(&pem, certificate, key);
    azm_buf_free(&pem);

    append_certificate(&pem, chain); /* the chain first */
    append_key(&pem, key, NULL);
    append_certificate(&pem, certificate);
    assert_makes(&pem, certificate, key);
    azm_buf_free(&pem);
    X509_free(certificate);
    X509_free(chain);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}
END_TEST

START_TEST(files_that_do_not_do)
{
    EVP_PKEY *key = make_key(EVP_PKEY_RSA), *other = make_key(EVP_PKEY_RSA), *ec = make_key(EVP_PKEY_EC);
    X509 *certificate = make_certificate(key, -10, 1000), *expired = make_certificate(key, -1000, -10),
         *future = make_certificate(key, 1000, 2000), *of_ec = make_certificate(ec, -10, 1000);
    struct azm_buf pem = {0};

    assert_refused(&pem, EINVAL, "no private key");
    ck_assert_int_eq(azm_buf_printf(&pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0);
    assert_refused(&pem, EINVAL, "no private key");
    azm_buf_free(&pem);
    append_certificate(&pem, certificate);
    assert_refused(&pem, EINVAL, "no private key");
    append_key(&pem, other, NULL);
    assert_refused(&pem, EINVAL, "does not belong to the certificate");
    azm_buf_free(&pem);
    append_key(&pem, key, NULL);
    assert_refused(&pem, EINVAL, "no certificate");
    append_certificate(&pem, expired);
    assert_refused(&pem, EKEYEXPIRED, "has expired");
    azm_buf_free(&pem);
    append_key(&pem, key, NULL);
    append_certificate(&pem, future);
    assert_refused(&pem, EKEYEXPIRED, "not valid yet");
    azm_buf_free(&pem);
    append_certificate(&pem, certificate);
    append_key(&pem, key, "password");
    assert_refused(&pem, EINVAL, "is encrypted");
    azm_buf_free(&pem);
    append_certificate(&pem, certificate);
    append_traditional_key(&pem, key, "password");
    assert_refused(&pem, EINVAL, "is encrypted");
    azm_buf_free(&pem);
    append_certificate(&pem, of_ec);
    append_key(&pem, ec, NULL);
    assert_refused(&pem, EINVAL, "is not RSA");
    azm_buf_free(&pem);
    X509_free(certificate);
    X509_free(expired);
    X509_free(future);
    X509_free(of_ec);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    EVP_PKEY_free(ec);
}
END_TEST

/* From the file to the server. */
START_TEST(client_certificate)
{
    static const char before[] = "grant_type=client_credentials&client_id=" GUID_1
                                 "&scope=https%3A%2F%2Fmonitor.azure.com%2F.default&client_assertion_type="
                                 "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=";
    static const struct canned_answer answer = {
        .text = HTTP_ANSWER("200 OK", "{\"access_token\":\"certificate\",\"expires_in\":3599}")};
    EVP_PKEY *key = make_key(EVP_PKEY_RSA);
    X509 *certificate = make_certificate(key, -10, 1000), *expired = make_certificate(key, -1000, -10);
    struct azm_credential_options o = no_options(AZM_AUTH_CLIENT_CERTIFICATE);
    static struct identity_server server;
    struct azm_buf pem = {0};
    char audience[128], jti[64];
    const char *body;

    identity_server_begin(&server, &answer, 1);
    o.authority = server.url;
    o.tenant_id = "ten.ant";
    o.client_id = GUID_1;
    o.client_certificate_file = temp_path("app.pem");
    assert_failure(&o, true, "No such file", "client_certificate_file=");
    append_key(&pem, key, NULL);
    append_certificate(&pem, expired);
    write_file("app.pem", 0600, pem.data, pem.len);
    assert_failure(&o, true, "has expired", "upload the certificate");
    ck_assert_uint_eq(server.n_requests, 0);
    append_certificate(&pem, certificate);
    write_file("app.pem", 0604, pem.data, pem.len);
    assert_failure(&o, true, "everybody can read", "client_certificate_file=");
    pem.len = 0;
    append_certificate(&pem, certificate);
    append_key(&pem, key, NULL);
    write_file("app.pem", 0640, pem.data, pem.len);
    assert_token(&o, "certificate");
    body = strstr(server.requests[0], "\r\n\r\n") + 4;
    ck_assert_msg(strncmp(body, before, strlen(before)) == 0, "%s", body);
    snprintf(audience, sizeof audience, "%s/ten.ant/oauth2/v2.0/token", server.url);
    assert_assertion(body + strlen(before), certificate, key, audience, time(NULL) - 60, jti);
    identity_server_end(&server);
    azm_buf_free(&pem);
    X509_free(certificate);
    X509_free(expired);
    EVP_PKEY_free(key);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "base64url", base64url);
    add_test(s, "orders_of_a_file", orders_of_a_file);
    add_test(s, "files_that_do_not_do", files_that_do_not_do);
    add_test_in_dir(s, "client_certificate", client_certificate);
}

TEST_MAIN("assertion", add_tests)
