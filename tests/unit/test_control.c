/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/clock.h"
#include "pipeline/control.h"
#include "pipeline/unix_socket.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* The client and the server are one thread here: whoever waits lets the loop turn. */
static sd_event *event;
static struct azm_control *control;
static struct azm_control_request
    *owed[AZM_CONTROL_CONNECTIONS_MAX + 48]; /* requests that the handler has not answered */
static size_t n_owed;
static unsigned handled;

/* "later" is answered by the test, "big" with a megabyte, everything else at once. */
static void handler(struct azm_control_request *rq, const json_t *message, void *userdata)
{
    const char *command = json_string_value(json_object_get(message, "command"));

    ck_assert_ptr_eq(userdata, &event);
    ck_assert(json_is_object(message));
    handled++;
    if (command && strcmp(command, "later") == 0) {
        ck_assert_uint_lt(n_owed, ELEMENTSOF(owed));
        owed[n_owed++] = rq;
    } else if (command && strcmp(command, "big") == 0) {
        char *text = calloc(1, 1000001);

        memset(text, 'x', 1000000);
        azm_control_reply(rq, json_pack("{s:s}", "big", text));
        free(text);
    } else if (command && strcmp(command, "no memory") == 0)
        azm_control_reply(rq, NULL);
    else
        azm_control_reply(rq, json_pack("{s:s}", "you", command ? command : "?"));
}

static int start(const char *path, struct azm_control **ret, struct azm_error *err)
{
    *err = (struct azm_error){""};
    *ret = NULL;
    return azm_control_new(event, path, handler, &event, ret, err);
}

static void start_on(const char *path)
{
    struct azm_error err;

    signal(SIGPIPE, SIG_IGN);
    if (!event)
        ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_msg(start(path, &control, &err) == 0, "%s", err.words);
}

static void finish(void)
{
    control = azm_control_free(control);
    event = sd_event_unref(event);
}

static void turn(void)
{
    ck_assert_int_ge(sd_event_run(event, 10 * AZM_USEC_PER_MSEC), 0);
}

static int client(const char *path)
{
    int fd = azm_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, 0);

    ck_assert_msg(fd >= 0, "%s", strerror(-fd));
    return fd;
}

static int new_client(void)
{
    return client(temp_path("control"));
}

