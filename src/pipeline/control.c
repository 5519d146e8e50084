/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "pipeline/control.h"
#include "pipeline/unix_socket.h"

#define SOCKET_MODE 0660
#define CLIENT_LIMIT_USEC (10 * AZM_USEC_PER_SEC) /* for the client's part: to take an answer and send a request */
#define ACCEPT_RETRY_USEC AZM_USEC_PER_SEC
#define OUT_OF_MEMORY "{\"error\":\"azmonlog is out of memory\"}"

struct connection {
    struct azm_control *control;
    int fd;
    sd_event_source *io, *limit;
    struct azm_control_request *request; /* the handler owes its answer */
    bool eof;                            /* the client sends no more */
    bool ending;                         /* it is dropped once its answer is out */
    struct azm_buf out;
    size_t sent; /* of `out` */
    size_t in_len;
    char in[AZM_CONTROL_LINE_MAX + 1];
};

struct azm_control_request {
    struct connection *connection; /* NULL: the client has gone */
};

struct azm_control {
    sd_event *event;
    azm_control_handler_t handler;
    void *userdata;
    char *path;
    dev_t dev; /* of the socket's file, to remove no other */
    ino_t ino; /* 0: there is none */
    int fd;
    sd_event_source *listening, *accept_retry;
    struct connection *connections[AZM_CONTROL_CONNECTIONS_MAX];
};

/* --- one client --- */

static struct connection *connection_free(struct connection *c)
{
    for (size_t i = 0; i < AZM_CONTROL_CONNECTIONS_MAX; i++)
        if (c->control->connections[i] == c)
            c->control->connections[i] = NULL;
    if (c->request)
        c->request->connection = NULL;
    sd_event_source_disable_unref(c->io);
    sd_event_source_disable_unref(c->limit);
    azm_closep(&c->fd);
    azm_buf_free(&c->out);
    free(c);
    return NULL;
}

static int on_limit(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s;
    (void)usec;
    connection_free(userdata);
    return 0;
}

/* From now on it is the client's turn. */
static int start_limit(struct connection *c)
{
    uint64_t now;
    int r;

    r = sd_event_now(c->control->event, CLOCK_MONOTONIC, &now);
    if (r >= 0)
        r = sd_event_source_set_time(c->limit, now + CLIENT_LIMIT_USEC);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->limit, SD_EVENT_ONESHOT);
    return r;
}

/* Waits for what comes next. While the handler owes an answer only the client's end (EPOLLHUP) is of interest. */
static void watch(struct connection *c)
{
    uint32_t events = c->out.len || c->ending ? EPOLLOUT : c->request ? 0 : EPOLLIN;

    (void)sd_event_source_set_io_events(c->io, events); /* should it fail, then the client's limit passes */
}

/* The answer goes out when the loop comes round: a handler that is called for a connection never loses it meanwhile. */
static void queue_answer(struct connection *c, const json_t *answer)
{
    _cleanup_free_ char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    if (azm_buf_printf(&c->out, "%s\n", text ? text : OUT_OF_MEMORY) < 0 || start_limit(c) < 0)
        c->ending = true;
    watch(c);
}

static void queue_error(struct connection *c, const char *words)
{
    json_t *answer = azm_control_error(words);

    queue_answer(c, answer);
    json_decref(answer);
}

/* Sends what the client takes now: false if the connection is at its end. */
static bool send_answer(struct connection *c)
{
    ssize_t n;

    if (c->sent < c->out.len) {
        n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->sent += (size_t)n;
        if (c->sent < c->out.len)
            return true;
    }
    azm_buf_clear(&c->out);
    c->sent = 0;
    return !c->ending;
}

/* Takes what the client has sent: false if the connection is at its end. */
static bool receive(struct connection *c)
{
    ssize_t n;

    if (c->eof || c->in_len == sizeof c->in)
        return true;
    n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->eof = n == 0;
    c->in_len += (size_t)n;
    return true;
}

