/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>

#include "auth/arc_key.h"
#include "tests/unit/credential_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* Files are planted with the marker; none but the right one may be read. */

static void make_tokens_directory(void)
{
    ck_assert_int_eq(mkdir(temp_path("tokens"), 0700), 0);
}

static int read_key(const char *path, struct azm_error *err)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *key = NULL;
    int r;

    ck_assert_int_eq(azm_secret_new(8192, &key), 0);
    r = azm_arc_key_read(temp_dir, path, key, err);
    if (r < 0) {
        ck_assert_uint_eq(azm_secret_len(key), 0);
        assert_no_marker(err->words);
    }
    return r;
}

/* `path` is looked up below the root unless it is absolute. */
static void assert_refused(const char *path, int error)
{
    struct azm_error err;
    int r = read_key(*path == '/' ? path : temp_path(path), &err);

    ck_assert_msg(r == -error, "%s: %s", path, r == 0 ? "was read" : err.words);
}

START_TEST(key)
{
    struct azm_secret *got;
    struct azm_error err;

    make_tokens_directory();
    write_text("tokens/a.key", 0600, MARKER "\n");
    ck_assert_int_eq(azm_secret_new(8192, &got), 0);
    ck_assert_int_eq(azm_arc_key_read(temp_dir, temp_path("tokens/a.key"), got, &err), 0);
    ck_assert_str_eq(azm_secret_text(got), MARKER);
    azm_secret_unref(got);
}
END_TEST

START_TEST(paths_that_are_not_believed)
{
    static const char *const paths[] = {
        "/etc/shadow",
        "/etc/passwd.key",
        "outside.key",
        "tokens/../outside.key",
        "tokens/sub/a.key",
        "tokens/a",
        "tokens/a.key.txt",
        "tokens/a.KEY",
        "tokens/.key",
        "tokens/",
        "tokens",
        "tokens/..key",
        "tokens//a.key",
        "tokens/./a.key",
        "tokens2/a.key",
        "tokensa.key",
        "",
    };
    char name[PATH_MAX];
    struct azm_error err;

    make_tokens_directory();
    ck_assert_int_eq(mkdir(temp_path("tokens/sub"), 0700), 0);
    ck_assert_int_eq(mkdir(temp_path("tokens2"), 0700), 0);
    write_text("tokens/a.key", 0600, MARKER);
    write_text("tokens/a", 0600, MARKER);
    write_text("tokens/.key", 0600, MARKER);
    write_text("tokens/sub/a.key", 0600, MARKER);
    write_text("tokens2/a.key", 0600, MARKER);
    write_text("outside.key", 0600, MARKER);
    for (size_t i = 0; i < ELEMENTSOF(paths); i++)
        assert_refused(paths[i], EPERM);
    ck_assert_int_eq(read_key("tokens/a.key", &err), -EPERM); /* relative */
    ck_assert_int_eq(read_key("", &err), -EPERM);
    snprintf(name, sizeof name, "tokens/%0300d.key", 1);
    assert_refused(name, EPERM);
}
END_TEST

START_TEST(what_is_no_key_file)
{
    static char large[4097];

    make_tokens_directory();
    write_text("outside", 0600, MARKER);
    ck_assert_int_eq(symlink(temp_path("outside"), temp_path("tokens/link.key")), 0);
    assert_refused("tokens/link.key", ELOOP);
    ck_assert_int_eq(mkfifo(temp_path("tokens/fifo.key"), 0600), 0);
    assert_refused("tokens/fifo.key", EINVAL);
    ck_assert_int_eq(mkdir(temp_path("tokens/dir.key"), 0700), 0);
    assert_refused("tokens/dir.key", EINVAL);
    assert_refused("tokens/missing.key", ENOENT);
    memset(large, 'x', sizeof large);
    write_file("tokens/large.key", 0600, large, 4097);
    assert_refused("tokens/large.key", EFBIG);
    write_text("tokens/empty.key", 0600, "\n");
    assert_refused("tokens/empty.key", EINVAL);
    write_text("tokens/lines.key", 0600, MARKER "\r\nX-Injected: 1");
    assert_refused("tokens/lines.key", EINVAL);
    write_file("tokens/nul.key", 0600, "a\0b", 3);
    assert_refused("tokens/nul.key", EINVAL);
}
END_TEST

START_TEST(largest_key)
{
    static char text[4096];
    struct azm_error err;

    make_tokens_directory();
    memset(text, 'x', sizeof text);
    write_file("tokens/a.key", 0600, text, sizeof text);
    ck_assert_int_eq(read_key(temp_path("tokens/a.key"), &err), 0);
}
END_TEST

START_TEST(directory_is_a_link)
{
    ck_assert_int_eq(mkdir(temp_path("elsewhere"), 0700), 0);
    write_text("elsewhere/a.key", 0600, MARKER);
    ck_assert_int_eq(symlink("elsewhere", temp_path("tokens")), 0);
    assert_refused("tokens/a.key", ENOTDIR);
}
END_TEST

START_TEST(no_directory)
{
    assert_refused("tokens/a.key", ENOENT);
}
END_TEST

/* --- with the agent --- */

static struct identity_server server;
static char challenge[PATH_MAX + 128], url[128], root[PATH_MAX];

#define TOKEN HTTP_ANSWER("200 OK", "{\"access_token\":\"arc\",\"expires_in\":3599}")

static void begin(const char *first, const char *second)
{
    static struct canned_answer answers[2];

    answers[0].text = first;
    answers[1].text = second;
    identity_server_begin(&server, answers, 2);
}

static void make_challenge(const char *realm)
{
    snprintf(challenge, sizeof challenge,
             "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: %s\r\n\r\n", realm);
}