static void put(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* The next byte, or -1 for the end of the connection. */
static int next_byte(int fd)
{
    unsigned char byte;

    for (;;) {
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

        if (n == 1)
            return byte;
        if (n == 0 || errno == ECONNRESET)
            return -1;
        ck_assert_int_eq(errno, EAGAIN);
        turn();
    }
}

/* So many bytes, in large pieces: the server gives a client ten seconds to take its answer. */
static void take(int fd, char *data, size_t size)
{
    for (size_t n = 0; n < size;) {
        ssize_t got = recv(fd, data + n, size - n, MSG_DONTWAIT);

        if (got > 0)
            n += (size_t)got;
        else {
            ck_assert(got < 0 && errno == EAGAIN);
            turn();
        }
    }
}

static void expect(int fd, const char *line)
{
    char got[512];
    size_t len = 0;
    int c;

    while ((c = next_byte(fd)) != '\n') {
        ck_assert_msg(c >= 0, "closed after '%.*s', before '%s'", (int)len, got, line);
        ck_assert_uint_lt(len, sizeof got - 1);
        got[len++] = (char)c;
    }
    got[len] = '\0';
    ck_assert_str_eq(got, line);
}

static void expect_error(int fd, const char *words)
{
    char line[256];

    snprintf(line, sizeof line, "{\"error\":\"%s\"}", words);
    expect(fd, line);
}

static void expect_closed(int fd)
{
    ck_assert_int_eq(next_byte(fd), -1);
}

static void wait_owed(size_t n)
{
    while (n_owed < n)
        turn();
    ck_assert_uint_eq(n_owed, n);
}

#define NOT_JSON "a request is one JSON object on a line, such as {\\\"command\\\":\\\"status\\\"}"
#define TOO_LONG "a request is a line of at most 4096 bytes"

START_TEST(a_request_in_pieces)
{
    static const char text[] = "{\"command\":\"hello\"}\n";
    int fd;

    start_on(temp_path("control"));
    fd = new_client();
    for (const char *p = text; *p; p++) {
        ck_assert_uint_eq(handled, 0);
        ck_assert_int_eq(send(fd, p, 1, 0), 1);
        turn();
    }
    expect(fd, "{\"you\":\"hello\"}");
    put(fd, "{\"command\":\"again\"}\r\n");
    expect(fd, "{\"you\":\"again\"}");
    close(fd);
    finish();
}
END_TEST

START_TEST(requests_in_one_write_are_answered_in_order)
{
    int fd;

    start_on(temp_path("control"));
    fd = new_client();
    put(fd, "{\"command\":\"a\"}\n{\"command\":\"later\"}\nnonsense\n{\"command\":\"b\"}\n{\"comm");
    expect(fd, "{\"you\":\"a\"}");
    wait_owed(1);
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert_uint_eq(handled, 2); /* the others wait for the answer */
    azm_control_reply(owed[0], json_pack("{s:i}", "late", 1));
    expect(fd, "{\"late\":1}");
    expect_error(fd, NOT_JSON);
    expect(fd, "{\"you\":\"b\"}");
    put(fd, "and\":\"c\"}\n");
    expect(fd, "{\"you\":\"c\"}");
    close(fd);
    finish();
}
END_TEST

START_TEST(garbage_gets_clear_words)
{
    static const char *const lines[] = {
        "", "nonsense", "{", "[]", "1", "\"a\"", "{\"a\":1,\"a\":2}", "{}x", "\xff\xfe", "{\"command\":\"\xff\"}",
    };
    char nested[AZM_CONTROL_LINE_MAX];
    int fd;

    start_on(temp_path("control"));
    fd = new_client();
    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        put(fd, lines[i]);
        put(fd, "\n");
        expect_error(fd, NOT_JSON);
    }
    ck_assert_int_eq(send(fd, "{}\0{}\n", 6, 0), 6);
    expect_error(fd, NOT_JSON);
    memset(nested, '[', sizeof nested);
    ck_assert_int_eq(send(fd, nested, sizeof nested, 0), sizeof nested);
    put(fd, "\n");
    expect_error(fd, NOT_JSON);
    ck_assert_uint_eq(handled, 0);
    put(fd, "{}\n");
    expect(fd, "{\"you\":\"?\"}");
    close(fd);
    finish();
}
END_TEST

START_TEST(the_longest_line)
{
    char line[AZM_CONTROL_LINE_MAX + 2];
    int fd;

    start_on(temp_path("control"));
    fd = new_client();
    memset(line, ' ', sizeof line);
    memcpy(line, "{}", 2);
    line[AZM_CONTROL_LINE_MAX] = '\n';
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(send(fd, line, AZM_CONTROL_LINE_MAX + 1, 0), AZM_CONTROL_LINE_MAX + 1);
        expect(fd, "{\"you\":\"?\"}");
    }
    line[AZM_CONTROL_LINE_MAX] = ' ';
    line[AZM_CONTROL_LINE_MAX + 1] = '\n';
    ck_assert_int_eq(send(fd, line, sizeof line, 0), sizeof line);
    expect_error(fd, TOO_LONG);
    expect_closed(fd);
    close(fd);
    ck_assert_uint_eq(handled, 3);
    finish();
}
END_TEST

START_TEST(a_seventeenth_client)
{
    int fds[AZM_CONTROL_CONNECTIONS_MAX], fd;

    start_on(temp_path("control"));
    for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
        fds[i] = new_client();
        put(fds[i], "{\"command\":\"later\"}\n");
        wait_owed(i + 1);
    }
    for (int i = 0; i < 3; i++) {
        fd = new_client();
        put(fd, "{\"command\":\"x\"}\n");
        expect_error(fd, "too many clients are connected; try again later");
        expect_closed(fd);
        close(fd);
    }
    close(fds[5]);
    while (azm_control_wanted(owed[5]))
        turn();
    fd = new_client();
    put(fd, "{\"command\":\"x\"}\n");
    expect(fd, "{\"you\":\"x\"}");
    close(fd);
    for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
        azm_control_reply(owed[i], json_pack("{s:i}", "n", (int)i));
        if (i != 5) {
            char line[32];

            snprintf(line, sizeof line, "{\"n\":%d}", (int)i);
            expect(fds[i], line);
            close(fds[i]);
        }
    }
    finish();
}
END_TEST

