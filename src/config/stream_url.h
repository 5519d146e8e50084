/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/error.h"
#include "core/secret.h"

/* The URL of a stream in an engine between hosts and Azure (stream/stream.h). */

enum azm_stream_engine {
    AZM_STREAM_NONE, /* it is another URL */
    AZM_STREAM_REDIS,
    AZM_STREAM_KAFKA,
};

/* By the scheme alone. */
enum azm_stream_engine azm_stream_engine_of(const char *url);

/* redis://[USER[:PASSWORD]@]HOST[:PORT]/STREAM, and rediss:// with TLS; kafka:// and kafkas://, where the stream is a
 * topic and there may be several HOST[:PORT], with commas between. User, password and stream may have %XX in them. */
struct azm_stream_url {
    enum azm_stream_engine engine;
    bool tls;
    char *user;                  /* "": none */
    struct azm_secret *password; /* NULL: none */
    char *host;                  /* HOST:PORT, with commas between several; an IPv6 address in brackets */
    char *stream;
};

/* 0, -EINVAL or -ENOMEM. The error never shows user or password. */
int azm_stream_url_parse(const char *url, struct azm_stream_url *ret, struct azm_error *err);
void azm_stream_url_free(struct azm_stream_url *u);

/* Is there a password in it? Where everybody can read it, it must not stand. */
bool azm_stream_url_has_password(const char *url);

/* Where it is (the first one of several hosts), as an HTTP URL, for those who connect by libcurl; to be freed, NULL
 * when memory is out. It must be right. */
char *azm_stream_url_as_http(const char *url);

/* The URL without user and password, to be freed; NULL when memory is out. */
char *azm_stream_url_name(const char *url);
