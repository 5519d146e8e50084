/* SPDX-License-Identifier: MIT */
#pragma once

#include "export/http.h"
#include "stream/stream.h"

/* What carries the exporter's requests: HTTP (export/http.h), or an engine between here and Azure (stream/stream.h),
 * whose messages are requests like others here. One thread owns a transport, all its requests and settings. */

struct azm_transport;
struct azm_transport_settings; /* as struct azm_http_settings: immutable and counted */
struct azm_request;

struct azm_transport_options {
    struct azm_http_options http;
    struct azm_stream_options stream; /* its url NULL: it is HTTP */
    bool gzip;                        /* bodies come compressed */
};

/* Any thread may make settings, as long as one thread at a time has them: 0, -ENOMEM or -EINVAL. */
int azm_transport_settings_new(const struct azm_transport_options *o, struct azm_transport_settings **ret,
                               struct azm_error *err);
struct azm_transport_settings *azm_transport_settings_unref(struct azm_transport_settings *s);

/* `wake_fd` ends the waiting of azm_transport_run when it is readable. 0 or -errno. */
int azm_transport_new(int wake_fd, struct azm_transport **ret, struct azm_error *err);
struct azm_transport *azm_transport_free(struct azm_transport *t); /* requests must be freed before */

/* Requests made from now on go by these settings, the ones that are there by theirs. It holds a reference of its own.
 * Must be called before the first request. 0 or -errno, and then nothing has changed. */
int azm_transport_configure(struct azm_transport *t, struct azm_transport_settings *s);

/* As the functions of export/http.h with these names. */
int azm_request_new(struct azm_transport *t, void *userdata, struct azm_request **ret);
struct azm_request *azm_request_free(struct azm_request *r);
void *azm_request_userdata(const struct azm_request *r);
bool azm_request_is_current(const struct azm_request *r);
bool azm_request_gzip(const struct azm_request *r);
const char *azm_request_id(const struct azm_request *r);

/* Begins to send body[0..len) with so many records, which must stay until the answer is there: 0 or -ENOMEM.
 * `call` is of account for HTTP only. */
int azm_request_post(struct azm_request *r, const struct azm_http_call *call, const void *body, size_t len,
                     size_t records);

/* As azm_http_run and azm_http_next_done. */
int azm_transport_run(struct azm_transport *t, uint64_t timeout_usec);
struct azm_request *azm_transport_next_done(struct azm_transport *t, struct azm_answer *ret_answer);
