/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_value.h"
#include "config/credential_path.h"
#include "config/listen_address.h"
#include "core/clock.h"
#include "core/timespan.h"

int azm_parse_string(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    char *copy = strdup(a->value);

    (void)c;
    if (!copy)
        return azm_error_set(err, ENOMEM, "out of memory");
    free(*(char **)field);
    *(char **)field = copy;
    return 0;
}

int azm_parse_path(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (*a->value && *a->value != '/')
        return azm_error_set(err, EINVAL, "'%s' is not an absolute path", a->value);
    return azm_parse_string(c, field, a, err);
}

int azm_parse_listen(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct sockaddr_storage address;
    socklen_t len;

    if (*a->value && !HAVE_MICROHTTPD)
        return azm_error_set(err, ENOTSUP, "this azmonlog was built without libmicrohttpd; there is textfile=");
    if (*a->value && azm_listen_address(a->value, &address, &len, err) < 0)
        return -EINVAL;
    return azm_parse_string(c, field, a, err);
}

int azm_parse_textfile(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    size_t len = strlen(a->value), suffix = strlen(".prom");

    if (len > 0 && (len < suffix || strcmp(a->value + len - suffix, ".prom") != 0))
        return azm_error_set(err, EINVAL, "'%s' does not end in .prom, and node_exporter reads no other file",
                             a->value);
    return azm_parse_path(c, field, a, err);
}

/* A file that is needed at run time: better said at the start than held for ever. */
int azm_parse_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    struct azm_assignment there = *a;
    char path[PATH_MAX];
    int r;

    if (*a->value == '\0')
        return azm_parse_path(c, field, a, err);
    r = azm_credential_path(a->value, path, err);
    if (r < 0)
        return r;
    if (access(path, R_OK) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", path);
    there.value = path;
    return azm_parse_path(c, field, &there, err);
}

int azm_parse_duration(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    uint64_t usec;

    (void)c;
    if (azm_parse_timespan(a->value, AZM_USEC_PER_SEC, &usec) < 0)
        return azm_error_set(err, EINVAL, "'%s' is not a duration such as 500ms, 1s or 5min", a->value);
    if (usec < a->min || usec > a->max)
        return azm_error_set(err, ERANGE, "'%s' is not between %" PRIu64 "ms and %" PRIu64 "s", a->value,
                             a->min / AZM_USEC_PER_MSEC, a->max / AZM_USEC_PER_SEC);
    *(uint64_t *)field = usec;
    return 0;
}

int azm_parse_size(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char suffixes[] = "KMG";
    unsigned long long n;
    const char *suffix;
    char *end;

    (void)c;
    errno = 0;
    n = strtoull(a->value, &end, 10);
    if (!isdigit((unsigned char)*a->value) || errno)
        return azm_error_set(err, EINVAL, "'%s' is not a number such as 8192 or 64K", a->value);
    suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
    if (*end && (!suffix || end[1]))
        return azm_error_set(err, EINVAL, "'%s' is not a number such as 8192 or 64K", a->value);
    if (suffix && __builtin_mul_overflow(n, 1ULL << (10 * (suffix - suffixes + 1)), &n))
        return azm_error_set(err, ERANGE, "'%s' is too large", a->value);
    if (n < a->min || n > a->max)
        return azm_error_set(err, ERANGE, "'%s' is not between %" PRIu64 " and %" PRIu64, a->value, a->min, a->max);
    *(size_t *)field = n;
    return 0;
}

int azm_parse_start(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    enum azm_start *start = field;

    if (strcmp(a->value, "boot") == 0)
        *start = AZM_START_BOOT;
    else if (strcmp(a->value, "now") == 0)
        *start = AZM_START_NOW;
    else if (strcmp(a->value, "oldest") == 0)
        *start = AZM_START_OLDEST;
    else if (azm_parse_time(a->value, azm_realtime_usec(&azm_system_clock), &c->start_usec) == 0)
        *start = AZM_START_TIME;
    else
        return azm_error_set(err, EINVAL,
                             "'%s' is none of boot, now, oldest, nor a time such as -1h, yesterday or "
                             "2026-01-31T12:00:00Z",
                             a->value);
    return 0;
}

int azm_parse_namespace(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (strlen(a->value) > NAME_MAX / 2 || strchr(a->value, '/') || *a->value == '.' || strpbrk(a->value, "*+"))
        return azm_error_set(err, EINVAL,
                             "'%s' is not the name of one journal namespace (LogNamespace= of a unit); for several run "
                             "one azmonlog each, with a state directory of its own",
                             a->value);
    return azm_parse_string(c, field, a, err);
}
