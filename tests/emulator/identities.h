/* SPDX-License-Identifier: MIT */
/* Who may have a token: the applications of Entra's tenants, and the managed identities of the machine. Read once, and
 * then it does not change. */
#pragma once

#include "buf.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

/* Texts are borrowed from the file, NULL = absent. */
struct emu_identity {
    const char *tenant;
    const char *client_id;
    const char *object_id;   /* of an application without one, its client_id */
    const char *resource_id; /* managed identities that are assigned by a user */

    /* An application has at least one of these. */
    const char *secret;
    const char *federated_token_file; /* the present content of this file is as good as a secret */
    EVP_PKEY *certificate_key;
    struct emu_buf thumbprint;      /* x5t#S256 of the certificate, NUL-terminated behind its length */
    struct emu_buf thumbprint_sha1; /* x5t, the same */
};

struct emu_identities;

/* Reads the file (README.md has its form); NULL = no application, and one managed identity, the system's. 0; -errno
 * with an error printed. */
int emu_identities_load(const char *path, struct emu_identities **ret);

/* Does an application have this tenant? */
bool emu_identities_has_tenant(const struct emu_identities *identities, const char *tenant);

/* NULL = there is none. */
const struct emu_identity *emu_identities_application(const struct emu_identities *identities, const char *tenant,
                                                      const char *client_id);

enum emu_selector {
    EMU_BY_CLIENT_ID,
    EMU_BY_OBJECT_ID,
    EMU_BY_RESOURCE_ID,
};

/* NULL = there is none. */
const struct emu_identity *emu_identities_managed(const struct emu_identities *identities, enum emu_selector selector,
                                                  const char *value);

/* The managed identity of those who name none: the system's, or else the only one. NULL = there is none, or several. */
const struct emu_identity *emu_identities_default(const struct emu_identities *identities);

/* NULL is allowed. */
void emu_identities_free(struct emu_identities *identities);
