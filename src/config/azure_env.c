/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/azure_env.h"

static const char *get(const char *variable)
{
    const char *value = secure_getenv(variable);

    return value && *value ? value : NULL;
}

static int set(struct azm_config *c, const char *variable, const char *key, const char *value, struct azm_error *err)
{
    char where[64];

    snprintf(where, sizeof where, "$%s", variable);
    return azm_config_set(c, "destination", key, value, where, false, err);
}

static int copy_string(const char *variable, char **field, struct azm_error *err)
{
    const char *value = get(variable);

    if (!value)
        return 0;
    free(*field);
    *field = strdup(value);
    return *field ? 0 : azm_error_set(err, ENOMEM, "out of memory");
}

static int copy_secret(const char *variable, struct azm_secret **field, struct azm_error *err)
{
    const char *value = get(variable);

    if (!value)
        return 0;
    *field = azm_secret_unref(*field);
    if (azm_secret_new(strlen(value), field) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    azm_secret_append(*field, value, strlen(value));
    return 0;
}

/* "Authorization=AAD" or "Authorization=AAD;ClientId=..." */
static int apply_authentication_string(struct azm_config *c, struct azm_error *err)
{
    static const char variable[] = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING";
    const char *value = get(variable);
    _cleanup_free_ char *copy = value ? strdup(value) : NULL;
    char *save = NULL;
    bool entra = false;
    int r = 0;

    if (!value)
        return 0;
    if (!copy)
        return azm_error_set(err, ENOMEM, "out of memory");
    for (char *word = strtok_r(copy, "; ", &save); word && r >= 0; word = strtok_r(NULL, "; ", &save)) {
        if (strcasecmp(word, "Authorization=AAD") == 0)
            entra = true;
        else if (strncasecmp(word, "ClientId=", 9) == 0)
            r = set(c, variable, "client_id", word + 9, err);
        else
            return azm_error_set(err, EINVAL,
                                 "$%s: it is written as Authorization=AAD, or Authorization=AAD;ClientId=ID", variable);
    }
    return r >= 0 && entra ? set(c, variable, "auth", "managed_identity", err) : r;
}

int azm_azure_env_apply(struct azm_config *c, struct azm_error *err)
{
    static const struct {
        const char *variable, *key;
    } keys[] = {
        {"AZURE_TENANT_ID", "tenant_id"},
        {"AZURE_CLIENT_ID", "client_id"},
        {"AZURE_CLIENT_CERTIFICATE_PATH", "client_certificate_file"},
        {"AZURE_FEDERATED_TOKEN_FILE", "federated_token_file"},
        {"AZURE_AUTHORITY_HOST", "authority"},
    };
    static const char connection_string[] = "APPLICATIONINSIGHTS_CONNECTION_STRING";
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(keys) && r >= 0; i++)
        if (get(keys[i].variable))
            r = set(c, keys[i].variable, keys[i].key, get(keys[i].variable), err);
    if (r >= 0)
        r = apply_authentication_string(c, err);
    if (r >= 0 && get(connection_string)) {
        if (azm_config_forget_destination(c) < 0)
            return azm_error_set(err, ENOMEM, "out of memory");
        r = set(c, connection_string, "connection_string", get(connection_string), err);
    }
    if (r >= 0)
        r = copy_secret("AZURE_CLIENT_SECRET", &c->client_secret, err);
    if (r >= 0)
        r = copy_secret("IDENTITY_HEADER", &c->identity_header, err);
    if (r >= 0)
        r = copy_string("IDENTITY_ENDPOINT", &c->identity_endpoint, err);
    if (r >= 0)
        r = copy_string("IMDS_ENDPOINT", &c->imds_endpoint, err);
    if (r >= 0)
        r = copy_string("IDENTITY_SERVER_THUMBPRINT", &c->identity_server_thumbprint, err);
    return r;
}
