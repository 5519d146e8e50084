/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "auth/credential_internal.h"
#include "auth/token_internal.h"
#include "tests/unit/credential_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

#define SEC AZM_USEC_PER_SEC

/* A credential that does as the test says, a clock that the test moves: nothing here waits for time. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t now;
    unsigned asked, asking, most_asking;
    bool held, fails, permanent; /* what becomes of attempts */
    uint64_t retry_after_sec;
} fake = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, .now = 1000 * SEC};

#define LOCKED(what)                                                                                                   \
    do {                                                                                                               \
        pthread_mutex_lock(&fake.mutex);                                                                               \
        what;                                                                                                          \
        pthread_cond_broadcast(&fake.changed);                                                                         \
        pthread_mutex_unlock(&fake.mutex);                                                                             \
    } while (0)

/* Check's limit ends it if it never comes to pass. */
static void wait_asked(unsigned n)
{
    pthread_mutex_lock(&fake.mutex);
    while (fake.asked < n)
        pthread_cond_wait(&fake.changed, &fake.mutex);
    pthread_mutex_unlock(&fake.mutex);
}

static unsigned asked(void)
{
    unsigned n;

    LOCKED(n = fake.asked);
    return n;
}

static uint64_t fake_now(void *userdata)
{
    uint64_t now;

    (void)userdata;
    LOCKED(now = fake.now);
    return now;
}

static uint64_t fake_random(void *userdata)
{
    (void)userdata;
    return 0;
}

static const struct azm_clock fake_clock = {fake_now, fake_now, fake_random, NULL};

static int fake_acquire(struct azm_credential *c, struct azm_token *ret, struct azm_token_failure *f)
{
    unsigned number;
    bool fails, permanent;

    (void)c;
    pthread_mutex_lock(&fake.mutex);
    number = ++fake.asked;
    fake.asking++;
    fake.most_asking = MAX(fake.most_asking, fake.asking);
    pthread_cond_broadcast(&fake.changed);
    while (fake.held)
        pthread_cond_wait(&fake.changed, &fake.mutex);
    fake.asking--;
    fails = fake.fails;
    permanent = fake.permanent;
    f->retry_after_usec = fails ? fake.retry_after_sec * SEC : 0;
    pthread_mutex_unlock(&fake.mutex);
    if (fails)
        return azm_token_fail(f, permanent, "mend it", "attempt %u has failed", number);
    ck_assert_int_eq(azm_secret_new(64, &ret->header), 0);
    ck_assert_int_eq(azm_secret_printf(ret->header, MARKER "%u", number), 0);
    ret->expires_in_usec = 3600 * SEC; /* so it is refreshed after 3300 s */
    ret->expires_realtime_usec = 5000 * SEC;
    strcpy(ret->object_id, "object");
    strcpy(ret->app_id, "app");
    return 0;
}

static const struct azm_credential_kind fake_kind = {.name = "fake credential", .acquire = fake_acquire};

static struct azm_tokens *start(void)
{
    struct azm_credential *c = calloc(1, sizeof *c);
    struct azm_tokens *t;
    struct azm_error err;

    c->kind = &fake_kind;
    ck_assert_int_eq(azm_identity_http_new("", 0, &c->http), 0);
    ck_assert_int_eq(azm_tokens_new(c, &fake_clock, &t, &err), 0);
    return t;
}

static void pass_seconds(struct azm_tokens *t, uint64_t n)
{
    LOCKED(fake.now += n * SEC);
    azm_tokens_look_again(t);
}

static struct azm_tokens_status status_of(struct azm_tokens *t)
{
    struct azm_tokens_status s;

    azm_tokens_get_status(t, &s);
    return s;
}

/* The number in the token that there is; 0: none. */
static unsigned token_of(struct azm_tokens *t, uint64_t *ret_number)
{
    struct azm_secret *header = NULL;
    unsigned n = 0;

    if (azm_tokens_get(t, &header, ret_number) == 0) {
        ck_assert_ptr_null(header);
        return 0;
    }
    ck_assert_int_eq(sscanf(azm_secret_text(header), MARKER "%u", &n), 1);
    azm_secret_unref(header);
    return n;
}

/* The eventfd says that there is something new. */
static void wait_change(int fd)
{
    uint64_t count;

    ck_assert_int_eq(read(fd, &count, sizeof count), sizeof count);
}

