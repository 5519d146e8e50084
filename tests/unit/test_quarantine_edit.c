/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "export/quarantine_edit.h"
#include "tests/unit/quarantine_help.h"

#define ROOMY ((uint64_t)64 << 20)

static void must_read(int dir, struct azm_quarantine_lines *l)
{
    struct azm_error err = {""};

    ck_assert_msg(azm_quarantine_read(dir, l, &err) == 0, "%s", err.words);
}

static int must_edit(int dir, struct azm_quarantine_lines *l)
{
    struct azm_error err = {""};
    int lock = -1;

    ck_assert_msg(azm_quarantine_edit(dir, &lock, l, &err) == 0, "%s", err.words);
    return lock;
}

static void must_commit(int dir, int lock, struct azm_quarantine_lines *l)
{
    struct azm_error err = {""};

    ck_assert_msg(azm_quarantine_commit(dir, lock, l, &err) == 0, "%s", err.words);
    azm_quarantine_lines_free(l);
    close(lock);
}

/* The beginning of each line's uid, which is the number of the record if that is below 32: "01 02 ". */
static const char *uids(int dir)
{
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines l = {0};
    static char all[1024];
    char *end = all;

    must_read(dir, &l);
    *all = '\0';
    for (size_t i = 0; i < l.n; i++)
        end += sprintf(end, "%.2s ", l.items[i].damaged ? "--" : l.items[i].uid);
    return all;
}

static struct azm_quarantine *with_records(int dir, uint8_t n)
{
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);

    for (uint8_t i = 1; i <= n; i++)
        must_append(q, i, "hello");
    return q;
}

/* --- reading --- */

START_TEST(what_was_appended_is_read)
{
    _cleanup_close_ int dir = open_dir();
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines l = {0};
    struct azm_quarantine *q = with_records(dir, 2);

    must_read(dir, &l);
    ck_assert_uint_eq(l.n, 2);
    ck_assert(!l.items[1].damaged);
    ck_assert_str_eq(l.items[1].time, "2023-11-14T22:13:20.000001Z");
    ck_assert_str_eq(l.items[1].uid, "02000000000000000000000000");
    ck_assert_str_eq(l.items[1].reason, "refused");
    ck_assert_int_eq(l.items[1].status, 400);
    ck_assert_str_eq(l.items[1].code, "InvalidRecord");
    ck_assert_str_eq(l.items[1].message, "this record is odd");
    ck_assert_str_eq(l.items[1].service, "web");
    azm_quarantine_free(q);
}
END_TEST

START_TEST(no_file_is_an_empty_quarantine)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine_lines l;

    must_read(dir, &l);
    ck_assert_uint_eq(l.n, 0);
    must_commit(dir, must_edit(dir, &l), &l);
    write_text(FILE_NAME, 0640, "");
    must_read(dir, &l);
    ck_assert_uint_eq(l.n, 0);
    azm_quarantine_lines_free(&l);
}
END_TEST

START_TEST(hand_edited_lines)
{
#define RECORD(inside) "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{" inside "}]}]}]"
    static const char text[] = RECORD(
        "\"attributes\":[5,{\"key\":\"log.record.uid\",\"value\":{\"stringValue\":\"abcd\"}}]") "}\n" /* as cat */
        RECORD("") ",\"azmonlog\":5}\n" RECORD(
            "") ",\"azmonlog\":{\"uid\":5,\"time\":[],\"status\":\"x\",\"reason\":null}}\n"
                "\n"
                "hello\n"
                "{}\n"
                "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{},{}]}]}]}\n"
                "half a li";
#undef RECORD
    _cleanup_close_ int dir = open_dir();
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines l = {0};

    write_text(FILE_NAME, 0640, text);
    must_read(dir, &l);
    ck_assert_uint_eq(l.n, 7);
    ck_assert_str_eq(l.items[0].uid, "abcd");
    for (size_t i = 0; i < l.n; i++)
        ck_assert_int_eq(l.items[i].damaged, i >= 3);
    for (size_t i = 1; i < 3; i++) {
        ck_assert_str_eq(l.items[i].uid, "");
        ck_assert_str_eq(l.items[i].reason, "");
        ck_assert_str_eq(l.items[i].service, "");
        ck_assert_int_eq(l.items[i].status, 0);
    }
    ck_assert_str_eq(read_text(FILE_NAME), text); /* reading changes nothing */
}
END_TEST

