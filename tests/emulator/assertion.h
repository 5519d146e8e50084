/* SPDX-License-Identifier: MIT */
/* Client assertions: what an application sends to Entra instead of a secret (RFC 7523). */
#pragma once

#include "emulator.h"
#include "identities.h"
#include "tokens.h"

#include <stdbool.h>

/* The ones that have been used. Guards itself. */
struct emu_assertions;

/* 0 or -ENOMEM. */
int emu_assertions_new(struct emu_assertions **ret);

/* What is wrong with one, in Entra's words. */
struct emu_assertion_problem {
    unsigned status;
    const char *error;
    unsigned number; /* of AADSTS */
    char text[EMU_PROBLEM_BYTES - 32];
};

/* Judges the assertion of an application for the token endpoint at `url`. It is the present content of the
 * application's federated_token_file, or a JWT that the application has made for this request and signed with the key
 * of its certificate: learn.microsoft.com, "Microsoft identity platform application authentication certificate
 * credentials". Unless it is only looked at, the latter is good only once. 0; -EACCES with the problem; -ENOMEM. */
int emu_assertions_check(struct emu_assertions *assertions, const struct emu_identity *identity, const char *url,
                         const char *assertion, bool only_look, enum emu_credential *ret,
                         struct emu_assertion_problem *problem);

/* NULL is allowed. */
void emu_assertions_free(struct emu_assertions *assertions);
