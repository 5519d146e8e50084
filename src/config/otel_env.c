/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/otel_env.h"
#include "core/buf.h"

/* A percent-decoded copy without spaces around it, or NULL. */
static char *decode(const char *s, size_t len)
{
    size_t n = 0;
    char *out;

    while (len > 0 && isspace((unsigned char)*s))
        s++, len--;
    while (len > 0 && isspace((unsigned char)s[len - 1]))
        len--;
    out = calloc(1, len + 1);
    if (!out)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%' && i + 2 < len && isxdigit((unsigned char)s[i + 1]) && isxdigit((unsigned char)s[i + 2])) {
            const char hex[3] = {s[i + 1], s[i + 2], '\0'};

            out[n++] = (char)strtol(hex, NULL, 16);
            i += 2;
        } else
            out[n++] = s[i];
    }
    return out;
}

typedef int (*pair_t)(struct azm_config *c, const char *key, const char *value, const char *where,
                      struct azm_error *err);

/* "k=v,k=v", both parts percent-encoded (the W3C Baggage form, without properties). */
static int apply_pairs(struct azm_config *c, const char *list, const char *where, pair_t apply, struct azm_error *err)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        const char *equals = memchr(list, '=', len);

        if (memmem(list, len, "%00", 3)) /* it would end the value without a word */
            return azm_error_set(err, EINVAL, "%s: %%00 is not text", where);
        if (equals) {
            _cleanup_free_ char *key = decode(list, (size_t)(equals - list));
            _cleanup_free_ char *value = decode(equals + 1, len - (size_t)(equals + 1 - list));
            int r;

            if (!key || !value)
                return azm_error_set(err, ENOMEM, "out of memory");
            r = apply(c, key, value, where, err);
            if (r < 0)
                return r;
        } else if (strspn(list, " \t") != len)
            return azm_error_set(err, EINVAL, "%s: this is not a list of key=value pairs with commas between", where);
        list += len;
        if (*list == ',')
            list++;
    }
    return 0;
}

static int apply_header(struct azm_config *c, const char *key, const char *value, const char *where,
                        struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf line = {0};

    if (azm_buf_printf(&line, "%s: %s", key, value) < 0 || azm_buf_append(&line, "", 1) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return azm_config_set(c, "destination", "header", (const char *)line.data, where, false, err);
}

static int apply_resource(struct azm_config *c, const char *key, const char *value, const char *where,
                          struct azm_error *err)
{
    return azm_config_set(c, "resource", key, value, where, false, err);
}

enum form { AS_IS, BASE_URL, MILLISECONDS, HEADERS, RESOURCE };

/* In this order: what comes later wins. */
static const struct {
    const char *variable, *section, *key;
    enum form form;
} variables[] = {
    {"OTEL_EXPORTER_OTLP_ENDPOINT", "destination", "endpoint", BASE_URL},
    {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "destination", "endpoint", AS_IS},
    {"OTEL_EXPORTER_OTLP_HEADERS", "destination", "header", HEADERS},
    {"OTEL_EXPORTER_OTLP_LOGS_HEADERS", "destination", "header", HEADERS},
    {"OTEL_EXPORTER_OTLP_CERTIFICATE", "destination", "tls_ca_file", AS_IS},
    {"OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "destination", "tls_ca_file", AS_IS},
    {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "destination", "tls_cert_file", AS_IS},
    {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", "destination", "tls_cert_file", AS_IS},
    {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "destination", "tls_key_file", AS_IS},
    {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "destination", "tls_key_file", AS_IS},
    {"OTEL_EXPORTER_OTLP_COMPRESSION", "export", "compression", AS_IS},
    {"OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "export", "compression", AS_IS},
    {"OTEL_BLRP_SCHEDULE_DELAY", "batch", "schedule_delay", MILLISECONDS},
    {"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "batch", "max_export_batch_size", AS_IS},
    {"OTEL_BLRP_EXPORT_TIMEOUT", "export", "timeout", MILLISECONDS},
    {"OTEL_EXPORTER_OTLP_TIMEOUT", "export", "timeout", MILLISECONDS},
    {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "export", "timeout", MILLISECONDS},
    {"OTEL_RESOURCE_ATTRIBUTES", "resource", "", RESOURCE},
    {"OTEL_SERVICE_NAME", "resource", "service.name", AS_IS},
};

/* The variable's value, NULL if it is empty, or if a later one for the same list of headers is set: the specification
 * lets that replace the whole list. */
static const char *value_of(size_t i)
{
    const char *value = secure_getenv(variables[i].variable);

    if (!value || !*value)
        return NULL;
    if (variables[i].form == HEADERS && i + 1 < ELEMENTSOF(variables) && variables[i + 1].form == HEADERS &&
        value_of(i + 1))
        return NULL;
    return value;
}

/* There is one protocol here; whoever asks for another one should hear of it. */
static int check_protocol(const char *variable, struct azm_error *err)
{
    const char *value = secure_getenv(variable);

    if (!value || !*value || strcmp(value, "http/protobuf") == 0)
        return 0;
    return azm_error_set(err, EINVAL, "$%s: '%s' is not supported; azmonlog speaks http/protobuf (usually port 4318)",
                         variable, value);
}

int azm_otel_env_apply(struct azm_config *c, struct azm_error *err)
{
    if (check_protocol("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", err) < 0)
        return -EINVAL;
    if (!secure_getenv("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL") && check_protocol("OTEL_EXPORTER_OTLP_PROTOCOL", err) < 0)
        return -EINVAL;
    for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
        _cleanup_(azm_buf_free) struct azm_buf converted = {0};
        const char *value = value_of(i);
        char where[64];
        size_t len;
        int r = 0;

        if (!value)
            continue;
        snprintf(where, sizeof where, "$%s", variables[i].variable);
        switch (variables[i].form) {
        case HEADERS:
            r = apply_pairs(c, value, where, apply_header, err);
            break;
        case RESOURCE:
            r = apply_pairs(c, value, where, apply_resource, err);
            break;
        case BASE_URL:
            len = strlen(value);
            r = azm_buf_printf(&converted, "%.*s/v1/logs", (int)(len - (value[len - 1] == '/')), value);
            break;
        case MILLISECONDS:
            if (strspn(value, "0123456789") != strlen(value))
                return azm_error_set(err, EINVAL, "%s: '%s' is not a number of milliseconds", where, value);
            r = azm_buf_printf(&converted, "%sms", value);
            break;
        case AS_IS:
            r = azm_buf_append(&converted, value, strlen(value));
            break;
        }
        if (r == 0 && converted.len > 0) {
            if (azm_buf_append(&converted, "", 1) < 0)
                return azm_error_set(err, ENOMEM, "out of memory");
            if (strcmp(variables[i].key, "endpoint") == 0 && azm_config_forget_destination(c) < 0)
                return azm_error_set(err, ENOMEM, "out of memory");
            r = azm_config_set(c, variables[i].section, variables[i].key, (const char *)converted.data, where, false,
                               err);
        }
        if (r < 0)
            return r;
    }
    return 0;
}
