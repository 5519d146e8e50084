/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/token.h"
#include "config/config.h"
#include "export/exporter.h"

/* The destination of a configuration, for those who send: where, in which form, and who this is. */
struct cli_destination {
    char *name;                  /* how messages name it: without secrets */
    char *url, *ikey, *audience; /* ikey: NULL if it is not Application Insights by a connection string */
    enum azm_profile profile;
    char **headers;
    struct azm_http_options http; /* borrows from the configuration and from `headers` */
    bool has_credential;
    struct azm_credential_options credential; /* the same */
    const char *trusted_suffix;
    char *identity; /* the same text: the same credential would come of it */
};

/* 0, -ENOMEM, or -EINVAL if the configuration does not make sense. The configuration must outlive it. */
int cli_destination_init(struct cli_destination *d, const struct azm_config *c, struct azm_error *err);
void cli_destination_free(struct cli_destination *d);

/* A thread that keeps a token for it, or NULL if it needs none: 0 or -errno. */
int cli_destination_tokens(const struct cli_destination *d, struct azm_tokens **ret, struct azm_error *err);

/* What an exporter to it has to know; clock, quarantine, tokens and delays are the caller's. */
struct azm_exporter_options cli_destination_exporter(const struct cli_destination *d, const struct azm_config *c);

/* The words for a configuration without one: -ENOENT. `path`: its file; NULL: the default one. */
int cli_no_destination(const char *path, struct azm_error *err);

/* For a command that sends: prints what is wrong with the destination, or that there is none in the file at `path`
 * (NULL: the default one), and returns an exit code; 0 if all is well. */
int cli_check_destination(const struct azm_config *c, const char *path);
