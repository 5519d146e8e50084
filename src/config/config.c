/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/azure_endpoint.h"
#include "config/config.h"
#include "config/config_azure.h"
#include "config/config_file.h"
#include "config/config_header.h"
#include "config/config_list.h"
#include "config/config_redact.h"
#include "config/config_unit.h"
#include "config/config_url.h"
#include "config/config_value.h"
#include "config/config_word.h"
#include "config/stream_url.h"
#include "core/buf.h"
#include "core/clock.h"

#define FIELD(name) offsetof(struct azm_config, name)
#define ANY_KEY "*"
#define ANY_UNIT "unit \"NAME\"" /* NAME may be any */
#define MSEC AZM_USEC_PER_MSEC
#define HOUR (3600 * AZM_USEC_PER_SEC)
#define KIB ((uint64_t)1024)

/* Every key, how it is read, its default, the bounds of a number, and the words of packaging/azmonlog.conf, which is
 * made from this table (make update-conf). tests/lint/manual.sh compares azmonlog.conf(5) with it. */
static const struct key {
    const char *section, *key;
    azm_config_parse_t parse;
    size_t offset;
    const char *preset;
    uint64_t min, max;
    const char *words;
} keys[] = {
    {"destination", "endpoint", azm_parse_endpoints, FIELD(endpoint), "", 0, 0,
     "the URL of an OTLP/HTTP receiver for logs, such as http://127.0.0.1:4318/v1/logs; of several each host uses one"},
    {"destination", "dce", azm_parse_dce, FIELD(dce), "", 0, 0,
     "or, for Azure Monitor, a data collection endpoint: https://NAME-ID.REGION-1.ingest.monitor.azure.com"},
    {"destination", "dcr", azm_parse_dcrs, FIELD(dcr), "", 0, 0,
     "and the immutable id of a data collection rule: dcr-00000000000000000000000000000000; of several each host uses "
     "one"},
    {"destination", "connection_string", azm_parse_string, FIELD(connection_string), "", 0, 0,
     "or that of an Application Insights resource: InstrumentationKey=...;IngestionEndpoint=https://..."},
    {"destination", "auth", azm_parse_auth, FIELD(auth), "auto", 0, 0,
     "who this is: auto, none, default, managed_identity, imds, arc, app_service, client_secret, client_certificate, "
     "workload_identity"},
    {"destination", "tenant_id", azm_parse_string, FIELD(tenant_id), "", 0, 0, "of the directory (tenant)"},
    {"destination", "client_id", azm_parse_string, FIELD(client_id), "", 0, 0,
     "of the application, or of one of several managed identities"},
    {"destination", "object_id", azm_parse_string, FIELD(object_id), "", 0, 0, "of one of several managed identities"},
    {"destination", "resource_id", azm_parse_string, FIELD(resource_id), "", 0, 0,
     "of one of several managed identities"},
    {"destination", "client_secret_file", azm_parse_credential_file, FIELD(client_secret_file), "", 0, 0,
     "an absolute path, or the name of a credential (LoadCredential= of systemd)"},
    {"destination", "client_certificate_file", azm_parse_credential_file, FIELD(client_certificate_file), "", 0, 0,
     "the same: certificate and RSA key, PEM"},
    {"destination", "federated_token_file", azm_parse_credential_file, FIELD(federated_token_file), "", 0, 0,
     "the same: for workload_identity"},
    {"destination", "cloud", azm_parse_cloud, FIELD(cloud), "public", 0, 0,
     "public, usgov, china: where the next three come from"},
    {"destination", "authority", azm_parse_base_url, FIELD(authority), "", 0, 0,
     "who gives tokens (https://login.microsoftonline.com)"},
    {"destination", "audience", azm_parse_string, FIELD(audience), "", 0, 0,
     "what they are for (https://monitor.azure.com)"},
    {"destination", "ingest_suffix", azm_parse_host_suffix, FIELD(ingest_suffix), "", 0, 0,
     "what completes dce= (ingest.monitor.azure.com)"},
    {"destination", "header", azm_parse_header, FIELD(headers), NULL, 0, 0,
     "a header for every request, Name: value; several lines for several headers"},
    {"destination", "headers_file", azm_parse_headers_file, FIELD(headers), NULL, 0, 0,
     "a file of headers that may be secret, one a line; not readable by everybody"},
    {"destination", "tls_ca_file", azm_parse_file, FIELD(tls_ca_file), "", 0, 0,
     "the certificates to trust, instead of the system's (PEM)"},
    {"destination", "tls_cert_file", azm_parse_file, FIELD(tls_cert_file), "", 0, 0, "the client's certificate (PEM)"},
    {"destination", "tls_key_file", azm_parse_file, FIELD(tls_key_file), "", 0, 0, "and its key"},
    {"destination", "password_file", azm_parse_credential_file, FIELD(password_file), "", 0, 0,
     "of a stream (redis://USER@HOST/STREAM, kafka://USER@HOST/TOPIC): an absolute path, or the name of a credential"},
    {"destination", "sasl_mechanism", azm_parse_sasl_mechanism, FIELD(sasl_mechanism), "PLAIN", 0, 0,
     "how Kafka wants to be told user and password: PLAIN (Event Hubs), SCRAM-SHA-256, SCRAM-SHA-512"},
    {"destination", "replicas", azm_parse_size, FIELD(replicas), "0", 0, 16,
     "of a stream: so many replicas of Redis must have a message, too, before it counts as stored"},
    {"batch", "schedule_delay", azm_parse_duration, FIELD(schedule_delay_usec), "1s", 0, HOUR,
     "a batch is sent when so much time has passed since its first record"},
    {"batch", "max_export_batch_size", azm_parse_size, FIELD(max_export_batch_size), "8192", 1, KIB *KIB,
     "or so many records are in it"},
    {"batch", "max_request_bytes", azm_parse_size, FIELD(max_request_bytes), "1000000", 64 * KIB, AZM_REQUEST_BYTES_MAX,
     "or the request would become larger, before compression"},
    {"export", "compression", azm_parse_compression, FIELD(gzip), "gzip", 0, 0, "gzip, none"},
    {"export", "concurrency", azm_parse_size, FIELD(concurrency), "4", 1, 64, "requests in flight"},
    {"export", "timeout", azm_parse_duration, FIELD(timeout_usec), "10s", 100 * MSEC, HOUR,
     "of a request and its answer"},
    {"export", "retry_initial_delay", azm_parse_duration, FIELD(retry_initial_delay_usec), "1s", MSEC, HOUR,
     "after a failure that may pass: from this delay on"},
    {"export", "retry_max_delay", azm_parse_duration, FIELD(retry_max_delay_usec), "30s", MSEC, HOUR,
     "doubling up to this one"},
    {"export", "hold_max_delay", azm_parse_duration, FIELD(hold_max_delay_usec), "5min", MSEC, HOUR,
     "the same after a failure that needs a person"},
    {"export", "shutdown_timeout", azm_parse_duration, FIELD(shutdown_timeout_usec), "5s", 0, HOUR,
     "how long a stop waits for acknowledgements"},
    {"journal", "start", azm_parse_start, FIELD(start), "boot", 0, 0,
     "where the first run begins: boot, now, oldest or a time"},
    {"journal", "directory", azm_parse_path, FIELD(journal_directory), "", 0, 0,
     "a folder of journal files instead of the machine's journal"},
    {"journal", "namespace", azm_parse_namespace, FIELD(journal_namespace), "", 0, 0, "or one journal namespace"},
    {"journal", "file", azm_parse_journal_file, FIELD(journal_files), NULL, 0, 0,
     "or one journal file; several lines for several files"},
    {"journal", "scope", azm_parse_scope, FIELD(scope), "all", 0, 0, "or, of the machine's journal: all, system, user"},
    {"journal", "units", azm_parse_units, FIELD(units), NULL, 0, 0,
     "only what comes from these units (a list; several lines for several of them)"},
    {"journal", "identifiers", azm_parse_words, FIELD(identifiers), NULL, 0, 0, "only these SYSLOG_IDENTIFIERs"},
    {"journal", "priority", azm_parse_priority, FIELD(priority), "any", 0, 0,
     "only this priority and more important ones: any, emerg to debug, 0 to 7"},
    {"journal", "facilities", azm_parse_facilities, FIELD(facilities), NULL, 0, 0, "only these syslog facilities"},
    {"journal", "transports", azm_parse_words, FIELD(transports), NULL, 0, 0,
     "only what came this way: journal, syslog, stdout, kernel, audit, driver"},
    {"journal", "match", azm_parse_match, FIELD(matches), NULL, 0, 0,
     "only entries with this FIELD=value; several lines for several of them"},
    {"journal", "exclude_units", azm_parse_units, FIELD(exclude_units), NULL, 0, 0, "not what comes from these units"},
    {"journal", "exclude_identifiers", azm_parse_words, FIELD(exclude_identifiers), NULL, 0, 0,
     "not these SYSLOG_IDENTIFIERs"},
    {"journal", "exclude_match", azm_parse_match, FIELD(exclude_matches), NULL, 0, 0,
     "no entries with this FIELD=value"},
    {"journal", "exclude_own", azm_parse_bool, FIELD(exclude_own), "yes", 0, 0, "leave out what azmonlog itself logs"},
    {"journal", "fields", azm_parse_fields, FIELD(fields), "standard", 0, 0,
     "which fields become attributes: minimal, standard, full"},
    {"journal", "max_body_bytes", azm_parse_size, FIELD(max_body_bytes), "64K", KIB, 16 * KIB *KIB,
     "longer messages and values are cut"},
    {"journal", "parse", azm_parse_line_format, FIELD(parse), "plain", 0, 0,
     "lines that programs write are taken apart: plain (they are not), json, logfmt, auto"},
    {"journal", "multiline", azm_parse_multiline, FIELD(multiline), "no", 0, 0,
     "entries that are one message become one record: no, pieces (of a long line), indent, stack traces of go, java, "
     "php, python, ruby or auto (any of them)"},
    {"journal", "multiline_timeout", azm_parse_duration, FIELD(multiline_timeout_usec), "1s", 10 * MSEC,
     60 * 1000 * MSEC, "how long a message waits for its next line"},
    {"journal", "service_name_field", azm_parse_bool, FIELD(service_name_field), "yes", 0, 0,
     "whether a field OTEL_SERVICE_NAME of an entry names its service"},
    {"journal", "spool", azm_parse_spool, FIELD(spool), "auto", 0, 0,
     "auto: records wait in a spool while delivery fails for long; no: in the journal only"},
    {ANY_UNIT, "parse", azm_parse_unit_line_format, FIELD(unit_parse), NULL, 0, 0,
     "as in [journal], for one unit, or for those of a pattern (app@*.service)"},
    {ANY_UNIT, "multiline", azm_parse_unit_multiline, FIELD(unit_multiline), NULL, 0, 0,
     "as in [journal], for the same"},
    {"filter", "exclude", azm_parse_filter_rule, FIELD(filter_exclude), NULL, 0, 0,
     "not what this rule matches: FIELD=value, FIELD^=prefix or FIELD~pattern, several of them with && between; "
     "several "
     "lines for several rules"},
    {"filter", "include", azm_parse_filter_rule, FIELD(filter_include), NULL, 0, 0,
     "only what at least one of these rules matches, and none of exclude="},
    {"filter", "sample", azm_parse_sample, FIELD(filter_sample), NULL, 0, 0,
     "only a part of these severities, by trace id: debug,info 10%"},
    {"filter", "rate_limit", azm_parse_size, FIELD(rate_limit), "0", 0, 1000000,
     "records a second of each service; what is more is held back and counted; 0: no limit"},
    {"filter", "rate_burst", azm_parse_size, FIELD(rate_burst), "0", 0, 100000000,
     "so many at once, after a pause; 0: ten seconds' worth"},
    {"filter", "rate_exempt", azm_parse_exempt, FIELD(rate_exempt), "crit", 0, 0,
     "this priority and more important ones are never held back: none, emerg to debug, 0 to 7"},
    {"filter", "rate_interval", azm_parse_duration, FIELD(rate_interval_usec), "1min", AZM_USEC_PER_SEC, 24 * HOUR,
     "how often a record says what of a service was held back"},
    {"redact", "rules", azm_parse_redact_rules, FIELD(redact_rules), NULL, 0, 0,
     "what is replaced in records before they leave this process: all, or some of private_key, authorization, jwt, "
     "connection_string, password, cloud_key, card, mail"},
    {"redact", "pattern", azm_parse_redact_pattern, FIELD(redact_patterns), NULL, 0, 0,
     "NAME: PATTERN replaces what this regular expression (PCRE2) matches; several lines for several of them"},
    {"relay", "from", azm_parse_stream, FIELD(relay_from), "", 0, 0,
     "carries on what others have written to a stream, instead of the journal: redis://USER@HOST/STREAM, "
     "kafka://HOST,.../TOPIC"},
    {"relay", "password_file", azm_parse_credential_file, FIELD(relay_password_file), "", 0, 0,
     "an absolute path, or the name of a credential (LoadCredential= of systemd)"},
    {"relay", "sasl_mechanism", azm_parse_sasl_mechanism, FIELD(relay_sasl_mechanism), "PLAIN", 0, 0,
     "how Kafka wants to be told user and password"},
    {"relay", "tls_ca_file", azm_parse_file, FIELD(relay_tls_ca_file), "", 0, 0,
     "the certificates to trust there, instead of the system's (PEM)"},
    {"relay", "tls_cert_file", azm_parse_file, FIELD(relay_tls_cert_file), "", 0, 0,
     "the client's certificate for there (PEM)"},
    {"relay", "tls_key_file", azm_parse_file, FIELD(relay_tls_key_file), "", 0, 0, "and its key"},
    {"relay", "group", azm_parse_string, FIELD(relay_group), "azmonlog", 0, 0,
     "the relays of one group share the work; each group gets everything"},
    {"relay", "claim_after", azm_parse_duration, FIELD(relay_claim_after_usec), "1min", AZM_USEC_PER_SEC, HOUR,
     "what a relay has taken and not touched for so long, another one takes over (Kafka: session.timeout.ms)"},
    {"relay", "trim", azm_parse_bool, FIELD(relay_trim), "yes", 0, 0,
     "remove from the stream what all groups have delivered (Redis)"},
    {"resource", ANY_KEY, azm_parse_resource, FIELD(resource), NULL, 0, 0,
     "any NAME=VALUE is an attribute of all records (deployment.environment.name=production)"},
    {"state", "directory", azm_parse_path, FIELD(state_directory), AZM_DEFAULT_STATE_DIRECTORY, 0, 0,
     "checkpoint, lock, quarantine and spool; every azmonlog has its own"},
    {"state", "spool_after", azm_parse_duration, FIELD(spool_after_usec), "60s", 0, 24 * HOUR,
     "the spool begins when delivery has failed for so long"},
    {"state", "spool_max_bytes", azm_parse_size, FIELD(spool_max_bytes), "1G", 4 * KIB *KIB, KIB *KIB *KIB *KIB,
     "how large it may become"},
    {"state", "spool_min_free_percent", azm_parse_size, FIELD(spool_min_free_percent), "5", 0, 50,
     "it counts as full with less of its file system free"},
    {"state", "control", azm_parse_path, FIELD(control), "", 0, 0,
     "the control socket (/run/azmonlog/control; with another directory=, control in there)"},
    {"state", "quarantine_max_bytes", azm_parse_size, FIELD(quarantine_max_bytes), "64M", KIB *KIB, KIB *KIB *KIB,
     "how large the file of refused records may become"},
    {"metrics", "heartbeat", azm_parse_duration, FIELD(heartbeat_usec), "0", 0, 24 * HOUR,
     "how often a record says that this azmonlog lives, and how it is (5min); 0: never"},
    {"metrics", "listen", azm_parse_listen, FIELD(metrics_listen), "", 0, 0,
     "where this host may ask for metrics, /healthz and /readyz over HTTP: 127.0.0.1:9469"},
    {"metrics", "textfile", azm_parse_textfile, FIELD(metrics_textfile), "", 0, 0,
     "a file of metrics for node_exporter: /var/lib/prometheus/node-exporter/azmonlog.prom"},
    {"metrics", "endpoint", azm_parse_metrics_endpoint, FIELD(metrics_endpoint), "", 0, 0,
     "the URL of an OTLP/HTTP receiver that metrics are sent to, such as http://127.0.0.1:4318/v1/metrics"},
    {"metrics", "dce", azm_parse_metrics_dce, FIELD(metrics_dce), "", 0, 0,
     "or, for Azure Monitor, where a data collection endpoint takes metrics: "
     "https://NAME-ID.REGION-1.metrics.ingest.monitor.azure.com"},
    {"metrics", "dcr", azm_parse_dcr, FIELD(metrics_dcr), "", 0, 0,
     "and the immutable id of a data collection rule, if it is not that of [destination]"},
    {"metrics", "header", azm_parse_header, FIELD(metrics_headers), NULL, 0, 0,
     "a header for every request with metrics, Name: value; several lines for several headers"},
    {"metrics", "headers_file", azm_parse_headers_file, FIELD(metrics_headers), NULL, 0, 0,
     "a file of such headers that may be secret, one a line; not readable by everybody"},
    {"metrics", "interval", azm_parse_duration, FIELD(metrics_interval_usec), "1min", AZM_USEC_PER_SEC, 24 * HOUR,
     "how often they are sent"},
};

