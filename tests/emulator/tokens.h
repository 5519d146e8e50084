/* SPDX-License-Identifier: MIT */
/* The access tokens that the emulator issues and accepts: JWTs, signed with a key that only it has. Does not change
 * once it is there, but for the counters, which guard themselves. */
#pragma once

#include "buf.h"
#include "emulator.h"
#include "identities.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* By what an identity has shown who it is. */
enum emu_credential {
    EMU_CLIENT_SECRET,
    EMU_CLIENT_CERTIFICATE,
    EMU_FEDERATED,
    EMU_IMDS,
    EMU_ARC,
    EMU_APP_SERVICE,
    EMU_CREDENTIALS, /* how many there are */
};

const char *emu_credential_name(enum emu_credential credential);

struct emu_token_options {
    const char *audience; /* what the log endpoints accept, with or without a slash at the end */
    const char *key_file; /* NULL = a key of its own */
    unsigned lifetime_sec;
    unsigned refresh_in_sec; /* 0 = say nothing about it */
};

struct emu_tokens;

/* The texts of the options are borrowed. 0; -errno with an error printed. */
int emu_tokens_new(const struct emu_token_options *options, struct emu_tokens **ret);

const struct emu_token_options *emu_tokens_options(const struct emu_tokens *tokens);

/* Is there a resource of this name: the audience of the log endpoints, or https://management.azure.com, which is for
 * others? A slash at the end makes no difference. */
bool emu_tokens_know(const struct emu_tokens *tokens, const char *resource);

/* Zero-initialise it; free it with emu_token_free. */
struct emu_token {
    struct emu_buf text; /* NUL-terminated behind its length */
    int64_t begin, end;  /* seconds since 1970 */
};

/* Makes a token for a resource. 0 or -ENOMEM. */
int emu_tokens_issue(const struct emu_tokens *tokens, const struct emu_identity *identity,
                     enum emu_credential credential, const char *resource, struct emu_token *token);

/* Counts one that is given away. */
void emu_tokens_count(struct emu_tokens *tokens, enum emu_credential credential);

void emu_token_free(struct emu_token *token);

/* Judges the value of an Authorization header (NULL = none). 0 when it is "Bearer" and a token of this emulator that is
 * valid now for the log endpoints; -EACCES, and then `problem` says what is wrong and `code` is Azure's kind of code;
 * -ENOMEM. */
int emu_tokens_check(const struct emu_tokens *tokens, const char *authorization, const char **code,
                     char problem[static EMU_PROBLEM_BYTES]);

/* The token in an Authorization header, or NULL. */
const char *emu_token_in(const char *authorization);

enum { EMU_TOKEN_HASH_BYTES = 13 };

/* The first 12 hex digits of the token's SHA-256, so that a log can tell tokens apart. */
void emu_token_hash(const char *token, char hash[static EMU_TOKEN_HASH_BYTES]);

/* How many were issued, by the name of the credential, or NULL without memory. */
json_t *emu_tokens_stats(const struct emu_tokens *tokens);

void emu_tokens_reset(struct emu_tokens *tokens);

/* NULL is allowed. */
void emu_tokens_free(struct emu_tokens *tokens);
