/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define AZM_GUID_MAX 37

/* 128 random bits. */
void azm_guid_bytes(uint8_t ret[static 16]);

/* A random GUID (RFC 9562, version 4) in lower case. */
void azm_guid_make(char ret[static AZM_GUID_MAX]);

/* 32 hexadecimal digits of either case in groups of 8-4-4-4-12, and nothing else. */
bool azm_is_guid(const char *s);
