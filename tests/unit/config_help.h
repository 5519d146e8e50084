/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "core/clock.h"
#include "tests/unit/test.h"

/* Configurations that are set key by key, and what is in them then. */

#define S AZM_USEC_PER_SEC
#define MS AZM_USEC_PER_MSEC
#define WHERE "/etc/x.conf:7"
#define CONFIG(c) _cleanup_(azm_config_free) struct azm_config c

#define DCR "dcr-0123456789abcdef0123456789abcdef"
#define DCE "https://d-1.westeurope-1.ingest.monitor.azure.com"
#define GUID "0123abcd-4567-89ef-0123-456789abcdef"
#define CONNECTION "InstrumentationKey=" GUID

#define STRING(field) offsetof(struct azm_config, field)
#define NUMBER(field) offsetof(struct azm_config, field), sizeof(((struct azm_config *)NULL)->field)

static inline const char *string_at(const struct azm_config *c, size_t offset)
{
    return *(char *const *)((const char *)c + offset);
}

static inline uint64_t number_at(const struct azm_config *c, size_t offset, size_t size)
{
    const char *p = (const char *)c + offset;

    return size == sizeof(bool) ? *(const bool *)p : size == 4 ? *(const uint32_t *)p : *(const uint64_t *)p;
}

static inline void assert_set(struct azm_config *c, const char *section, const char *key, const char *value)
{
    struct azm_error err = {""};

    ck_assert_msg(azm_config_set(c, section, key, value, WHERE, false, &err) == 0, "[%s] %s=%s: %s", section, key,
                  value, err.words);
}

/* The environment is these variables, "NAME=value" up to NULL, and no others. */
static inline void set_env(const char *const *env)
{
    ck_assert_int_eq(clearenv(), 0);
    for (; *env; env++) {
        _cleanup_free_ char *name = strdup(*env);
        char *equals = strchr(name, '=');

        *equals = '\0';
        ck_assert_int_eq(setenv(name, equals + 1, 1), 0);
    }
}
