/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/state_dir.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

static int open_state(const char *name, int *ret_dir, int *ret_lock, struct azm_error *err)
{
    *ret_dir = *ret_lock = -1;
    *err = (struct azm_error){""};
    return azm_state_dir_open(temp_path(name), ret_dir, ret_lock, err);
}

static void assert_opens(const char *name)
{
    _cleanup_close_ int dir = -1, lock = -1;
    struct azm_error err;

    ck_assert_msg(open_state(name, &dir, &lock, &err) == 0, "%s", err.words);
}

static void assert_busy(const char *name, pid_t owner)
{
    struct azm_error err;
    char pid[32];
    int dir, lock;

    ck_assert_int_eq(open_state(name, &dir, &lock, &err), -EBUSY);
    ck_assert_int_eq(dir, -1);
    ck_assert_int_eq(lock, -1);
    snprintf(pid, sizeof pid, "(pid %ld)", (long)owner);
    ck_assert_msg(strstr(err.words, pid) != NULL, "no %s in: %s", pid, err.words);
    ck_assert_msg(strstr(err.words, temp_path(name)) != NULL, "%s", err.words);
}

START_TEST(it_is_created)
{
    _cleanup_close_ int dir = -1, lock = -1;
    struct azm_error err;
    struct stat st, of_fd;
    mode_t old = umask(0);
    char pid[32];

    ck_assert_msg(open_state("state", &dir, &lock, &err) == 0, "%s", err.words);
    umask(old);
    ck_assert_int_eq(stat(temp_path("state"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0750);
    ck_assert_int_eq(fstat(dir, &of_fd), 0);
    ck_assert_uint_eq(of_fd.st_ino, st.st_ino);
    ck_assert_int_eq(stat(temp_path("state/lock"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0640);
    snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    ck_assert_str_eq(read_text("state/lock"), pid);
    ck_assert_int_eq(fcntl(dir, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(fcntl(lock, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

START_TEST(the_lock_lasts_until_it_is_closed)
{
    struct azm_error err;
    int dir, lock;

    ck_assert_int_eq(open_state("state", &dir, &lock, &err), 0);
    assert_busy("state", getpid()); /* also within one process */
    assert_opens("another");
    close(dir);
    assert_busy("state", getpid());
    close(lock);
    assert_opens("state");
    assert_opens("state");
}
END_TEST

/* A process that takes the lock and waits to be killed. */
static pid_t start_owner(const char *name)
{
    int ready[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct azm_error err;
        int dir, lock;

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
        if (open_state(name, &dir, &lock, &err) == 0 && write(ready[1], "", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1); /* it has the lock */
    close(ready[0]);
    return pid;
}

START_TEST(another_process_has_it_until_it_is_killed)
{
    for (int i = 0; i < 3; i++) {
        pid_t owner = start_owner("state");
        int status;

        assert_busy("state", owner);
        ck_assert_int_eq(kill(owner, SIGKILL), 0);
        ck_assert_int_eq(waitpid(owner, &status, 0), owner);
        ck_assert(WIFSIGNALED(status));
        assert_opens("state");
    }
}
END_TEST

START_TEST(the_lock_file_names_its_last_owner_only)
{
    char pid[32];

    assert_opens("state");
    write_text("state/lock", 0640, "99999999999999999999\nmore of an older file\n");
    assert_opens("state");
    snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    ck_assert_str_eq(read_text("state/lock"), pid);
}
END_TEST

START_TEST(an_owner_without_a_name)
{
    _cleanup_close_ int dir = -1, lock = -1;
    struct azm_error err;
    int dir2, lock2;

    ck_assert_int_eq(open_state("state", &dir, &lock, &err), 0);
    ck_assert_int_eq(ftruncate(lock, 0), 0); /* between taking the lock and writing the pid */
    ck_assert_int_eq(open_state("state", &dir2, &lock2, &err), -EBUSY);
    ck_assert_ptr_nonnull(strstr(err.words, "(pid unknown)"));
}
END_TEST

START_TEST(what_cannot_be_a_state_directory)
{
    static const struct {
        const char *name, *words;
        int error;
    } table[] = {
        {"missing/state", "cannot create the state directory", ENOENT},
        {"file", "cannot open the state directory", ENOTDIR},
        {"file/state", "cannot create the state directory", ENOTDIR},
        {"linked", "cannot open", ELOOP},
    };

    write_text("file", 0600, "");
    ck_assert_int_eq(mkdir(temp_path("linked"), 0700), 0);
    ck_assert_int_eq(symlink("../file", temp_path("linked/lock")), 0); /* the lock file is never another's file */
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err;
        int dir, lock;

        ck_assert_int_eq(open_state(table[i].name, &dir, &lock, &err), -table[i].error);
        ck_assert_msg(strstr(err.words, table[i].words) != NULL, "%s", err.words);
        ck_assert_msg(strstr(err.words, temp_path(table[i].name)) != NULL, "%s", err.words);
    }
    ck_assert_str_eq(read_text("file"), "");
}
END_TEST

START_TEST(where_everybody_may_write)
{
    struct azm_error err;
    int dir, lock;

    ck_assert_int_eq(mkdir(temp_path("state"), 0700), 0);
    ck_assert_int_eq(chmod(temp_path("state"), 01777), 0);
    ck_assert_int_eq(open_state("state", &dir, &lock, &err), -EPERM);
    ck_assert_msg(strstr(err.words, "everybody may write into the state directory") != NULL, "%s", err.words);
    ck_assert_int_eq(access(temp_path("state/lock"), F_OK), -1);
    ck_assert_int_eq(chmod(temp_path("state"), 0755), 0);
    assert_opens("state");
}
END_TEST

/* Somebody has made it before us, in a place like /tmp. */
START_TEST(of_another_user)
{
    struct azm_error err;
    struct stat st;
    int dir, lock;

    if (geteuid() != 0)
        return; /* only root can give a directory away; tests/integration/security_private.sh needs root and says so */
    ck_assert_int_eq(mkdir(temp_path("tmp"), 0700), 0);
    ck_assert_int_eq(mkdir(temp_path("tmp/state"), 0700), 0);
    ck_assert_int_eq(chown(temp_path("tmp/state"), 1500, 1500), 0);
    ck_assert_int_eq(chmod(temp_path("tmp"), 01777), 0);
    ck_assert_int_eq(open_state("tmp/state", &dir, &lock, &err), -EPERM);
    ck_assert_msg(strstr(err.words, "belongs to another user (uid 1500)") != NULL, "%s", err.words);
    ck_assert_int_eq(chmod(temp_path("tmp"), 0755), 0); /* as /var/lib: a service's, which root looks after */
    assert_opens("tmp/state");
    ck_assert_int_eq(stat(temp_path("tmp/state/lock"), &st), 0);
    ck_assert_uint_eq(st.st_uid, 1500);
    /* who owns the directory cannot have another's file emptied, or given to him */
    write_text("precious", 0600, "precious");
    ck_assert_int_eq(unlink(temp_path("tmp/state/lock")), 0);
    ck_assert_int_eq(link(temp_path("precious"), temp_path("tmp/state/lock")), 0);
    ck_assert_int_eq(open_state("tmp/state", &dir, &lock, &err), -EPERM);
    ck_assert_int_eq(stat(temp_path("precious"), &st), 0);
    ck_assert_uint_eq(st.st_uid, 0);
    ck_assert_str_eq(read_text("precious"), "precious");
}
END_TEST

static int open_below(int *ret_dir, int *ret_lock, struct azm_error *err)
{
    *ret_dir = *ret_lock = -1;
    *err = (struct azm_error){""};
    return azm_state_dir_open_below(temp_path("state"), "group", "name", ret_dir, ret_lock, err);
}

START_TEST(one_below_another_has_its_own_lock)
{
    _cleanup_close_ int dir = -1, lock = -1, above = -1, above_lock = -1;
    int another, its_lock;
    struct azm_error err;
    struct stat st;

    ck_assert_msg(open_below(&dir, &lock, &err) == 0, "%s", err.words); /* makes all three */
    ck_assert_int_eq(stat(temp_path("state/group/name/lock"), &st), 0);
    ck_assert_int_eq(stat(temp_path("state/lock"), &st), -1);
    ck_assert_int_eq(open_state("state", &above, &above_lock, &err), 0);
    ck_assert_int_eq(open_below(&another, &its_lock, &err), -EBUSY);
    ck_assert_msg(strstr(err.words, "/state/group/name ") != NULL, "%s", err.words);
    close(lock);
    ck_assert_int_eq(open_below(&another, &lock, &err), 0);
    close(another);
}
END_TEST

/* Whoever may write into the upper one must not lead root anywhere by a link. */
START_TEST(one_below_another_follows_no_link)
{
    struct azm_error err;
    int dir, lock;

    ck_assert_int_eq(mkdir(temp_path("state"), 0750), 0);
    ck_assert_int_eq(mkdir(temp_path("elsewhere"), 0750), 0);
    ck_assert_int_eq(symlink(temp_path("elsewhere"), temp_path("state/group")), 0);
    ck_assert_int_eq(open_below(&dir, &lock, &err), -ENOTDIR);
    ck_assert_int_eq(unlink(temp_path("state/group")), 0);
    ck_assert_int_eq(mkdir(temp_path("state/group"), 0750), 0);
    ck_assert_int_eq(symlink(temp_path("elsewhere"), temp_path("state/group/name")), 0);
    ck_assert_int_eq(open_below(&dir, &lock, &err), -ENOTDIR);
    ck_assert_msg(strstr(err.words, "/state/group/name") != NULL, "%s", err.words);
}
END_TEST

START_TEST(one_below_another_belongs_to_its_owner)
{
    _cleanup_close_ int dir = -1, lock = -1;
    static const char *const made[] = {"state/group", "state/group/name", "state/group/name/lock"};
    struct azm_error err;
    struct stat st;

    if (geteuid() != 0)
        return; /* only root can give a directory away; tests/integration/security.sh needs root and says so */
    ck_assert_int_eq(mkdir(temp_path("state"), 0750), 0);
    ck_assert_int_eq(chown(temp_path("state"), 1500, 1501), 0);
    ck_assert_msg(open_below(&dir, &lock, &err) == 0, "%s", err.words);
    for (size_t i = 0; i < ELEMENTSOF(made); i++) {
        ck_assert_int_eq(stat(temp_path(made[i]), &st), 0);
        ck_assert_uint_eq(st.st_uid, 1500);
        ck_assert_uint_eq(st.st_gid, 1501);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "one_below_another_has_its_own_lock", one_below_another_has_its_own_lock);
    add_test_in_dir(s, "one_below_another_follows_no_link", one_below_another_follows_no_link);
    add_test_in_dir(s, "one_below_another_belongs_to_its_owner", one_below_another_belongs_to_its_owner);
    add_test_in_dir(s, "it_is_created", it_is_created);
    add_test_in_dir(s, "the_lock_lasts_until_it_is_closed", the_lock_lasts_until_it_is_closed);
    add_test_in_dir(s, "another_process_has_it_until_it_is_killed", another_process_has_it_until_it_is_killed);
    add_test_in_dir(s, "the_lock_file_names_its_last_owner_only", the_lock_file_names_its_last_owner_only);
    add_test_in_dir(s, "an_owner_without_a_name", an_owner_without_a_name);
    add_test_in_dir(s, "where_everybody_may_write", where_everybody_may_write);
    add_test_in_dir(s, "of_another_user", of_another_user);
    add_test_in_dir(s, "what_cannot_be_a_state_directory", what_cannot_be_a_state_directory);
}

TEST_MAIN("state_dir", add_tests)
