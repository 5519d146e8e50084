/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <strings.h>

#include "auth/credential_internal.h"
#include "config/azure_endpoint.h"
#include "export/answer_body.h"
#include "tests/fuzz/fuzz.h"

/* Two URLs, as of a destination and of where it redirects to, or a host and a rule. Where a token may go is judged as
 * libcurl, which sends it there, takes the URL apart. */

struct parts {
    char *scheme, *host;
};

static bool look_at(const char *url, struct parts *ret)
{
    CURLU *u = curl_url();
    bool ok;

    *ret = (struct parts){0};
    require(u);
    ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
         curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
         curl_url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK;
    curl_url_cleanup(u);
    return ok;
}

static bool is_here(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

static void check_one(const char *url)
{
    char rule[40];
    struct parts p;
    bool is_url = look_at(url, &p);

    require(!azm_url_is_private(url) || (is_url && (strcmp(p.scheme, "https") == 0 || is_here(p.host))));
    require(!azm_url_is_base(url) || azm_url_is_private(url));
    require(!azm_is_loopback_url(url) || (is_url && is_here(p.host)));
    require(!azm_answer_is_azure(url, "") || (is_url && strcmp(p.scheme, "https") == 0));
    require(!is_url || azm_answer_same_origin(url, url) || strcmp(p.scheme, "file") == 0);
    (void)azm_is_http_url(url);
    azm_azure_endpoint_dcr(url, rule);
    require(!*rule || azm_is_dcr_id(rule));
    curl_free(p.scheme);
    curl_free(p.host);
}

FUZZ_TARGET(url)
{
    const char *a = fuzz_string(&in), *b = fuzz_string(&in);
    char *moved = azm_answer_redirected(AZM_PROFILE_APPINSIGHTS, a, b), *logs;

    check_one(a);
    check_one(b);
    require(azm_answer_same_origin(a, b) == azm_answer_same_origin(b, a));
    if (moved)
        require(azm_answer_same_origin(moved, b));
    free(moved);
    if (azm_is_host_name(a) && azm_is_dcr_id(b)) {
        char rule[40];

        logs = azm_azure_logs_url(a, b, "ingest.monitor.azure.com");
        require(logs && azm_is_azure_endpoint(logs) && azm_url_is_private(logs) && azm_answer_is_azure(logs, ""));
        azm_azure_endpoint_dcr(logs, rule);
        require(strcmp(rule, b) == 0);
        free(logs);
    }
}
