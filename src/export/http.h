/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "core/error.h"
#include "core/guid.h"
#include "core/secret.h"
#include "export/delivery.h"

/* Requests that carry records, over libcurl's multi interface. One thread owns a `struct azm_http`, all its requests
 * and the settings that they go by.
 *
 * Each request is HTTP/1.1 with Content-Length (Azure refuses chunked bodies), without Expect, on kept-alive
 * connections; redirects are not followed by itself; answers are read up to 4 MiB (OTLP's bound), and of those
 * that are no success 64 KiB are kept. */

struct azm_http_options {
    const char *url;
    const char *content_type;
    const char *const *headers;                             /* "Name: value", NULL-terminated */
    const char *tls_ca_file, *tls_cert_file, *tls_key_file; /* "" = none; CA: the system's */
    bool gzip;                                              /* bodies come compressed */
    unsigned connections;                                   /* to keep alive */
    uint64_t timeout_usec;                                  /* of one whole request */
};

struct azm_http;
struct azm_http_request;

/* Options in libcurl's form, and what libcurl gathers while it goes by them: connections, addresses, TLS sessions. So
 * new settings begin with connections of their own, also where nothing is new but the contents of a certificate file,
 * and the old connections are closed when the last request that goes by them ends. Immutable; counted. */
struct azm_http_settings;

/* Once in a process, before the first thread starts: 0 or -EIO. */
int azm_http_global_init(struct azm_error *err);

/* Any thread may make settings, as long as one thread at a time has them: 0, -ENOMEM, or -EINVAL if libcurl does not
 * take the options, which are copied. */
int azm_http_settings_new(const struct azm_http_options *o, struct azm_http_settings **ret, struct azm_error *err);
struct azm_http_settings *azm_http_settings_unref(struct azm_http_settings *s);

/* 0 or -ENOMEM. */
int azm_http_new(struct azm_http **ret, struct azm_error *err);
struct azm_http *azm_http_free(struct azm_http *h); /* requests must be freed before */

/* Requests made from now on go by these settings, the ones that are there by theirs. It holds a reference of its own.
 * Must be called before the first request. */
void azm_http_configure(struct azm_http *h, struct azm_http_settings *s);

/* A request can be used again and again, for one transfer at a time: 0 or -ENOMEM. */
int azm_http_request_new(struct azm_http *h, void *userdata, struct azm_http_request **ret);
struct azm_http_request *azm_http_request_free(struct azm_http_request *r); /* ends a running transfer */
void *azm_http_request_userdata(const struct azm_http_request *r);

/* Does it go by the settings that new requests go by? */
bool azm_http_request_is_current(const struct azm_http_request *r);

/* Does it say that its body is compressed? Then the body must be. */
bool azm_http_request_gzip(const struct azm_http_request *r);

/* What is particular to one transfer. All zero: nothing. */
struct azm_http_call {
    const char *url;          /* where it goes instead of the settings' URL; copied */
    bool abroad;              /* credentials stay away from there: the settings' own headers, and the token */
    struct azm_secret *token; /* a header line, "Authorization: Bearer ..."; the request holds a reference */
    const char *id;           /* for header x-ms-client-request-id, a GUID; copied */
};

/* Begins to post body[0..len), which must stay until the transfer is done: 0 or -ENOMEM. */
int azm_http_post(struct azm_http_request *r, const struct azm_http_call *call, const void *body, size_t len);

/* The id that the last transfer went with, or "". */
const char *azm_http_request_id(const struct azm_http_request *r);

/* Waits for network, `wake_fd` or the timeout, then moves the transfers on: 0; -ENOMEM if there is no memory, or if no
 * more descriptors may be waited for, which passes; -EIO. Collect what is done afterwards. */
int azm_http_run(struct azm_http *h, int wake_fd, uint64_t timeout_usec);

/* The next finished request, or NULL. `ret_answer` borrows from it until its next transfer. */
struct azm_http_request *azm_http_next_done(struct azm_http *h, struct azm_answer *ret_answer);
