/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "core/buf.h"

/* Keys and certificates made in the test. */

static inline EVP_PKEY *make_key(int type)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(type, NULL);
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(c), 1);
    if (type == EVP_PKEY_RSA)
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(c, 2048), 1);
    else if (type == EVP_PKEY_EC)
        ck_assert_int_eq(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(c, NID_X9_62_prime256v1), 1);
    ck_assert_int_eq(EVP_PKEY_keygen(c, &key), 1);
    EVP_PKEY_CTX_free(c);
    return key;
}

/* Signed by its own key, for 127.0.0.1, and valid from and to these seconds from now. */
static inline X509 *make_certificate(EVP_PKEY *key, long from_sec, long to_sec)
{
    X509 *c = X509_new();
    X509_NAME *name = X509_get_subject_name(c);
    X509_EXTENSION *host = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"azmonlog", -1, -1, 0);
    X509_set_issuer_name(c, name);
    X509_gmtime_adj(X509_getm_notBefore(c), from_sec);
    X509_gmtime_adj(X509_getm_notAfter(c), to_sec);
    X509_set_pubkey(c, key);
    X509_add_ext(c, host, -1);
    X509_EXTENSION_free(host);
    ck_assert_int_gt(X509_sign(c, key, EVP_sha256()), 0);
    return c;
}

static inline void append_bio(struct azm_buf *out, BIO *b)
{
    char *data;
    long len = BIO_get_mem_data(b, &data);

    ck_assert_int_eq(azm_buf_append(out, data, (size_t)len), 0);
    BIO_free(b);
}

static inline void append_certificate(struct azm_buf *out, X509 *c)
{
    BIO *b = BIO_new(BIO_s_mem());

    ck_assert_int_eq(PEM_write_bio_X509(b, c), 1);
    append_bio(out, b);
}

/* `password` NULL: in the clear. */
static inline void append_key(struct azm_buf *out, EVP_PKEY *key, const char *password)
{
    BIO *b = BIO_new(BIO_s_mem());

    ck_assert_int_eq(
        PEM_write_bio_PKCS8PrivateKey(b, key, password ? EVP_aes_256_cbc() : NULL, NULL, 0, NULL, (void *)password), 1);
    append_bio(out, b);
}

/* The old form, -----BEGIN RSA PRIVATE KEY-----. */
static inline void append_traditional_key(struct azm_buf *out, EVP_PKEY *key, const char *password)
{
    BIO *b = BIO_new(BIO_s_mem());

    ck_assert_int_eq(PEM_write_bio_PrivateKey_traditional(b, key, password ? EVP_aes_256_cbc() : NULL, NULL, 0, NULL,
                                                          (void *)password),
                     1);
    append_bio(out, b);
}
