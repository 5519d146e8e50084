/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>

#include "tests/unit/quarantine_help.h"

#define ROOMY ((uint64_t)1 << 20)

/* --- a disk that fails: --wrap=write,fsync,ftruncate --- */

static struct {
    bool armed;
    int64_t room;        /* bytes that the disk still takes; at the end ENOSPC */
    unsigned fail_fsync; /* the n-th fsync is EIO; 0: none */
    bool fail_ftruncate;
    unsigned fsyncs;
} disk;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_ftruncate(int fd, off_t len);
int __wrap_ftruncate(int fd, off_t len);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len); /* its name with _FILE_OFFSET_BITS=64 */

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    ssize_t n;

    if (!disk.armed)
        return __real_write(fd, data, len);
    if (disk.room <= 0) {
        errno = ENOSPC;
        return -1;
    }
    n = __real_write(fd, data, MIN(len, (size_t)disk.room));
    if (n > 0)
        disk.room -= n;
    return n;
}

int __wrap_fsync(int fd)
{
    if (disk.armed && ++disk.fsyncs == disk.fail_fsync) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

static bool truncating_fails(void)
{
    if (disk.armed && disk.fail_ftruncate)
        errno = EIO;
    return disk.armed && disk.fail_ftruncate;
}

int __wrap_ftruncate(int fd, off_t len)
{
    return truncating_fails() ? -1 : __real_ftruncate(fd, len);
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return truncating_fails() ? -1 : __real_ftruncate64(fd, len);
}

/* --- what a line says --- */

/* The only line of the file. */
static json_t *only_line(void)
{
    const char *text = read_text(FILE_NAME);
    json_error_t why;
    json_t *line;

    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    line = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(line != NULL, "%s in %s", why.text, text);
    ck_assert_msg(strncmp(text, "{\"resourceLogs\":[", 17) == 0, "%s", text);
    return line;
}

START_TEST(a_line_is_the_record_and_why)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);
    json_t *line, *resource_logs;
    struct stat st;

    ck_assert_int_eq(access(temp_path(FILE_NAME), F_OK), -1);
    umask(0);
    must_append(q, 0xAB, "hello");
    ck_assert_int_eq(stat(temp_path(FILE_NAME), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    line = only_line();
    check_json(json_object_get(line, "azmonlog"),
               "{'time':'2023-11-14T22:13:20.000001Z','uid':'5B000000000000000000000000','reason':'refused',"
               "'status':400,'code':'InvalidRecord','message':'this record is odd','request_id':'id-1'}");
    resource_logs = json_array_get(json_object_get(line, "resourceLogs"), 0);
    check_json(json_object_get(resource_logs, "resource"),
               "{'attributes':[{'key':'service.name','value':{'stringValue':'web'}}]}");
    ck_assert_uint_eq(json_object_size(line), 2);
    json_decref(line);
    azm_quarantine_free(q);
}
END_TEST

static void check_note(const struct azm_quarantine_note *note, const char *expected)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);
    struct azm_error err = {""};
    json_t *line, *member;

    unlink(temp_path(FILE_NAME));
    ck_assert_msg(append_sample(q, 1, "hello", note, &err) == 0, "%s", err.words);
    line = only_line();
    member = json_object_get(line, "azmonlog");
    ck_assert_int_eq(json_object_del(member, "time"), 0);
    ck_assert_int_eq(json_object_del(member, "uid"), 0);
    check_json(member, expected);
    json_decref(line);
    azm_quarantine_free(q);
}

START_TEST(what_is_not_known_is_left_out)
{
    struct azm_quarantine_note note = {.code = "", .message = {"", 0}, .request_id = ""};

    note.reason = AZM_QUARANTINE_SUSPECT;
    check_note(&note, "{'reason':'suspect'}");
    note.reason = AZM_QUARANTINE_TOO_LARGE;
    note.status = 413;
    check_note(&note, "{'reason':'too_large','status':413}");
    note.reason = AZM_QUARANTINE_PARTIAL;
    note.status = 200;
    note.rejected = 2;
    note.of = 5;
    check_note(&note, "{'reason':'partial','status':200,'rejected':2,'of':5}");
}
END_TEST