START_TEST(a_client_that_goes_before_its_answer)
{
    int fd, other;

    start_on(temp_path("control"));
    fd = new_client();
    other = new_client();
    put(fd, "{\"command\":\"later\"}\n{\"command\":\"never\"}\n");
    wait_owed(1);
    ck_assert(azm_control_wanted(owed[0]));
    close(fd);
    while (azm_control_wanted(owed[0]))
        turn();
    azm_control_reply(owed[0], json_pack("{s:b}", "ok", 1));
    fd = new_client(); /* answered when it has gone already, but before the loop has seen that */
    put(fd, "{\"command\":\"later\"}\n");
    wait_owed(2);
    close(fd);
    azm_control_reply(owed[1], json_pack("{s:b}", "ok", 1));
    put(other, "{\"command\":\"other\"}\n");
    expect(other, "{\"you\":\"other\"}");
    ck_assert_uint_eq(handled, 3);
    close(other);
    finish();
}
END_TEST

START_TEST(a_client_that_sends_no_more_is_answered)
{
    int fd;

    start_on(temp_path("control"));
    fd = new_client();
    put(fd, "{\"command\":\"later\"}\n{\"command\":\"x\"}\nhalf a line");
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    wait_owed(1);
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert(azm_control_wanted(owed[0]));
    azm_control_reply(owed[0], json_pack("{s:b}", "ok", 1));
    expect(fd, "{\"ok\":true}");
    expect(fd, "{\"you\":\"x\"}");
    expect_closed(fd);
    close(fd);
    finish();
}
END_TEST

START_TEST(requests_outlive_the_server)
{
    int fd, other;

    start_on(temp_path("control"));
    fd = new_client();
    other = new_client();
    put(fd, "{\"command\":\"later\"}\n");
    wait_owed(1);
    put(other, "{\"command\":\"later\"}\n");
    wait_owed(2);
    azm_control_reply(owed[0], json_pack("{s:s}", "last", "words"));
    control = azm_control_free(control);
    ck_assert(!azm_control_wanted(owed[1]));
    azm_control_reply(owed[1], azm_control_error("nobody hears this"));
    expect(fd, "{\"last\":\"words\"}");
    expect_closed(fd);
    expect_closed(other);
    close(fd);
    close(other);
    finish();
}
END_TEST

START_TEST(out_of_memory)
{
    int fd;

    start_on(temp_path("control"));
    fd = new_client();
    put(fd, "{\"command\":\"no memory\"}\n");
    expect_error(fd, "azmonlog is out of memory");
    put(fd, "{\"command\":\"x\"}\n");
    expect(fd, "{\"you\":\"x\"}");
    close(fd);
    finish();
}
END_TEST

/* An answer that does not fit into the socket holds nobody else up, and arrives whole when the client reads. */
START_TEST(a_client_that_reads_late)
{
    const size_t size = 1000000 + strlen("{\"big\":\"\"}\n");
    _cleanup_free_ char *big = malloc(size);
    int fd, gone, other;

    ck_assert_ptr_nonnull(big);
    start_on(temp_path("control"));
    fd = new_client();
    gone = new_client();
    other = new_client();
    put(fd, "{\"command\":\"big\"}\n{\"command\":\"next\"}\n");
    put(gone, "{\"command\":\"big\"}\n");
    while (handled < 2)
        turn();
    for (int i = 0; i < 20; i++) {
        put(other, "{\"command\":\"x\"}\n");
        expect(other, "{\"you\":\"x\"}");
    }
    close(gone); /* in the middle of its answer */
    ck_assert_uint_eq(handled, 22);
    take(fd, big, size);
    ck_assert_ptr_eq(memchr(big, '\n', size), big + size - 1);
    expect(fd, "{\"you\":\"next\"}");
    close(fd);
    close(other);
    finish();
}
END_TEST