static void wait_state(struct azm_tokens *t, int fd, enum azm_tokens_state state, uint64_t acquired)
{
    for (struct azm_tokens_status s = status_of(t); s.state != state || s.acquired != acquired; s = status_of(t))
        wait_change(fd);
}

static void wait_failed(struct azm_tokens *t, int fd, unsigned attempt)
{
    char reason[64];

    snprintf(reason, sizeof reason, "attempt %u has failed", attempt);
    while (strcmp(status_of(t).failure.reason, reason) != 0)
        wait_change(fd);
}

#define BEGIN                                                                                                          \
    int fd = eventfd(0, EFD_CLOEXEC);                                                                                  \
    struct azm_tokens *t = start();                                                                                    \
    _unused_ uint64_t number = 0;                                                                                      \
                                                                                                                       \
    azm_tokens_notify(t, fd)

#define END                                                                                                            \
    azm_tokens_notify(t, -1);                                                                                          \
    ck_assert_ptr_null(azm_tokens_unref(t));                                                                           \
    close(fd)

START_TEST(first_token)
{
    fake.held = true;
    {
        struct azm_tokens_status s;

        BEGIN;
        wait_asked(1);
        ck_assert_int_eq(status_of(t).state, AZM_TOKENS_FETCHING);
        ck_assert_uint_eq(token_of(t, &number), 0);
        ck_assert_str_eq(azm_tokens_credential_name(t), "fake credential");
        LOCKED(fake.held = false);
        wait_state(t, fd, AZM_TOKENS_VALID, 1);
        ck_assert_uint_eq(token_of(t, &number), 1);
        ck_assert_uint_eq(number, 1);
        s = status_of(t);
        ck_assert_str_eq(s.object_id, "object");
        ck_assert_str_eq(s.app_id, "app");
        ck_assert_uint_eq(s.expires_realtime_usec, 5000 * SEC);
        ck_assert_str_eq(s.failure.reason, "");
        END;
    }
}
END_TEST

START_TEST(refreshed_early_and_used_meanwhile)
{
    BEGIN;
    wait_state(t, fd, AZM_TOKENS_VALID, 1);
    LOCKED(fake.held = true);
    pass_seconds(t, 3299);
    ck_assert_uint_eq(token_of(t, &number), 1);
    pass_seconds(t, 1);
    wait_asked(2);
    ck_assert_uint_eq(token_of(t, &number), 1); /* the old one, while another one is asked for */
    ck_assert_int_eq(status_of(t).state, AZM_TOKENS_VALID);
    LOCKED(fake.held = false);
    wait_state(t, fd, AZM_TOKENS_VALID, 2);
    ck_assert_uint_eq(token_of(t, &number), 2);
    ck_assert_uint_eq(number, 2);
    ck_assert_uint_eq(asked(), 2);
    END;
}
END_TEST

START_TEST(failed_refresh_keeps_the_token_until_it_ends)
{
    BEGIN;
    wait_state(t, fd, AZM_TOKENS_VALID, 1);
    LOCKED(fake.fails = true);
    pass_seconds(t, 3300);
    wait_state(t, fd, AZM_TOKENS_AGEING, 1);
    ck_assert_str_eq(status_of(t).failure.reason, "attempt 2 has failed");
    ck_assert_str_eq(status_of(t).failure.remedy, "mend it");
    ck_assert_uint_eq(token_of(t, &number), 1);
    pass_seconds(t, 30);
    wait_failed(t, fd, 3);
    pass_seconds(t, 269); /* 3599 */
    ck_assert_uint_eq(token_of(t, &number), 1);
    wait_failed(t, fd, 4);
    pass_seconds(t, 1);
    ck_assert_uint_eq(token_of(t, &number), 0);
    wait_state(t, fd, AZM_TOKENS_RETRYING, 1);
    ck_assert_uint_eq(status_of(t).expires_realtime_usec, 0);
    LOCKED(fake.fails = false);
    pass_seconds(t, 60);
    wait_state(t, fd, AZM_TOKENS_VALID, 2);
    ck_assert_str_eq(status_of(t).failure.reason, "");
    END;
}
END_TEST

