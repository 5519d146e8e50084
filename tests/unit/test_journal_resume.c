/* SPDX-License-Identifier: MIT */
#include "source/journal_resume.h"
#include "tests/unit/journal_help.h"

/* Going back to a cursor: whatever became of the journal, nothing is passed over that was not delivered. */

static void note(struct azm_history *h, const char *cursor)
{
    struct azm_place p;

    must(azm_place_parse(cursor, &p), "cannot parse a cursor");
    azm_history_note(h, &p);
}

/* All that is known: the cursor's entry was read, and what comes before it. */
static struct azm_history history_of(const char *cursor)
{
    struct azm_history h = {0};

    note(&h, cursor);
    return h;
}

/* Resumes at the cursor with what is known, then reads on: all from number `first` to the end must come, each once and
 * in order. Nothing is said to be lost of a journal that moved. */
static void check_resume_with(const struct azm_history *h, struct cursor cursor, enum azm_resume expected,
                              uint64_t expected_lost, unsigned first)
{
    _cleanup_journal_ sd_journal *j = open_journal(), *all = open_journal();
    struct azm_gap gap;
    int r = azm_journal_resume(j, cursor.s, h, &gap);
    uint64_t lost = gap.counted ? gap.entries : 0;
    bool on_unread = r == AZM_RESUME_VACUUMED; /* it stands on the first one */

    if (r != (int)expected || lost != expected_lost) {
        printf("# %s gives %d with %" PRIu64 " lost, not %d with %" PRIu64 "\n", cursor.s, r, lost, expected,
               expected_lost);
        failed = true;
    }
    expect(sd_id128_is_null(gap.to.boot) || r == AZM_RESUME_VACUUMED || r == AZM_RESUME_ROLLBACK);
    while (sd_journal_next(all) > 0) {
        unsigned wanted = number(all);

        if (wanted < first)
            continue;
        if (!on_unread && sd_journal_next(j) <= 0) {
            printf("# %s: entry %u and what follows is not read\n", cursor.s, wanted);
            failed = true;
            return;
        }
        on_unread = false;
        if (number(j) != wanted) {
            printf("# %s: entry %u comes instead of %u\n", cursor.s, number(j), wanted);
            failed = true;
            return;
        }
    }
    expect(!on_unread && sd_journal_next(j) == 0);
}

static void check_resume(struct cursor cursor, enum azm_resume expected, uint64_t expected_lost, unsigned first)
{
    struct azm_history h = history_of(cursor.s);

    check_resume_with(&h, cursor, expected, expected_lost, first);
}

/* --- the cursor's entry is there --- */

static void exact(void)
{
    write_journal((struct entries){.first = 1, .n = 20, .boot = '1'});
    for (unsigned i = 1; i <= 20; i++)
        check_resume(cursor_of(i), AZM_RESUME_EXACT, 0, i + 1);
}

static void exact_at_the_end_of_a_journal_that_grows(void)
{
    struct cursor cursor;

    write_journal((struct entries){.first = 1, .n = 5, .boot = '1'});
    cursor = cursor_of(5);
    check_resume(cursor, AZM_RESUME_EXACT, 0, 6);
    write_journal((struct entries){.first = 6, .n = 3, .second = 10, .uptime = 10, .boot = '1'});
    write_journal((struct entries){.first = 9, .n = 3, .second = 5, .boot = '2'}); /* a clock set back by a boot */
    check_resume(cursor, AZM_RESUME_EXACT, 0, 6);
}

/* --- it is gone, but the history is the same one --- */

#define ENTRIES 200 /* of 60 KB: some files full */

static struct cursor cursors[ENTRIES + 1];

/* A journal of several files without file `n`, counted from the oldest on. False if there are no two of them. */
static bool write_vacuumed(size_t n)
{
    glob_t found;
    bool ok;

    write_journal((struct entries){.first = 1, .n = ENTRIES, .boot = '1', .pad = PAD_BYTES});
    for (unsigned i = 1; i <= ENTRIES; i++)
        cursors[i] = cursor_of(i);
    ok = glob(path("t@*.journal"), 0, NULL, &found) == 0 && found.gl_pathc > n; /* their names sort by time */
    if (ok)
        must(unlink(found.gl_pathv[n]) == 0, "unlink");
    else
        skipped = "this systemd-journal-remote did not begin a new file";
    globfree(&found);
    return ok;
}