START_TEST(clients_that_do_not_do_their_part_are_dropped)
{
    int silent, half, deaf, waiting;
    char byte;

    start_on(temp_path("control"));
    waiting = new_client(); /* the server's own delay does not count, though it is the longest */
    put(waiting, "{\"command\":\"later\"}\n");
    wait_owed(1);
    silent = new_client();
    half = new_client();
    put(half, "{\"command\":");
    deaf = new_client();
    put(deaf, "{\"command\":\"big\"}\n");
    expect_closed(silent);
    expect_closed(half);
    while (recv(deaf, &byte, 1, MSG_DONTWAIT) == 1) /* what fitted into the socket; never all of it */
        ck_assert_int_ne(byte, '\n');
    ck_assert(azm_control_wanted(owed[0]));
    azm_control_reply(owed[0], json_pack("{s:b}", "ok", 1));
    expect(waiting, "{\"ok\":true}");
    close(silent);
    close(half);
    close(deaf);
    close(waiting);
    finish();
}
END_TEST

START_TEST(a_socket_that_was_left_behind_is_replaced)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int old = socket(AF_UNIX, SOCK_STREAM, 0), fd;

    ck_assert_uint_lt(strlen(temp_path("control")), sizeof address.sun_path);
    strcpy(address.sun_path, temp_path("control"));
    ck_assert_int_eq(bind(old, (struct sockaddr *)&address, sizeof address), 0);
    close(old);
    start_on(temp_path("control"));
    fd = new_client();
    put(fd, "{\"command\":\"x\"}\n");
    expect(fd, "{\"you\":\"x\"}");
    close(fd);
    finish();
}
END_TEST

START_TEST(a_socket_in_use_is_left_alone)
{
    struct azm_control *second;
    struct azm_error err;
    int fds[256], n = 0, fd;

    start_on(temp_path("control"));
    ck_assert_int_eq(start(temp_path("control"), &second, &err), -EADDRINUSE);
    ck_assert_ptr_null(second);
    ck_assert_msg(strstr(err.words, "another process listens") && strstr(err.words, temp_path("control")), "%s",
                  err.words);
    /* also when it is too busy to take connections */
    while (n < (int)ELEMENTSOF(fds) &&
           (fds[n] = azm_unix_connect(temp_path("control"), SOCK_STREAM | SOCK_NONBLOCK, 0)) >= 0)
        n++;
    ck_assert_int_lt(n, ELEMENTSOF(fds));
    ck_assert_int_eq(start(temp_path("control"), &second, &err), -EADDRINUSE);
    while (n > 0)
        close(fds[--n]);
    for (int i = 0; i < 100; i++)
        turn();
    fd = new_client();
    put(fd, "{\"command\":\"x\"}\n");
    expect(fd, "{\"you\":\"x\"}");
    close(fd);
    finish();
}
END_TEST

START_TEST(what_is_no_socket_is_left_alone)
{
    struct azm_control *c;
    struct azm_error err;

    ck_assert_int_ge(sd_event_new(&event), 0);
    write_text("control", 0600, "precious");
    ck_assert_int_eq(symlink("control", temp_path("link")), 0);
    ck_assert_int_eq(start(temp_path("control"), &c, &err), -EEXIST);
    ck_assert_msg(strstr(err.words, "is no socket") != NULL, "%s", err.words);
    ck_assert_int_eq(start(temp_path("link"), &c, &err), -EEXIST);
    ck_assert_int_eq(start(temp_path("control/x"), &c, &err), -ENOTDIR);
    ck_assert_msg(strstr(err.words, temp_path("control/x")) != NULL, "%s", err.words);
    ck_assert_int_eq(start(temp_path("a/b/control"), &c, &err), -ENOENT);
    ck_assert_msg(strstr(err.words, "cannot create the folder") != NULL, "%s", err.words);
    ck_assert_str_eq(read_text("control"), "precious");
    finish();
}
END_TEST

static void assert_mode(const char *path, mode_t mode)
{
    struct stat st;

    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, mode);
}

START_TEST(only_its_owner_and_group_may_use_it)
{
    static const mode_t masks[] = {0, 022, 077, 0777};

    for (size_t i = 0; i < ELEMENTSOF(masks); i++) {
        mode_t old = umask(masks[i]);

        start_on(temp_path("control"));
        umask(old);
        assert_mode(temp_path("control"), 0660);
        finish();
    }
    umask(0);
    start_on(temp_path("folder/control"));
    assert_mode(temp_path("folder"), 0750);
    finish();
    start_on(temp_path("folder/control")); /* the folder is there now */
    finish();
}
END_TEST

