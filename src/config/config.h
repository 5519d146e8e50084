/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/secret.h"

/* The configuration: [section] and key=value lines in systemd's manner. A key set later wins; the order is
 * file, drop-ins (FILE.d/ *.conf by name), environment (config/otel_env.h), command line. Unknown keys and bad
 * values are errors that name the file and line. */

#define AZM_DEFAULT_STATE_DIRECTORY "/var/lib/azmonlog"
#define AZM_ACTIONS_DIRECTORY "/var/spool/azmonlog" /* a state directory for each action of rsyslogd, by its name */

enum azm_start {
    AZM_START_BOOT,   /* the first entry of the running boot */
    AZM_START_NOW,    /* only what is logged from now on */
    AZM_START_OLDEST, /* everything in the journal */
    AZM_START_TIME,   /* the first entry at or after start_usec */
};

enum azm_scope { /* which of the machine's journals */
                 AZM_SCOPE_ALL,
                 AZM_SCOPE_SYSTEM,
                 AZM_SCOPE_USER, /* the calling user's own */
};

enum azm_cloud { AZM_CLOUD_PUBLIC, AZM_CLOUD_USGOV, AZM_CLOUD_CHINA };

enum azm_fields { /* which journal fields become attributes; docs/mapping.md */
                  AZM_FIELDS_MINIMAL = 1,
                  AZM_FIELDS_STANDARD = 2,
                  AZM_FIELDS_FULL = 4,
};

enum azm_line_format { /* how a program writes its lines, which are then taken apart; parse/line.h */
                       AZM_LINE_PLAIN,
                       AZM_LINE_JSON,
                       AZM_LINE_LOGFMT,
                       AZM_LINE_AUTO, /* either of the two, by its first letter */
};

enum azm_multiline { /* which entries of a stream are joined into one record; parse/multiline.h */
                     AZM_MULTILINE_NO,
                     AZM_MULTILINE_PIECES, /* those of one line that was too long; the following join these as well */
                     AZM_MULTILINE_INDENT, /* lines that begin with a blank go on with the one before */
                     AZM_MULTILINE_GO,     /* stack traces */
                     AZM_MULTILINE_JAVA,
                     AZM_MULTILINE_PHP,
                     AZM_MULTILINE_PYTHON,
                     AZM_MULTILINE_RUBY,
                     AZM_MULTILINE_AUTO, /* any of these stack traces */
};

/* Who the destination is told that this is. */
enum azm_auth {
    AZM_AUTH_AUTO, /* DEFAULT for an https endpoint of Azure without an Authorization header, else NONE */
    AZM_AUTH_NONE,
    AZM_AUTH_DEFAULT,          /* the first that the environment or the configuration has something for */
    AZM_AUTH_MANAGED_IDENTITY, /* APP_SERVICE, ARC or IMDS, by the environment */
    AZM_AUTH_IMDS,             /* of a virtual machine or scale set */
    AZM_AUTH_ARC,
    AZM_AUTH_APP_SERVICE, /* and Container Apps, Functions */
    AZM_AUTH_CLIENT_SECRET,
    AZM_AUTH_CLIENT_CERTIFICATE,
    AZM_AUTH_WORKLOAD_IDENTITY,
};

struct azm_key_value {
    char *key, *value;
};

/* In order, keys unique. As a plain list (of names) only the keys count. */
struct azm_key_values {
    struct azm_key_value *items;
    size_t n;
};

