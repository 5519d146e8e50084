/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/control_client.h"
#include "core/clock.h"
#include "pipeline/unix_socket.h"
#include "tests/unit/fake_server.h"
#include "tests/unit/test.h"

#define LONG_ENOUGH (30 * AZM_USEC_PER_SEC)
#define NOT_LONG (200 * AZM_USEC_PER_MSEC)
#define REQUEST "{\"command\":\"status\"}\n"
#define TEXT(s) .answer = (s), .len = sizeof(s) - 1

static int call(const char *path, uint64_t timeout, json_t **ret, struct azm_error *err)
{
    *err = (struct azm_error){""};
    *ret = NULL;
    return azm_control_call(path, json_pack("{s:s}", "command", "status"),
                            azm_monotonic_usec(&azm_system_clock) + timeout, ret, err);
}

static void assert_fails(const char *path, int error, const char *words)
{
    struct azm_error err;
    json_t *answer;

    ck_assert_int_eq(call(path, error == ETIMEDOUT ? NOT_LONG : LONG_ENOUGH, &answer, &err), -error);
    ck_assert_ptr_null(answer);
    ck_assert_msg(strstr(err.words, words) && strstr(err.words, path), "%s", err.words);
}

START_TEST(answers)
{
    static const struct fake_answer table[] = {
        {REQUEST, sizeof REQUEST - 1, TEXT("{\"n\":1}\n")},
        {REQUEST, sizeof REQUEST - 1, TEXT("{\"n\":1}\n"), .closes = true},
        {REQUEST, sizeof REQUEST - 1, TEXT("{\"n\":1}\n"), .piece = 1},
        {REQUEST, sizeof REQUEST - 1, TEXT("{\"n\":1}\nmore that nobody asked for\n")},
        {NULL, 0, TEXT("{\"n\":1}\n"), .closes = true}, /* it has closed before it was asked, but said why */
    };

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        int listening = fake_socket("control", SOCK_STREAM);
        pid_t server = fake_server_start(listening, &table[i]);
        struct azm_error err;
        json_t *answer;

        ck_assert_msg(call(temp_path("control"), LONG_ENOUGH, &answer, &err) == 0, "%zu: %s", i, err.words);
        ck_assert_int_eq(json_integer_value(json_object_get(answer, "n")), 1);
        json_decref(answer);
        fake_server_stop(server);
        close(listening);
        unlink(temp_path("control"));
    }
}
END_TEST

/* A server that has no room for one more client closes the connection while the request is still on its way. */
START_TEST(refused_in_the_middle_of_the_request)
{
    static const struct fake_answer refusal = {NULL, 0, TEXT("{\"error\":\"too many\"}\n"), .closes = true};
    static char text[1 << 20]; /* more than the socket takes */
    int listening = fake_socket("control", SOCK_STREAM);
    pid_t server = fake_server_start(listening, &refusal);
    uint64_t deadline = azm_monotonic_usec(&azm_system_clock) + LONG_ENOUGH;
    struct azm_error err = {""};
    json_t *answer = NULL;

    memset(text, 'x', sizeof text - 1);
    ck_assert_msg(
        azm_control_call(temp_path("control"), json_pack("{s:s}", "command", text), deadline, &answer, &err) == 0, "%s",
        err.words);
    ck_assert_str_eq(json_string_value(json_object_get(answer, "error")), "too many");
    json_decref(answer);
    fake_server_stop(server);
    close(listening);
}
END_TEST

START_TEST(what_is_no_answer)
{
    static char mebibyte[1 << 20];
    static const struct {
        struct fake_answer answer;
        int error;
        const char *words;
    } table[] = {
        {{REQUEST, sizeof REQUEST - 1, TEXT(""), .closes = true}, ECONNRESET, "without an answer"},
        {{REQUEST, sizeof REQUEST - 1, TEXT("{\"n\":1}"), .closes = true}, ECONNRESET, "without an answer"},
        {{REQUEST, sizeof REQUEST - 1, TEXT("")}, ETIMEDOUT, "not answered in time"},
        {{REQUEST, sizeof REQUEST - 1, TEXT("{\"n\":1")}, ETIMEDOUT, "not answered in time"},
        {{REQUEST, sizeof REQUEST - 1, TEXT("{"), .repeat = 100000, .piece = 1}, ETIMEDOUT, "not answered in time"},
        {{REQUEST, sizeof REQUEST - 1, TEXT("garbage\n")}, EBADMSG, "does not talk as azmonlog does"},
        {{REQUEST, sizeof REQUEST - 1, TEXT("[]\n")}, EBADMSG, "does not talk as azmonlog does"},
        {{REQUEST, sizeof REQUEST - 1, TEXT("\n")}, EBADMSG, "does not talk as azmonlog does"},
        {{REQUEST, sizeof REQUEST - 1, .answer = mebibyte, .len = sizeof mebibyte, .repeat = 2},
         EBADMSG,
         "does not talk as azmonlog does"},
    };

    memset(mebibyte, ' ', sizeof mebibyte);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        int listening = fake_socket("control", SOCK_STREAM);
        pid_t server = fake_server_start(listening, &table[i].answer);

        assert_fails(temp_path("control"), table[i].error, table[i].words);
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        close(listening);
        unlink(temp_path("control"));
    }
}
END_TEST

