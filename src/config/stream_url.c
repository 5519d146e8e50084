/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/azure_endpoint.h"
#include "config/stream_url.h"

#define HOST_MAX 256
#define PART_MAX 512 /* user, password, stream */
#define TOPIC_MAX 249

static const struct scheme {
    const char *word;
    enum azm_stream_engine engine;
    bool tls;
    const char *port;
} schemes[] = {
    {"redis://", AZM_STREAM_REDIS, false, "6379"},
    {"rediss://", AZM_STREAM_REDIS, true, "6379"},
    {"kafka://", AZM_STREAM_KAFKA, false, "9092"},
    {"kafkas://", AZM_STREAM_KAFKA, true, "9093"}, /* of Event Hubs, too */
};

static const struct scheme *scheme_of(const char *url)
{
    for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
        if (strncasecmp(url, schemes[i].word, strlen(schemes[i].word)) == 0)
            return &schemes[i];
    return NULL;
}

enum azm_stream_engine azm_stream_engine_of(const char *url)
{
    const struct scheme *s = scheme_of(url);

    return s ? s->engine : AZM_STREAM_NONE;
}

/* Where host and port begin; *ret_path: the "/" behind them, or the end. */
static const char *find_host(const char *url, const struct scheme *s, const char **ret_path)
{
    const char *authority = url + strlen(s->word), *path = authority + strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', (size_t)(path - authority));

    *ret_path = path;
    return at ? at + 1 : authority;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Writes s[0..len) without its %XX: 0, or -EINVAL if it is too long or has a byte that has no business there. */
static int decode(const char *s, size_t len, char ret[static PART_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (c == '%') {
            int high = len - i > 2 ? hex(s[i + 1]) : -1, low = len - i > 2 ? hex(s[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (iscntrl((unsigned char)c) || n + 1 >= PART_MAX)
            return -EINVAL;
        ret[n++] = c;
    }
    ret[n] = '\0';
    return 0;
}

static bool is_port(const char *s)
{
    char *end;
    unsigned long port = strtoul(s, &end, 10);

    return isdigit((unsigned char)*s) && !*end && port > 0 && port < 65536;
}

/* HOST[:PORT] -> HOST:PORT, or NULL. */
static char *make_host(const char *s, size_t len, const char *default_port)
{
    char text[HOST_MAX], *port, *ret = NULL;
    bool bracketed = len > 0 && *s == '[';

    if (len >= sizeof text)
        return NULL;
    memcpy(text, s, len);
    text[len] = '\0';
    port = bracketed ? strchr(text, ']') : strchr(text, ':');
    if (bracketed && !port)
        return NULL;
    if (bracketed) {
        if (port == text + 1 || strspn(text + 1, "0123456789abcdefABCDEF:.") != (size_t)(port - text - 1))
            return NULL;
        port++;
    }
    if (port && *port) {
        if (*port != ':' || !is_port(port + 1))
            return NULL;
        if (!bracketed)
            *port = '\0';
    } else
        port = NULL;
    if (!bracketed && !azm_is_host_name(text))
        return NULL;
    if (asprintf(&ret, "%s%s%s", text, port && bracketed ? "" : ":",
                 !port       ? default_port
                 : bracketed ? ""
                             : port + 1) < 0)
        return NULL;
    return ret;
}

/* HOST[:PORT],... -> HOST:PORT,...: 0, -EINVAL or -ENOMEM. */
static int set_hosts(struct azm_stream_url *u, const char *s, size_t len, const struct scheme *scheme)
{
    for (const char *end = s + len, *next; s <= end; s = next + 1) {
        _cleanup_free_ char *host = NULL, *before = u->host;

        next = u->engine == AZM_STREAM_KAFKA ? memchr(s, ',', (size_t)(end - s)) : NULL;
        if (!next)
            next = end;
        u->host = NULL;
        host = make_host(s, (size_t)(next - s), scheme->port);
        if (!host)
            return -EINVAL;
        if (asprintf(&u->host, "%s%s%s", before ? before : "", before ? "," : "", host) < 0) {
            u->host = NULL;
            return -ENOMEM;
        }
    }
    return 0;
}

/* What Kafka takes for a topic. */
static bool is_topic(const char *s)
{
    return strlen(s) <= TOPIC_MAX &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0' &&
           strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static int set_password(struct azm_stream_url *u, const char *s, size_t len)
{
    char text[PART_MAX];
    int r = decode(s, len, text);

    if (r >= 0 && *text) {
        r = azm_secret_new(PART_MAX, &u->password);
        if (r >= 0)
            r = azm_secret_append(u->password, text, strlen(text));
    }
    explicit_bzero(text, sizeof text);
    return r;
}

static int set_user(struct azm_stream_url *u, const char *s, size_t len)
{
    const char *colon = memchr(s, ':', len);
    size_t n = colon ? (size_t)(colon - s) : len;
    char text[PART_MAX];
    int r = decode(s, n, text);

    if (r < 0)
        return r;
    u->user = strdup(text);
    if (!u->user)
        return -ENOMEM;
    return colon ? set_password(u, colon + 1, len - n - 1) : 0;
}

int azm_stream_url_parse(const char *url, struct azm_stream_url *ret, struct azm_error *err)
{
    const struct scheme *s = scheme_of(url);
    struct azm_stream_url u = {0};
    const char *authority, *host, *path;
    char stream[PART_MAX];
    int r;

    if (!s)
        return azm_error_set(err, EINVAL, "this is not redis://, rediss://, kafka:// or kafkas://");
    u.engine = s->engine;
    u.tls = s->tls;
    authority = url + strlen(s->word);
    host = find_host(url, s, &path);
    r = set_user(&u, authority, host > authority ? (size_t)(host - 1 - authority) : 0);
    if (r == -EINVAL)
        azm_error_set(err, EINVAL, "user or password in the URL of the stream are not written right (%%XX)");
    if (r >= 0) {
        r = set_hosts(&u, host, (size_t)(path - host), s);
        if (r == -EINVAL)
            azm_error_set(err, EINVAL, "'%.*s' is not HOST or HOST:PORT", (int)(path - host), host);
    }
    if (r >= 0 && (*path != '/' || strpbrk(path, "?#") || decode(path + 1, strlen(path + 1), stream) < 0 || !*stream))
        r = azm_error_set(err, EINVAL, "the name of the stream is missing or wrong: %sHOST/STREAM", s->word);
    if (r >= 0 && u.engine == AZM_STREAM_KAFKA && !is_topic(stream))
        r = azm_error_set(err, EINVAL, "'%s' is no name of a topic: letters, digits, '.', '_' and '-'", stream);
    if (r >= 0) {
        u.stream = strdup(stream);
        r = u.stream ? 0 : -ENOMEM;
    }
    if (r == -ENOMEM)
        azm_error_set(err, ENOMEM, "out of memory");
    if (r < 0)
        azm_stream_url_free(&u);
    else
        *ret = u;
    return r;
}

void azm_stream_url_free(struct azm_stream_url *u)
{
    free(u->user);
    azm_secret_unref(u->password);
    free(u->host);
    free(u->stream);
    *u = (struct azm_stream_url){0};
}

bool azm_stream_url_has_password(const char *url)
{
    const struct scheme *s = scheme_of(url);
    const char *path, *authority = s ? url + strlen(s->word) : NULL, *host = s ? find_host(url, s, &path) : NULL;

    return host > authority && memchr(authority, ':', (size_t)(host - authority));
}

char *azm_stream_url_as_http(const char *url)
{
    struct azm_stream_url u;
    char *ret = NULL;

    if (azm_stream_url_parse(url, &u, NULL) < 0)
        return NULL;
    if (asprintf(&ret, "http%s://%.*s/", u.tls ? "s" : "", (int)strcspn(u.host, ","), u.host) < 0)
        ret = NULL;
    azm_stream_url_free(&u);
    return ret;
}

char *azm_stream_url_name(const char *url)
{
    const struct scheme *s = scheme_of(url);
    const char *path;
    char *ret = NULL;

    if (!s)
        return strdup(url);
    return asprintf(&ret, "%s%s", s->word, find_host(url, s, &path)) < 0 ? NULL : ret;
}