START_TEST(it_removes_its_own_socket_only)
{
    struct azm_control *first;

    start_on(temp_path("control"));
    first = control;
    ck_assert_int_eq(unlink(temp_path("control")), 0); /* somebody has cleaned up /run */
    write_text("keeps-the-inode-number-busy", 0600, "");
    start_on(temp_path("control"));
    azm_control_free(first);
    ck_assert_int_eq(access(temp_path("control"), F_OK), 0);
    control = azm_control_free(control);
    ck_assert_int_eq(access(temp_path("control"), F_OK), -1);
    ck_assert_int_eq(errno, ENOENT);
    finish();
}
END_TEST

START_TEST(a_path_longer_than_a_socket_address)
{
    char folder[160], path[PATH_MAX], name[120];
    struct azm_control *second;
    struct azm_error err;
    int fd;

    memset(folder, 'f', sizeof folder);
    folder[sizeof folder - 1] = '\0';
    snprintf(path, sizeof path, "%s/control", temp_path(folder));
    for (int i = 0; i < 2; i++) {
        start_on(path);
        assert_mode(path, 0660);
        fd = client(path);
        put(fd, "{\"command\":\"x\"}\n");
        expect(fd, "{\"you\":\"x\"}");
        close(fd);
        ck_assert_int_eq(start(path, &second, &err), -EADDRINUSE);
        finish();
        ck_assert_int_eq(access(path, F_OK), -1);
    }
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(start(temp_path(name), &second, &err), -ENAMETOOLONG);
    ck_assert_msg(strstr(err.words, "cannot listen on the control socket") != NULL, "%s", err.words);
    finish();
}
END_TEST

/* The loop neither spins nor ends, and the client is served when there are descriptors again. */
START_TEST(no_descriptors_left)
{
    struct rlimit limit, none;
    uint64_t turns = 0, started;
    int fd;

    start_on(temp_path("control"));
    fd = new_client();
    put(fd, "{\"command\":\"x\"}\n");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    started = azm_monotonic_usec(&azm_system_clock);
    while (azm_monotonic_usec(&azm_system_clock) < started + AZM_USEC_PER_SEC / 2) {
        turn();
        turns++;
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_le(turns, 100); /* of 10 ms each, if nothing is to be done */
    expect(fd, "{\"you\":\"x\"}");
    close(fd);
    finish();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "a_request_in_pieces", a_request_in_pieces);
    add_test_in_dir(s, "requests_in_one_write_are_answered_in_order", requests_in_one_write_are_answered_in_order);
    add_test_in_dir(s, "garbage_gets_clear_words", garbage_gets_clear_words);
    add_test_in_dir(s, "the_longest_line", the_longest_line);
    add_test_in_dir(s, "a_seventeenth_client", a_seventeenth_client);
    add_test_in_dir(s, "a_client_that_goes_before_its_answer", a_client_that_goes_before_its_answer);
    add_test_in_dir(s, "a_client_that_sends_no_more_is_answered", a_client_that_sends_no_more_is_answered);
    add_test_in_dir(s, "requests_outlive_the_server", requests_outlive_the_server);
    add_test_in_dir(s, "out_of_memory", out_of_memory);
    add_test_in_dir(s, "a_client_that_reads_late", a_client_that_reads_late);
    add_test_in_dir(s, "clients_that_do_not_do_their_part_are_dropped", clients_that_do_not_do_their_part_are_dropped);
    add_test_in_dir(s, "a_socket_that_was_left_behind_is_replaced", a_socket_that_was_left_behind_is_replaced);
    add_test_in_dir(s, "a_socket_in_use_is_left_alone", a_socket_in_use_is_left_alone);
    add_test_in_dir(s, "what_is_no_socket_is_left_alone", what_is_no_socket_is_left_alone);
    add_test_in_dir(s, "only_its_owner_and_group_may_use_it", only_its_owner_and_group_may_use_it);
    add_test_in_dir(s, "it_removes_its_own_socket_only", it_removes_its_own_socket_only);
    add_test_in_dir(s, "a_path_longer_than_a_socket_address", a_path_longer_than_a_socket_address);
    add_test_in_dir(s, "no_descriptors_left", no_descriptors_left);
}

TEST_MAIN("control", add_tests)
