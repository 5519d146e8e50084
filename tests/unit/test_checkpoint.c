/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/unit/checkpoint_help.h"

static void assert_damaged(int dir, const char *words)
{
    _cleanup_(azm_buf_free) struct azm_buf loaded = {0};
    struct azm_error err = {""};

    ck_assert_int_eq(azm_checkpoint_load(dir, "cp", &loaded, &err), -EBADMSG);
    ck_assert_msg(strstr(err.words, words) != NULL, "%s", err.words);
}

START_TEST(what_is_saved_is_loaded)
{
    _cleanup_close_ int dir = open_dir();
    _cleanup_(azm_buf_free) struct azm_buf loaded = {0}, large = {0};
    struct azm_error err;

    ck_assert_int_eq(azm_checkpoint_load(dir, "cp", &loaded, &err), 0); /* there is none yet */
    assert_saved(dir, OLD);
    assert_loads(dir, OLD);
    ck_assert_str_eq(read_text("cp"), "azmonlog-checkpoint 1\n" OLD "checksum=e5977ec056f180b0\n");
    assert_saved(dir, NEW);
    assert_loads(dir, NEW);
    assert_saved(dir, OLD); /* shorter again */
    assert_loads(dir, OLD);
    assert_saved(dir, "");
    assert_loads(dir, "");
    assert_saved(dir, "checksum=0000000000000000\n"); /* a line like our own, but not the last */
    assert_loads(dir, "checksum=0000000000000000\n");
    for (unsigned i = 0; i < 50000; i++)
        ck_assert_int_eq(azm_buf_printf(&large, "unit%u=running\n", i), 0);
    ck_assert_int_eq(azm_buf_append(&large, "", 1), 0);
    assert_saved(dir, (const char *)large.data);
    assert_loads(dir, (const char *)large.data);
    ck_assert_int_eq(access(temp_path("cp.tmp"), F_OK), -1);
}
END_TEST

/* Any other value of any byte: the damage is found, or what is loaded is what was saved. */
START_TEST(every_damaged_byte_is_found)
{
    _cleanup_close_ int dir = open_dir(), fd = -1;
    _cleanup_(azm_buf_free) struct azm_buf loaded = {0};
    unsigned missed = 0;
    char first[64] = "";
    struct stat st;

    assert_saved(dir, OLD);
    fd = open(temp_path("cp"), O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) {
        unsigned char good, bad;

        ck_assert_int_eq(pread(fd, &good, 1, at), 1);
        for (unsigned v = 1; v < 256; v++) {
            int r;

            bad = (unsigned char)(good ^ v);
            if (pwrite(fd, &bad, 1, at) != 1)
                ck_abort();
            r = azm_checkpoint_load(dir, "cp", &loaded, NULL);
            if (r == -EBADMSG || (r == 1 && strcmp((const char *)loaded.data, OLD) == 0))
                continue;
            if (missed++ == 0)
                snprintf(first, sizeof first, "byte %d, 0x%02x instead of 0x%02x", (int)at, bad, good);
        }
        ck_assert_int_eq(pwrite(fd, &good, 1, at), 1);
    }
    ck_assert_msg(missed == 0, "%u damages were not found, the first: %s", missed, first);
}
END_TEST

START_TEST(truncation_at_every_length)
{
    _cleanup_close_ int dir = open_dir();
    size_t len;

    assert_saved(dir, OLD);
    len = strlen(read_text("cp"));
    while (len-- > 0) {
        ck_assert_int_eq(truncate(temp_path("cp"), (off_t)len), 0);
        assert_damaged(dir, "cp is damaged");
    }
}
END_TEST

START_TEST(edited_by_hand)
{
    _cleanup_close_ int dir = open_dir();

    write_text("cp", 0600, "azmonlog-checkpoint 1\n" NEW "checksum=none\n");
    assert_loads(dir, NEW);
    write_text("cp", 0600, "azmonlog-checkpoint 1\n" NEW "checksum=e5977ec056f180b0\n");
    assert_damaged(dir, "after editing by hand write checksum=none");
    write_text("cp", 0600, "azmonlog-checkpoint 1\n" NEW);
    assert_damaged(dir, "checksum is wrong");
}
END_TEST

