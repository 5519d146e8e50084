/* SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/check.h"
#include "config/stream_url.h"
#include "export/delivery.h"

/* One connection by libcurl, without a request, tells of all these steps: it goes the way that records go, and libcurl
 * keeps the time of each step. */
struct probe {
    CURL *easy;
    const char *url;
    bool is_stream;
    char host[256], words[CURL_ERROR_SIZE];
    bool tls;
    const char *proxy_variable; /* NULL: no proxy is set for such a URL */
    char proxy[256];            /* without a password */
    CURLcode code;
    long connect_code;                       /* the proxy's answer to CONNECT; 0: there was none */
    curl_off_t dns_usec, tcp_usec, tls_usec; /* since the beginning; 0: it did not get that far */
    char *address;
    long port;
    struct curl_certinfo *certificates;
};

/* --- the connection --- */

/* As libcurl looks for it: $HTTP_PROXY in capitals could be set by a client of a CGI program, so it is not looked at.
 */
static void find_proxy(struct probe *p)
{
    static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}, *const http[] = {
                                                                                                     "http_proxy",
                                                                                                     "all_proxy",
                                                                                                     "ALL_PROXY"};
    const char *const *names = p->tls ? https : http;
    size_t n = p->tls ? ELEMENTSOF(https) : ELEMENTSOF(http);

    for (size_t i = 0; i < n && !p->proxy_variable; i++) {
        const char *value = getenv(names[i]), *at, *scheme;

        if (!value || !*value)
            continue;
        p->proxy_variable = names[i];
        at = strrchr(value, '@');
        scheme = strstr(value, "://");
        if (at)
            snprintf(p->proxy, sizeof p->proxy, "%.*s%s", scheme ? (int)(scheme + 3 - value) : 0, value, at + 1);
        else
            snprintf(p->proxy, sizeof p->proxy, "%s", value);
    }
}

static void look_at_url(struct probe *p, const char *url)
{
    char *scheme = NULL, *host = NULL;
    CURLU *u = curl_url();

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        p->tls = strcasecmp(scheme, "https") == 0;
        snprintf(p->host, sizeof p->host, "%s", host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
}

static CURLcode connect_to(struct probe *p, const struct azm_http_options *o)
{
    CURLcode r = CURLE_OK;

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(p->easy, option, value) : r)
    SET(CURLOPT_URL, p->url);
    if (p->is_stream)
        SET(CURLOPT_PROXY, ""); /* as stream/redis_socket.c has it */
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_CERTINFO, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_ERRORBUFFER, p->words);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(o->timeout_usec / AZM_USEC_PER_MSEC));
    SET(CURLOPT_TIMEOUT_MS, (long)(o->timeout_usec / AZM_USEC_PER_MSEC));
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (*o->tls_ca_file)
        SET(CURLOPT_CAINFO, o->tls_ca_file);
    if (*o->tls_cert_file)
        SET(CURLOPT_SSLCERT, o->tls_cert_file);
    if (*o->tls_key_file)
        SET(CURLOPT_SSLKEY, o->tls_key_file);
#undef SET
    return r == CURLE_OK ? curl_easy_perform(p->easy) : r;
}

static void read_results(struct probe *p)
{
    curl_easy_getinfo(p->easy, CURLINFO_HTTP_CONNECTCODE, &p->connect_code);
    curl_easy_getinfo(p->easy, CURLINFO_NAMELOOKUP_TIME_T, &p->dns_usec);
    curl_easy_getinfo(p->easy, CURLINFO_CONNECT_TIME_T, &p->tcp_usec);
    curl_easy_getinfo(p->easy, CURLINFO_APPCONNECT_TIME_T, &p->tls_usec);
    curl_easy_getinfo(p->easy, CURLINFO_PRIMARY_IP, &p->address);
    curl_easy_getinfo(p->easy, CURLINFO_PRIMARY_PORT, &p->port);
    curl_easy_getinfo(p->easy, CURLINFO_CERTINFO, &p->certificates);
    if (!*p->words)
        snprintf(p->words, sizeof p->words, "%s", curl_easy_strerror(p->code));
}

/* --- what it says --- */

static uint64_t between(curl_off_t begin, curl_off_t end)
{
    return end > begin ? (uint64_t)(end - begin) : 0;
}

/* Is it the proxy that could not be reached? libcurl says "Failed to connect to HOST port PORT", and whether no_proxy
 * has spared this host the proxy it says nowhere. */
