/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#include "auth/assertion.h"
#include "auth/base64url.h"

#define ASSERTION_MAX_BYTES 8192

static void free_bio(BIO **b)
{
    BIO_free(*b);
}

static void free_key(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void free_certificate(X509 **c)
{
    X509_free(*c);
}

static void free_digest(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

/* --- the file --- */

/* Instead of asking on a terminal. */
static int no_password(char *buf, int size, int writing, void *userdata)
{
    (void)buf, (void)size, (void)writing;
    *(bool *)userdata = true;
    return -1;
}

static BIO *open_pem(const struct azm_secret *pem)
{
    return BIO_new_mem_buf(azm_secret_text(pem), (int)azm_secret_len(pem));
}

static int read_key(const struct azm_secret *pem, EVP_PKEY **ret, struct azm_error *err)
{
    _cleanup_(free_bio) BIO *b = open_pem(pem);
    bool encrypted = false;

    if (!b)
        return azm_error_set(err, ENOMEM, "out of memory");
    *ret = PEM_read_bio_PrivateKey(b, NULL, no_password, &encrypted);
    if (encrypted)
        return azm_error_set(
            err, EINVAL,
            "the private key is encrypted; take its password away (openssl pkey -in FILE -out NEW) and "
            "protect the file by its mode, 0600");
    if (!*ret)
        return azm_error_set(err, EINVAL, "there is no private key in it (-----BEGIN PRIVATE KEY-----)");
    if (EVP_PKEY_base_id(*ret) != EVP_PKEY_RSA)
        return azm_error_set(err, EINVAL,
                             "the private key is not RSA; Microsoft Entra ID takes assertions of RSA keys only");
    return 0;
}

/* Of all certificates the one that belongs to the key. */
static int find_certificate(const struct azm_secret *pem, EVP_PKEY *key, X509 **ret, struct azm_error *err)
{
    _cleanup_(free_bio) BIO *b = open_pem(pem);
    bool encrypted; /* as no certificate is */
    unsigned n = 0;
    X509 *c;

    if (!b)
        return azm_error_set(err, ENOMEM, "out of memory");
    for (; (c = PEM_read_bio_X509(b, NULL, no_password, &encrypted)); X509_free(c), n++)
        if (X509_check_private_key(c, key) == 1) {
            *ret = c;
            return 0;
        }
    if (n == 0)
        return azm_error_set(err, EINVAL, "there is no certificate in it (-----BEGIN CERTIFICATE-----)");
    return azm_error_set(err, EINVAL, "the private key does not belong to the certificate");
}

static int check_validity(const X509 *c, uint64_t now_realtime_usec, struct azm_error *err)
{
    time_t now = (time_t)(now_realtime_usec / AZM_USEC_PER_SEC);

    if (X509_cmp_time(X509_get0_notBefore(c), &now) > 0)
        return azm_error_set(err, EKEYEXPIRED, "the certificate is not valid yet; check the clock (timedatectl)");
    if (X509_cmp_time(X509_get0_notAfter(c), &now) < 0)
        return azm_error_set(err, EKEYEXPIRED, "the certificate has expired");
    return 0;
}

/* --- the token --- */

/* Appends base64url(JSON): 0, -ENOMEM or -E2BIG. Takes the reference. */
static int append_json(struct azm_secret *out, json_t *j)
{
    _cleanup_free_ char *text = j ? json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

    json_decref(j);
    return text ? azm_base64url_append(out, text, strlen(text)) : -ENOMEM;
}

static int append_header(struct azm_secret *out, const X509 *c)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *thumbprint = NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    int r = azm_secret_new(AZM_BASE64URL_LEN(sizeof digest), &thumbprint);

    if (r == 0 && X509_digest(c, EVP_sha256(), digest, &len) != 1)
        r = -EIO;
    if (r == 0)
        r = azm_base64url_append(thumbprint, digest, len);
    return r < 0 ? r
                 : append_json(out, json_pack("{s:s, s:s, s:s}", "alg", "PS256", "typ", "JWT", "x5t#S256",
                                              azm_secret_text(thumbprint)));
}

static int append_claims(struct azm_secret *out, const char *client_id, const char *audience, json_int_t now)
{
    unsigned char b[16];
    char jti[37];

    if (RAND_bytes(b, sizeof b) != 1)
        return -EIO;
    snprintf(jti, sizeof jti, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
             b[3], b[4], b[5], b[6] & 15u, b[7], (b[8] & 0x3fu) | 0x80u, b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return append_json(out, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "aud", audience, "iss", client_id, "sub",
                                      client_id, "jti", jti, "nbf", now, "iat", now, "exp",
                                      now + AZM_ASSERTION_LIFETIME_SEC));
}

/* Appends the signature of what is there: 0 or -errno. */
static int append_signature(struct azm_secret *out, EVP_PKEY *key)
{
    _cleanup_(free_digest) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char signature[1024]; /* RSA keys up to 8192 bits */
    size_t len = sizeof signature;
    EVP_PKEY_CTX *how; /* the digest's */

    if (EVP_PKEY_size(key) > (int)sizeof signature)
        return -E2BIG;
    if (!digest || EVP_DigestSignInit(digest, &how, EVP_sha256(), NULL, key) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(how, 32) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(how, EVP_sha256()) != 1 ||
        EVP_DigestSignUpdate(digest, azm_secret_text(out), azm_secret_len(out)) != 1 ||
        EVP_DigestSignFinal(digest, signature, &len) != 1)
        return -EIO;
    return azm_secret_printf(out, ".") < 0 ? -E2BIG : azm_base64url_append(out, signature, len);
}

static int make(const X509 *certificate, EVP_PKEY *key, const char *client_id, const char *audience, json_int_t now,
                struct azm_secret *out)
{
    int r = append_header(out, certificate);

    if (r == 0)
        r = azm_secret_printf(out, ".");
    if (r == 0)
        r = append_claims(out, client_id, audience, now);
    return r < 0 ? r : append_signature(out, key);
}

int azm_assertion_make(const struct azm_secret *pem, const char *client_id, const char *audience,
                       uint64_t now_realtime_usec, struct azm_secret **ret, struct azm_error *err)
{
    _cleanup_(free_key) EVP_PKEY *key = NULL;
    _cleanup_(free_certificate) X509 *certificate = NULL;
    _cleanup_(azm_secret_unrefp) struct azm_secret *jwt = NULL;
    int r = read_key(pem, &key, err);

    if (r == 0)
        r = find_certificate(pem, key, &certificate, err);
    if (r == 0)
        r = check_validity(certificate, now_realtime_usec, err);
    if (r == 0) {
        r = azm_secret_new(ASSERTION_MAX_BYTES, &jwt);
        if (r == 0)
            r = make(certificate, key, client_id, audience, (json_int_t)(now_realtime_usec / AZM_USEC_PER_SEC), jwt);
        if (r < 0)
            azm_error_set(err, r, "cannot sign with the private key: %m");
    }
    ERR_clear_error(); /* this thread's list of what has gone wrong is of no use to anybody */
    if (r < 0)
        return r;
    *ret = azm_secret_ref(jwt);
    return 0;
}
