/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "config/azure_endpoint.h"
#include "core/cleanup.h"
#include "export/remedy.h"

void azm_remedy_print(const char *remedy, const struct azm_remedy_facts *facts, char ret[static AZM_REMEDY_MAX])
{
    bool metrics = facts->signal == AZM_METRICS;
    const struct {
        const char *place, *fact;
    } places[] = {
        {"<principal>", facts->principal},
        {"<rule>", facts->rule},
        {"<section>", facts->section ? facts->section
                      : metrics      ? "[metrics]"
                                     : "[destination]"},
        {"<stream>", metrics ? "Custom-Metrics-Otel/otlp/v1/metrics" : "Microsoft-OTLP-Logs/otlp/v1/logs"},
        {"<ingestion>", metrics ? "metricsIngestion" : "logsIngestion"},
    };
    size_t n = 0;

    while (remedy && *remedy && n < AZM_REMEDY_MAX - 1) {
        const char *fact = NULL;

        for (size_t i = 0; i < ELEMENTSOF(places) && !fact; i++)
            if (*places[i].fact && strncmp(remedy, places[i].place, strlen(places[i].place)) == 0) {
                fact = places[i].fact;
                remedy += strlen(places[i].place);
            }
        if (fact)
            n += MIN((size_t)snprintf(ret + n, AZM_REMEDY_MAX - n, "%s", fact), AZM_REMEDY_MAX - 1 - n);
        else
            ret[n++] = *remedy++;
    }
    ret[n] = '\0';
}

void azm_remedy_print_for(const char *remedy, enum azm_signal signal, const char *url, struct azm_tokens *tokens,
                          char ret[static AZM_REMEDY_MAX])
{
    struct azm_tokens_status status = {0};
    char rule[40];

    if (tokens)
        azm_tokens_get_status(tokens, &status);
    azm_azure_endpoint_dcr(url, rule);
    azm_remedy_print(remedy, &(struct azm_remedy_facts){.principal = status.object_id, .rule = rule, .signal = signal},
                     ret);
}