static bool words_name_proxy(const struct probe *p)
{
    char *host = NULL, *port = NULL, expected[300] = "";
    CURLU *u = curl_url();

    if (u && p->proxy_variable &&
        curl_url_set(u, CURLUPART_URL, p->proxy, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        curl_url_get(u, CURLUPART_PORT, &port, 0);
        snprintf(expected, sizeof expected, " %s port %s ", host, port ? port : "1080"); /* libcurl's default */
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return *expected && strstr(p->words, expected);
}

/* Which step the failure is about. */
static enum check_id failed_step(const struct probe *p)
{
    switch (p->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return CHECK_DNS;
    case CURLE_COULDNT_RESOLVE_PROXY:
        return CHECK_PROXY;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return CHECK_TLS;
    default:
        break;
    }
    if (p->dns_usec == 0)
        return CHECK_DNS; /* it ran into the timeout there */
    if (p->tcp_usec == 0)
        return (p->proxy_variable && p->connect_code > 0) || words_name_proxy(p) ? CHECK_PROXY : CHECK_TCP;
    return p->proxy_variable && p->tls && p->connect_code != 200 ? CHECK_PROXY : CHECK_TLS;
}

static const char *remedy_of(const struct probe *p, enum check_id step)
{
    switch (step) {
    case CHECK_DNS:
        return "check the host name in [destination], and the resolver: getent hosts HOST";
    case CHECK_PROXY:
        if (p->connect_code > 0 && p->connect_code != 200)
            return azm_delivery_proxy_remedy(p->connect_code);
        return "check the proxy in the environment of azmonlog (systemctl show azmonlog -p Environment); for a proxy "
               "that wants a password: https_proxy=http://USER:PASSWORD@HOST:PORT";
    case CHECK_TCP:
        return p->proxy_variable ? "check the proxy, and that this host may reach it"
                                 : "check that the server runs and that a firewall lets this host reach it: "
                                   "curl -v URL; where only a proxy leads out, set https_proxy for azmonlog";
    case CHECK_TLS:
        if (p->code == CURLE_SSL_CERTPROBLEM)
            return "check tls_cert_file= and tls_key_file= in [destination]";
        if (p->code == CURLE_SSL_CACERT_BADFILE)
            return "check tls_ca_file= in [destination]";
        if (p->code == CURLE_PEER_FAILED_VERIFICATION)
            return "the name in [destination] has to be the certificate's, this machine's clock right (timedatectl), "
                   "and "
                   "the issuer known: package ca-certificates, or tls_ca_file=; a proxy that inspects TLS has to leave "
                   "Azure's hosts alone";
        if (azm_delivery_certificate_remedy(p->words))
            return azm_delivery_certificate_remedy(p->words);
        return "is it an https server? Azure wants TLS 1.2 or newer; a server of your own may want a certificate "
               "(tls_cert_file=)";
    default:
        return NULL;
    }
}

/* A value of the server's own certificate, or NULL. */
static const char *certificate_value(const struct probe *p, const char *key)
{
    size_t n = strlen(key);

    if (!p->certificates || p->certificates->num_of_certs == 0)
        return NULL;
    for (const struct curl_slist *l = p->certificates->certinfo[0]; l; l = l->next)
        if (strncmp(l->data, key, n) == 0 && l->data[n] == ':')
            return l->data + n + 1;
    return NULL;
}

static void report_tls(struct check *c, const struct probe *p)
{
    const char *expires = certificate_value(p, "Expire date"), *issuer = certificate_value(p, "Issuer");
    time_t end = expires ? curl_getdate(expires, NULL) : -1;

    check_ok(c, CHECK_TLS, between(p->tcp_usec, p->tls_usec), "the certificate is good%s%s%s%s",
             expires ? " until " : "", expires ? expires : "", issuer ? ", issued by " : "", issuer ? issuer : "");
    if (end > 0 &&
        (uint64_t)end * AZM_USEC_PER_SEC < azm_realtime_usec(&azm_system_clock) + 14 * 86400 * AZM_USEC_PER_SEC)
        check_skipped(c, CHECK_TLS, "the certificate ends within 14 days");
}

/* Reports the steps before the one that failed as passed: those that libcurl has a time for. */
static void report(struct check *c, const struct probe *p)
{
    enum check_id failed = p->code == CURLE_OK ? CHECK_CREDENTIAL : failed_step(p);
    bool by_proxy = p->connect_code > 0 || failed == CHECK_PROXY;

    for (enum check_id step = CHECK_DNS; step <= CHECK_TLS; step++) {
        if (step == CHECK_PROXY && !p->proxy_variable)
            continue;
        if (step == CHECK_TLS && !p->tls)
            continue;
        if (step == failed) {
            check_failed(c, step, AZM_USEC_INFINITY, p->words, remedy_of(p, step));
            continue;
        }
        if (step > failed) {
            check_skipped(c, step, "it did not get that far");
            continue;
        }
        if (step == CHECK_DNS)
            check_ok(c, step, (uint64_t)p->dns_usec, "%s is %s", by_proxy ? "the proxy" : p->host,
                     *p->address ? p->address : "known");
        else if (step == CHECK_PROXY)
            check_ok(c, step, 0, "%s=%s%s", p->proxy_variable, p->proxy,
                     by_proxy ? " lets us through"
                     : p->tls ? " is not used: no_proxy names the host"
                              : ", unless no_proxy names the host");
        else if (step == CHECK_TCP)
            check_ok(c, step, between(p->dns_usec, p->tcp_usec), "connected to %s port %ld", p->address, p->port);
        else
            report_tls(c, p);
    }
}

bool check_connection(struct check *c, const struct azm_destination *d)
{
    struct probe p = {.easy = curl_easy_init(), .address = (char *)""};
    _cleanup_free_ char *url = NULL;
    bool ok;

    if (!p.easy) {
        check_failed(c, CHECK_DNS, 0, "out of memory", NULL);
        return false;
    }
    p.is_stream = d->stream.url != NULL;
    url = p.is_stream ? azm_stream_url_as_http(d->stream.url) : strdup(d->http.url);
    if (!url) {
        check_failed(c, CHECK_DNS, 0, "out of memory", NULL);
        curl_easy_cleanup(p.easy);
        return false;
    }
    p.url = url;
    look_at_url(&p, url);
    if (!p.is_stream)
        find_proxy(&p);
    check_begin(c);
    p.code = connect_to(&p, &d->http);
    read_results(&p);
    report(c, &p);
    ok = p.code == CURLE_OK;
    curl_easy_cleanup(p.easy);
    return ok;
}
