/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "cli/journald_sync.h"
#include "core/clock.h"
#include "tests/unit/fake_server.h"
#include "tests/unit/test.h"

#define LONG_ENOUGH (30 * AZM_USEC_PER_SEC)
#define NOT_LONG (200 * AZM_USEC_PER_MSEC)
#define CALL "{\"method\":\"io.systemd.Journal.Synchronize\",\"parameters\":{}}" /* and NUL */
#define VARLINK "io.systemd.journal"

static int sync_within(uint64_t timeout, struct azm_journald_sync *ret, struct azm_error *err)
{
    *err = (struct azm_error){""};
    return azm_journald_sync(temp_dir, azm_monotonic_usec(&azm_system_clock) + timeout, ret, err);
}

static void assert_fails(int error, const char *words)
{
    struct azm_journald_sync sync;
    struct azm_error err;

    ck_assert_int_eq(sync_within(error == ETIMEDOUT ? NOT_LONG : LONG_ENOUGH, &sync, &err), -error);
    ck_assert_msg(strstr(err.words, words) != NULL, "%s", err.words);
}

START_TEST(folders)
{
    _cleanup_free_ char *machine = azm_journald_folder(""), *other = azm_journald_folder("ns1");

    ck_assert_str_eq(machine, "/run/systemd/journal");
    ck_assert_str_eq(other, "/run/systemd/journal.ns1");
}
END_TEST

START_TEST(journald_synchronizes)
{
    static const struct fake_answer answer = {
        FAKE_ANSWER(CALL, sizeof CALL, "{\"parameters\":{}}", sizeof "{\"parameters\":{}}")};
    int listening = fake_socket(VARLINK, SOCK_STREAM), native = fake_socket("socket", SOCK_DGRAM);
    pid_t server = fake_server_start(listening, &answer);
    struct azm_journald_sync sync;
    struct azm_error err;

    ck_assert_msg(sync_within(LONG_ENOUGH, &sync, &err) == 0, "%s", err.words);
    ck_assert_uint_eq(sync.markers, 0);
    ck_assert_int_eq(recv(native, &(char){0}, 1, MSG_DONTWAIT), -1); /* no marker */
    fake_server_stop(server);
}
END_TEST

START_TEST(journald_does_not_synchronize)
{
    static const char error[] = "{\"error\":\"io.systemd.System\",\"parameters\":{\"errno\":28}}";
    static const struct {
        struct fake_answer answer;
        int error;
        const char *words;
    } table[] = {
        {{FAKE_ANSWER(CALL, sizeof CALL, error, sizeof error)}, EPROTO, "refused to synchronize: io.systemd.System"},
        {{FAKE_ANSWER(CALL, sizeof CALL, "{\"error\":1}", sizeof "{\"error\":1}")}, EPROTO, "refused to synchronize"},
        {{FAKE_ANSWER(CALL, sizeof CALL, "garbage", sizeof "garbage")}, EBADMSG, "cannot ask journald"},
        {{FAKE_ANSWER(CALL, sizeof CALL, "", 0), .closes = true}, ECONNRESET, "cannot ask journald"},
        {{FAKE_ANSWER(CALL, sizeof CALL, "{\"parameters\":{}}", sizeof "{\"parameters\":{}}" - 1)},
         ETIMEDOUT,
         "is it stopped?"},
        {{FAKE_ANSWER(CALL, sizeof CALL, "", 0)}, ETIMEDOUT, "is it stopped?"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        int listening = fake_socket(VARLINK, SOCK_STREAM);
        pid_t server = fake_server_start(listening, &table[i].answer);

        assert_fails(table[i].error, table[i].words);
        fake_server_stop(server);
        close(listening);
        unlink(temp_path(VARLINK));
    }
}
END_TEST

static void assert_datagram(int fd, const char *expected)
{
    char got[256];
    ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);

    ck_assert_int_ge(n, 0);
    got[n] = '\0';
    ck_assert_str_eq(got, expected);
}

START_TEST(markers)
{
    char expected[256], first[AZM_JOURNALD_MARKER_SIZE] = "";

    for (int with_syslog = 0; with_syslog < 2; with_syslog++) {
        int native = fake_socket("socket", SOCK_DGRAM), syslog = with_syslog ? fake_socket("dev-log", SOCK_DGRAM) : -1;
        struct azm_journald_sync sync;
        struct azm_error err;

        ck_assert_msg(sync_within(LONG_ENOUGH, &sync, &err) == 0, "%s", err.words);
        ck_assert_uint_eq(sync.markers, with_syslog ? 2 : 1);
        ck_assert_uint_eq(strlen(sync.marker), strlen("azmonlog flush ") + 32);
        ck_assert_int_eq(strncmp(sync.marker, "azmonlog flush ", strlen("azmonlog flush ")), 0);
        ck_assert_uint_eq(strspn(sync.marker + strlen("azmonlog flush "), "0123456789abcdef"), 32);
        ck_assert_str_ne(sync.marker, first);
        strcpy(first, sync.marker);
        snprintf(expected, sizeof expected, "MESSAGE=%s\nPRIORITY=7\nSYSLOG_IDENTIFIER=azmonlog\n", sync.marker);
        assert_datagram(native, expected);
        snprintf(expected, sizeof expected, "<15>azmonlog: %s", sync.marker);
        if (with_syslog)
            assert_datagram(syslog, expected);
        close(native);
        unlink(temp_path("socket"));
        if (with_syslog)
            close(syslog); /* and its file stays: nobody listens, which is no error either */
    }
    fake_socket("socket", SOCK_DGRAM);
    {
        struct azm_journald_sync sync;
        struct azm_error err;

        ck_assert_int_eq(sync_within(LONG_ENOUGH, &sync, &err), 0);
        ck_assert_uint_eq(sync.markers, 1);
    }
}
END_TEST

START_TEST(a_journald_that_takes_no_datagrams)
{
    int native = fake_socket("socket", SOCK_DGRAM), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, temp_path("socket"));
    ck_assert_int_eq(connect(sender, (struct sockaddr *)&address, sizeof address), 0);
    while (send(sender, "x", 1, MSG_DONTWAIT) == 1)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    assert_fails(ETIMEDOUT, "is it stopped?");
    close(sender);
    close(native);
}
END_TEST

START_TEST(no_journald)
{
    assert_fails(ENOENT, "no journald is running");
    close(fake_socket("socket", SOCK_DGRAM));
    assert_fails(ENOENT, "no journald is running");
    close(fake_socket(VARLINK, SOCK_STREAM));
    assert_fails(ENOENT, "no journald is running");
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "folders", folders);
    add_test_in_dir(s, "journald_synchronizes", journald_synchronizes);
    add_test_in_dir(s, "journald_does_not_synchronize", journald_does_not_synchronize);
    add_test_in_dir(s, "markers", markers);
    add_test_in_dir(s, "a_journald_that_takes_no_datagrams", a_journald_that_takes_no_datagrams);
    add_test_in_dir(s, "no_journald", no_journald);
}

TEST_MAIN("journald_sync", add_tests)