/* --- editing --- */

START_TEST(chosen_lines_go_the_rest_stays)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = with_records(dir, 5);
    struct azm_quarantine_lines l;
    struct stat st;
    int lock = must_edit(dir, &l);

    l.items[0].remove = l.items[2].remove = l.items[4].remove = true;
    ck_assert_str_eq(uids(dir), "01 02 03 04 05 "); /* until it is committed */
    must_append(q, 6, "meanwhile");
    must_append(q, 7, "meanwhile");
    must_commit(dir, lock, &l);
    ck_assert_str_eq(uids(dir), "02 04 06 07 ");
    ck_assert_int_eq(stat(temp_path(FILE_NAME), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777 & ~0640U, 0);
    must_append(q, 8, "afterwards"); /* into the new file */
    ck_assert_str_eq(uids(dir), "02 04 06 07 08 ");
    ck_assert_uint_eq(records_in(q), 5);
    azm_quarantine_free(q);
}
END_TEST

START_TEST(without_lines_there_is_no_file)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = with_records(dir, 2);
    struct azm_quarantine_lines l;
    int lock = must_edit(dir, &l);

    l.items[0].remove = l.items[1].remove = true;
    must_commit(dir, lock, &l);
    ck_assert_int_eq(access(temp_path(FILE_NAME), F_OK), -1);
    ck_assert_uint_eq(records_in(q), 0);
    must_append(q, 3, "again");
    ck_assert_str_eq(uids(dir), "03 ");
    azm_quarantine_free(q);
}
END_TEST

START_TEST(nothing_chosen_nothing_changes)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = with_records(dir, 2);
    struct azm_quarantine_lines l;
    struct stat before, after;

    ck_assert_int_eq(stat(temp_path(FILE_NAME), &before), 0);
    must_commit(dir, must_edit(dir, &l), &l);
    ck_assert_int_eq(stat(temp_path(FILE_NAME), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    azm_quarantine_free(q);
}
END_TEST

START_TEST(a_new_note_replaces_the_old_one)
{
    static const struct azm_quarantine_note note = {
        .reason = AZM_QUARANTINE_TOO_LARGE, .status = 413, .code = "", .message = {"\xFF", 1}, .request_id = ""};
    _cleanup_close_ int dir = open_dir();
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines after = {0};
    struct azm_quarantine *q = with_records(dir, 3);
    struct azm_quarantine_lines l;
    int lock = must_edit(dir, &l);

    ck_assert_int_eq(azm_quarantine_line_annotate(&l.items[1], &note, &fixed_clock), 0);
    ck_assert_int_eq(azm_quarantine_line_annotate(&l.items[1], &note, &fixed_clock), 0); /* the last one counts */
    l.items[2].remove = true;
    must_commit(dir, lock, &l);
    ck_assert_str_eq(uids(dir), "01 02 ");
    must_read(dir, &after);
    check_json(after.items[1].note, "{'time':'2023-11-14T22:13:20.000001Z','uid':'02000000000000000000000000',"
                                    "'reason':'too_large','status':413,'message':'\xEF\xBF\xBD'}");
    ck_assert_ptr_nonnull(memmem(after.items[1].text.s, after.items[1].text.len, "\"hello\"", 7));
    azm_quarantine_free(q);
}
END_TEST

START_TEST(one_editor_at_a_time)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = with_records(dir, 1);
    struct azm_quarantine_lines l, other;
    struct azm_error err;
    int lock = must_edit(dir, &l), second = -1;

    ck_assert_int_eq(azm_quarantine_edit(dir, &second, &other, &err), -EBUSY);
    ck_assert_ptr_nonnull(strstr(err.words, "another azmonlog quarantine"));
    must_append(q, 2, "the exporter is not held up");
    must_commit(dir, lock, &l);
    must_commit(dir, must_edit(dir, &other), &other);
    azm_quarantine_free(q);
}
END_TEST

