/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/credential_internal.h"

/* Chooses the kind of credential that the options say: a pure function. AZM_AUTH_DEFAULT takes the first that something
 * is set for, in the order of Microsoft's DefaultAzureCredential (facts/azure.md 2g): client secret, client
 * certificate, workload identity, managed identity. A managed identity is App Service's if its two variables are there,
 * Arc's if its variables or its agent are (`arc_installed`), else that of a virtual machine.
 *
 * 0, with a line in `passed_over` for each kind that came before; -ENOMEM; -EINVAL if what is set is not enough for the
 * kind, or wrong, or it is an identity that azmonlog has no way to ask for (Service Fabric). */
int azm_credential_choose(const struct azm_credential_options *o, bool arc_installed,
                          const struct azm_credential_kind **ret, struct azm_buf *passed_over, struct azm_error *err);