static const struct key *find_key(const char *section, const char *key)
{
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (strcmp(keys[i].section, section) == 0 &&
            (strcmp(keys[i].key, ANY_KEY) == 0 || strcmp(keys[i].key, key) == 0))
            return &keys[i];
    return NULL;
}

bool azm_config_key(size_t i, struct azm_config_key *ret)
{
    if (i >= ELEMENTSOF(keys))
        return false;
    *ret = (struct azm_config_key){keys[i].section, keys[i].key, keys[i].preset, keys[i].words};
    return true;
}

static int unknown_key(const char *section, const char *key, const char *where, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf known = {0};
    bool section_known = false;

    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        section_known |= strcmp(keys[i].section, section) == 0;
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (section_known ? strcmp(keys[i].section, section) == 0
                          : i == 0 || strcmp(keys[i - 1].section, keys[i].section) != 0)
            azm_buf_printf(&known, "%s%s", known.len ? ", " : "", section_known ? keys[i].key : keys[i].section);
    if (section_known)
        return azm_error_set(err, EINVAL, "%s: unknown key '%s' in [%s]; known there: %.*s", where, key, section,
                             (int)known.len, (const char *)known.data);
    return azm_error_set(err, EINVAL, "%s: unknown section [%s]; known are: %.*s", where, section, (int)known.len,
                         (const char *)known.data);
}

