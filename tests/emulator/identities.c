/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base64url.h"
#include "emulator.h"
#include "identities.h"
#include "json.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct list {
    struct emu_identity *items;
    size_t count;
};

struct emu_identities {
    json_t *file; /* owns the texts */
    struct list applications, managed;
};

static const char default_file[] = "{\"managed_identities\": [{\"tenant\": \"00000000-0000-0000-0000-0000000000aa\","
                                   " \"client_id\": \"00000000-0000-0000-0000-0000000000bb\", \"object_id\": "
                                   "\"00000000-0000-0000-0000-0000000000cc\"}]}";

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static int make_thumbprint(const X509 *certificate, const EVP_MD *how, struct emu_buf *ret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length;
    int r = X509_digest(certificate, how, digest, &length) == 1 ? emu_base64url_encode(ret, digest, length) : -ENOMEM;

    if (r >= 0)
        r = emu_buf_append(ret, "", 1);
    ret->length -= r >= 0;
    return r;
}

static int load_certificate(const char *path, struct emu_identity *identity)
{
    FILE *file = fopen(path, "re");
    _cleanup_(free_certificate) X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    if (file)
        fclose(file);
    if (!certificate || !(identity->certificate_key = X509_get_pubkey(certificate))) {
        fprintf(stderr, "azmonlog-emulator: %s is no certificate in PEM\n", path);
        return -EINVAL;
    }
    int r = make_thumbprint(certificate, EVP_sha256(), &identity->thumbprint);
    return r < 0 ? r : make_thumbprint(certificate, EVP_sha1(), &identity->thumbprint_sha1);
}

static int refuse(const char *path, const char *list, size_t index, const char *problem)
{
    fprintf(stderr, "azmonlog-emulator: %s: %s[%zu] %s\n", path, list, index, problem);
    return -EINVAL;
}

/* Fills in what the object has; other keys are errors, they would be typing errors. */
static int read_identity(json_t *object, struct emu_identity *identity, const char **ret_certificate)
{
    const struct {
        const char *name;
        const char **to;
    } keys[] = {
        {"tenant", &identity->tenant},       {"client_id", &identity->client_id},
        {"object_id", &identity->object_id}, {"resource_id", &identity->resource_id},
        {"secret", &identity->secret},       {"federated_token_file", &identity->federated_token_file},
        {"certificate", ret_certificate},
    };
    size_t known = 0;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        *keys[i].to = json_string_value(json_object_get(object, keys[i].name));
        known += *keys[i].to != NULL;
    }
    return known == json_object_size(object) && identity->tenant && identity->client_id ? 0 : -EINVAL;
}

static int read_list(const char *path, const char *name, const json_t *array, bool applications, struct list *list)
{
    list->items = calloc(json_array_size(array) + 1, sizeof(*list->items));
    if (!list->items)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct emu_identity *identity = &list->items[list->count++];
        const char *certificate = NULL;
        if (read_identity(json_array_get(array, i), identity, &certificate) < 0)
            return refuse(path, name, i,
                          "needs the texts tenant and client_id; known besides: object_id, resource_id, secret, "
                          "certificate, federated_token_file");
        const bool proves = identity->secret || certificate || identity->federated_token_file;
        if (applications && (!proves || identity->resource_id))
            return refuse(path, name, i, "needs a secret, a certificate or a federated_token_file, and no resource_id");
        if (!applications && (proves || !identity->object_id))
            return refuse(path, name, i, "needs an object_id, and nothing to show who it is");
        if (!identity->object_id)
            identity->object_id = identity->client_id;
        int r = certificate ? load_certificate(certificate, identity) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_file(const char *path, struct emu_identities *identities)
{
    json_error_t error;
    identities->file = path ? json_load_file(path, JSON_REJECT_DUPLICATES, &error)
                            : json_loads(default_file, JSON_REJECT_DUPLICATES, &error);
    if (!identities->file) {
        fprintf(stderr, "azmonlog-emulator: %s:%d: %s\n", path, error.line, error.text);
        return -EINVAL;
    }
    const json_t *applications = json_object_get(identities->file, "applications");
    const json_t *managed = json_object_get(identities->file, "managed_identities");
    if (json_object_size(identities->file) != (size_t)json_is_array(applications) + (size_t)json_is_array(managed)) {
        fprintf(stderr, "azmonlog-emulator: %s has other keys than the lists applications and managed_identities\n",
                path);
        return -EINVAL;
    }
    int r = read_list(path, "applications", applications, true, &identities->applications);
    return r < 0 ? r : read_list(path, "managed_identities", managed, false, &identities->managed);
}

int emu_identities_load(const char *path, struct emu_identities **ret)
{
    struct emu_identities *identities = calloc(1, sizeof(*identities));
    if (!identities)
        return -ENOMEM;
    int r = read_file(path, identities);
    if (r < 0) {
        emu_identities_free(identities);
        return r;
    }
    *ret = identities;
    return 0;
}

/* GUIDs are not case-sensitive, nor are the names of tenants and resource ids. */
static bool same(const char *one, const char *other)
{
    return one && strcasecmp(one, other) == 0;
}

bool emu_identities_has_tenant(const struct emu_identities *identities, const char *tenant)
{
    for (size_t i = 0; i < identities->applications.count; i++)
        if (same(identities->applications.items[i].tenant, tenant))
            return true;
    return false;
}

const struct emu_identity *emu_identities_application(const struct emu_identities *identities, const char *tenant,
                                                      const char *client_id)
{
    for (size_t i = 0; i < identities->applications.count; i++) {
        const struct emu_identity *identity = &identities->applications.items[i];
        if (same(identity->tenant, tenant) && same(identity->client_id, client_id))
            return identity;
    }
    return NULL;
}

const struct emu_identity *emu_identities_managed(const struct emu_identities *identities, enum emu_selector selector,
                                                  const char *value)
{
    for (size_t i = 0; i < identities->managed.count; i++) {
        const struct emu_identity *identity = &identities->managed.items[i];
        const char *const names[] = {
            [EMU_BY_CLIENT_ID] = identity->client_id,
            [EMU_BY_OBJECT_ID] = identity->object_id,
            [EMU_BY_RESOURCE_ID] = identity->resource_id,
        };
        if (same(names[selector], value))
            return identity;
    }
    return NULL;
}

const struct emu_identity *emu_identities_default(const struct emu_identities *identities)
{
    const struct list *managed = &identities->managed;
    for (size_t i = 0; i < managed->count; i++)
        if (!managed->items[i].resource_id)
            return &managed->items[i];
    return managed->count == 1 ? &managed->items[0] : NULL;
}

static void free_list(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        EVP_PKEY_free(list->items[i].certificate_key);
        emu_buf_free(&list->items[i].thumbprint);
        emu_buf_free(&list->items[i].thumbprint_sha1);
    }
    free(list->items);
}

void emu_identities_free(struct emu_identities *identities)
{
    if (!identities)
        return;
    free_list(&identities->applications);
    free_list(&identities->managed);
    json_decref(identities->file);
    free(identities);
}
