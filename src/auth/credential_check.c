/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "auth/credential_internal.h"
#include "core/guid.h"

static int check_client_id(const char *id, struct azm_error *err)
{
    return azm_is_guid(id)
               ? 0
               : azm_error_set(err, EINVAL,
                               "[destination] client_id= or $AZURE_CLIENT_ID is not the id of an application or "
                               "identity, xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

int azm_check_tenant_and_client(const struct azm_credential_options *o, struct azm_error *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";

    if (!*o->tenant_id)
        return azm_error_set(err, EINVAL, "neither tenant_id= in [destination] nor $AZURE_TENANT_ID is set");
    if (o->tenant_id[strspn(o->tenant_id, allowed)] || *o->tenant_id == '.' || strlen(o->tenant_id) > 253)
        return azm_error_set(
            err, EINVAL,
            "[destination] tenant_id= or $AZURE_TENANT_ID is not the id or domain of a tenant (letters, "
            "digits, '.' and '-')");
    if (!*o->client_id)
        return azm_error_set(err, EINVAL, "neither client_id= in [destination] nor $AZURE_CLIENT_ID is set");
    return check_client_id(o->client_id, err);
}

int azm_check_identity_selector(const struct azm_credential_options *o, struct azm_error *err)
{
    if (!!*o->client_id + !!*o->object_id + !!*o->resource_id > 1)
        return azm_error_set(
            err, EINVAL,
            "at most one of client_id= ($AZURE_CLIENT_ID), object_id= and resource_id= in [destination] "
            "says which managed identity it is");
    if (*o->client_id)
        return check_client_id(o->client_id, err);
    if (*o->object_id && !azm_is_guid(o->object_id))
        return azm_error_set(err, EINVAL,
                             "[destination] object_id= is not an id such as xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    if (*o->resource_id && (*o->resource_id != '/' || strlen(o->resource_id) > 1024))
        return azm_error_set(err, EINVAL,
                             "[destination] resource_id= is not the id of an identity, "
                             "/subscriptions/.../Microsoft.ManagedIdentity/userAssignedIdentities/NAME");
    return 0;
}

static void free_url(CURLU **u)
{
    curl_url_cleanup(*u);
}

/* A part of an http or https URL, which the caller frees by curl_free; NULL if it is none. */
static char *part_of(const char *url, CURLUPart part)
{
    _cleanup_(free_url) CURLU *u = curl_url();
    char *s = NULL;

    if (!u || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) ||
        curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK || curl_url_get(u, part, &s, 0) != CURLUE_OK)
        return NULL;
    return s;
}

bool azm_is_http_url(const char *url)
{
    char *host = part_of(url, CURLUPART_HOST);
    bool is = host != NULL;

    curl_free(host);
    return is && !strchr(url, '@') && strlen(url) <= 1024;
}

bool azm_is_loopback_url(const char *url)
{
    char *host = part_of(url, CURLUPART_HOST);
    bool is = host && (strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
                       strcmp(host, "[::1]") == 0 || strcmp(host, "::1") == 0);

    curl_free(host);
    return is && !strchr(url, '@');
}