START_TEST(what_is_no_checkpoint)
{
    _cleanup_close_ int dir = open_dir();
    static const struct {
        const char *text, *words;
        size_t len;
    } table[] = {
#define BYTES(words, s) {s, words, sizeof(s) - 1}
        BYTES("does not begin with", ""),
        BYTES("does not begin with", "\n"),
        BYTES("does not begin with", "cursor=x\n"),
        BYTES("does not begin with", "azmonlog-checkpoint 2\ncursor=x\n"),
        BYTES("does not begin with", "azmonlog-checkpoint 1\r\ncursor=x\r\n"),
        BYTES("cut off or not text", "azmonlog-checkpoint 1\ncursor=\0x\n"),
        BYTES("cut off or not text", "azmonlog-checkpoint 1\n\0\0\0\0\0\0\0\0"), /* as some file systems leave it */
        BYTES("cut off or not text", "azmonlog-checkpoint 1\ncursor=x"),
        BYTES("checksum is wrong", "azmonlog-checkpoint 1\n"),
        BYTES("checksum is wrong", "azmonlog-checkpoint 1\nchecksum=\n"),
        BYTES("checksum is wrong", "azmonlog-checkpoint 1\nchecksum=none\ncursor=x\n"), /* none is not the last line */
        BYTES("checksum is wrong", "azmonlog-checkpoint 1\nchecksum=zzzzzzzzzzzzzzzz\n"),
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        write_file("cp", 0600, table[i].text, table[i].len);
        assert_damaged(dir, table[i].words);
    }
    write_text("cp", 0600, "azmonlog-checkpoint 1\n");
    ck_assert_int_eq(truncate(temp_path("cp"), 17 * 1024 * 1024), 0);
    assert_damaged(dir, "larger than any");
}
END_TEST

START_TEST(links_are_not_followed)
{
    _cleanup_close_ int dir = open_dir();
    _cleanup_(azm_buf_free) struct azm_buf loaded = {0};
    struct azm_error err;

    assert_saved(dir, OLD);
    ck_assert_int_eq(rename(temp_path("cp"), temp_path("elsewhere")), 0);
    ck_assert_int_eq(symlink("elsewhere", temp_path("cp")), 0);
    ck_assert_int_eq(azm_checkpoint_load(dir, "cp", &loaded, &err), -ELOOP);
    assert_saved(dir, NEW); /* takes the link's place */
    assert_loads(dir, NEW);
    ck_assert_ptr_nonnull(strstr(read_text("elsewhere"), OLD));

    ck_assert_int_eq(symlink("elsewhere", temp_path("cp.tmp")), 0);
    assert_saved(dir, NEW); /* the same, and with a hard link, which no open could refuse */
    ck_assert_int_eq(link(temp_path("elsewhere"), temp_path("cp.tmp")), 0);
    assert_saved(dir, NEW);
    ck_assert_ptr_nonnull(strstr(read_text("elsewhere"), OLD));
    assert_loads(dir, NEW);
}
END_TEST

START_TEST(a_damaged_file_is_set_aside)
{
    _cleanup_close_ int dir = open_dir();
    _cleanup_(azm_buf_free) struct azm_buf loaded = {0};
    struct azm_error err;
    char name[64];

    write_text("cp", 0600, "damaged");
    ck_assert_int_eq(azm_checkpoint_set_aside(dir, "cp", UINT64_C(1700000000999999), name, &err), 0);
    ck_assert_str_eq(name, "cp.corrupt-1700000000");
    ck_assert_str_eq(read_text(name), "damaged");
    ck_assert_int_eq(azm_checkpoint_load(dir, "cp", &loaded, &err), 0);
    ck_assert_int_eq(azm_checkpoint_set_aside(dir, "cp", 0, name, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.words, "cp"));
    ck_assert_int_eq(azm_checkpoint_set_aside(dir, "cp", AZM_USEC_INFINITY, name, NULL), -ENOENT);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "what_is_saved_is_loaded", what_is_saved_is_loaded);
    add_test_in_dir(s, "every_damaged_byte_is_found", every_damaged_byte_is_found);
    add_test_in_dir(s, "truncation_at_every_length", truncation_at_every_length);
    add_test_in_dir(s, "edited_by_hand", edited_by_hand);
    add_test_in_dir(s, "what_is_no_checkpoint", what_is_no_checkpoint);
    add_test_in_dir(s, "links_are_not_followed", links_are_not_followed);
    add_test_in_dir(s, "a_damaged_file_is_set_aside", a_damaged_file_is_set_aside);
}

TEST_MAIN("checkpoint", add_tests)