static void handle_message(struct connection *c, const json_t *message)
{
    struct azm_control_request *rq;

    if (!json_is_object(message)) {
        queue_error(c, "a request is one JSON object on a line, such as {\"command\":\"status\"}");
        return;
    }
    rq = malloc(sizeof *rq);
    if (!rq) {
        queue_answer(c, NULL);
        return;
    }
    rq->connection = c;
    c->request = rq;
    sd_event_source_set_enabled(c->limit, SD_EVENT_OFF);
    c->control->handler(rq, message, c->control->userdata);
}

/* Handles one line if there is a whole one: false if the connection is at its end. */
static bool handle_line(struct connection *c)
{
    const char *end = memchr(c->in, '\n', c->in_len);
    size_t len = end ? (size_t)(end - c->in) : 0;
    json_t *message;

    if (end) {
        message = json_loadb(c->in, len, JSON_REJECT_DUPLICATES, NULL);
        c->in_len -= len + 1;
        memmove(c->in, end + 1, c->in_len);
        handle_message(c, message);
        json_decref(message);
    } else if (c->in_len == sizeof c->in) {
        c->ending = true;
        queue_error(c, "a request is a line of at most 4096 bytes");
    } else if (c->eof)
        return false;
    return true;
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
    struct connection *c = userdata;
    bool on;

    (void)s;
    (void)fd;
    on = !(revents & (EPOLLHUP | EPOLLERR)) && send_answer(c);
    if (on && !c->out.len && !c->request)
        on = receive(c) && handle_line(c);
    if (on)
        watch(c);
    else
        connection_free(c);
    return 0;
}

/* Owns `fd`, also when it fails. */
static int connection_new(struct azm_control *control, struct connection **slot, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    int r;

    if (!c) {
        close(fd);
        return -ENOMEM;
    }
    c->control = control;
    c->fd = fd;
    r = sd_event_add_io(control->event, &c->io, fd, EPOLLIN, on_io, c);
    if (r >= 0)
        r = sd_event_add_time(control->event, &c->limit, CLOCK_MONOTONIC, 0, 0, on_limit, c);
    if (r >= 0)
        r = start_limit(c);
    if (r < 0)
        connection_free(c);
    else
        *slot = c;
    return r;
}

/* --- the socket --- */

static int on_accept_retry(sd_event_source *s, uint64_t usec, void *userdata)
{
    struct azm_control *c = userdata;

    (void)s;
    (void)usec;
    return sd_event_source_set_enabled(c->listening, SD_EVENT_ON);
}

/* Out of descriptors or memory: the client waits in the queue, and the loop must not spin over it. */
static void rest_from_accepting(struct azm_control *c)
{
    uint64_t now;

    if (sd_event_now(c->event, CLOCK_MONOTONIC, &now) >= 0 &&
        sd_event_source_set_time(c->accept_retry, now + ACCEPT_RETRY_USEC) >= 0 &&
        sd_event_source_set_enabled(c->accept_retry, SD_EVENT_ONESHOT) >= 0)
        sd_event_source_set_enabled(c->listening, SD_EVENT_OFF);
}

static int on_connect(sd_event_source *s, int listening_fd, uint32_t revents, void *userdata)
{
    static const char too_many[] = "{\"error\":\"too many clients are connected; try again later\"}\n";
    struct azm_control *c = userdata;
    int fd;

    (void)s;
    (void)revents;
    fd = accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            rest_from_accepting(c);
        return 0;
    }
    for (size_t i = 0; i < AZM_CONTROL_CONNECTIONS_MAX; i++)
        if (!c->connections[i]) {
            (void)connection_new(c, &c->connections[i], fd); /* else the client sees its connection closed */
            return 0;
        }
    (void)!send(fd, too_many, sizeof too_many - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
    return 0;
}

