/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "jwt.h"
#include "tokens.h"
#include "uuid.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

static const char elsewhere[] = "https://management.azure.com";

struct emu_tokens {
    struct emu_token_options options;
    struct emu_buf key;
    atomic_uint_fast64_t issued[EMU_CREDENTIALS];
};

const char *emu_credential_name(enum emu_credential credential)
{
    static const char *const names[EMU_CREDENTIALS] = {
        [EMU_CLIENT_SECRET] = "client-secret",
        [EMU_CLIENT_CERTIFICATE] = "client-certificate",
        [EMU_FEDERATED] = "federated",
        [EMU_IMDS] = "imds",
        [EMU_ARC] = "arc",
        [EMU_APP_SERVICE] = "app-service",
    };
    return names[credential];
}

static int make_key(struct emu_buf *key)
{
    char bytes[32];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    return emu_buf_append(key, bytes, sizeof(bytes));
}

int emu_tokens_new(const struct emu_token_options *options, struct emu_tokens **ret)
{
    struct emu_tokens *tokens = calloc(1, sizeof(*tokens));
    if (!tokens)
        return -ENOMEM;
    tokens->options = *options;
    int r = options->key_file ? emu_buf_append_file(&tokens->key, options->key_file) : make_key(&tokens->key);
    if (r >= 0 && tokens->key.length < 32)
        r = -EINVAL;
    if (r < 0) {
        fprintf(stderr, "azmonlog-emulator: cannot use the key %s: %s\n", options->key_file ? options->key_file : "",
                r == -EINVAL ? "it has less than 32 bytes" : strerror(-r));
        emu_tokens_free(tokens);
        return r;
    }
    *ret = tokens;
    return 0;
}

const struct emu_token_options *emu_tokens_options(const struct emu_tokens *tokens)
{
    return &tokens->options;
}

static bool same_resource(const char *one, const char *other)
{
    size_t length = strlen(one), other_length = strlen(other);
    length -= length > 0 && one[length - 1] == '/';
    other_length -= other_length > 0 && other[other_length - 1] == '/';
    return length == other_length && strncmp(one, other, length) == 0;
}

bool emu_tokens_know(const struct emu_tokens *tokens, const char *resource)
{
    return same_resource(resource, tokens->options.audience) || same_resource(resource, elsewhere);
}

int emu_tokens_issue(const struct emu_tokens *tokens, const struct emu_identity *identity,
                     enum emu_credential credential, const char *resource, struct emu_token *token)
{
    char issuer[128], id[EMU_UUID_BYTES];
    token->begin = time(NULL);
    token->end = token->begin + tokens->options.lifetime_sec;
    snprintf(issuer, sizeof(issuer), "https://sts.windows.net/%s/", identity->tenant);
    if (!emu_uuid(id)) /* uti, so that no two tokens are the same */
        return -ENOMEM;
    _cleanup_(emu_json_decref) json_t *claims =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s}", "aud", resource, "iss", issuer, "iat",
                  (json_int_t)token->begin, "nbf", (json_int_t)token->begin, "exp", (json_int_t)token->end, "tid",
                  identity->tenant, "oid", identity->object_id, "appid", identity->client_id, "uti", id, "azm_how",
                  emu_credential_name(credential));

    int r = emu_jwt_sign(claims, tokens->key.data, tokens->key.length, &token->text);
    if (r >= 0)
        r = emu_buf_append(&token->text, "", 1);
    if (r < 0)
        return r;
    token->text.length--;
    return 0;
}

void emu_tokens_count(struct emu_tokens *tokens, enum emu_credential credential)
{
    atomic_fetch_add(&tokens->issued[credential], 1);
}

void emu_token_free(struct emu_token *token)
{
    emu_buf_free(&token->text);
}

const char *emu_token_in(const char *authorization)
{
    return authorization && strncasecmp(authorization, "Bearer ", 7) == 0 ? authorization + 7 : NULL;
}

int emu_tokens_check(const struct emu_tokens *tokens, const char *authorization, const char **code,
                     char problem[static EMU_PROBLEM_BYTES])
{
    _cleanup_(emu_jwt_free) struct emu_jwt jwt = {0};
    const char *text = emu_token_in(authorization);
    const int64_t now = time(NULL);

    *code = text ? "InvalidToken" : "MissingToken";
    if (!text) {
        snprintf(problem, EMU_PROBLEM_BYTES, "Unauthorized - please provide the valid authorization token: %s",
                 authorization ? "the Authorization is not Bearer" : "there is no Authorization header");
        return -EACCES;
    }
    int r = emu_jwt_parse(&jwt, text, strlen(text));
    if (r == -ENOMEM)
        return r;
    const char *audience = r < 0 ? NULL : emu_jwt_text(&jwt, "aud");
    if (r < 0) {
        snprintf(problem, EMU_PROBLEM_BYTES, "The authorization token is malformed: it is no JWT");
    } else if (!emu_jwt_has_hs256(&jwt, tokens->key.data, tokens->key.length)) {
        snprintf(problem, EMU_PROBLEM_BYTES, "The authorization token has a bad signature: it was not issued here");
    } else if (emu_jwt_number(&jwt, "exp") <= now) {
        *code = "ExpiredToken";
        snprintf(problem, EMU_PROBLEM_BYTES, "The authorization token has expired");
    } else if (emu_jwt_number(&jwt, "nbf") > now) {
        snprintf(problem, EMU_PROBLEM_BYTES, "The authorization token is not valid yet");
    } else if (!audience || !same_resource(audience, tokens->options.audience)) {
        *code = "InvalidAudience";
        snprintf(problem, EMU_PROBLEM_BYTES, "The audience of the authorization token is %.200s, not %.200s",
                 audience ? audience : "missing", tokens->options.audience);
    } else {
        return 0;
    }
    return -EACCES;
}

void emu_token_hash(const char *token, char hash[static EMU_TOKEN_HASH_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};

    EVP_Digest(token, strlen(token), digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < EMU_TOKEN_HASH_BYTES / 2; i++)
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
}

json_t *emu_tokens_stats(const struct emu_tokens *tokens)
{
    json_t *stats = json_object();
    for (int i = 0; i < EMU_CREDENTIALS; i++)
        json_object_set_new(stats, emu_credential_name(i), json_integer((json_int_t)atomic_load(&tokens->issued[i])));
    return stats;
}

void emu_tokens_reset(struct emu_tokens *tokens)
{
    for (int i = 0; i < EMU_CREDENTIALS; i++)
        atomic_store(&tokens->issued[i], 0);
}

void emu_tokens_free(struct emu_tokens *tokens)
{
    if (!tokens)
        return;
    emu_buf_free(&tokens->key);
    free(tokens);
}