START_TEST(no_token_at_first)
{
    fake.fails = true;
    {
        BEGIN;
        wait_state(t, fd, AZM_TOKENS_RETRYING, 0);
        LOCKED(fake.permanent = true);
        pass_seconds(t, 2);
        wait_state(t, fd, AZM_TOKENS_HELD, 0);
        pass_seconds(t, 59);
        LOCKED(fake.permanent = false);
        pass_seconds(t, 1);
        wait_failed(t, fd, 3);
        ck_assert_int_eq(status_of(t).state, AZM_TOKENS_RETRYING);
        LOCKED(fake.retry_after_sec = 1000);
        pass_seconds(t, 2);
        wait_failed(t, fd, 4);
        LOCKED(fake.fails = false);
        pass_seconds(t, 999); /* Retry-After has not passed */
        ck_assert_uint_eq(asked(), 4);
        pass_seconds(t, 1);
        wait_state(t, fd, AZM_TOKENS_VALID, 1);
        END;
    }
}
END_TEST

START_TEST(mended)
{
    fake.fails = fake.permanent = true;
    {
        BEGIN;
        wait_state(t, fd, AZM_TOKENS_HELD, 0);
        LOCKED(fake.fails = false);
        azm_tokens_mended(t); /* without it there is a minute to wait */
        wait_state(t, fd, AZM_TOKENS_VALID, 1);
        azm_tokens_mended(t); /* nothing was wrong: nobody is asked */
        pass_seconds(t, 1);
        ck_assert_uint_eq(asked(), 2);
        END;
    }
}
END_TEST

START_TEST(refused)
{
    BEGIN;
    wait_state(t, fd, AZM_TOKENS_VALID, 1);
    pass_seconds(t, 30);
    ck_assert_uint_eq(token_of(t, &number), 1);
    ck_assert(azm_tokens_refused(t, number + 1)); /* another one */
    ck_assert(azm_tokens_refused(t, 0));
    ck_assert_uint_eq(token_of(t, &number), 1);
    LOCKED(fake.held = true);
    ck_assert(azm_tokens_refused(t, number));
    ck_assert_uint_eq(token_of(t, &number), 0);
    ck_assert_int_eq(status_of(t).state, AZM_TOKENS_FETCHING);
    wait_asked(2);                            /* at once */
    ck_assert(azm_tokens_refused(t, number)); /* it is on its way */
    LOCKED(fake.held = false);
    wait_state(t, fd, AZM_TOKENS_VALID, 2);
    ck_assert_uint_eq(token_of(t, &number), 2);
    ck_assert(azm_tokens_refused(t, 1)); /* many requests had it */
    ck_assert_uint_eq(token_of(t, &number), 2);

    ck_assert(!azm_tokens_refused(t, number)); /* again: not before 30 s have passed */
    ck_assert_uint_eq(token_of(t, &number), 0);
    pass_seconds(t, 29);
    ck_assert_uint_eq(asked(), 2);
    ck_assert_int_eq(status_of(t).state, AZM_TOKENS_FETCHING);
    pass_seconds(t, 1);
    wait_state(t, fd, AZM_TOKENS_VALID, 3);
    ck_assert_uint_eq(token_of(t, &number), 3);
    END;
}
END_TEST

/* Requests of a time when the old token was there come back refused while another one is asked for. */
START_TEST(refused_during_a_refresh)
{
    BEGIN;
    wait_state(t, fd, AZM_TOKENS_VALID, 1);
    LOCKED(fake.held = true);
    pass_seconds(t, 3300);
    wait_asked(2);
    azm_tokens_refused(t, 1);
    ck_assert_uint_eq(token_of(t, &number), 0);
    LOCKED(fake.held = false);
    wait_state(t, fd, AZM_TOKENS_VALID, 2);
    ck_assert_uint_eq(token_of(t, &number), 2);
    ck_assert_uint_eq(asked(), 2);
    END;
}
END_TEST

static struct azm_tokens *shared;
static atomic_bool stop;

static void *use_and_refuse(void *userdata)
{
    (void)userdata;
    while (!atomic_load(&stop)) {
        struct azm_tokens *t = azm_tokens_ref(shared);
        uint64_t number = 0;

        if (token_of(t, &number))
            azm_tokens_refused(t, number);
        status_of(t);
        pass_seconds(t, 7);
        azm_tokens_unref(t);
    }
    return NULL;
}

