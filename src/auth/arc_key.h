/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/error.h"
#include "core/secret.h"

#define AZM_ARC_KEY_MAX_BYTES ((size_t)4096)

/* Appends the key in the file that a challenge of Azure Arc's agent names (facts/azure.md 2b). The path is believed
 * only if it is <root>/tokens/NAME.key; NAME is then looked up in that directory, which is no link, and so is no file
 * that is read. 0, -EACCES if this user may not read it, -ENOENT if it is gone, or another -errno: -EPERM for a path
 * that is not believed, -EINVAL for what is no key. */
int azm_arc_key_read(const char *root, const char *path, struct azm_secret *ret, struct azm_error *err);
