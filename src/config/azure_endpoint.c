/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/azure_endpoint.h"

#define RULES "/dataCollectionRules/"

const struct azm_cloud_names *azm_cloud_names(enum azm_cloud cloud)
{
    static const struct azm_cloud_names names[] = {
        [AZM_CLOUD_PUBLIC] = {"https://login.microsoftonline.com", "https://monitor.azure.com",
                              "ingest.monitor.azure.com", "services.visualstudio.com"},
        [AZM_CLOUD_USGOV] = {"https://login.microsoftonline.us", "https://monitor.azure.us", "ingest.monitor.azure.us",
                             "applicationinsights.us"},
        [AZM_CLOUD_CHINA] = {"https://login.chinacloudapi.cn", "https://monitor.azure.cn", "ingest.monitor.azure.cn",
                             "applicationinsights.azure.cn"},
    };

    return &names[cloud];
}

/* Where the path begins with RULES: what is behind them, or NULL. */
static const char *behind_rules(const char *url)
{
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;

    return path && strncasecmp(path, RULES, strlen(RULES)) == 0 ? path + strlen(RULES) : NULL;
}

bool azm_is_azure_endpoint(const char *url)
{
    const char *rule = behind_rules(url);

    return rule && strstr(rule, "/streams/");
}

bool azm_is_dcr_id(const char *s)
{
    return strncmp(s, "dcr-", 4) == 0 && strspn(s + 4, "0123456789abcdef") == 32 && s[36] == '\0';
}

void azm_azure_endpoint_dcr(const char *url, char ret[static 40])
{
    const char *rule = behind_rules(url);

    snprintf(ret, 40, "%.*s", rule ? (int)MIN(strcspn(rule, "/?#"), (size_t)39) : 0, rule ? rule : "");
    if (!azm_is_dcr_id(ret))
        *ret = '\0';
}

/* A part of a host's name, up to a dot or its end: RFC 1123, 2.1. */
static bool is_label(const char *s, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

    return len > 0 && len <= 63 && strspn(s, letters) >= len && s[0] != '-' && s[len - 1] != '-';
}

bool azm_is_host_name(const char *s)
{
    const char *label = s;

    for (; label[strcspn(label, ".")]; label += strcspn(label, ".") + 1)
        if (!is_label(label, strcspn(label, ".")))
            return false;
    return is_label(label, strlen(label)) && strlen(s) <= 253;
}

static char *make_url(const char *dce, const char *dcr, const char *host, const char *suffix, const char *stream)
{
    bool is_url = strstr(dce, "://");
    size_t len = strlen(dce), n = strlen(suffix);
    bool complete = is_url || (len > n && dce[len - n - 1] == '.' && strcasecmp(dce + len - n, suffix) == 0);
    char *url;

    while (is_url && len > 0 && dce[len - 1] == '/')
        len--;
    return asprintf(&url, "%s%.*s%s%s%s/dataCollectionRules/%s/streams/%s", is_url ? "" : "https://", (int)len, dce,
                    complete ? "" : ".", complete ? "" : host, complete ? "" : suffix, dcr, stream) < 0
               ? NULL
               : url;
}

char *azm_azure_logs_url(const char *dce, const char *dcr, const char *suffix)
{
    return make_url(dce, dcr, "", suffix, "Microsoft-OTLP-Logs/otlp/v1/logs");
}

char *azm_azure_metrics_url(const char *dce, const char *dcr, const char *suffix)
{
    return make_url(dce, dcr, AZM_METRICS_HOST, suffix, "Custom-Metrics-Otel/otlp/v1/metrics");
}

static bool is_loopback(const char *host)
{
    struct in_addr a;

    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &a) == 1 && ntohl(a.s_addr) >> 24 == 127;
}

/* Takes a URL apart: false if it is none. */
static bool look_at(const char *url, bool *ret_private, bool *ret_base)
{
    char *scheme = NULL, *host = NULL, *path = NULL;
    bool ok = false;
    CURLU *u = curl_url();

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
        *ret_private = strcasecmp(scheme, "https") == 0 || (strcasecmp(scheme, "http") == 0 && is_loopback(host));
        *ret_base = strcmp(path, "/") == 0 && !strpbrk(url, "?#@"); /* also empty ones: a path is put behind it */
        ok = true;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(path);
    curl_url_cleanup(u);
    return ok;
}

bool azm_url_is_base(const char *url)
{
    bool is_private, is_base;

    return look_at(url, &is_private, &is_base) && is_private && is_base;
}

bool azm_url_is_private(const char *url)
{
    bool is_private, is_base;

    return look_at(url, &is_private, &is_base) && is_private;
}