static void key_values_clear(struct azm_key_values *kv)
{
    for (size_t i = 0; i < kv->n; i++) {
        free(kv->items[i].key);
        free(kv->items[i].value);
    }
    free(kv->items);
    *kv = (struct azm_key_values){0};
}

bool azm_config_names_destination(const char *section, const char *key)
{
    return strcmp(section, "destination") == 0 &&
           (strcmp(key, "endpoint") == 0 || strcmp(key, "dce") == 0 || strcmp(key, "connection_string") == 0);
}

static int note_source(struct azm_config *c, const char *where, struct azm_error *err)
{
    char *copy = strdup(where);

    if (!copy)
        return azm_error_set(err, ENOMEM, "out of memory");
    free(c->destination_from);
    c->destination_from = copy;
    return 0;
}

/* Of `unit "NAME"`. False: it is another section. */
static bool unit_of(const char *section, char *ret, size_t size)
{
    size_t prefix = strcspn(ANY_UNIT, "N"), len = strlen(section);

    if (len < prefix + 2 || len - prefix > size || strncmp(section, ANY_UNIT, prefix) != 0 || section[len - 1] != '"')
        return false;
    snprintf(ret, size, "%.*s", (int)(len - prefix - 1), section + prefix);
    return true;
}

int azm_config_set(struct azm_config *c, const char *section, const char *key, const char *value, const char *where,
                   bool is_public, struct azm_error *err)
{
    char unit[AZM_SECTION_MAX] = "";
    const char *of = unit_of(section, unit, sizeof unit) ? ANY_UNIT : section;
    const struct key *k = find_key(of, key);
    struct azm_error why = {0};
    struct azm_assignment a;
    int r;

    if (!k)
        return unknown_key(of, key, where, err);
    if (*value == '\0' && k->preset)
        value = k->preset;
    else if (*value == '\0' && strcmp(k->key, ANY_KEY) != 0 && !*unit) { /* an empty assignment empties a list */
        key_values_clear((struct azm_key_values *)((char *)c + k->offset));
        return 0;
    }
    a = (struct azm_assignment){
        .key = *unit ? unit : key, .value = value, .is_public = is_public, .min = k->min, .max = k->max};
    r = k->parse(c, (char *)c + k->offset, &a, &why);
    if (r < 0)
        return azm_error_set(err, r, "%s: %s: %s", where, key, why.words);
    return azm_config_names_destination(section, key) && *value ? note_source(c, where, err) : 0;
}

