/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base64url.h"
#include "emulator.h"
#include "json.h"
#include "jwt.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

static int append_json(struct emu_buf *token, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    int r = text ? emu_base64url_encode(token, text, strlen(text)) : -ENOMEM;
    free(text);
    return r;
}

static bool hs256(const void *key, size_t key_length, const void *text, size_t length,
                  unsigned char code[static EVP_MAX_MD_SIZE], unsigned *code_length)
{
    return HMAC(EVP_sha256(), key, (int)key_length, text, length, code, code_length) != NULL;
}

int emu_jwt_sign(const json_t *claims, const void *key, size_t key_length, struct emu_buf *token)
{
    _cleanup_(emu_json_decref) json_t *header = json_pack("{s:s, s:s}", "typ", "JWT", "alg", "HS256");
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned code_length;
    const size_t start = token->length;

    int r = header && claims ? append_json(token, header) : -ENOMEM;
    if (r >= 0)
        r = emu_buf_append(token, ".", 1);
    if (r >= 0)
        r = append_json(token, claims);
    if (r >= 0 && !hs256(key, key_length, token->data + start, token->length - start, code, &code_length))
        r = -ENOMEM;
    if (r >= 0)
        r = emu_buf_append(token, ".", 1);
    return r < 0 ? r : emu_base64url_encode(token, code, code_length);
}

static int parse_object(const char *text, size_t length, json_t **ret)
{
    _cleanup_(emu_buf_free) struct emu_buf plain = {0};
    int r = emu_base64url_decode(&plain, text, length);
    if (r < 0)
        return r;
    *ret = json_loadb(plain.data, plain.length, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(*ret) ? 0 : -EINVAL;
}

int emu_jwt_parse(struct emu_jwt *jwt, const char *text, size_t length)
{
    const char *end = text + length;
    const char *first = memchr(text, '.', length);
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;

    if (!second)
        return -EINVAL;
    jwt->text = text;
    jwt->signed_length = (size_t)(second - text);
    int r = parse_object(text, (size_t)(first - text), &jwt->header);
    if (r >= 0)
        r = parse_object(first + 1, (size_t)(second - first - 1), &jwt->claims);
    return r < 0 ? r : emu_base64url_decode(&jwt->signature, second + 1, (size_t)(end - second - 1));
}

static bool has_algorithm(const struct emu_jwt *jwt, const char *name)
{
    const char *algorithm = json_string_value(json_object_get(jwt->header, "alg"));
    return algorithm && strcmp(algorithm, name) == 0;
}

bool emu_jwt_has_hs256(const struct emu_jwt *jwt, const void *key, size_t key_length)
{
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned length;

    return has_algorithm(jwt, "HS256") && hs256(key, key_length, jwt->text, jwt->signed_length, code, &length) &&
           length == jwt->signature.length && CRYPTO_memcmp(code, jwt->signature.data, length) == 0;
}

static void free_digest(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

bool emu_jwt_has_ps256(const struct emu_jwt *jwt, EVP_PKEY *key)
{
    enum { SALT_BYTES = 32 };
    _cleanup_(free_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;

    return has_algorithm(jwt, "PS256") && context && EVP_PKEY_base_id(key) == EVP_PKEY_RSA &&
           EVP_DigestVerifyInit(context, &options, EVP_sha256(), NULL, key) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, SALT_BYTES) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(options, EVP_sha256()) == 1 &&
           EVP_DigestVerify(context, (const unsigned char *)jwt->signature.data, jwt->signature.length,
                            (const unsigned char *)jwt->text, jwt->signed_length) == 1;
}

bool emu_jwt_has_rs256(const struct emu_jwt *jwt, EVP_PKEY *key)
{
    _cleanup_(free_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();

    return has_algorithm(jwt, "RS256") && context && EVP_PKEY_base_id(key) == EVP_PKEY_RSA &&
           EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
           EVP_DigestVerify(context, (const unsigned char *)jwt->signature.data, jwt->signature.length,
                            (const unsigned char *)jwt->text, jwt->signed_length) == 1;
}

const char *emu_jwt_text(const struct emu_jwt *jwt, const char *claim)
{
    return json_string_value(json_object_get(jwt->claims, claim));
}

json_int_t emu_jwt_number(const struct emu_jwt *jwt, const char *claim)
{
    const json_t *value = json_object_get(jwt->claims, claim);
    return json_is_number(value) ? (json_int_t)json_number_value(value) : -1;
}

void emu_jwt_free(struct emu_jwt *jwt)
{
    json_decref(jwt->header);
    json_decref(jwt->claims);
    emu_buf_free(&jwt->signature);
    *jwt = (struct emu_jwt){0};
}
