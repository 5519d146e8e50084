/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "source/journal_access.h"

struct census {
    unsigned readable, closed;
    bool system_closed; /* the system journal is among the closed ones */
    char example[PATH_MAX];
};

static bool has_journal_suffix(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".journal") == 0 || strcmp(dot, ".journal~") == 0);
}

static void note_closed(struct census *c, const char *path, bool system)
{
    c->closed++;
    c->system_closed |= system;
    if (!*c->example)
        snprintf(c->example, sizeof c->example, "%s", path);
}

/* Looks at a directory, and with depth > 0 at the directories in it: 0 or -errno. */
static int look(const char *path, int depth, struct census *c)
{
    DIR *d = opendir(path);
    struct dirent *e;

    if (!d) {
        if (errno != EACCES)
            return -errno;
        note_closed(c, path, true);
        return 0;
    }
    while ((e = readdir(d))) {
        char file[PATH_MAX];

        if (*e->d_name == '.' || (size_t)snprintf(file, sizeof file, "%s/%s", path, e->d_name) >= sizeof file)
            continue;
        if (has_journal_suffix(e->d_name)) {
            if (faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) >= 0)
                c->readable++;
            else if (errno == EACCES)
                note_closed(c, file, strncmp(e->d_name, "system", 6) == 0);
        } else if (depth > 0 && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
            look(file, depth - 1, c);
    }
    closedir(d);
    return 0;
}

static int look_at_machine(const char *namespace, struct census *c)
{
    static const char *const roots[] = {"/run/log/journal", "/var/log/journal"};
    sd_id128_t machine;
    int r = sd_id128_get_machine(&machine);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/" SD_ID128_FORMAT_STR "%s%s", roots[i], SD_ID128_FORMAT_VAL(machine),
                 *namespace ? "." : "", namespace);
        r = look(path, 0, c);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

int azm_journal_check_access(const struct azm_config *config, struct azm_error *err)
{
    const char *directory = config->journal_directory;
    struct census c = {0};
    struct passwd *user;
    int r;

    if (config->journal_files.n > 0)
        return 1; /* the configuration has tried them */
    r = *directory ? look(directory, 1, &c) : look_at_machine(config->journal_namespace, &c);
    if (config->scope == AZM_SCOPE_USER)
        c.system_closed = false;
    if (r < 0 && *directory)
        return azm_error_set(err, r, "cannot read the journal directory %s: %m", directory);
    if (r < 0)
        return azm_error_set(err, r, "cannot look for the machine's journal: %m");
    if (c.closed == 0 || (c.readable > 0 && !c.system_closed))
        return c.readable > 0;
    user = getpwuid(geteuid());
    if (*directory)
        return azm_error_set(err, EACCES, "%s may not be read by user %s; change its permissions, or the user",
                             c.example, user ? user->pw_name : "?");
    return azm_error_set(err, EACCES,
                         "%s may not be read by user %s; add the user to group systemd-journal (usermod -a -G "
                         "systemd-journal %s) and log in again, or run as root",
                         c.example, user ? user->pw_name : "?", user ? user->pw_name : "USER");
}