int azm_config_init(struct azm_config *c)
{
    *c = (struct azm_config){0};
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (keys[i].preset) {
            int r = azm_config_set(c, keys[i].section, keys[i].key, keys[i].preset, "default", false, NULL);

            if (r < 0)
                return r;
        }
    return 0;
}

void azm_config_free(struct azm_config *c)
{
    char **strings[] = {
        &c->endpoint,
        &c->password_file,
        &c->relay_from,
        &c->relay_password_file,
        &c->sasl_mechanism,
        &c->relay_sasl_mechanism,
        &c->relay_tls_ca_file,
        &c->relay_tls_cert_file,
        &c->relay_tls_key_file,
        &c->relay_group,
        &c->dce,
        &c->dcr,
        &c->connection_string,
        &c->destination_from,
        &c->tenant_id,
        &c->client_id,
        &c->object_id,
        &c->resource_id,
        &c->client_secret_file,
        &c->client_certificate_file,
        &c->federated_token_file,
        &c->authority,
        &c->audience,
        &c->ingest_suffix,
        &c->identity_endpoint,
        &c->imds_endpoint,
        &c->identity_server_thumbprint,
        &c->tls_ca_file,
        &c->tls_cert_file,
        &c->tls_key_file,
        &c->journal_directory,
        &c->state_directory,
        &c->control,
        &c->journal_namespace,
        &c->metrics_listen,
        &c->metrics_textfile,
        &c->metrics_endpoint,
        &c->metrics_dce,
        &c->metrics_dcr,
    };

    if (c->endpoint) /* there may be a password in them */
        explicit_bzero(c->endpoint, strlen(c->endpoint));
    if (c->relay_from)
        explicit_bzero(c->relay_from, strlen(c->relay_from));
    for (size_t i = 0; i < ELEMENTSOF(strings); i++)
        free(*strings[i]);
    azm_secret_unref(c->client_secret);
    azm_secret_unref(c->identity_header);
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (!keys[i].preset) /* a list */
            key_values_clear((struct azm_key_values *)((char *)c + keys[i].offset));
    *c = (struct azm_config){0};
}

