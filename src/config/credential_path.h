/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "core/error.h"

/* Where a file with something secret is: `name` is an absolute path, or a bare name, which is a credential of the
 * service (systemd.exec(5), LoadCredential=: a file in $CREDENTIALS_DIRECTORY).
 *
 * 0, or -ENXIO for a bare name outside of a service with credentials, -EINVAL for neither, -ENAMETOOLONG. */
int azm_credential_path(const char *name, char path[static PATH_MAX], struct azm_error *err);
