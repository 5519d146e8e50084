/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>
#include <unistd.h>

#include "pipeline/control.h"
#include "pipeline/unix_socket.h"
#include "tests/fuzz/fuzz.h"

/* What a client sends to the control socket. Every line up to its end gets one answer, a line of JSON, in order; then
 * the connection is closed. */

static unsigned answered;

static void answer(struct azm_control_request *rq, const json_t *message, void *userdata)
{
    (void)userdata;
    require(json_is_object(message) && azm_control_wanted(rq));
    answered++;
    azm_control_reply(rq, json_pack("{s:i, s:O}", "number", answered, "echo", message));
}

/* One line of an answer: is it one of the handler's? */
static bool check_answer(struct azm_text line)
{
    json_t *j = fuzz_json(line), *number = json_object_get(j, "number");
    bool handled = json_is_integer(number);

    require(json_is_object(j) && (handled || json_is_string(json_object_get(j, "error"))));
    json_decref(j);
    return handled;
}

static unsigned count_lines(struct azm_text t)
{
    unsigned n = 0;

    for (size_t i = 0; i < t.len; i++)
        n += t.s[i] == '\n';
    return n;
}

FUZZ_TARGET(control_request)
{
    static sd_event *event;
    static struct azm_control *control;
    static struct azm_buf got;
    struct azm_text sent = fuzz_rest(&in);
    unsigned lines = 0, handled = 0;
    struct azm_error err;
    ssize_t n = -1;
    int fd;

    if (!control) {
        require(sd_event_new(&event) >= 0);
        require(azm_control_new(event, fuzz_path("control"), answer, NULL, &control, &err) == 0);
    }
    answered = 0;
    azm_buf_clear(&got);
    fd = azm_unix_connect(fuzz_path("control"), SOCK_STREAM, AZM_USEC_INFINITY);
    require(fd >= 0);
    if (sent.len > 0 && send(fd, sent.s, sent.len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sent.len)
        require(!"the socket's buffer takes the input");
    require(shutdown(fd, SHUT_WR) == 0);
    while (n != 0) {
        require(sd_event_run(event, UINT64_MAX) >= 0);
        do {
            require(azm_buf_reserve(&got, 65536) == 0);
            n = recv(fd, got.data + got.len, 65536, MSG_DONTWAIT);
            got.len += n > 0 ? (size_t)n : 0;
        } while (n > 0);
        if (n < 0 && errno == ECONNRESET) /* it was dropped with input unread: a line that is too long */
            n = 0;
    }
    for (size_t at = 0; at < got.len; lines++) {
        const uint8_t *end = memchr(got.data + at, '\n', got.len - at);

        require(end);
        handled += check_answer((struct azm_text){(const char *)got.data + at, (size_t)(end - got.data) - at});
        at = (size_t)(end - got.data) + 1;
    }
    require(handled == answered && lines <= count_lines(sent) + 1);
    if (sent.len <= AZM_CONTROL_LINE_MAX)
        require(lines == count_lines(sent));
    close(fd);
}