static int set_from_file(void *userdata, const char *section, const char *key, const char *value, const char *where,
                         bool is_public, struct azm_error *err)
{
    return azm_config_set(userdata, section, key, value, where, is_public, err);
}

int azm_config_read(struct azm_config *c, const char *path, bool optional, struct azm_error *err)
{
    return azm_config_file_read(path, optional, set_from_file, c, err);
}

int azm_config_forget_destination(struct azm_config *c)
{
    char **all[] = {&c->endpoint, &c->dce, &c->dcr, &c->connection_string}, *empty_dcr = c->metrics_dcr;

    if (*c->metrics_dce && !*c->metrics_dcr) { /* metrics stay where they are */
        c->metrics_dcr = c->dcr;
        c->dcr = empty_dcr;
    }
    for (size_t i = 0; i < ELEMENTSOF(all); i++) {
        char *empty = strdup("");

        if (!empty)
            return -ENOMEM;
        free(*all[i]);
        *all[i] = empty;
    }
    return 0;
}

bool azm_config_has_destination(const struct azm_config *c)
{
    return *c->endpoint || *c->dce || *c->connection_string;
}

bool azm_config_joins(const struct azm_config *c)
{
    return c->multiline != AZM_MULTILINE_NO || c->unit_multiline.n > 0;
}

