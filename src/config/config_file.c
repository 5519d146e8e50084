/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config_file.h"
#include "core/buf.h"

static char *strip(char *s)
{
    size_t n;

    while (isspace((unsigned char)*s))
        s++;
    n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    return s;
}

/* One logical line, continuation lines joined by a space: 1, 0 at the end, -errno. */
static int read_logical_line(FILE *f, struct azm_buf *line, unsigned *number)
{
    _cleanup_free_ char *raw = NULL;
    size_t cap = 0;
    bool any = false;
    ssize_t n;

    azm_buf_clear(line);
    while ((n = getline(&raw, &cap, f)) >= 0) {
        bool more;
        char *s;

        (*number)++;
        if (memchr(raw, '\0', (size_t)n))
            return -EBADMSG;
        s = strip(raw);
        if (any && (*s == '#' || *s == ';')) /* a comment between continued lines */
            continue;
        n = (ssize_t)strlen(s);
        more = n > 0 && s[n - 1] == '\\' && *s != '#' && *s != ';';
        if (more) {
            s[n - 1] = '\0';
            s = strip(s);
        }
        if ((any && azm_buf_append(line, " ", 1) < 0) || azm_buf_append(line, s, strlen(s)) < 0)
            return -ENOMEM;
        any = true;
        if (!more)
            break;
    }
    if (ferror(f))
        return -errno;
    if (azm_buf_append(line, "", 1) < 0)
        return -ENOMEM;
    return any;
}

static int parse_line(char *s, char *section, size_t section_size, azm_config_assign_t assign, void *userdata,
                      const char *where, bool is_public, struct azm_error *err)
{
    size_t n = strlen(s);
    char *equals;

    if (*s == '\0' || *s == '#' || *s == ';')
        return 0;
    if (*s == '[') {
        if (s[n - 1] != ']' || n - 2 >= section_size)
            return azm_error_set(err, EINVAL, "%s: a section is written as [name]", where);
        snprintf(section, section_size, "%.*s", (int)(n - 2), s + 1);
        return 0;
    }
    equals = strchr(s, '=');
    if (!equals || equals == s)
        return azm_error_set(err, EINVAL, "%s: neither [section] nor key=value", where);
    if (*section == '\0')
        return azm_error_set(err, EINVAL, "%s: key=value before the first [section]", where);
    *equals = '\0';
    return assign(userdata, section, strip(s), strip(equals + 1), where, is_public, err);
}

static int read_one(const char *path, bool optional, azm_config_assign_t assign, void *userdata, struct azm_error *err)
{
    _cleanup_(azm_buf_free) struct azm_buf line = {0};
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    char section[AZM_SECTION_MAX] = "";
    unsigned number = 0;
    struct stat st;

    if (!f) {
        if (errno == ENOENT && optional)
            return 0;
        return azm_error_set(err, errno, "cannot read the configuration %s: %m", path);
    }
    if (fstat(fileno(f), &st) < 0)
        return azm_error_set(err, errno, "cannot read the configuration %s: %m", path);
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
        return azm_error_set(err, EINVAL, "the configuration %s is not a file", path);
    for (;;) {
        char where[PATH_MAX + 16];
        unsigned first = number + 1;
        int r = read_logical_line(f, &line, &number);

        if (r < 0)
            return azm_error_set(err, r, "%s:%u: cannot read this line as text: %m", path, number);
        if (r == 0)
            return 0;
        snprintf(where, sizeof where, "%s:%u", path, first);
        r = parse_line((char *)line.data, section, sizeof section, assign, userdata, where,
                       S_ISREG(st.st_mode) && (st.st_mode & S_IROTH), err);
        if (r < 0)
            return r;
    }
}

static int is_conf(const struct dirent *d)
{
    size_t n = strlen(d->d_name);

    return *d->d_name != '.' && n > 5 && strcmp(d->d_name + n - 5, ".conf") == 0;
}

int azm_config_file_read(const char *path, bool optional, azm_config_assign_t assign, void *userdata,
                         struct azm_error *err)
{
    struct dirent **names = NULL;
    char dir[PATH_MAX];
    int n, r;

    r = read_one(path, optional, assign, userdata, err);
    if (r < 0)
        return r;
    snprintf(dir, sizeof dir, "%s.d", path);
    n = scandir(dir, &names, is_conf, alphasort);
    if (n < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : azm_error_set(err, errno, "cannot read the drop-in directory %s: %m", dir);
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX + 256];

        snprintf(file, sizeof file, "%s/%s", dir, names[i]->d_name);
        if (r == 0)
            r = read_one(file, false, assign, userdata, err);
        free(names[i]);
    }
    free(names);
    return r;
}
