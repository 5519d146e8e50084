/* SPDX-License-Identifier: MIT */
/* JSON Web Tokens (RFC 7519) in the compact form: three parts in base64url with points between them. */
#pragma once

#include "buf.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

/* Appends a token with these claims, signed with HMAC-SHA-256. 0 or -ENOMEM. */
int emu_jwt_sign(const json_t *claims, const void *key, size_t key_length, struct emu_buf *token);

/* A token taken apart. Zero-initialise it; free it with emu_jwt_free. */
struct emu_jwt {
    json_t *header, *claims; /* objects */
    struct emu_buf signature;
    const char *text;
    size_t signed_length; /* of the text: what the signature is about */
};

/* Takes a token apart and believes it. `text` is borrowed. 0; -EINVAL when it is none; -ENOMEM. */
int emu_jwt_parse(struct emu_jwt *jwt, const char *text, size_t length);

/* Is it signed with HMAC-SHA-256 and this key, and says so? */
bool emu_jwt_has_hs256(const struct emu_jwt *jwt, const void *key, size_t key_length);

/* Is it signed with RSASSA-PSS, SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 7518, 3.5), and says so? */
bool emu_jwt_has_ps256(const struct emu_jwt *jwt, EVP_PKEY *key);

/* Is it signed with RSASSA-PKCS1-v1_5 and SHA-256 (RFC 7518, 3.3), and says so? */
bool emu_jwt_has_rs256(const struct emu_jwt *jwt, EVP_PKEY *key);

/* A claim that is a text, or NULL. */
const char *emu_jwt_text(const struct emu_jwt *jwt, const char *claim);

/* A claim that is a whole number, or -1. */
json_int_t emu_jwt_number(const struct emu_jwt *jwt, const char *claim);

void emu_jwt_free(struct emu_jwt *jwt);