bool azm_config_sends_metrics(const struct azm_config *c)
{
    return *c->metrics_endpoint || *c->metrics_dce;
}

/* A host of one cloud, and the rest of the configuration for another one. */
static int check_cloud(const struct azm_config *c, struct azm_error *err)
{
    static const char *const words[] = {
        [AZM_CLOUD_PUBLIC] = "public", [AZM_CLOUD_USGOV] = "usgov", [AZM_CLOUD_CHINA] = "china"};
    size_t len = strlen(c->dce);

    while (len > 0 && c->dce[len - 1] == '/')
        len--;
    for (size_t i = 0; i < ELEMENTSOF(words) && !*c->ingest_suffix; i++) {
        const char *suffix = azm_cloud_names((enum azm_cloud)i)->ingest_suffix;
        size_t n = strlen(suffix);

        if (i != c->cloud && len > n && strncasecmp(c->dce + len - n, suffix, n) == 0)
            return azm_error_set(err, EINVAL, "[destination] dce= is a host of cloud=%s; set that, too", words[i]);
    }
    return 0;
}

static int check_destination(const struct azm_config *c, struct azm_error *err)
{
    if ((*c->endpoint != '\0') + (*c->dce || *c->dcr) + (*c->connection_string != '\0') > 1)
        return azm_error_set(err, EINVAL,
                             "[destination] endpoint=, dce= with dcr=, and connection_string= each name a destination; "
                             "use one of them (an empty value takes one back)");
    if (!*c->dce != !*c->dcr)
        return azm_error_set(err, EINVAL, "[destination] %s= needs %s", *c->dce ? "dce" : "dcr",
                             *c->dce ? "dcr=, the immutable id of the data collection rule"
                                     : "dce=, the data collection endpoint");
    if (*c->tls_key_file && !*c->tls_cert_file)
        return azm_error_set(err, EINVAL, "[destination] tls_key_file= needs tls_cert_file=");
    return check_cloud(c, err);
}