static void vacuumed(void)
{
    unsigned first;

    if (!write_vacuumed(0))
        return;
    first = first_number();
    expect(first > 10 && first < ENTRIES - 10);
    for (unsigned i = 1; i < first; i++)
        check_resume(cursors[i], AZM_RESUME_VACUUMED, first - i - 1, first);
    for (unsigned i = first; i <= ENTRIES; i += 10)
        check_resume(cursors[i], AZM_RESUME_EXACT, 0, i + 1);
}

/* Finds the entries that are missing between others: *ret_begin .. *ret_end - 1. */
static void find_hole(unsigned *ret_begin, unsigned *ret_end)
{
    _cleanup_journal_ sd_journal *j = open_journal();

    *ret_begin = 1;
    while (sd_journal_next(j) > 0 && number(j) == *ret_begin)
        ++*ret_begin;
    *ret_end = number(j);
    expect(*ret_begin > 10 && *ret_end > *ret_begin + 10);
}

/* A file in the middle is gone (damaged, or deleted by hand): only its entries are lost. */
static void hole(void)
{
    unsigned begin, end;

    if (!write_vacuumed(1))
        return;
    find_hole(&begin, &end);
    for (unsigned i = begin; i < end; i++)
        check_resume(cursors[i], AZM_RESUME_VACUUMED, end - i - 1, end);
    check_resume(cursors[begin - 1], AZM_RESUME_EXACT, 0, end);
}

/* --- it is another history --- */

/* Another journal is in its place, with sequence numbers of its own, its clock behind or ahead: libsystemd alone would
 * hide all of it if the cursor lies in its future. Nothing of it was ever delivered, so all of it is to be read. */
static void recreated(void)
{
    static const struct entries others[] = {
        {.first = 1, .n = 20, .second = 2000, .uptime = 5, .boot = '2'},   /* later */
        {.first = 1, .n = 20, .second = 500, .uptime = 5, .boot = '2'},    /* earlier */
        {.first = 1, .n = 20, .second = 1010, .uptime = 110, .boot = '1'}, /* the same boot, later */
        /* the same boot, and it begins earlier: a volatile journal that was flushed to disk. What is older than the
         * checkpoint by the monotonic time was delivered. */
        {.first = 1, .n = 20, .second = 900, .uptime = 90, .boot = '1'},
    };
    static const unsigned next[] = {1, 1, 1, 21};
    static const enum azm_resume how[] = {AZM_RESUME_ROLLBACK, AZM_RESUME_ROLLBACK,
                                          AZM_RESUME_VACUUMED, /* it could as well be another user's journal */
                                          AZM_RESUME_ROLLBACK};
    struct cursor cursor;

    write_journal((struct entries){.first = 1, .n = 10, .second = 1000, .uptime = 100, .boot = '1'});
    cursor = cursor_of(5);
    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        empty_dir();
        write_journal(others[i]);
        check_resume(cursor, how[i], 0, next[i]);
    }
}

/* The same where the other journal has lost its beginning: its first number is above the cursor's by chance. */
static void recreated_and_vacuumed(void)
{
    struct cursor cursor;

    write_journal((struct entries){.first = 1, .n = 10, .boot = '2'});
    cursor = cursor_of(5);
    empty_dir();
    if (write_vacuumed(0))
        check_resume(cursor, AZM_RESUME_ROLLBACK, 0, first_number());
}

/* Entries 1..10 were delivered; then the power failed, and 6..10 had not reached the disk. journald goes on with the
 * sequence numbers 6, 7, ... for n new entries. */
static void check_power_loss(struct entries new)
{
    for (new.n = 0; new.n <= 10; new.n++) {
        struct cursor cursor;

        empty_dir();
        write_journal((struct entries){.first = 1, .n = 5, .second = 100, .uptime = 100, .boot = '1'});
        copy_file("t.journal", "snapshot");
        write_journal((struct entries){.first = 6, .n = 5, .second = 200, .uptime = 200, .boot = '1'});
        cursor = cursor_of(10);
        must(rename(path("snapshot"), path("t.journal")) == 0, "rename");
        new.first = 6;
        if (new.n > 0)
            write_journal(new);
        check_resume(cursor, AZM_RESUME_ROLLBACK, 0, 6);
    }
}

static void power_loss(void)
{
    check_power_loss((struct entries){.second = 300, .uptime = 5, .boot = '2'});
}

/* A machine without a battery for its clock starts with a time from before the loss. */
static void power_loss_and_the_clock_behind(void)
{
    check_power_loss((struct entries){.second = 150, .uptime = 5, .boot = '2'});
}

/* No power loss, but the files were put back (a snapshot): the boot is the same, and the clock may have been set. */
static void files_put_back(void)
{
    check_power_loss((struct entries){.second = 300, .uptime = 300, .boot = '1'});
    check_power_loss((struct entries){.second = 150, .uptime = 300, .boot = '1'});
}

