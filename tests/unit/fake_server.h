/* SPDX-License-Identifier: MIT */
#pragma once

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/temp_dir.h"

/* A UNIX socket of the test directory; bound, and listening if it is a stream. */
static inline int fake_socket(const char *name, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    ck_assert_uint_lt(strlen(temp_path(name)), sizeof address.sun_path);
    strcpy(address.sun_path, temp_path(name));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert(type != SOCK_STREAM || listen(fd, 0) == 0);
    return fd;
}

/* One answer of a fake server: what it reads first, what it writes in how large pieces, and whether it then closes. */
struct fake_answer {
    const char *request; /* what must come, with its last byte; NULL: it reads nothing */
    size_t request_len;
    const char *answer;
    size_t len, repeat;
    size_t piece; /* bytes of a write; 0: all at once */
    bool closes;
};

/* What is asked, and how many bytes of what is answered. */
#define FAKE_ANSWER(request_text, request_bytes, answer_text, answer_bytes)                                            \
    .request = (request_text), .request_len = (request_bytes), .answer = (answer_text), .len = (answer_bytes)

static inline void fake_serve(int listening, const struct fake_answer *a)
{
    char request[512];
    size_t got = 0;
    int fd = accept(listening, NULL, NULL);

    while (a->request && got < a->request_len) {
        ssize_t n = read(fd, request + got, a->request_len - got);

        if (n <= 0)
            _exit(1);
        got += (size_t)n;
    }
    if (got > 0 && memcmp(request, a->request, got) != 0)
        _exit(2);
    for (size_t i = 0; i < MAX(a->repeat, (size_t)1); i++)
        for (size_t sent = 0; sent < a->len;) {
            ssize_t n = write(fd, a->answer + sent, a->piece ? MIN(a->piece, a->len - sent) : a->len - sent);

            if (n < 0)
                _exit(3);
            sent += (size_t)n;
            if (a->piece)
                poll(NULL, 0, 1);
        }
    if (a->closes)
        close(fd);
    for (;;)
        pause();
}

/* A process that accepts one connection; fake_server_stop ends it. */
static inline pid_t fake_server_start(int listening, const struct fake_answer *a)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
        signal(SIGPIPE, SIG_IGN);
        fake_serve(listening, a);
    }
    return pid;
}

/* Fails if it has ended itself: then it was sent something wrong. */
static inline void fake_server_stop(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status), "the fake server has ended with %d", WEXITSTATUS(status));
}
