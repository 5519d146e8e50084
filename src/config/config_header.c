/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "config/config_header.h"
#include "config/credential_path.h"

/* Does a word of the name, between hyphens, sound like a secret? */
static bool header_is_secret(const char *name)
{
    static const char *const words[] = {"auth",  "authorization", "cookie", "key",
                                        "token", "apikey",        "secret", "password"};

    for (size_t len; *name; name += len + (name[len] == '-')) {
        len = strcspn(name, "-");
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
            if (strlen(words[i]) == len && strncasecmp(words[i], name, len) == 0)
                return true;
    }
    return false;
}

/* "Name: value" into the list. Errors never show the value: it may be a secret. */
static int add_header(struct azm_key_values *headers, const char *line, bool is_public, struct azm_error *err)
{
    static const char reserved[] = " content-type content-length content-encoding transfer-encoding expect host ";
    _cleanup_free_ char *name = NULL;
    size_t len = strspn(line, "!#$%&'*+-.^_`|~0123456789"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    const char *value = line + len;
    char padded[64];

    if (len == 0 || *value != ':')
        return azm_error_set(err, EINVAL, "a header is written as Name: value");
    for (value++; *value == ' ' || *value == '\t';)
        value++;
    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return azm_error_set(err, EINVAL, "a header value has no control characters");
    name = strndup(line, len);
    if (!name)
        return azm_error_set(err, ENOMEM, "out of memory");
    snprintf(padded, sizeof padded, " %s ", name);
    if (strcasestr(reserved, padded))
        return azm_error_set(err, EINVAL, "the header %s is set by azmonlog itself", name);
    if (is_public && header_is_secret(name))
        return azm_error_set(err, EPERM,
                             "the header %s looks like a secret and everybody can read this file; "
                             "take read permission from others (chmod o-r) or use headers_file=",
                             name);
    /* Names of headers have no case: a later one replaces an earlier one however it is written. */
    for (size_t i = 0; i < headers->n; i++)
        if (strcasecmp(headers->items[i].key, name) == 0)
            memcpy(name, headers->items[i].key, len);
    if (azm_key_values_set(headers, name, value) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

int azm_parse_header(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return add_header(field, a->value, a->is_public, err);
}

int azm_parse_headers_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    _cleanup_fclose_ FILE *f = NULL;
    _cleanup_free_ char *line = NULL;
    char path[PATH_MAX];
    size_t cap = 0;
    struct stat st;
    ssize_t n;
    int r;

    c->headers_from_file |= field == &c->headers;
    r = azm_credential_path(a->value, path, err);
    if (r < 0)
        return r;
    f = fopen(path, "re");
    if (!f || fstat(fileno(f), &st) < 0)
        return azm_error_set(err, errno, "cannot read %s: %m", path);
    if (!S_ISREG(st.st_mode))
        return azm_error_set(err, EINVAL, "%s is not a file", path);
    if (st.st_mode & 0007)
        return azm_error_set(err, EPERM, "everybody can read %s; secrets belong into a file of mode 0600 or 0640",
                             path);
    for (unsigned number = 1; (n = getline(&line, &cap, f)) >= 0; number++) {
        struct azm_error why;

        if (memchr(line, '\0', (size_t)n))
            return azm_error_set(err, EINVAL, "%s:%u: this line is not text", path, number);
        while (n > 0 && strchr("\r\n", line[n - 1]))
            line[--n] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        r = add_header(field, line, false, &why);
        if (r < 0)
            return azm_error_set(err, r, "%s:%u: %s", path, number, why.words);
    }
    if (ferror(f))
        return azm_error_set(err, EIO, "cannot read %s", path);
    return 0;
}