static void make_basic_challenge(const char *path)
{
    char realm[PATH_MAX + 32];

    snprintf(realm, sizeof realm, "Basic realm=%s", path);
    make_challenge(realm);
}

static struct azm_credential_options arc_options(void)
{
    struct azm_credential_options o = no_options(AZM_AUTH_ARC);

    snprintf(url, sizeof url, "%s/metadata/identity/oauth2/token", server.url);
    snprintf(root, sizeof root, "%s", temp_dir);
    o.identity_endpoint = url;
    o.test_arc_root = root;
    return o;
}

#define LINE                                                                                                           \
    "GET /metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Fmonitor.azure.com HTTP/1.1\r\n"

START_TEST(two_steps)
{
    struct azm_credential_options o;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    make_tokens_directory();
    write_text("tokens/a.key", 0600, MARKER "\n");
    make_basic_challenge(temp_path("tokens/a.key"));
    begin(challenge, TOKEN);
    o = arc_options();
    assert_token(&o, "arc");
    ck_assert_uint_eq(server.n_requests, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(strncmp(server.requests[i], LINE, strlen(LINE)) == 0);
        ck_assert(strstr(server.requests[i], "\r\nMetadata: true\r\n"));
    }
    ck_assert(!strstr(server.requests[0], "Authorization"));
    ck_assert(strstr(server.requests[1], "\r\nAuthorization: Basic " MARKER "\r\n"));
    identity_server_end(&server);
}
END_TEST

START_TEST(challenges_that_are_none)
{
    static const char *const realms[] = {"", "Bearer x", "Basic", "Basic realm", "Negotiate realm=/x.key"};
    struct azm_credential_options o;

    make_tokens_directory();
    for (size_t i = 0; i < ELEMENTSOF(realms); i++) {
        make_challenge(realms[i]);
        begin(challenge, TOKEN);
        o = arc_options();
        assert_failure(&o, true, "names no key", "$IDENTITY_ENDPOINT");
        ck_assert_uint_eq(server.n_requests, 1);
        identity_server_end(&server);
    }
}
END_TEST

START_TEST(failures)
{
    struct azm_credential_options o;

    make_tokens_directory();
    write_text("outside.key", 0600, MARKER);
    make_basic_challenge(temp_path("outside.key"));
    begin(challenge, TOKEN);
    o = arc_options();
    assert_failure(&o, true, "names a key that is not in", "");
    ck_assert_uint_eq(server.n_requests, 1);
    identity_server_end(&server);

    make_basic_challenge(temp_path("tokens/gone.key"));
    begin(challenge, TOKEN);
    o = arc_options();
    assert_failure(&o, false, "No such file", "");
    identity_server_end(&server);

    write_text("tokens/a.key", 0600, MARKER);
    make_basic_challenge(temp_path("tokens/a.key"));
    begin(challenge, challenge);
    o = arc_options();
    assert_failure(&o, true, "HTTP 401", "himds.log");
    identity_server_end(&server);

    begin(TOKEN, TOKEN);
    o = arc_options();
    assert_failure(&o, true, "without asking for a proof", "$IDENTITY_ENDPOINT");
    identity_server_end(&server);

    begin(HTTP_ANSWER("503 Service Unavailable", ""), TOKEN);
    o = arc_options();
    assert_failure(&o, false, "HTTP 503", "");
    identity_server_end(&server);
    assert_failure(&o, false, "no answer from the agent of Azure Arc", "systemctl status himdsd");
}
END_TEST

START_TEST(key_of_somebody_else)
{
    struct azm_credential_options o;
    uid_t user = geteuid();

    make_tokens_directory();
    write_text("tokens/a.key", 0000, MARKER);
    if (user == 0) { /* whom no mode keeps out */
        ck_assert_int_eq(chmod(temp_dir, 0711), 0);
        ck_assert_int_eq(chmod(temp_path("tokens"), 0711), 0);
        ck_assert_int_eq(seteuid(65534), 0);
    }
    make_basic_challenge(temp_path("tokens/a.key"));
    begin(challenge, TOKEN);
    o = arc_options();
    assert_failure(&o, true, "Permission denied", "usermod -aG himds azmonlog");
    identity_server_end(&server);
    ck_assert_int_eq(seteuid(user), 0); /* for the leak sanitizer's own thread */
}
END_TEST

START_TEST(other_machines_are_not_asked)
{
    static const char *const urls[] = {
        "http://192.0.2.1/x",
        "http://localhost.example.com/x",
        "http://localhost@192.0.2.1/x",
        "http://127.0.0.2:40342/x",
        "http://[::2]/x",
        "https://example.com/x",
        "http://127.0.0.1:1@192.0.2.1",
        "file:///etc/shadow",
        "no URL",
    };

    for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
        struct azm_credential_options o = no_options(AZM_AUTH_ARC);

        o.identity_endpoint = urls[i];
        assert_failure(&o, true, "is asked on this machine only", "$IDENTITY_ENDPOINT must be http://localhost");
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "key", key);
    add_test_in_dir(s, "paths_that_are_not_believed", paths_that_are_not_believed);
    add_test_in_dir(s, "what_is_no_key_file", what_is_no_key_file);
    add_test_in_dir(s, "largest_key", largest_key);
    add_test_in_dir(s, "directory_is_a_link", directory_is_a_link);
    add_test_in_dir(s, "no_directory", no_directory);
    add_test_in_dir(s, "two_steps", two_steps);
    add_test_in_dir(s, "challenges_that_are_none", challenges_that_are_none);
    add_test_in_dir(s, "failures", failures);
    add_test_in_dir(s, "key_of_somebody_else", key_of_somebody_else);
    add_test(s, "other_machines_are_not_asked", other_machines_are_not_asked);
}

TEST_MAIN("arc", add_tests)