/* No host makes a larger request: what [batch] max_request_bytes= may be at most. */
#define AZM_REQUEST_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Strings are owned by the struct and never NULL after azm_config_init; "" means not set. */
struct azm_config {
    /* [destination] */
    char *endpoint;  /* http or https URLs with their path, used as they are (a list: config/places.h), or a stream's
                        (stream_url.h) */
    char *dce, *dcr; /* or: host or URL of a data collection endpoint, immutable ids of rules: the same */
    char *connection_string;       /* or: of Application Insights */
    char *destination_from;        /* where that stands: "FILE:LINE", "$VARIABLE", "--endpoint"; NULL: nowhere */
    struct azm_key_values headers; /* extra request headers; may hold secrets */
    bool headers_from_file;        /* some came from headers_file=, which may be another one when read anew */
    char *password_file;           /* of a stream: an absolute path, or the name of a credential */
    char *sasl_mechanism;          /* of Kafka: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 */
    size_t replicas;               /* of a stream: that must have a message, too */
    char *tls_ca_file, *tls_cert_file, *tls_key_file;
    enum azm_auth auth;
    enum azm_cloud cloud;
    char *authority, *audience, *ingest_suffix; /* "": as the cloud has it */
    char *tenant_id, *client_id, *object_id, *resource_id;
    char *client_secret_file, *client_certificate_file, *federated_token_file; /* absolute, or names of credentials */
    /* Only from the environment; NULL: not set. */
    struct azm_secret *client_secret, *identity_header;
    char *identity_endpoint, *imds_endpoint, *identity_server_thumbprint;
    /* [relay] */
    char *relay_from; /* URL of the stream that is read instead of the journal; "": none */
    char *relay_sasl_mechanism;
    char *relay_password_file, *relay_tls_ca_file, *relay_tls_cert_file, *relay_tls_key_file, *relay_group;
    uint64_t relay_claim_after_usec;
    bool relay_trim;
    /* [batch] */
    uint64_t schedule_delay_usec; /* from a batch's first record to its sealing */
    size_t max_export_batch_size; /* records */
    size_t max_request_bytes;     /* before compression */
    /* [export] */
    bool gzip;
    size_t concurrency;    /* requests in flight */
    uint64_t timeout_usec; /* of one request */
    uint64_t retry_initial_delay_usec, retry_max_delay_usec, hold_max_delay_usec;
    uint64_t shutdown_timeout_usec;
    /* [journal] */
    enum azm_start start;
    uint64_t start_usec;                         /* for AZM_START_TIME: realtime */
    char *journal_directory, *journal_namespace; /* "": the machine's own, the default one */
    struct azm_key_values journal_files;         /* a list of paths */
    enum azm_scope scope;
    /* What libsystemd selects; values of one list are alternatives, lists are conditions that all must hold. */
    struct azm_key_values units;       /* with their suffix */
    struct azm_key_values identifiers; /* SYSLOG_IDENTIFIER */
    struct azm_key_values facilities;  /* numbers */
    struct azm_key_values transports;
    struct azm_key_values matches; /* FIELD=value; here those of one FIELD are a list of their own */
    int priority;                  /* this severity or a worse one; -1: any, also none */
    /* What is left out after reading. */
    struct azm_key_values exclude_units, exclude_identifiers, exclude_matches;
    bool exclude_own;
    enum azm_fields fields;
    size_t max_body_bytes;
    enum azm_line_format parse;
    struct azm_key_values unit_parse; /* name or pattern of a unit, with its suffix -> a word */
    enum azm_multiline multiline;
    struct azm_key_values unit_multiline; /* as unit_parse */
    uint64_t multiline_timeout_usec;      /* from a line to the next one that belongs to it */
    bool service_name_field;              /* believe OTEL_SERVICE_NAME= in an entry */
    bool spool;                           /* keep records in a spool while delivery fails */
    /* [filter] */
    struct azm_key_values filter_exclude, filter_include; /* rules, see config/filter_rule.h */
    struct azm_key_values filter_sample;                  /* word of a severity -> ratio, see config/sample_ratio.h */
    size_t rate_limit;                                    /* records a second of each service; 0: no limit */
    size_t rate_burst;                                    /* 0: ten seconds' worth */
    int rate_exempt;                                      /* this severity and worse ones are not limited; -1: none */
    uint64_t rate_interval_usec;                          /* between two records about what was held back */
    /* [redact] */
    struct azm_key_values redact_rules;    /* names of ready rules */
    struct azm_key_values redact_patterns; /* name -> pattern, which compiles */
    /* [resource] */
    struct azm_key_values resource; /* attributes added to every record's resource */
    /* [state] */
    char *state_directory;
    uint64_t spool_after_usec; /* delivery has failed for so long */
    size_t spool_max_bytes, spool_min_free_percent;
    char *control;               /* the control socket; "": cli_control_path decides */
    size_t quarantine_max_bytes; /* of the file of refused records */
    /* [metrics] */
    uint64_t heartbeat_usec; /* between two heartbeats; 0: none are sent */
    char *metrics_listen;    /* address and port; "": nowhere */
    char *metrics_textfile;  /* a path; "": none */
    /* Where metrics are sent to, and how often; as [destination] has it, of which they share the identity. */
    char *metrics_endpoint, *metrics_dce, *metrics_dcr; /* dcr "": that of the destination */
    struct azm_key_values metrics_headers;
    uint64_t metrics_interval_usec;
};

