/* SPDX-License-Identifier: MIT */
#include "config/azure_env.h"
#include "config/otel_env.h"
#include "tests/fuzz/fuzz.h"

/* Values for the environment variables of OpenTelemetry and of Azure, in this order. They are taken, or refused in
 * words that name the variable. */

static const char *const names[] = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IMDS_ENDPOINT",
    "IDENTITY_SERVER_THUMBPRINT",
};

static void check(const struct azm_config *c)
{
    for (size_t i = 0; i < c->resource.n; i++) {
        require(*c->resource.items[i].key);
        for (size_t k = 0; k < i; k++)
            require(strcmp(c->resource.items[i].key, c->resource.items[k].key) != 0);
    }
    fuzz_require_headers(&c->headers);
}

FUZZ_TARGET(environment)
{
    struct azm_error err = {""};
    struct azm_config c;
    int r;

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        require(setenv(names[i], fuzz_string(&in), true) == 0);
    require(azm_config_init(&c) == 0);
    r = azm_azure_env_apply(&c, &err);
    if (r == 0)
        r = azm_otel_env_apply(&c, &err);
    require((r < 0) == (*err.words != '\0'));
    require(r == 0 || strchr(err.words, '$'));
    check(&c);
    azm_config_free(&c);
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        unsetenv(names[i]);
}