START_TEST(nobody_listens)
{
    static const char words[] = "no azmonlog is running here";

    assert_fails(temp_path("control"), ECONNREFUSED, words);
    assert_fails(temp_path("folder/control"), ECONNREFUSED, words);
    close(fake_socket("control", SOCK_STREAM));
    assert_fails(temp_path("control"), ECONNREFUSED, words);
    write_text("file", 0600, "");
    assert_fails(temp_path("file"), ECONNREFUSED, words);
    assert_fails(temp_path("file/control"), ECONNREFUSED, words);
}
END_TEST

/* The listener's queue is full and it takes no connection: stopped, for instance. */
START_TEST(nobody_takes_the_connection)
{
    int listening = fake_socket("control", SOCK_STREAM);
    uint64_t deadline = azm_monotonic_usec(&azm_system_clock) + NOT_LONG;
    int filling = azm_unix_connect(temp_path("control"), SOCK_STREAM, UINT64_MAX);

    ck_assert_int_ge(filling, 0);
    ck_assert_int_eq(azm_unix_connect(temp_path("control"), SOCK_STREAM, deadline), -ETIMEDOUT);
    assert_fails(temp_path("control"), ETIMEDOUT, "not answered in time");
    close(filling);
    close(listening);
}
END_TEST

START_TEST(no_permission)
{
    int listening = fake_socket("control", SOCK_STREAM);

    ck_assert_int_eq(chmod(temp_path("control"), 0), 0);
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(temp_path("control"), 0, 1), 0);
        ck_assert_int_eq(chmod(temp_dir, 0711), 0);
        ck_assert_int_eq(setegid(65534), 0);
        ck_assert_int_eq(seteuid(65534), 0);
        assert_fails(temp_path("control"), EACCES,
                     faccessat(AT_FDCWD, temp_dir, X_OK, AT_EACCESS) < 0 ? "Permission denied"
                                                                         : "is for root and the group daemon");
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(chmod(temp_dir, 0700), 0);
        ck_assert_int_eq(seteuid(65534), 0);
    }
    /* The folder is closed: it is of the folder's group; or one above it, as $TMPDIR of a package's build is: nobody
     * knows. */
    assert_fails(temp_path("control"), EACCES,
                 faccessat(AT_FDCWD, temp_dir, F_OK, AT_EACCESS) < 0 ? "Permission denied"
                                                                     : "is for root and the group ");
    if (getuid() == 0) {
        ck_assert_int_eq(seteuid(0), 0);
        prctl(PR_SET_DUMPABLE, 1); /* for LeakSanitizer */
    }
    close(listening);
}
END_TEST

START_TEST(out_of_memory)
{
    struct azm_error err;
    json_t *answer = NULL;

    ck_assert_int_eq(azm_control_call(temp_path("control"), NULL, UINT64_MAX, &answer, &err), -ENOMEM);
    ck_assert_ptr_null(answer);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "answers", answers);
    add_test_in_dir(s, "refused_in_the_middle_of_the_request", refused_in_the_middle_of_the_request);
    add_test_in_dir(s, "what_is_no_answer", what_is_no_answer);
    add_test_in_dir(s, "nobody_listens", nobody_listens);
    add_test_in_dir(s, "nobody_takes_the_connection", nobody_takes_the_connection);
    add_test_in_dir(s, "no_permission", no_permission);
    add_test_in_dir(s, "out_of_memory", out_of_memory);
}

TEST_MAIN("control_client", add_tests)