static int check_streams(const struct azm_config *c, struct azm_error *err)
{
    bool is_stream = azm_stream_engine_of(c->endpoint) != AZM_STREAM_NONE;

    if (!is_stream && (*c->password_file || c->replicas > 0))
        return azm_error_set(err, EINVAL, "[destination] %s= is for an endpoint= that is a stream (redis://...)",
                             *c->password_file ? "password_file" : "replicas");
    if (*c->relay_from && (c->filter_exclude.n > 0 || c->filter_include.n > 0 || c->filter_sample.n > 0 ||
                           c->rate_limit > 0 || c->redact_rules.n > 0 || c->redact_patterns.n > 0))
        return azm_error_set(
            err, EINVAL,
            "[filter] and [redact] are for the hosts that write to the stream: a relay ([relay] from=) "
            "carries records on as they are");
    if (azm_stream_engine_of(c->endpoint) == AZM_STREAM_KAFKA && c->replicas > 0)
        return azm_error_set(
            err, EINVAL,
            "[destination] replicas= is for Redis; how many brokers of Kafka must have a message is the "
            "topic's affair (min.insync.replicas)");
    if (*c->relay_tls_key_file && !*c->relay_tls_cert_file)
        return azm_error_set(err, EINVAL, "[relay] tls_key_file= needs tls_cert_file=");
    return 0;
}

