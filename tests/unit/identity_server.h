/* SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"

/* A server in the test's own process that answers byte by byte as a test says, one connection after the other, and
 * keeps what it was asked. */

struct canned_answer {
    const char *text;
    size_t repeat; /* so many times; 0: once */
    bool hangs;    /* the connection stays open afterwards, until the client closes it */
};

struct identity_server {
    int fd, stop_fd;
    unsigned port;
    char url[64];
    pthread_t thread;
    const struct canned_answer *answers; /* the last one again and again */
    size_t n_answers;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t n_requests;
    bool client_gone;         /* while an answer hung */
    char requests[16][16384]; /* the first ones */
};

#define HTTP_OK "HTTP/1.1 200 OK\r\n"
#define HTTP_ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

/* Waits for the socket, or for the end of the test. */
static inline bool identity_server_wait(struct identity_server *s, int fd, short events)
{
    struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = s->stop_fd, .events = POLLIN}};

    return poll(p, 2, -1) > 0 && !p[1].revents;
}

/* Reads headers, and a body of Content-Length. */
static inline void identity_server_read(struct identity_server *s, int fd, char *request, size_t size)
{
    size_t len = 0, want = SIZE_MAX;

    while (len < want && len + 1 < size && identity_server_wait(s, fd, POLLIN)) {
        ssize_t n = recv(fd, request + len, size - 1 - len, 0);
        const char *end, *length;

        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
        if (*request == 0x16) /* the first byte of TLS */
            return;
        end = strstr(request, "\r\n\r\n");
        if (!end)
            continue;
        length = strcasestr(request, "\r\nContent-Length:");
        want = (size_t)(end + 4 - request) + (length ? strtoul(length + 17, NULL, 10) : 0);
    }
}

static inline void identity_server_write(struct identity_server *s, int fd, const struct canned_answer *a)
{
    size_t len = strlen(a->text);

    for (size_t i = 0; i < MAX(a->repeat, (size_t)1); i++)
        for (size_t sent = 0; sent < len;) {
            ssize_t n = identity_server_wait(s, fd, POLLOUT)
                            ? send(fd, a->text + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT)
                            : -1;

            if (n < 0)
                return;
            sent += (size_t)n;
        }
}

static inline void *identity_server_main(void *userdata)
{
    struct identity_server *s = userdata;

    for (size_t i = 0; identity_server_wait(s, s->fd, POLLIN); i++) {
        const struct canned_answer *a = s->answers + MIN(i, s->n_answers - 1);
        _cleanup_close_ int fd = accept(s->fd, NULL, NULL);
        static char request[sizeof s->requests[0]];
        char byte;

        if (fd < 0)
            continue;
        *request = '\0';
        identity_server_read(s, fd, request, sizeof request);
        pthread_mutex_lock(&s->mutex);
        if (s->n_requests < ELEMENTSOF(s->requests))
            memcpy(s->requests[s->n_requests], request, sizeof request);
        s->n_requests++;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
        identity_server_write(s, fd, a);
        if (a->hangs && identity_server_wait(s, fd, POLLIN) && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0) {
            pthread_mutex_lock(&s->mutex);
            s->client_gone = true;
            pthread_cond_broadcast(&s->changed);
            pthread_mutex_unlock(&s->mutex);
        }
    }
    return NULL;
}

/* The answers must stay as long as the server is there. */
static inline void identity_server_begin(struct identity_server *s, const struct canned_answer *answers, size_t n)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    memset(s, 0, sizeof *s);
    curl_global_init(CURL_GLOBAL_ALL);
    s->answers = answers;
    s->n_answers = n;
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(s->fd, 8), 0);
    ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&address, &len), 0);
    s->port = ntohs(address.sin_port);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", s->port);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, identity_server_main, s), 0);
}

static inline void identity_server_end(struct identity_server *s)
{
    ck_assert_int_eq(write(s->stop_fd, &(uint64_t){1}, 8), 8);
    pthread_join(s->thread, NULL);
    close(s->fd);
    close(s->stop_fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
}

static inline void identity_server_wait_requests(struct identity_server *s, size_t n)
{
    pthread_mutex_lock(&s->mutex);
    while (s->n_requests < n) /* Check's limit ends it if they never come */
        pthread_cond_wait(&s->changed, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
}
