/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>
#include <stdlib.h>

#include "core/cleanup.h"

/* The main function of a unit test program: one suite, one TAP line for each test on standard output (automake's
 * driver reads it). CK_RUN_CASE, CK_FORK=no and the other variables of Check work. */
#define TEST_MAIN(name, add_tests)                                                                                     \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        Suite *suite = suite_create(name);                                                                             \
        SRunner *runner;                                                                                               \
        int failed;                                                                                                    \
                                                                                                                       \
        add_tests(suite);                                                                                              \
        runner = srunner_create(suite);                                                                                \
        srunner_set_tap(runner, "-");                                                                                  \
        srunner_run_all(runner, CK_SILENT);                                                                            \
        failed = srunner_ntests_failed(runner);                                                                        \
        srunner_free(runner);                                                                                          \
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                                                              \
    }

/* Adds a test case of its own for one test function, so that its name stands in the TAP line. */
static inline void add_test(Suite *suite, const char *name, const TTest *test)
{
    TCase *c = tcase_create(name);

    tcase_set_timeout(c, 600); /* generous: never a measure of speed */
    tcase_add_test(c, test);
    suite_add_tcase(suite, c);
}
