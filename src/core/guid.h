/* SPDX-License-Identifier: MIT */
#pragma once

#define AZM_GUID_MAX 37

/* A random GUID (RFC 9562, version 4) in lower case. */
void azm_guid_make(char ret[static AZM_GUID_MAX]);
