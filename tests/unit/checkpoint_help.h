/* SPDX-License-Identifier: MIT */
#pragma once

#include <fcntl.h>
#include <string.h>

#include "store/checkpoint.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* Two checkpoints, saved and loaded as "cp" in the test directory. */

#define OLD "cursor=s=aaaa;i=1\nordinal=0\n"
#define NEW "cursor=s=bbbb;i=2;with a longer text than before\nordinal=17\nboot=cccc\n"

static inline int open_dir(void)
{
    int fd = open(temp_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static inline void assert_saved(int dir, const char *lines)
{
    struct azm_error err = {""};

    ck_assert_msg(azm_checkpoint_save(dir, "cp", lines, strlen(lines), &err) == 0, "%s", err.words);
}

static inline void assert_loads(int dir, const char *lines)
{
    _cleanup_(azm_buf_free) struct azm_buf loaded = {0};
    struct azm_error err = {""};

    ck_assert_int_eq(azm_buf_append(&loaded, "what was there before", 21), 0);
    ck_assert_msg(azm_checkpoint_load(dir, "cp", &loaded, &err) == 1, "%s", err.words);
    ck_assert_uint_eq(loaded.len, strlen(lines));
    ck_assert_str_eq((const char *)loaded.data, lines); /* the NUL is there and not counted */
}
