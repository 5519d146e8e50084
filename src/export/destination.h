/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/token.h"
#include "config/config.h"
#include "export/exporter.h"

/* The destination of a configuration, for those who send: where, in which form, and who this is. That of metrics has
 * URL and headers of its own and shares the rest with that of logs, also the token, if it is Azure's, too. */
struct azm_destination {
    enum azm_signal signal;
    char *name;                  /* how messages name it: without secrets */
    char *url, *ikey, *audience; /* ikey: NULL if it is not Application Insights by a connection string */
    enum azm_profile profile;
    char **headers;
    struct azm_http_options http;     /* borrows from the configuration and from `headers` */
    struct azm_stream_options stream; /* url NULL: it is HTTP; borrows from the configuration */
    bool has_credential;
    struct azm_credential_options credential; /* the same */
    const char *trusted_suffix;
    size_t place, n_places; /* which of those that [destination] lists it is, from 0 */
    char *identity;         /* the same text: the same credential would come of it */
};

/* Of several places (config/places.h) it is that of this host: of [resource] host.name=, or else of its own name. 0,
 * -ENOMEM, or -EINVAL if the configuration does not make sense. The configuration must outlive it. */
int azm_destination_init(struct azm_destination *d, const struct azm_config *c, enum azm_signal signal,
                         struct azm_error *err);

/* The same for logs and one of the places, be it this host's or another's. */
int azm_destination_init_place(struct azm_destination *d, const struct azm_config *c, size_t place,
                               struct azm_error *err);
void azm_destination_free(struct azm_destination *d);

/* Would all be right, each place and its credential? Asks nobody. 0 or -errno. */
int azm_destination_check(const struct azm_config *c, enum azm_signal signal, struct azm_error *err);

/* A thread that keeps a token for it, or NULL if it needs none: 0 or -errno. */
int azm_destination_tokens(const struct azm_destination *d, struct azm_tokens **ret, struct azm_error *err);

/* What an exporter to it has to know; clock, quarantine, tokens and delays are the caller's. */
struct azm_exporter_options azm_destination_exporter(const struct azm_destination *d, const struct azm_config *c);