/* The entry that has the cursor's number now, or the next one, is another one: new, as others before it may be. */
static void numbers_used_again(void)
{
    unsigned begin, end;

    write_journal((struct entries){.first = 1, .n = 10, .second = 100, .uptime = 100, .boot = '1'});
    for (unsigned i = 1; i <= 10; i++) /* the 5th entry had number i then */
        if (i != 5)
            check_resume(with_value(cursor_of(5), 'i', i), AZM_RESUME_ROLLBACK, 0, MIN(i, 5U) + 1);
    /* number 1 was older than all that there is */
    check_resume(with_value(with_value(cursor_of(1), 'm', 1), 't', 1), AZM_RESUME_ROLLBACK, 0, 1);
    empty_dir();

    if (!write_vacuumed(1))
        return;
    find_hole(&begin, &end);
    check_resume(with_value(cursors[begin - 5], 'i', end - 1), AZM_RESUME_ROLLBACK, 0, begin - 4);
    /* all that follows is older than the cursor's entry was */
    check_resume(with_value(cursors[begin], 't', UINT64_C(1800000000000000)), AZM_RESUME_ROLLBACK, 0, end);
}

/* --- the history knows more than the cursor's boot and file --- */

/* The boot of the cursor was wholly lost: none of its entries had reached the disk. The boots before it are known, so
 * they are not sent once more. */
static void check_lost_boot(struct entries new)
{
    for (new.n = 0; new.n <= 12; new.n += 3) {
        struct azm_history h = {0};
        struct cursor cursor;

        empty_dir();
        write_journal((struct entries){.first = 1, .n = 5, .second = 100, .uptime = 100, .boot = '1'});
        write_journal((struct entries){.first = 6, .n = 5, .second = 200, .uptime = 10, .boot = '2'});
        note(&h, cursor_of(5).s);
        note(&h, cursor_of(10).s);
        copy_file("t.journal", "snapshot");
        write_journal((struct entries){.first = 11, .n = 5, .second = 300, .uptime = 10, .boot = '3'});
        cursor = cursor_of(15);
        note(&h, cursor.s);
        must(rename(path("snapshot"), path("t.journal")) == 0, "rename");
        new.first = 11;
        if (new.n > 0)
            write_journal(new);
        check_resume_with(&h, cursor, AZM_RESUME_ROLLBACK, 0, 11);
        check_resume(cursor, AZM_RESUME_ROLLBACK, 0, 1); /* who knows nothing sends all */
        h.n_pairs = 1;
        check_resume_with(&h, cursor, AZM_RESUME_ROLLBACK, 0, 6);
    }
}

static void a_boot_wholly_lost(void)
{
    check_lost_boot((struct entries){.second = 400, .uptime = 10, .boot = '4'});
    check_lost_boot((struct entries){.second = 400, .uptime = 1, .boot = '4'});
    check_lost_boot((struct entries){.second = 150, .uptime = 10, .boot = '4'}); /* the clock is behind */
    check_lost_boot((struct entries){.second = 50, .uptime = 10, .boot = '4'});  /* ... far */
}

/* Vacuumed in the middle of the boots: what follows is the next boot's, and only the numbers between are lost. */
static void over_boots(void)
{
    struct azm_history h = {0};
    struct cursor third;

    write_journal((struct entries){.first = 1, .n = 5, .second = 100, .uptime = 100, .boot = '1'});
    write_journal((struct entries){.first = 6, .n = 5, .second = 200, .uptime = 10, .boot = '2'});
    third = cursor_of(3);
    note(&h, third.s);
    check_resume_with(&h, third, AZM_RESUME_EXACT, 0, 4);
    note(&h, cursor_of(5).s);
    note(&h, cursor_of(8).s);
    check_resume_with(&h, cursor_of(8), AZM_RESUME_EXACT, 0, 9);
    check_resume_with(&h, third, AZM_RESUME_EXACT, 0, 4); /* the cursor says where, not the history */
}

/* The machine's journal, and one of a user: on systemd before 254 each file has a seqnum id of its own. They are
 * written by turns. */
static void write_two_files(unsigned first, struct entries e)
{
    e.n = 5;
    e.first = first;
    write_journal(e);
    e.first += 5;
    e.second++;
    e.uptime++;
    e.file = "user-1000.journal";
    write_journal(e);
}

