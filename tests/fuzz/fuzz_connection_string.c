/* SPDX-License-Identifier: MIT */
#include "config/azure_endpoint.h"
#include "config/connection_string.h"
#include "tests/fuzz/fuzz.h"

/* A connection string. What comes out is safe to send to; written as a connection string again it means the same. */

static void check(const struct azm_connection_string *c)
{
    static const char path[] = "/v2.1/track";
    struct azm_connection_string again;
    struct azm_error err;
    char text[2 * AZM_CONNECTION_STRING_MAX];
    size_t base;

    require(strlen(c->ikey) == 36 && strspn(c->ikey, "0123456789abcdef-") == 36);
    require(azm_url_is_private(c->track_url) && fuzz_is_line(c->track_url) && fuzz_is_line(c->audience));
    require(strlen(c->track_url) > strlen(path));
    base = strlen(c->track_url) - strlen(path);
    require(strcmp(c->track_url + base, path) == 0);
    snprintf(text, sizeof text, "InstrumentationKey=%s;IngestionEndpoint=%.*s%s%s", c->ikey, (int)base, c->track_url,
             *c->audience ? ";AADAudience=" : "", c->audience);
    if (strlen(text) > AZM_CONNECTION_STRING_MAX)
        return;
    require(azm_connection_string_parse(text, "x.example", &again, &err) == 0);
    require(strcmp(again.ikey, c->ikey) == 0 && strcmp(again.track_url, c->track_url) == 0 &&
            strcmp(again.audience, c->audience) == 0);
    azm_connection_string_free(&again);
}

FUZZ_TARGET(connection_string)
{
    struct azm_connection_string c;
    struct azm_error err = {""};
    int r =
        azm_connection_string_parse(fuzz_string(&in), azm_cloud_names(AZM_CLOUD_PUBLIC)->application_suffix, &c, &err);

    require((r < 0) == (*err.words != '\0') && fuzz_is_line(err.words));
    if (r == 0) {
        check(&c);
        azm_connection_string_free(&c);
    }
}
