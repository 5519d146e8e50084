/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"

/* What both programs of stages do around a stage: the CPU time of the process goes into a line of JSON, and callgrind
 * is given a function at whose end it can dump (valgrind --tool=callgrind --dump-before=stage_begin
 * --dump-after=stage_end): what it counted between the two is what the stage costs. */

static inline void must(int r, const char *what, const struct azm_error *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, err ? err->words : strerror(-r));
    exit(EXIT_FAILURE);
}

static inline double cpu_usec(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double stage_began_usec;
static const char *stage_separator = "";

static void stages_begin(void)
{
    printf("{\"cpu_usec\":{");
}

static __attribute__((noinline)) void stage_begin(void)
{
    stage_began_usec = cpu_usec();
}

static __attribute__((noinline)) void stage_end(const char *name)
{
    printf("%s\"%s\":%.0f", stage_separator, name, cpu_usec() - stage_began_usec);
    stage_separator = ",";
}