/* What is known when all that is there now was read. */
static void note_all(struct azm_history *h)
{
    _cleanup_journal_ sd_journal *j = open_journal();
    struct azm_place p;

    while (sd_journal_next(j) > 0) {
        must(azm_place_current(j, &p) == 0, "place");
        azm_history_note(h, &p);
    }
}

static void a_users_file_is_gone(void)
{
    struct azm_history h = {0}, users;
    struct cursor cursor, early;

    write_two_files(1, (struct entries){.second = 100, .uptime = 100, .boot = '1'});
    write_two_files(11, (struct entries){.second = 110, .uptime = 110, .boot = '1'});
    note_all(&h);
    expect(h.n_pairs == 2);
    cursor = cursor_of(20);
    early = cursor_of(7);
    users = history_of(cursor.s);
    check_resume_with(&h, cursor, AZM_RESUME_EXACT, 0, 21);
    must(unlink(path("user-1000.journal")) == 0, "unlink");
    check_resume_with(&h, early, AZM_RESUME_VACUUMED, 0, 11); /* the cursor comes first */
    write_journal((struct entries){.first = 21, .n = 5, .second = 120, .uptime = 120, .boot = '1'});
    check_resume_with(&h, cursor, AZM_RESUME_VACUUMED, 0, 21);
    check_resume_with(&users, cursor, AZM_RESUME_VACUUMED, 0, 21); /* by the monotonic time */
}

/* Is what follows the machine's journal going on without the user's file, or another journal? Only who knows the one
 * can tell. */
static void gone_or_recreated(void)
{
    struct cursor cursor;

    write_two_files(1, (struct entries){.second = 100, .uptime = 100, .boot = '1'});
    cursor = cursor_of(10);
    for (int known = 0; known < 3; known++) {
        _cleanup_journal_ sd_journal *j = NULL;
        struct azm_history h = history_of(cursor.s);
        struct azm_place p;
        struct azm_gap gap;

        if (known == 0) {
            must(unlink(path("user-1000.journal")) == 0, "unlink");
            write_journal((struct entries){.first = 11, .n = 5, .second = 120, .uptime = 120, .boot = '1'});
        }
        must(azm_place_parse(cursor_of(1).s, &p), "cursor");
        if (known == 1)
            azm_history_note(&h, &p);
        if (known == 2) /* as a file only */
            must(azm_history_add_seen(&h, p.seqnum_id) == 0, "seen");
        j = open_journal();
        expect(azm_journal_resume(j, cursor.s, &h, &gap) == AZM_RESUME_VACUUMED && number(j) == 11);
        expect(gap.reason == (known ? AZM_GAP_VACUUMED : AZM_GAP_ROLLED_BACK));
        expect(!gap.counted); /* numbers of two ids */
        must(azm_place_parse(cursor_of(11).s, &p), "cursor");
        expect(azm_place_equal(&gap.to, &p));
        must(azm_place_parse(cursor.s, &p), "cursor");
        expect(azm_place_equal(&gap.from, &p));
        azm_history_free(&h);
    }
}

/* The power fails, and both files lose their end, or a whole boot. */
static void power_loss_with_users_files(void)
{
    for (int whole = 0; whole < 2; whole++)
        for (int machines = 0; machines < 2; machines++) {
            struct azm_history h = {0};
            struct cursor cursor;

            empty_dir();
            write_two_files(1, (struct entries){.second = 100, .uptime = 100, .boot = '1'});
            copy_file("t.journal", "snapshot");
            copy_file("user-1000.journal", "snapshot2");
            write_two_files(11, (struct entries){.second = 200, .uptime = whole ? 10 : 200, .boot = whole ? '2' : '1'});
            note_all(&h);
            expect(h.n_pairs == (whole ? 4 : 2));
            cursor = cursor_of(machines ? 15 : 20);
            must(rename(path("snapshot"), path("t.journal")) == 0, "rename");
            must(rename(path("snapshot2"), path("user-1000.journal")) == 0, "rename");
            check_resume_with(&h, cursor, AZM_RESUME_ROLLBACK, 0, 11);
            write_two_files(11, (struct entries){.second = 300, .uptime = 10, .boot = '3'});
            check_resume_with(&h, cursor, AZM_RESUME_ROLLBACK, 0, 11);
        }
}

/* A volatile journal is flushed to disk, where its entries get numbers of another seqnum id: nothing is lost, and only
 * what has the very time of the cursor's entry comes once more. */
