/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "tests/unit/prng.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* --- clock --- */

static uint64_t fixed_random(void *userdata)
{
    return *(uint64_t *)userdata;
}

START_TEST(random_up_to_a_limit)
{
    static const struct {
        uint64_t random, limit, expected;
    } table[] = {
        {0, 10, 0},  {10, 10, 10}, /* the limit itself is possible */
        {11, 10, 0}, {UINT64_MAX, 0, 0}, {UINT64_MAX, UINT64_MAX, UINT64_MAX}, {UINT64_MAX, UINT64_MAX - 1, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        uint64_t random = table[i].random;
        struct azm_clock clock = {.random = fixed_random, .userdata = &random};

        ck_assert_uint_eq(azm_random_up_to(&clock, table[i].limit), table[i].expected);
    }
}
END_TEST

START_TEST(the_clocks_of_the_system)
{
    uint64_t last = azm_monotonic_usec(&azm_system_clock);
    struct timespec before, after, monotonic;
    uint64_t real;

    for (int i = 0; i < 1000; i++) {
        uint64_t now = azm_monotonic_usec(&azm_system_clock);

        ck_assert_uint_ge(now, last);
        last = now;
    }
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    ck_assert_uint_ge((uint64_t)monotonic.tv_sec + 1, last / AZM_USEC_PER_SEC);

    do { /* should somebody set the clock right now */
        clock_gettime(CLOCK_REALTIME, &before);
        real = azm_realtime_usec(&azm_system_clock);
        clock_gettime(CLOCK_REALTIME, &after);
    } while (after.tv_sec < before.tv_sec);
    ck_assert_uint_ge(real / AZM_USEC_PER_SEC, (uint64_t)before.tv_sec);
    ck_assert_uint_le(real / AZM_USEC_PER_SEC, (uint64_t)after.tv_sec);

    /* 64 random bits: three equal ones mean that they are not random */
    real = azm_system_clock.random(NULL);
    ck_assert(real != azm_system_clock.random(NULL) || real != azm_system_clock.random(NULL));
}
END_TEST

/* --- log: standard error is a file here, so that what was written can be read --- */

static struct {
    int saved, fd;
} standard_error;

static void catch_log(void)
{
    standard_error.fd = open(temp_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    standard_error.saved = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(standard_error.fd, STDERR_FILENO), STDERR_FILENO);
}

static const char *caught_log(void)
{
    dup2(standard_error.saved, STDERR_FILENO);
    close(standard_error.saved);
    close(standard_error.fd);
    return read_text("log");
}

static void set_journal_stream(ino_t inode_offset)
{
    char stream[64];
    struct stat st;

    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)(st.st_ino + inode_offset));
    setenv("JOURNAL_STREAM", stream, 1);
}

START_TEST(levels_above_the_maximum_are_not_written)
{
    static const struct {
        enum azm_log_level max;
        const char *expected;
    } table[] = {
        {AZM_LOG_ERROR, "azmonlog: 3\n"},
        {AZM_LOG_NOTICE, "azmonlog: 3\nazmonlog: 4\nazmonlog: 5\n"},
        {AZM_LOG_DEBUG, "azmonlog: 3\nazmonlog: 4\nazmonlog: 5\nazmonlog: 6\nazmonlog: 7\n"},
    };

    unsetenv("JOURNAL_STREAM");
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        catch_log();
        azm_log_init(table[i].max);
        for (enum azm_log_level level = AZM_LOG_ERROR; level <= AZM_LOG_DEBUG; level++)
            azm_log(level, "%d", (int)level);
        ck_assert_str_eq(caught_log(), table[i].expected);
    }
}
END_TEST

START_TEST(the_prefix_for_the_journal)
{
    catch_log();
    set_journal_stream(0);
    azm_log_init(AZM_LOG_INFO);
    azm_log(AZM_LOG_ERROR, "to the journal");
    azm_log(AZM_LOG_INFO, "also");

    set_journal_stream(1); /* another file: standard error was redirected since */
    azm_log_init(AZM_LOG_INFO);
    azm_log(AZM_LOG_ERROR, "redirected");
    setenv("JOURNAL_STREAM", "nonsense", 1);
    azm_log_init(AZM_LOG_INFO);
    azm_log(AZM_LOG_ERROR, "nonsense");
    unsetenv("JOURNAL_STREAM");
    azm_log_init(AZM_LOG_INFO);
    azm_log(AZM_LOG_ERROR, "terminal");
    ck_assert_str_eq(caught_log(), "<3>to the journal\n<6>also\nazmonlog: redirected\nazmonlog: nonsense\n"
                                   "azmonlog: terminal\n");
}
END_TEST

