/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "export/http.h"
#include "stream/stream.h"
#include "tests/fuzz/fuzz.h"

/* The bytes that Redis sends, to a relay that reads (all answers that it waits for, one behind the other, on each of
 * its two connections) and to a host that writes: hiredis' work, and what is made of its replies. Messages are numbered
 * without gaps. */

#define TURNS 40

static int listening_fd = -1;
static char url[64];
static struct azm_text answer;

static void start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct azm_error err;

    require(azm_http_global_init(&err) == 0);
    listening_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    require(listening_fd >= 0 && bind(listening_fd, (struct sockaddr *)&address, len) == 0);
    require(listen(listening_fd, 16) == 0 && getsockname(listening_fd, (struct sockaddr *)&address, &len) == 0);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/x", ntohs(address.sin_port));
}

/* Whoever connects gets the answer, and the end. */
static void serve(void)
{
    int fd = accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    (void)!send(fd, answer.s, answer.len, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void wait_for(int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = listening_fd, .events = POLLIN}};

    poll(fds, ELEMENTSOF(fds), 1);
    serve();
}

static const struct azm_stream_options options = {.url = url,
                                                  .password_file = "",
                                                  .tls_ca_file = "",
                                                  .tls_cert_file = "",
                                                  .tls_key_file = "",
                                                  .timeout_usec = 60 * AZM_USEC_PER_SEC,
                                                  .clock = &azm_system_clock,
                                                  .replicas = 1,
                                                  .group = "g",
                                                  .consumer = "c",
                                                  .claim_after_usec = AZM_USEC_PER_SEC,
                                                  .trim = true,
                                                  .fetch_bytes = 1000};

static void read_stream(void)
{
    struct azm_stream_reader *r;
    struct azm_stream_entry e;
    struct azm_stream_status s = {0};
    struct azm_error err;
    uint64_t number = 0;

    require(azm_stream_reader_new(&options, &r, &err) == 0);
    for (int i = 0; i < TURNS && !s.failing; i++) {
        while (r->ops->next(r, &e) > 0) {
            require(e.number == ++number);
            require(!e.message.body || memchr(e.message.body, 0, e.message.len + 1)); /* all of it can be read */
        }
        require(r->ops->acknowledge(r, number / 2) == 0);
        require(r->ops->process(r) == 0);
        r->ops->get_status(r, &s);
        wait_for(r->fd);
    }
    require(s.unacknowledged <= number);
    azm_stream_reader_free(r);
}

static void write_stream(void)
{
    const struct azm_stream_message m = {.body = "body", .len = 4, .records = 1};
    struct azm_stream_writer *w;
    struct azm_stream_send *send;
    struct azm_stream_answer a;
    struct azm_error err;
    int left = TURNS;

    require(azm_stream_writer_new(&options, &w, &err) == 0);
    send = w->ops->send_new(w, NULL);
    require(send && w->ops->post(send, &m) == 0);
    while (!w->ops->next_done(w, &a) && left-- > 0) {
        require(w->ops->process(w) == 0);
        wait_for(w->fd);
    }
    require(left < 0 || a.meaning == AZM_TAKEN || fuzz_is_line(a.words));
    w->ops->send_free(send);
    azm_stream_writer_free(w);
}

FUZZ_TARGET(redis_answer)
{
    bool writes = fuzz_byte(&in) & 1;

    answer = fuzz_rest(&in);
    if (listening_fd < 0)
        start_server();
    if (writes)
        write_stream();
    else
        read_stream();
}
