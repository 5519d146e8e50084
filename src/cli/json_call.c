/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "cli/json_call.h"
#include "pipeline/unix_socket.h"

static int ask(int fd, const char *text, char end, uint64_t deadline_usec, struct azm_buf *ret)
{
    int r;

    r = azm_unix_send(fd, text, strlen(text), deadline_usec);
    if (r == 0)
        r = azm_unix_send(fd, &end, 1, deadline_usec);
    /* A server that has closed already may have said why before it did. */
    return r < 0 && r != -EPIPE && r != -ECONNRESET ? r : azm_unix_receive(fd, end, deadline_usec, ret);
}

int azm_json_call(const char *path, const json_t *message, char end, uint64_t deadline_usec, json_t **ret)
{
    _cleanup_free_ char *text = json_dumps(message, JSON_COMPACT);
    _cleanup_(azm_buf_free) struct azm_buf answer = {0};
    _cleanup_close_ int fd = -1;
    json_t *parsed;
    int r;

    if (!text)
        return -ENOMEM;
    fd = azm_unix_connect(path, SOCK_STREAM, deadline_usec);
    if (fd < 0)
        return fd;
    r = ask(fd, text, end, deadline_usec, &answer);
    if (r < 0)
        return r;
    parsed = json_loadb((const char *)answer.data, answer.len, 0, NULL);
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return -EBADMSG;
    }
    *ret = parsed;
    return 0;
}