START_TEST(the_error_number_and_errno_itself)
{
    unsetenv("JOURNAL_STREAM");
    catch_log();
    azm_log_init(AZM_LOG_INFO);
    errno = ENOENT;
    azm_log(AZM_LOG_ERROR, "cannot: %m");
    ck_assert_int_eq(errno, ENOENT);
    close(STDERR_FILENO); /* also when the message cannot be written */
    errno = ENOENT;
    azm_log(AZM_LOG_ERROR, "nobody reads this");
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_str_eq(caught_log(), "azmonlog: cannot: No such file or directory\n");
}
END_TEST

START_TEST(long_messages_are_cut_and_still_end_the_line)
{
    unsetenv("JOURNAL_STREAM");
    for (int n = 1200; n <= 1400; n++) { /* around the size of the line, and far beyond */
        const char *text;

        catch_log();
        azm_log_init(AZM_LOG_INFO);
        azm_log(AZM_LOG_ERROR, "%*d", n < 1400 ? n : 100000, 1);
        azm_log(AZM_LOG_ERROR, "next");
        text = caught_log();
        ck_assert_uint_ge(strcspn(text, "\n"), 1000); /* most of it is there */
        ck_assert_str_eq(text + strcspn(text, "\n"), "\nazmonlog: next\n");
    }
}
END_TEST

/* "Writes one line": a newline in a message would begin a line of its own, without a prefix. */
START_TEST(a_message_is_one_line)
{
    unsetenv("JOURNAL_STREAM");
    catch_log();
    azm_log_init(AZM_LOG_INFO);
    azm_log(AZM_LOG_ERROR, "%s", "one\n<0>two\n");
    azm_log(AZM_LOG_ERROR, "%s", "three");
    ck_assert_msg(strchr(caught_log(), '\n') == strstr(read_text("log"), "\nazmonlog: three\n"),
                  "the first message is several lines");
}
END_TEST

/* It may be a terminal, and words may be those of a server. */
START_TEST(a_message_moves_no_cursor)
{
    unsetenv("JOURNAL_STREAM");
    catch_log();
    azm_log_init(AZM_LOG_INFO);
    azm_log(AZM_LOG_ERROR, "%s",
            "a\x1B[2Jb\rc\td\x7F\xC2\x9B"
            "2Je \xC3\xA4\xC2\xA0\xC2");
    ck_assert_str_eq(caught_log(), "azmonlog: a [2Jb c d   2Je \xC3\xA4\xC2\xA0\xC2\n");
}
END_TEST

START_TEST(times_for_people)
{
    static const struct {
        uint64_t usec;
        const char *expected;
    } table[] = {
        {0, ""},
        {1, "1970-01-01T00:00:00.000001Z"},
        {UINT64_C(999999), "1970-01-01T00:00:00.999999Z"},
        {UINT64_C(1000000), "1970-01-01T00:00:01.000000Z"},
        {UINT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
        {UINT64_C(1700000000000010), "2023-11-14T22:13:20.000010Z"},
        {UINT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    };
    struct prng prng = {1};

    setenv("TZ", "Asia/Kathmandu", 1); /* it is UTC in any case */
    tzset();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        char text[AZM_TIME_TEXT_MAX];

        azm_time_print(table[i].usec, text);
        ck_assert_str_eq(text, table[i].expected);
    }
    for (int i = 0; i < 10000; i++) { /* damaged journals hold any number */
        char text[AZM_TIME_TEXT_MAX];

        azm_time_print(UINT64_MAX - (i < 100 ? (uint64_t)i : prng_next(&prng) >> prng_below(&prng, 40)), text);
        ck_assert_uint_lt(strlen(text), sizeof text);
        ck_assert_uint_ne(strlen(text), 0);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "random_up_to_a_limit", random_up_to_a_limit);
    add_test(s, "the_clocks_of_the_system", the_clocks_of_the_system);
    add_test(s, "times_for_people", times_for_people);
    add_test_in_dir(s, "levels_above_the_maximum_are_not_written", levels_above_the_maximum_are_not_written);
    add_test_in_dir(s, "the_prefix_for_the_journal", the_prefix_for_the_journal);
    add_test_in_dir(s, "the_error_number_and_errno_itself", the_error_number_and_errno_itself);
    add_test_in_dir(s, "long_messages_are_cut_and_still_end_the_line", long_messages_are_cut_and_still_end_the_line);
    add_test_in_dir(s, "a_message_is_one_line", a_message_is_one_line);
    add_test_in_dir(s, "a_message_moves_no_cursor", a_message_moves_no_cursor);
}

TEST_MAIN("clock_log", add_tests)
