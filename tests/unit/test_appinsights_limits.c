/* SPDX-License-Identifier: MIT */
#include "tests/unit/test.h"
static void add_tests(Suite *s) { (void)s; }
TEST_MAIN("x", add_tests)