/* The folder is made too: /run is empty after each boot. */
static int make_folder(const char *path)
{
    _cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));

    if (!folder)
        return -ENOMEM;
    return *folder && mkdir(folder, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

/* A socket that a process which has ended left behind is removed: 0, or why it must not be. */
static int remove_stale(const char *path, struct azm_error *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : azm_error_set(err, errno, "cannot look at the control socket %s: %m", path);
    if (!S_ISSOCK(st.st_mode))
        return azm_error_set(err, EEXIST, "%s is in the way of the control socket and is no socket", path);
    fd = azm_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd >= 0 || fd == -EAGAIN) /* EAGAIN: its queue is full */
        return azm_error_set(err, EADDRINUSE,
                             "another process listens on the control socket %s; stop it first, or give this azmonlog a "
                             "socket of its own ([state] control=)",
                             path);
    if (fd != -ECONNREFUSED)
        return azm_error_set(err, fd, "cannot tell whether anybody listens on the control socket %s: %m", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return azm_error_set(err, errno, "cannot remove the old control socket %s: %m", path);
    return 0;
}

static int listen_on(struct azm_control *c)
{
    _cleanup_close_ int dir = -1;
    struct sockaddr_un address;
    struct stat st;
    int r;

    r = azm_unix_address(c->path, &address, &dir);
    if (r < 0)
        return r;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* bind(2) takes the mode of the descriptor less the umask, so it is never too wide; chmod(2) then gives the group
     * what the umask took. */
    if (c->fd < 0 || fchmod(c->fd, SOCKET_MODE) < 0 || bind(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    if (lstat(c->path, &st) < 0)
        return -errno;
    c->dev = st.st_dev;
    c->ino = st.st_ino;
    if (chmod(c->path, SOCKET_MODE) < 0 || listen(c->fd, AZM_CONTROL_CONNECTIONS_MAX) < 0)
        return -errno;
    r = sd_event_add_io(c->event, &c->listening, c->fd, EPOLLIN, on_connect, c);
    if (r >= 0)
        r = sd_event_add_time(c->event, &c->accept_retry, CLOCK_MONOTONIC, 0, 0, on_accept_retry, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->accept_retry, SD_EVENT_OFF);
    return r;
}

int azm_control_new(sd_event *event, const char *path, azm_control_handler_t handler, void *userdata,
                    struct azm_control **ret, struct azm_error *err)
{
    struct azm_control *c = calloc(1, sizeof *c);
    int r;

    if (!c)
        return azm_error_set(err, ENOMEM, "out of memory");
    *c = (struct azm_control){.event = sd_event_ref(event), .handler = handler, .userdata = userdata, .fd = -1};
    c->path = strdup(path);
    r = c->path ? make_folder(path) : -ENOMEM;
    if (r < 0)
        azm_error_set(err, r, "cannot create the folder of the control socket %s: %m", path);
    else
        r = remove_stale(path, err);
    if (r >= 0) {
        r = listen_on(c);
        if (r < 0)
            azm_error_set(err, r, "cannot listen on the control socket %s: %m (another place: [state] control=)", path);
    }
    if (r < 0)
        azm_control_free(c);
    else
        *ret = c;
    return r < 0 ? r : 0;
}

struct azm_control *azm_control_free(struct azm_control *c)
{
    struct stat st;

    if (!c)
        return NULL;
    for (size_t i = 0; i < AZM_CONTROL_CONNECTIONS_MAX; i++)
        if (c->connections[i]) {
            (void)send_answer(c->connections[i]); /* the last words of a daemon that ends */
            connection_free(c->connections[i]);
        }
    if (c->ino && lstat(c->path, &st) >= 0 && st.st_dev == c->dev && st.st_ino == c->ino)
        unlink(c->path);
    sd_event_source_disable_unref(c->listening);
    sd_event_source_disable_unref(c->accept_retry);
    sd_event_unref(c->event);
    azm_closep(&c->fd);
    free(c->path);
    free(c);
    return NULL;
}

/* --- answers --- */

void azm_control_reply(struct azm_control_request *rq, json_t *answer)
{
    struct connection *c = rq->connection;

    if (c) {
        c->request = NULL;
        queue_answer(c, answer);
    }
    json_decref(answer);
    free(rq);
}

json_t *azm_control_error(const char *words)
{
    return json_pack("{s:s}", "error", words);
}

bool azm_control_wanted(const struct azm_control_request *rq)
{
    return rq->connection != NULL;
}
