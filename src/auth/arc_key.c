/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/arc_key.h"
#include "auth/secret_file.h"

/* The name of the key in <root>/tokens, or NULL if the path is not to be believed. */
static const char *name_of(const char *directory, const char *path)
{
    static const char suffix[] = ".key";
    size_t n = strlen(directory), len;
    const char *name = path + n + 1;

    if (strncmp(path, directory, n) != 0 || path[n] != '/' || strchr(name, '/') || strstr(name, ".."))
        return NULL;
    len = strlen(name);
    if (len <= strlen(suffix) || len > NAME_MAX || strcmp(name + len - strlen(suffix), suffix) != 0)
        return NULL;
    return name;
}

static bool is_key(const char *key)
{
    while (isgraph((unsigned char)*key))
        key++;
    return *key == '\0';
}

int azm_arc_key_read(const char *root, const char *path, struct azm_secret *ret, struct azm_error *err)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *key = NULL;
    _cleanup_close_ int directory_fd = -1, fd = -1;
    char directory[PATH_MAX];
    const char *name;
    struct stat st;
    int r;

    snprintf(directory, sizeof directory, "%s/tokens", root);
    name = name_of(directory, path);
    if (!name)
        return azm_error_set(err, EPERM, "the agent of Azure Arc names a key that is not in %s: '%.100s'", directory,
                             path);
    directory_fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory_fd < 0)
        return azm_error_set(err, errno, "cannot open %s: %m", directory);
    fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return azm_error_set(err, errno, "cannot read the key of Azure Arc's agent, %s: %m", path);
    if (!S_ISREG(st.st_mode))
        return azm_error_set(err, EINVAL, "the key of Azure Arc's agent, %s, is not a file", path);
    r = azm_secret_new(AZM_ARC_KEY_MAX_BYTES, &key);
    if (r == 0)
        r = azm_secret_file_fill(key, fd, AZM_ARC_KEY_MAX_BYTES);
    if (r < 0)
        return azm_error_set(err, r, "cannot read the key of Azure Arc's agent, %s: %m", path);
    if (azm_secret_len(key) == 0 || strlen(azm_secret_text(key)) < azm_secret_len(key) || !is_key(azm_secret_text(key)))
        return azm_error_set(err, EINVAL, "the key of Azure Arc's agent, %s, is no key", path);
    return azm_secret_append(ret, azm_secret_text(key), azm_secret_len(key));
}
