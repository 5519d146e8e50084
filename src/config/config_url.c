/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config_url.h"
#include "config/places.h"
#include "config/stream_url.h"

int azm_parse_places(struct azm_config *c, void *field, const struct azm_assignment *a, azm_config_parse_t parse,
                     struct azm_error *err)
{
    size_t n = azm_places_count(a->value);
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        struct azm_text word = azm_places_get(a->value, i);
        _cleanup_free_ char *one = strndup(word.s, word.len);
        struct azm_assignment place = *a;

        if (!one)
            return azm_error_set(err, ENOMEM, "out of memory");
        for (size_t k = 0; k < i; k++)
            if (azm_text_equal(word, azm_places_get(a->value, k)))
                return azm_error_set(err, EINVAL, "numbers %zu and %zu of them are the same", k + 1, i + 1);
        place.value = one;
        r = parse(c, field, &place, err);
    }
    return r < 0 ? r : azm_parse_string(c, field, a, err);
}

static int parse_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a, const char *signal,
                          struct azm_error *err)
{
    char *scheme = NULL, *path = NULL;
    int shown = (int)strcspn(a->value, "?#"), r; /* the query may hold a secret */
    CURLU *u;

    if (*a->value == '\0')
        return azm_parse_string(c, field, a, err);
    u = curl_url();
    if (!u)
        return azm_error_set(err, ENOMEM, "out of memory");
    /* A URL with a password must not get into an error, not even when it is wrong for another reason. */
    if (strchr(a->value, '@'))
        r = azm_error_set(err, EINVAL, "a URL with a user name or password shows up in logs; use header= for them");
    else if (curl_url_set(u, CURLUPART_URL, a->value, 0) != CURLUE_OK ||
             curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
             curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK ||
             (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
        r = azm_error_set(err, EINVAL, "'%.*s' is not an http or https URL (scheme, host, port up to 65535, path)",
                          shown, a->value);
    else if (strcmp(path, "/") == 0 && a->value[strlen(a->value) - 1] != '/')
        r = azm_error_set(err, EINVAL, "'%.*s' has no path; OTLP/HTTP %s are usually taken at %.*s/v1/%s", shown,
                          a->value, signal, shown, a->value, signal);
    else
        r = azm_parse_string(c, field, a, err);
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(u);
    return r;
}

int azm_parse_stream(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct azm_stream_url u = {0};

    if (*a->value) {
        int r = azm_stream_url_parse(a->value, &u, err);

        azm_stream_url_free(&u);
        if (r < 0)
            return r;
    }
    if (a->is_public && azm_stream_url_has_password(a->value))
        return azm_error_set(err, EPERM,
                             "there is a password in it, and everybody can read this; use password_file= instead");
    return azm_parse_string(c, field, a, err);
}

static int parse_logs_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (azm_stream_engine_of(a->value) != AZM_STREAM_NONE)
        return azm_parse_stream(c, field, a, err);
    return parse_endpoint(c, field, a, "logs", err);
}

int azm_parse_endpoints(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    return azm_parse_places(c, field, a, parse_logs_endpoint, err);
}

int azm_parse_metrics_endpoint(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    return parse_endpoint(c, field, a, "metrics", err);
}