START_TEST(the_servers_words_may_be_anything)
{
    struct azm_quarantine_note note = {.code = "\xFF", .message = {"a\0b\x80\n\"", 6}, .request_id = "\xC3"};
    char longer[2000];
    json_t *line;

    check_note(&note, "{'reason':'refused','code':'\xEF\xBF\xBD','message':'a\xEF\xBF\xBD"
                      "b\xEF\xBF\xBD\\n\\\"','request_id':'\xEF\xBF\xBD'}");
    memset(longer, 'x', sizeof longer);
    memcpy(longer + 1023, "\xE2\x82\xAC", 3); /* does not fit into 1 KiB any more */
    note = (struct azm_quarantine_note){.code = "", .message = {longer, sizeof longer}, .request_id = ""};
    unlink(temp_path(FILE_NAME));
    {
        _cleanup_close_ int dir = open_dir();
        struct azm_quarantine *q = open_quarantine(dir, ROOMY);

        ck_assert_int_eq(append_sample(q, 1, "hello", &note, NULL), 0);
        azm_quarantine_free(q);
    }
    line = only_line();
    ck_assert_uint_eq(json_string_length(json_object_get(json_object_get(line, "azmonlog"), "message")), 1023);
    json_decref(line);
}
END_TEST

/* --- all or none --- */

/* Appends three records: what azm_quarantine_append says. */
static int append_three(struct azm_quarantine *q, struct azm_error *err)
{
    struct sample s[3] = {0};
    const struct azm_quarantine_record r[] = {
        sample_record(&s[0], 1, "first"),
        sample_record(&s[1], 2, "second"),
        sample_record(&s[2], 3, "third"),
    };
    int result = azm_quarantine_append(q, r, ELEMENTSOF(r), &refused, err);

    for (size_t i = 0; i < ELEMENTSOF(s); i++)
        sample_free(&s[i]);
    return result;
}

START_TEST(a_full_disk_takes_nothing)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);
    struct azm_error err;

    must_append(q, 9, "before");
    for (int64_t room = 0;; room += 97) {
        char before[65536];
        int r;

        snprintf(before, sizeof before, "%s", read_text(FILE_NAME));
        memset(&disk, 0, sizeof disk);
        disk.armed = true;
        disk.room = room;
        r = append_three(q, &err);
        disk.armed = false;
        if (r == 0) { /* there was room for all */
            ck_assert_int_gt(room, 1000);
            break;
        }
        ck_assert_int_eq(r, -ENOSPC);
        ck_assert_ptr_nonnull(strstr(err.words, "No space left"));
        ck_assert_str_eq(read_text(FILE_NAME), before);
        ck_assert_uint_eq(records_in(q), 1);
    }
    ck_assert_uint_eq(records_in(q), 4);
    azm_quarantine_free(q);
}
END_TEST

START_TEST(a_broken_disk_takes_nothing)
{
    for (unsigned n = 1;; n++) { /* the first append also flushes the directory */
        _cleanup_close_ int dir = open_dir();
        struct azm_quarantine *q = open_quarantine(dir, ROOMY);
        struct azm_error err;
        int r;

        unlink(temp_path(FILE_NAME));
        memset(&disk, 0, sizeof disk);
        disk.armed = true;
        disk.room = INT64_MAX;
        disk.fail_fsync = n;
        r = append_three(q, &err);
        disk.armed = false;
        ck_assert_uint_eq(records_in(q), r == 0 ? 3 : 0);
        if (r < 0)
            ck_assert_ptr_nonnull(strstr(err.words, "Input/output error"));
        must_append(q, 9, "later");
        azm_quarantine_free(q);
        if (r == 0) {
            ck_assert_uint_eq(n, 3);
            break;
        }
    }
}
END_TEST

/* What cannot be taken back is still no half a line afterwards. */
START_TEST(a_disk_that_does_not_even_truncate)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);
    struct azm_error err;

    must_append(q, 9, "before");
    memset(&disk, 0, sizeof disk);
    disk.armed = disk.fail_ftruncate = true;
    disk.room = 100; /* the lines are longer */
    ck_assert_int_eq(append_three(q, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.words, "cannot take back"));
    disk.armed = false;
    must_append(q, 8, "after");
    ck_assert_uint_eq(records_in(q), 2);
    azm_quarantine_free(q);
}
END_TEST

START_TEST(what_is_no_record_takes_nothing)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);
    struct sample s = {0};
    const struct azm_quarantine_record r[] = {sample_record(&s, 1, "good"), {AZM_TEXT(""), AZM_TEXT("\xFF")}};

    ck_assert_int_eq(azm_quarantine_append(q, r, 2, &refused, NULL), -EBADMSG);
    ck_assert_int_eq(azm_quarantine_append(q, r, 0, &refused, NULL), 0);
    ck_assert_uint_eq(records_in(q), 0);
    ck_assert_int_eq(access(temp_path(FILE_NAME), F_OK), -1);
    sample_free(&s);
    azm_quarantine_free(q);
}
END_TEST

/* --- the bound --- */

