/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "core/error.h"
#include "core/secret.h"

/* Reads a file that holds a secret: an absolute path, or a bare name, which is a credential of the service
 * (systemd.exec(5), LoadCredential=: a file in $CREDENTIALS_DIRECTORY). Symbolic links are followed, as Kubernetes
 * mounts secrets behind them. Newlines at its end are left out.
 *
 * 0, or -errno: -ENXIO for a bare name outside of a service with credentials, -EINVAL if it is not a regular file or
 * has nothing in it, -EFBIG for more than `max` bytes, -EPERM if others may read it, unless it is `shared`, as
 * Kubernetes' tokens are for everybody in the container. The error never shows the content. */
int azm_secret_file_read(const char *name, size_t max, bool shared, struct azm_secret **ret, struct azm_error *err);

/* Appends what an open file holds, without the newlines at its end: 0, -EFBIG for more than `max` bytes, which the
 * secret must have room for, or another -errno. */
int azm_secret_file_fill(struct azm_secret *s, int fd, size_t max);