/* Azure shows the host for logs first, wherever it shows one. */
static bool is_logs_host(const struct azm_config *c)
{
    const char *suffix = *c->ingest_suffix ? c->ingest_suffix : azm_cloud_names(c->cloud)->ingest_suffix;
    const char *found = strcasestr(c->metrics_dce, suffix);
    size_t before = found ? (size_t)(found - c->metrics_dce) : 0, n = strlen(AZM_METRICS_HOST);

    return found && (before < n || strncasecmp(found - n, AZM_METRICS_HOST, n) != 0);
}

static int check_metrics(const struct azm_config *c, struct azm_error *err)
{
    if (*c->metrics_endpoint && *c->metrics_dce)
        return azm_error_set(err, EINVAL, "[metrics] endpoint= and dce= each say where metrics go; use one of them");
    if (*c->metrics_dcr && !*c->metrics_dce)
        return azm_error_set(err, EINVAL, "[metrics] dcr= needs dce=, the metrics ingestion endpoint");
    if (*c->metrics_dce && !*c->metrics_dcr && !*c->dcr)
        return azm_error_set(err, EINVAL, "[metrics] dce= needs dcr=, the immutable id of the data collection rule");
    if (is_logs_host(c))
        return azm_error_set(
            err, EINVAL,
            "[metrics] dce= is where the endpoint takes logs; az monitor data-collection endpoint show "
            "--query metricsIngestion.endpoint prints where it takes metrics");
    return 0;
}

int azm_config_check(const struct azm_config *c, struct azm_error *err)
{
    int r = check_destination(c, err);

    if (r >= 0)
        r = check_metrics(c, err);
    if (r >= 0)
        r = check_streams(c, err);
    if (r < 0)
        return r;
    if ((*c->journal_directory != '\0') + (*c->journal_namespace != '\0') + (c->journal_files.n > 0) +
            (c->scope != AZM_SCOPE_ALL) >
        1)
        return azm_error_set(err, EINVAL,
                             "[journal] directory=, namespace=, file= and scope= each name a journal; use one of them");
    return 0;
}

const char *azm_key_values_get(const struct azm_key_values *kv, const char *key)
{
    for (size_t i = 0; i < kv->n; i++)
        if (strcmp(kv->items[i].key, key) == 0)
            return kv->items[i].value;
    return NULL;
}

int azm_key_values_set(struct azm_key_values *kv, const char *key, const char *value)
{
    _cleanup_free_ char *k = strdup(key), *v = strdup(value);
    struct azm_key_value *items;

    if (!k || !v)
        return -ENOMEM;
    for (size_t i = 0; i < kv->n; i++)
        if (strcmp(kv->items[i].key, key) == 0) {
            free(kv->items[i].value);
            kv->items[i].value = v;
            v = NULL;
            return 0;
        }
    items = reallocarray(kv->items, kv->n + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    kv->items = items;
    items[kv->n++] = (struct azm_key_value){k, v};
    k = v = NULL;
    return 0;
}

bool azm_key_values_equal(const struct azm_key_values *a, const struct azm_key_values *b)
{
    for (size_t i = 0; i < a->n && a->n == b->n; i++)
        if (strcmp(a->items[i].key, b->items[i].key) != 0 || strcmp(a->items[i].value, b->items[i].value) != 0)
            return false;
    return a->n == b->n;
}
