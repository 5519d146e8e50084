/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "cli/journald_sync.h"
#include "cli/json_call.h"
#include "pipeline/unix_socket.h"

char *azm_journald_folder(const char *journal_namespace)
{
    char *folder;

    return asprintf(&folder, "/run/systemd/journal%s%s", *journal_namespace ? "." : "", journal_namespace) < 0 ? NULL
                                                                                                               : folder;
}

/* systemd, src/journal/journald-server.c, vl_method_synchronize: the answer is sent by an event of lower priority than
 * the sockets, when these have nothing more. (Tried with 252: datagrams and lines of streams that waited in the sockets
 * of a stopped journald were in the journal when the answer came.) */
static int synchronize(const char *folder, uint64_t deadline_usec, struct azm_error *err)
{
    json_t *call = json_pack("{s:s, s:{}}", "method", "io.systemd.Journal.Synchronize", "parameters");
    _cleanup_free_ char *path = NULL;
    json_t *answer = NULL, *refused;
    int r;

    if (!call || asprintf(&path, "%s/io.systemd.journal", folder) < 0) {
        path = NULL;
        r = -ENOMEM;
    } else
        r = azm_json_call(path, call, '\0', deadline_usec, &answer);
    refused = json_object_get(answer, "error");
    if (refused)
        r = azm_error_set(err, EPROTO, "journald has refused to synchronize: %s",
                          json_is_string(refused) ? json_string_value(refused) : "?");
    else if (r < 0)
        azm_error_set(err, r, "cannot ask journald to synchronize (%s): %m", path ? path : folder);
    json_decref(answer);
    json_decref(call);
    return r;
}

static int send_marker(const char *folder, const char *name, const char *text, uint64_t deadline_usec)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;

    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    fd = azm_unix_connect(path, SOCK_DGRAM, deadline_usec);
    return fd < 0 ? fd : azm_unix_send(fd, text, strlen(text), deadline_usec);
}

static int send_markers(const char *folder, uint64_t deadline_usec, struct azm_journald_sync *ret)
{
    _cleanup_free_ char *native = NULL, *syslog = NULL;
    sd_id128_t id;
    int r;

    r = sd_id128_randomize(&id);
    if (r < 0)
        return r;
    snprintf(ret->marker, sizeof ret->marker, "azmonlog flush " SD_ID128_FORMAT_STR, SD_ID128_FORMAT_VAL(id));
    if (asprintf(&native, "MESSAGE=%s\nPRIORITY=7\nSYSLOG_IDENTIFIER=azmonlog\n", ret->marker) < 0) {
        native = NULL;
        return -ENOMEM;
    }
    if (asprintf(&syslog, "<15>azmonlog: %s", ret->marker) < 0) { /* facility user, severity debug */
        syslog = NULL;
        return -ENOMEM;
    }
    r = send_marker(folder, "socket", native, deadline_usec);
    if (r < 0)
        return r;
    ret->markers = 1;
    r = send_marker(folder, "dev-log", syslog, deadline_usec); /* what /dev/log is a link to */
    if (r == -ENOENT || r == -ECONNREFUSED)                    /* this journald takes no syslog messages */
        return 0;
    ret->markers += r == 0;
    return r;
}

int azm_journald_sync(const char *folder, uint64_t deadline_usec, struct azm_journald_sync *ret, struct azm_error *err)
{
    int r;

    *ret = (struct azm_journald_sync){0};
    r = synchronize(folder, deadline_usec, err);
    if (r == -EACCES || r == -EPERM || r == -ENOENT) { /* not for this user, or a journald without varlink */
        r = send_markers(folder, deadline_usec, ret);
        if (r < 0)
            azm_error_set(err, r, "cannot send a message to journald (%s): %m", folder);
    }
    if (r == -ETIMEDOUT)
        return azm_error_set(err, r, "journald has not taken in what was sent to it; is it stopped?");
    if (r == -ENOENT || r == -ECONNREFUSED)
        return azm_error_set(err, ENOENT, "no journald is running (nobody listens in %s)", folder);
    return r;
}