/* Fills in the defaults: 0 or -ENOMEM. */
int azm_config_init(struct azm_config *c);
void azm_config_free(struct azm_config *c);

/* Frees a config from the heap and all in it; for _cleanup_. */
static inline void azm_config_freep(struct azm_config **c)
{
    if (*c)
        azm_config_free(*c);
    free(*c);
}

/* Reads a file and its drop-ins: 0 or -errno. With `optional` a file that does not exist is no error. */
int azm_config_read(struct azm_config *c, const char *path, bool optional, struct azm_error *err);

/* plain, json, logfmt or auto; -EINVAL for another word. */
int azm_line_format_of(const char *word);

/* no, pieces, indent, go, ...; -EINVAL for another word. */
int azm_multiline_of(const char *word);

/* Are entries joined, of whatever unit? */
bool azm_config_joins(const struct azm_config *c);

/* Sets one key; an empty value brings the default back. `where` stands first in an error ("FILE:LINE",
 * "--endpoint", "$OTEL_..."). `public` says that everybody can read the place where the value stands: secrets are then
 * refused (-EPERM). 0 or another -errno. */
int azm_config_set(struct azm_config *c, const char *section, const char *key, const char *value, const char *where,
                   bool is_public, struct azm_error *err);

/* Takes back where records go to, for a source of settings that goes before the one that has said it: 0 or -ENOMEM. */
int azm_config_forget_destination(struct azm_config *c);

/* Is it one of the keys that say where records go to? dcr= only says more about a dce=. */
bool azm_config_names_destination(const char *section, const char *key);

/* Does it say where records go to? */
bool azm_config_has_destination(const struct azm_config *c);

/* Does it say where metrics are sent to? */
bool azm_config_sends_metrics(const struct azm_config *c);

/* A key that azm_config_set knows, for those who offer or describe it in another form. */
struct azm_config_key {
    const char *section, *key; /* the key of a section where any name is a key: "*" */
    const char *preset;        /* the default; NULL: a list, of which several values can be given, and which is empty */
    const char *words;         /* a line about it */
};

/* The i-th of all keys; false behind the last one. */
bool azm_config_key(size_t i, struct azm_config_key *ret);

/* Checks what cannot be seen key by key: 0 or -EINVAL. */
int azm_config_check(const struct azm_config *c, struct azm_error *err);

/* The first value of this key in the list, or NULL. */
const char *azm_key_values_get(const struct azm_key_values *kv, const char *key);

/* Sets a key in the list, or replaces its value: 0 or -ENOMEM. */
int azm_key_values_set(struct azm_key_values *kv, const char *key, const char *value);

/* The same keys and values in the same order? */
bool azm_key_values_equal(const struct azm_key_values *a, const struct azm_key_values *b);

static inline void azm_key_values_swap(struct azm_key_values *a, struct azm_key_values *b)
{
    struct azm_key_values c = *a;

    *a = *b;
    *b = c;
}