START_TEST(one_attempt_at_a_time_whoever_asks)
{
    pthread_t threads[4];

    BEGIN;
    shared = t;
    for (size_t i = 0; i < ELEMENTSOF(threads); i++)
        ck_assert_int_eq(pthread_create(threads + i, NULL, use_and_refuse, NULL), 0);
    wait_asked(200);
    atomic_store(&stop, true);
    for (size_t i = 0; i < ELEMENTSOF(threads); i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(fake.most_asking, 1);
    END;
}
END_TEST

START_TEST(counted)
{
    BEGIN;
    ck_assert_ptr_eq(azm_tokens_ref(t), t);
    ck_assert_ptr_null(azm_tokens_unref(t));
    wait_state(t, fd, AZM_TOKENS_VALID, 1); /* still there */
    END;
    ck_assert_ptr_null(azm_tokens_unref(NULL));
}
END_TEST

/* A token outlives those who gave it out. */
START_TEST(header_outlives_the_rest)
{
    struct azm_secret *header;

    BEGIN;
    wait_state(t, fd, AZM_TOKENS_VALID, 1);
    ck_assert_int_eq(azm_tokens_get(t, &header, &number), 1);
    END;
    ck_assert_str_eq(azm_secret_text(header), MARKER "1");
    azm_secret_unref(header);
}
END_TEST

/* With a real credential, whose endpoint accepts and then says nothing; it would wait for an hour. */
START_TEST(ends_while_a_request_hangs)
{
    static const struct canned_answer answer = {.text = "", .hangs = true};
    static struct identity_server server;
    struct azm_credential_options o = no_options(AZM_AUTH_IMDS);
    struct azm_tokens *t;
    struct azm_error err;

    identity_server_begin(&server, &answer, 1);
    o.test_imds_url = server.url;
    o.timeout_usec = 3600 * SEC;
    ck_assert_int_eq(azm_tokens_new(make_credential(&o), &azm_system_clock, &t, &err), 0);
    identity_server_wait_requests(&server, 1);
    azm_tokens_unref(t);
    identity_server_end(&server);
}
END_TEST

/* What is logged: the first token, the first failure while there is one, and that it works again. No secrets. */
START_TEST(what_is_logged)
{
    int log = open(temp_path("log"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const char *text;

    ck_assert_int_ge(dup2(log, STDERR_FILENO), 0);
    close(log);
    fake.fails = true;
    {
        BEGIN;
        wait_state(t, fd, AZM_TOKENS_RETRYING, 0);
        LOCKED(fake.fails = false);
        pass_seconds(t, 2);
        wait_state(t, fd, AZM_TOKENS_VALID, 1);
        LOCKED(fake.fails = true);
        pass_seconds(t, 3300);
        wait_state(t, fd, AZM_TOKENS_AGEING, 1);
        for (unsigned attempt = 4; attempt <= 6; attempt++) {
            pass_seconds(t, 60);
            wait_failed(t, fd, attempt);
        }
        LOCKED(fake.fails = false);
        pass_seconds(t, 60);
        wait_state(t, fd, AZM_TOKENS_VALID, 2);
        pass_seconds(t, 3300);
        wait_state(t, fd, AZM_TOKENS_VALID, 3);
        END;
    }
    text = read_text("log");
    ck_assert_str_eq(text, "azmonlog: the first token has come by fake credential; it is valid for 1 h 0 min\n"
                           "azmonlog: cannot refresh the token by fake credential, and goes on with the one there is: "
                           "attempt 3 has failed; mend it\n"
                           "azmonlog: refreshing the token by fake credential works again\n");
    assert_no_marker(text);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "first_token", first_token);
    add_test(s, "refreshed_early_and_used_meanwhile", refreshed_early_and_used_meanwhile);
    add_test(s, "failed_refresh_keeps_the_token_until_it_ends", failed_refresh_keeps_the_token_until_it_ends);
    add_test(s, "no_token_at_first", no_token_at_first);
    add_test(s, "mended", mended);
    add_test(s, "refused", refused);
    add_test(s, "refused_during_a_refresh", refused_during_a_refresh);
    add_test(s, "one_attempt_at_a_time_whoever_asks", one_attempt_at_a_time_whoever_asks);
    add_test(s, "counted", counted);
    add_test(s, "header_outlives_the_rest", header_outlives_the_rest);
    add_test(s, "ends_while_a_request_hangs", ends_while_a_request_hangs);
    add_test_in_dir(s, "what_is_logged", what_is_logged);
}

TEST_MAIN("tokens", add_tests)
