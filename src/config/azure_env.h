/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Takes over the environment variables of Azure's SDKs and platforms: AZURE_TENANT_ID and its siblings,
 * APPLICATIONINSIGHTS_CONNECTION_STRING and ..._AUTHENTICATION_STRING, IDENTITY_ENDPOINT and its siblings. An empty
 * variable counts as not set. Source: facts/azure.md 2b, 2c, 2g, 3.1, 3.2. Returns 0 or -errno (err names the
 * variable). */
int azm_azure_env_apply(struct azm_config *c, struct azm_error *err);
