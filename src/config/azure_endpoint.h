/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* Is this URL one of Azure Monitor's native OTLP ingestion? It is known by its path,
 * /datacollectionRules/<rule>/streams/..., so that a proxy or an emulator in front is seen as Azure, too. The first
 * segment was seen in several spellings (facts/azure.md 1.2). */
bool azm_is_azure_endpoint(const char *url);
