/* SPDX-License-Identifier: MIT */
#include "config/stream_url.h"
#include "stream/kafka.h"
#include "stream/redis.h"
#include "tests/fuzz/fuzz.h"

/* The URL of a stream, or, behind 0x1E, an error of Redis' or of librdkafka's. What is shown of either is one line, and
 * has no secret; the name of a URL is a URL of the same stream. */

static void check_url(const char *url)
{
    _cleanup_free_ char *name = azm_stream_url_name(url), *http = NULL;
    struct azm_stream_url u, again;
    struct azm_error err = {""};

    require(name);
    if (azm_stream_url_parse(url, &u, &err) < 0) {
        require(*err.words);
        return;
    }
    http = azm_stream_url_as_http(url);
    require(http && fuzz_is_line(http) && !strchr(http, '@'));
    require(!u.password || azm_stream_url_has_password(url));
    require(*u.stream && !strchr(u.host, '@') && strchr(u.host, ':'));
    require(!azm_stream_url_has_password(name));
    require(azm_stream_url_parse(name, &again, &err) == 0);
    require(!*again.user && !again.password && again.tls == u.tls);
    require(strcmp(again.host, u.host) == 0 && strcmp(again.stream, u.stream) == 0);
    azm_stream_url_free(&again);
    azm_stream_url_free(&u);
}

static void check_kafka(struct azm_text error)
{
#if HAVE_RDKAFKA
    _cleanup_free_ char *words = strndup(error.s, error.len);
    struct azm_stream_answer a;

    require(words);
    azm_kafka_understand(error.len > 0 ? (signed char)error.s[0] : 0, words, &a);
    require(a.meaning != AZM_TAKEN && fuzz_is_line(a.words));
    require(fuzz_is_utf8((struct azm_text){a.words, strlen(a.words)}));
#else
    (void)error;
#endif
}

FUZZ_TARGET(stream_url)
{
    struct azm_stream_answer a;
    struct azm_text error;
    char place[300];
    bool ask;

    check_url(fuzz_string(&in));
    error = fuzz_part(&in);
    azm_redis_understand(error.s, error.len, &a);
    require(a.meaning != AZM_TAKEN && fuzz_is_line(a.words));
    require(fuzz_is_utf8((struct azm_text){a.words, strlen(a.words)}));
    check_kafka(error);
    if (azm_redis_place(error.s, error.len, place, &ask))
        require(fuzz_is_line(place) && strchr(place, ':') && !strpbrk(place, "/@?# "));
}
