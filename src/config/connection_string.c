/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "config/connection_string.h"
#include "core/guid.h"

enum key { IKEY, AUTHORIZATION, ENDPOINT, LOCATION, SUFFIX, AUDIENCE, KEYS };

static const char *const names[KEYS] = {
    [IKEY] = "InstrumentationKey", [AUTHORIZATION] = "Authorization", [ENDPOINT] = "IngestionEndpoint",
    [LOCATION] = "Location",       [SUFFIX] = "EndpointSuffix",       [AUDIENCE] = "AADAudience",
};

#define PREFIX "the connection string: "

void azm_connection_string_free(struct azm_connection_string *c)
{
    free(c->ikey);
    free(c->track_url);
    free(c->audience);
    memset(c, 0, sizeof *c);
}

/* --- its parts --- */

/* Ends what is at *s in front of the spaces at its end, and moves *s behind those at its start. */
static void trim(char **s)
{
    size_t len;

    while (isspace((unsigned char)**s))
        ++*s;
    len = strlen(*s);
    while (len > 0 && isspace((unsigned char)(*s)[len - 1]))
        (*s)[--len] = '\0';
}

/* Cuts the string into its parts; those of known keys go into `values`, trimmed. */
static int split(char *s, const char *values[static KEYS], struct azm_error *err)
{
    char *part;

    for (unsigned n = 1; (part = strsep(&s, ";")); n++) {
        char *key = strsep(&part, "="), *value = part;

        trim(&key);
        if (!value && *key == '\0') /* behind the last semicolon */
            continue;
        if (!value || *key == '\0')
            return azm_error_set(err, EINVAL, PREFIX "part %u is not KEY=VALUE; copy the whole string from the portal",
                                 n);
        trim(&value);
        for (size_t k = 0; k < KEYS; k++) {
            if (strcasecmp(key, names[k]) != 0)
                continue;
            if (values[k])
                return azm_error_set(err, EINVAL, PREFIX "%s is there twice; leave one of them out", names[k]);
            values[k] = value;
        }
    }
    for (size_t k = 0; k < KEYS; k++)
        if (!values[k])
            values[k] = "";
    return 0;
}

/* --- their values --- */

static int check_ikey(const char *s, struct azm_error *err)
{
    if (*s == '\0')
        return azm_error_set(err, EINVAL,
                             PREFIX "InstrumentationKey is missing; copy the whole string from the portal");
    if (!azm_is_guid(s))
        return azm_error_set(err, EINVAL,
                             PREFIX "InstrumentationKey is not 32 hexadecimal digits in groups of 8-4-4-4-12");
    return 0;
}

static int check_authorization(const char *s, struct azm_error *err)
{
    if (*s == '\0' || strcasecmp(s, "ikey") == 0)
        return 0;
    return azm_error_set(err, EINVAL, PREFIX "Authorization must be 'ikey', or be left out");
}

/* Part of a host's name: it is put into a URL. */
static int check_host_part(const char *key, const char *s, struct azm_error *err)
{
    for (const char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && (*c != '.' || c == s || c[1] == '.' || c[1] == '\0'))
            return azm_error_set(err, EINVAL, PREFIX "%s is not part of a host name (letters, digits, '-', '.')", key);
    return 0;
}

static int check_audience(const char *s, struct azm_error *err)
{
    for (; *s; s++)
        if (!isgraph((unsigned char)*s))
            return azm_error_set(err, EINVAL, PREFIX "AADAudience must not contain spaces or other than ASCII");
    return 0;
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0 || strcasecmp(host, "localhost") == 0;
}

static int check_endpoint(const char *s, struct azm_error *err)
{
    char *scheme = NULL, *host = NULL;
    CURLU *u;
    int r = 0;

    if (strpbrk(s, "@?#"))
        return azm_error_set(
            err, EINVAL, PREFIX "IngestionEndpoint must not have a user name, a query or a fragment ('@', '?', '#')");
    u = curl_url();
    if (!u)
        return azm_error_set(err, ENOMEM, "out of memory");
    if (curl_url_set(u, CURLUPART_URL, s, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        r = azm_error_set(err, EINVAL, PREFIX "IngestionEndpoint is not an https URL (https://HOST[:PORT]/)");
    else if (strcmp(scheme, "http") == 0 && !is_loopback(host))
        r = azm_error_set(err, EINVAL,
                          PREFIX "IngestionEndpoint must be an https URL; http is for 127.0.0.1, [::1] and localhost");
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return r;
}

static int check(const char *const values[static KEYS], struct azm_error *err)
{
    int r = check_ikey(values[IKEY], err);

    if (r == 0)
        r = check_authorization(values[AUTHORIZATION], err);
    if (r == 0)
        r = check_host_part(names[LOCATION], values[LOCATION], err);
    if (r == 0)
        r = check_host_part(names[SUFFIX], values[SUFFIX], err);
    if (r == 0 && *values[ENDPOINT])
        r = check_endpoint(values[ENDPOINT], err);
    return r == 0 ? check_audience(values[AUDIENCE], err) : r;
}

/* --- the result --- */

/* A new string, or NULL. */
static char *track_url(const char *const values[static KEYS], const char *default_suffix)
{
    size_t len = strlen(values[ENDPOINT]);
    char *url = NULL;
    int n;

    while (len > 0 && values[ENDPOINT][len - 1] == '/')
        len--;
    if (len > 0)
        n = asprintf(&url, "%.*s/v2.1/track", (int)len, values[ENDPOINT]);
    else if (*values[SUFFIX])
        n = asprintf(&url, "https://%s%sdc.%s/v2.1/track", values[LOCATION], *values[LOCATION] ? "." : "",
                     values[SUFFIX]);
    else
        n = asprintf(&url, "https://dc.%s/v2.1/track", default_suffix);
    return n < 0 ? NULL : url;
}

int azm_connection_string_parse(const char *s, const char *default_suffix, struct azm_connection_string *ret,
                                struct azm_error *err)
{
    _cleanup_free_ char *copy = NULL;
    const char *values[KEYS] = {NULL};
    int r;

    *ret = (struct azm_connection_string){NULL};
    if (strlen(s) > AZM_CONNECTION_STRING_MAX)
        return azm_error_set(err, EINVAL, PREFIX "it is longer than %zu characters", AZM_CONNECTION_STRING_MAX);
    copy = strdup(s);
    if (!copy)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = split(copy, values, err);
    if (r == 0)
        r = check(values, err);
    if (r < 0)
        return r;
    ret->ikey = strdup(values[IKEY]);
    ret->track_url = track_url(values, default_suffix);
    ret->audience = strdup(values[AUDIENCE]);
    if (!ret->ikey || !ret->track_url || !ret->audience) {
        azm_connection_string_free(ret);
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    for (char *c = ret->ikey; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return 0;
}
