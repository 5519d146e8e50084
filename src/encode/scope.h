/* SPDX-License-Identifier: MIT */
#pragma once

/* The OTLP instrumentation scope of everything that azmonlog sends: it shows in Azure as ScopeName
 * and ScopeVersion, and tells our records from those of an SDK. */
#define AZM_SCOPE_NAME "azmonlog"
#define AZM_SCOPE_VERSION PACKAGE_VERSION
