/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/control_client.h"
#include "cli/json_call.h"
#include "pipeline/unix_socket.h"

/* Whose socket it is, as far as can be seen from here: where its folder may not be entered, that tells. */
static int no_permission(int error, const char *path, struct azm_error *err)
{
    _cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    const struct group *group;
    struct stat st;

    if (stat(path, &st) < 0 && (!folder || stat(folder, &st) < 0))
        return azm_error_set(err, error, "the control socket %s may not be used: %m", path);
    group = getgrgid(st.st_gid);
    if (!group)
        return azm_error_set(err, error, "the control socket %s is for root and the group %u", path,
                             (unsigned)st.st_gid);
    return azm_error_set(err, error, "the control socket %s is for root and the group %s", path, group->gr_name);
}

static int explain(int error, const char *path, struct azm_error *err)
{
    switch (-error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
        return azm_error_set(err, ECONNREFUSED,
                             "no azmonlog is running here (nobody listens on %s); if it runs elsewhere, name its "
                             "configuration (-c FILE), --state-directory or --control",
                             path);
    case EACCES:
    case EPERM:
        return no_permission(EACCES, path, err);
    case ETIMEDOUT:
        return azm_error_set(err, error, "azmonlog has not answered in time on %s", path);
    case EPIPE:
    case ECONNRESET:
        return azm_error_set(err, ECONNRESET, "azmonlog has closed the connection on %s without an answer", path);
    case EBADMSG:
    case EMSGSIZE:
        return azm_error_set(err, EBADMSG, "what answers on %s does not talk as azmonlog does", path);
    default:
        return azm_error_set(err, error, "cannot ask azmonlog on %s: %m", path);
    }
}

int azm_control_call(const char *path, json_t *message, uint64_t deadline_usec, json_t **ret, struct azm_error *err)
{
    int r = message ? azm_json_call(path, message, '\n', deadline_usec, ret) : -ENOMEM;

    json_decref(message);
    return r < 0 ? explain(r, path, err) : 0;
}