static void moved(void)
{
    const struct entries old = {.first = 1, .n = 10, .second = 100, .uptime = 100, .boot = '1'};
    struct cursor moving[11];

    write_journal(old);
    for (unsigned i = 1; i <= 10; i++)
        moving[i] = cursor_of(i);
    empty_dir();
    write_journal(old);
    for (unsigned i = 1; i <= 10; i++)
        check_resume(moving[i], AZM_RESUME_MOVED, 0, i);
    write_journal((struct entries){.first = 11, .n = 5, .second = 200, .uptime = 200, .boot = '1'});
    write_journal((struct entries){.first = 16, .n = 5, .second = 300, .uptime = 10, .boot = '2'});
    for (unsigned i = 1; i <= 10; i++)
        check_resume(moving[i], AZM_RESUME_MOVED, 0, i);

    /* it had lost its beginning before */
    empty_dir();
    write_journal((struct entries){.first = 20, .n = 5, .second = 101, .uptime = 101, .boot = '1'});
    check_resume(moving[3], AZM_RESUME_VACUUMED, 0, 20);
}

/* Several entries have the time of the cursor's: the copy is found among them. */
static void moved_in_a_crowd(void)
{
    struct cursor moving[8];

    for (int copy = 0; copy < 2; copy++) {
        empty_dir();
        write_journal((struct entries){.first = 1, .n = 4, .second = 100, .uptime = 100, .boot = '1'});
        for (unsigned i = 5; i <= 7; i++)
            write_journal((struct entries){.first = i, .n = 1, .second = 101, .uptime = 101, .boot = '1'});
        write_journal((struct entries){.first = 8, .n = 3, .second = 102, .uptime = 102, .boot = '1'});
        for (unsigned i = 5; i <= 7; i++)
            if (copy)
                check_resume(moving[i], AZM_RESUME_MOVED, 0, 5);
            else
                moving[i] = cursor_of(i);
    }
}

static void empty_journal(void)
{
    struct cursor cursor;

    write_journal((struct entries){.first = 1, .n = 5, .boot = '1'});
    cursor = cursor_of(5);
    empty_dir();
    check_resume(cursor, AZM_RESUME_ROLLBACK, 0, 1);
}

static void bad_cursors(void)
{
    static const char *const bad[] = {
        "",
        "cursor",
        "s=",
        "s=1;i=1",
        "s=0123456789abcdef0123456789abcdef",
        "s=0123456789abcdef0123456789abcdef;i=1;b=0123456789abcdef0123456789abcdef;m=1",
        "s=0123456789abcdef0123456789abcdef;i=;b=0123456789abcdef0123456789abcdef;m=1;t=1",
        "s=0123456789abcdef0123456789abcdeg;i=1;b=0123456789abcdef0123456789abcdef;m=1;t=1",
        "s=0123456789abcdef;i=1;b=0123456789abcdef0123456789abcdef;m=1;t=1", /* libsystemd refuses this one */
        "i=1;s=0123456789abcdef0123456789abcdef;b=0123456789abcdef0123456789abcdef;m=1;t=1",
        " s=0123456789abcdef0123456789abcdef;i=1;b=0123456789abcdef0123456789abcdef;m=1;t=1",
    };

    write_journal((struct entries){.first = 1, .n = 5, .boot = '1'});
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        _cleanup_journal_ sd_journal *j = open_journal();
        struct azm_history h = {0};
        struct azm_gap gap;
        int r = azm_journal_resume(j, bad[i], &h, &gap);

        if (r != AZM_RESUME_BAD_CURSOR || gap.counted) {
            printf("# \"%s\" gives %d\n", bad[i], r);
            failed = true;
        }
    }
}

static const struct journal_test tests[] = {
    {"exact", exact},
    {"exact_at_the_end_of_a_journal_that_grows", exact_at_the_end_of_a_journal_that_grows},
    {"vacuumed", vacuumed},
    {"hole", hole},
    {"recreated", recreated},
    {"recreated_and_vacuumed", recreated_and_vacuumed},
    {"power_loss", power_loss},
    {"power_loss_and_the_clock_behind", power_loss_and_the_clock_behind},
    {"files_put_back", files_put_back},
    {"numbers_used_again", numbers_used_again},
    {"a_boot_wholly_lost", a_boot_wholly_lost},
    {"over_boots", over_boots},
    {"a_users_file_is_gone", a_users_file_is_gone},
    {"gone_or_recreated", gone_or_recreated},
    {"power_loss_with_users_files", power_loss_with_users_files},
    {"moved", moved},
    {"moved_in_a_crowd", moved_in_a_crowd},
    {"empty_journal", empty_journal},
    {"bad_cursors", bad_cursors},
};

int main(void)
{
    return run_journal_tests(tests, ELEMENTSOF(tests));
}