/* Somebody has moved the file away or put another one there: what was read is no longer what is there. */
START_TEST(another_file_is_left_alone)
{
    _cleanup_close_ int dir = open_dir();
    struct azm_quarantine *q = with_records(dir, 2);
    struct azm_quarantine_lines l;
    struct azm_error err;
    int lock = must_edit(dir, &l);

    l.items[0].remove = true;
    ck_assert_int_eq(rename(temp_path(FILE_NAME), temp_path("moved")), 0);
    ck_assert_int_eq(azm_quarantine_commit(dir, lock, &l, &err), -ESTALE);
    ck_assert_int_eq(access(temp_path(FILE_NAME), F_OK), -1);
    must_append(q, 9, "new");
    ck_assert_int_eq(azm_quarantine_commit(dir, lock, &l, &err), -ESTALE);
    ck_assert_str_eq(uids(dir), "09 ");
    ck_assert_int_eq(rename(temp_path("moved"), temp_path(FILE_NAME)), 0);
    ck_assert_int_eq(truncate(temp_path(FILE_NAME), 10), 0);
    ck_assert_int_eq(azm_quarantine_commit(dir, lock, &l, &err), -ESTALE);
    azm_quarantine_lines_free(&l);
    close(lock);
    azm_quarantine_free(q);
}
END_TEST

/* --- an exporter that appends, and a person who takes away --- */

#define APPENDS 300

static void append_in_pairs(int dir)
{
    struct azm_quarantine *q = open_quarantine(dir, ROOMY);

    for (unsigned i = 0; i < APPENDS; i++) {
        struct sample s[2] = {0};
        char bodies[2][32];
        struct azm_quarantine_record r[2];

        for (unsigned k = 0; k < 2; k++) {
            snprintf(bodies[k], sizeof bodies[k], "%u", 2 * i + k);
            r[k] = sample_record(&s[k], (uint8_t)i, bodies[k]);
        }
        if (azm_quarantine_append(q, r, 2, &refused, NULL) != 0)
            _exit(1);
        sample_free(&s[0]);
        sample_free(&s[1]);
    }
    _exit(0);
}

static unsigned number_in(const struct azm_quarantine_line *l)
{
    json_t *line = json_loadb(l->text.s, l->text.len, 0, NULL), *record;
    unsigned n;

    record = json_array_get(json_object_get(line, "resourceLogs"), 0);
    record = json_array_get(json_object_get(record, "scopeLogs"), 0);
    record = json_array_get(json_object_get(record, "logRecords"), 0);
    n = (unsigned)atoi(json_string_value(json_object_get(json_object_get(record, "body"), "stringValue")));
    json_decref(line);
    return n;
}

START_TEST(appending_and_taking_at_once)
{
    _cleanup_close_ int dir = open_dir();
    unsigned expected = 0, takes = 0;
    bool ended = false;
    int status = -1;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dir = open_dir(); /* a description of its own, as another process has it */
        append_in_pairs(dir);
    }
    while (!ended) {
        struct azm_quarantine_lines l;
        int lock;

        ended = waitpid(pid, &status, WNOHANG) == pid;
        lock = must_edit(dir, &l);
        ck_assert_uint_eq(l.n % 2, 0); /* never half of an append */
        for (size_t i = 0; i < l.n; i++) {
            ck_assert(!l.items[i].damaged);
            ck_assert_uint_eq(number_in(&l.items[i]), expected); /* none lost, none twice */
            expected++;
            l.items[i].remove = true;
        }
        takes += l.n > 0;
        must_commit(dir, lock, &l);
    }
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_uint_eq(expected, 2 * APPENDS);
    ck_assert_uint_gt(takes, 0);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "what_was_appended_is_read", what_was_appended_is_read);
    add_test_in_dir(s, "no_file_is_an_empty_quarantine", no_file_is_an_empty_quarantine);
    add_test_in_dir(s, "hand_edited_lines", hand_edited_lines);
    add_test_in_dir(s, "chosen_lines_go_the_rest_stays", chosen_lines_go_the_rest_stays);
    add_test_in_dir(s, "without_lines_there_is_no_file", without_lines_there_is_no_file);
    add_test_in_dir(s, "nothing_chosen_nothing_changes", nothing_chosen_nothing_changes);
    add_test_in_dir(s, "a_new_note_replaces_the_old_one", a_new_note_replaces_the_old_one);
    add_test_in_dir(s, "one_editor_at_a_time", one_editor_at_a_time);
    add_test_in_dir(s, "another_file_is_left_alone", another_file_is_left_alone);
    add_test_in_dir(s, "appending_and_taking_at_once", appending_and_taking_at_once);
}

TEST_MAIN("quarantine_edit", add_tests)
