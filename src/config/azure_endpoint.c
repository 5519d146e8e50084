/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <strings.h>

#include "config/azure_endpoint.h"

bool azm_is_azure_endpoint(const char *url)
{
    static const char rules[] = "/dataCollectionRules/";
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;

    return path && strncasecmp(path, rules, sizeof rules - 1) == 0 && strstr(path + sizeof rules - 1, "/streams/");
}