START_TEST(never_larger_than_allowed)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);
    struct azm_quarantine_status s;
    struct azm_error err;
    uint64_t line;

    must_append(q, 1, "hello");
    ck_assert_int_eq(azm_quarantine_get_status(q, &s, &err), 0);
    line = s.bytes;
    ck_assert_uint_eq(line, strlen(read_text(FILE_NAME)));
    ck_assert_uint_eq(s.max_bytes, ROOMY);
    azm_quarantine_free(q);

    q = open_quarantine(dir, 3 * line - 1);
    must_append(q, 2, "hello");
    ck_assert_int_eq(append_sample(q, 3, "hello", &refused, &err), -EDQUOT);
    ck_assert_ptr_nonnull(strstr(err.words, "quarantine_max_bytes"));
    ck_assert_int_eq(append_three(q, &err), -EDQUOT);
    ck_assert_uint_eq(records_in(q), 2);
    azm_quarantine_free(q);

    q = open_quarantine(dir, 3 * line);
    must_append(q, 3, "hello");
    ck_assert_uint_eq(records_in(q), 3);
    azm_quarantine_free(q);

    q = open_quarantine(dir, 1); /* the bound was lowered: what is there stays */
    ck_assert_int_eq(append_sample(q, 3, "hello", &refused, &err), -EDQUOT);
    ck_assert_uint_eq(records_in(q), 3);
    azm_quarantine_free(q);
}
END_TEST

/* --- what a crash leaves --- */

static void cut_last_line(size_t bytes)
{
    struct stat st;

    ck_assert_int_eq(stat(temp_path(FILE_NAME), &st), 0);
    ck_assert_int_eq(truncate(temp_path(FILE_NAME), st.st_size - (off_t)bytes), 0);
}

START_TEST(a_cut_last_line_is_taken_off)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);
    char large[20000], one[65536];

    memset(large, 'x', sizeof large); /* longer than what is looked at at once */
    large[sizeof large - 1] = '\0';
    must_append(q, 1, "one");
    snprintf(one, sizeof one, "%s", read_text(FILE_NAME));
    for (int i = 0; i < 4; i++) {
        must_append(q, 2, i & 1 ? "two" : large);
        cut_last_line(i < 2 ? 1 : 50);
        azm_quarantine_free(q);
        q = open_quarantine(dir, ROOMY); /* by opening ... */
        ck_assert_str_eq(read_text(FILE_NAME), one);
    }
    must_append(q, 2, "two");
    cut_last_line(10);
    must_append(q, 3, "three"); /* ... or by appending */
    ck_assert_uint_eq(records_in(q), 2);
    ck_assert_ptr_null(strstr(read_text(FILE_NAME), "\"two\""));
    azm_quarantine_free(q);

    write_text(FILE_NAME, 0640, "{\"resource");
    q = open_quarantine(dir, ROOMY);
    ck_assert_str_eq(read_text(FILE_NAME), "");
    azm_quarantine_free(q);
}
END_TEST

START_TEST(errors_name_the_file)
{
    const struct azm_quarantine_options o = {.dir_fd = -1, .max_bytes = ROOMY, .clock = &fixed_clock};
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q;
    struct azm_error err = {""};

    ck_assert_int_eq(azm_quarantine_open(&o, &q, &err), -EBADF);
    ck_assert_ptr_nonnull(strstr(err.words, "quarantine.lock"));
    q = open_quarantine(dir, ROOMY);
    ck_assert_int_eq(symlink("/etc/passwd", temp_path(FILE_NAME)), 0); /* is not followed */
    ck_assert_int_eq(append_sample(q, 1, "hello", &refused, &err), -ELOOP);
    ck_assert_ptr_nonnull(strstr(err.words, FILE_NAME));
    azm_quarantine_free(q);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "a_line_is_the_record_and_why", a_line_is_the_record_and_why);
    add_test_in_dir(s, "what_is_not_known_is_left_out", what_is_not_known_is_left_out);
    add_test_in_dir(s, "the_servers_words_may_be_anything", the_servers_words_may_be_anything);
    add_test_in_dir(s, "a_full_disk_takes_nothing", a_full_disk_takes_nothing);
    add_test_in_dir(s, "a_broken_disk_takes_nothing", a_broken_disk_takes_nothing);
    add_test_in_dir(s, "a_disk_that_does_not_even_truncate", a_disk_that_does_not_even_truncate);
    add_test_in_dir(s, "what_is_no_record_takes_nothing", what_is_no_record_takes_nothing);
    add_test_in_dir(s, "never_larger_than_allowed", never_larger_than_allowed);
    add_test_in_dir(s, "a_cut_last_line_is_taken_off", a_cut_last_line_is_taken_off);
    add_test_in_dir(s, "errors_name_the_file", errors_name_the_file);
}

TEST_MAIN("quarantine", add_tests)
