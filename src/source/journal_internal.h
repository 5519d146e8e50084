/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-journal.h>

#include "config/config.h"
#include "core/clock.h"
#include "source/entry.h"
#include "source/gap.h"
#include "source/history.h"
#include "source/journal_files.h"
#include "source/source.h"

/* What the files of the journal source share, for nobody else: journal.c (the source), journal_read.c (reading),
 * journal_entry.c (the fields of an entry), journal_start.c (where reading begins), journal_past.c (where it ends),
 * journal_gaps.c (what is missing), journal_late.c (files that come up late), journal_selected.c (what a selection
 * passes over). */

/* libsystemd unpacks a compressed field as a whole, however long (journald takes 768 MiB), and each open file keeps the
 * memory for its longest one. When large fields have come to so much, a new handle gives it back. */
#define AZM_JOURNAL_LARGE_BYTES ((size_t)256 * 1024)
#define AZM_JOURNAL_UNPACKED_MAX_BYTES ((size_t)32 * 1024 * 1024)

/* Places of entries that were read are noted up to so many: enough for any batch; with excludes a stretch may be
 * longer.
 */
#define AZM_JOURNAL_NOTED_MAX 100000

#define AZM_EBADMSG_TRIES 3 /* how often to look anew at files that a vacuum takes away under us */

/* The last place up to which the sequence numbers have been looked at. */
struct azm_account {
    char *cursor; /* NULL: none yet */
    struct azm_place place;
    int64_t read; /* entries read since */
    bool noting;  /* ... and they are noted: there are several counters, see journal_stretch.h */
    struct azm_place *places;
    size_t n_places, cap_places;
    /* As they were there, for going back: what depends on the entries that are read. */
    struct azm_uid_state uid_state;
    struct azm_losses losses;
    uint64_t past_read;
};

/* Files that came up late, with entries from before the position: they are read by a handle and a reader of their own
 * (the state behind the uids is the reader's). */
struct azm_late {
    sd_id128_t *ids; /* their seqnum ids */
    size_t n_ids;    /* 0: there are none */
    struct azm_place head;
    sd_journal *j;
    struct azm_entry_reader *reader;
    struct azm_place until; /* here the merged files have been read up to */
    bool bounded;           /* `until` is known */
};

/* A stretch of the past, if that is all that is wanted. */
struct azm_past {
    uint64_t since_usec, until_usec; /* until_usec 0: there is none, and reading follows for ever */
    uint64_t total, read;            /* entries */
    struct azm_place last;           /* of them, where they were counted */
    bool done;                       /* all of them are read */
};

/* With a selection: what was read at the journal's end, see journal_selected.c. (The account does not do: it begins
 * anew where nothing selected is.) */
struct azm_selected {
    sd_journal *j; /* looks back; NULL: not opened */
    struct azm_place *places;
    size_t n, cap, n_known; /* so many were compared: the entry up to which all was, and those before it of its time */
    /* As they were there, for going back. */
    char *cursor;
    struct azm_uid_state uid_state;
    struct azm_losses losses;
};

/* Numbers that are missing between two entries. */
struct hole {
    struct azm_place from, to;
    uint64_t entries;
    bool about, up_to;
};

/* Entries that the merged files do not give, of one seqnum id: those numbered from after the one to before the other.
 */
struct azm_behind_range {
    struct azm_place after, before;
    char *file; /* the file that goes so far, and there is nothing behind; owned. NULL: it is where holes are */
    struct azm_place *places; /* those in the range that were given: */
    size_t n, cap, n_known;   /* so many, sorted, before it is read; then in the order in which they are */
    bool from_head;           /* it is read a second time, without going to a place */
};

struct azm_behind {
    struct azm_behind_range *ranges; /* the first one is being read */
    size_t n;
    struct hole *holes; /* reported when the ranges were read, but for what was found there */
    size_t n_holes;
    /* Of ranges at the ends of files: the last entry of each counter before them, then those that were given. */
    struct azm_place *places;
    size_t n_places, cap_places, n_known;
    bool jumped;   /* ... with numbers missing */
    sd_journal *j; /* NULL with a reader: nothing can be opened */
    struct azm_entry_reader *reader;
    uint64_t looked_usec; /* monotonic: when the ends of the files were last looked at */
    size_t turn;          /* which of them is the first one then */
    size_t share;         /* so many entries of each are read at a time */
    bool due;             /* ... which is to be done again */
    bool again;           /* ... and at once */
};

struct azm_journal {
    struct azm_source source;
    const struct azm_config *config;
    sd_journal *j;       /* gives what [journal] selects */
    sd_journal *retired; /* the one before, while its fd may still be watched */
    int polled_fd;
    bool selects; /* that is less than everything */
    struct azm_entry_reader *reader;
    int state_dir_fd;
    struct azm_buf *rest; /* see struct azm_journal_options; only while the journal is opened */

    /* Reading has passed over entries that a new handle can read: the position is back at the account's place, and such
     * a handle is to read on from there. */
    bool read_again;                  /* to be done */
    struct azm_place read_again_from; /* the last place from which that was done: it is not done twice */
    struct azm_place jumped_from;     /* the last entry behind which numbers were missing, and a new handle was asked */

    bool on_unread;        /* the journal stands on an entry that `next` has yet to give */
    bool paused;           /* `next` gave none because it has passed over so many */
    char *cursor;          /* of the last entry read; "" before the first; NULL: ask the journal */
    size_t unpacked_bytes; /* of large fields, since the handle was opened: libsystemd keeps them, file by file */
    unsigned truncations;  /* azm_sigbus_count when it was last looked at */
    sd_id128_t boot;       /* the running one */
    uint64_t opened_usec;  /* monotonic: what this process logs from then on is its own */
    uint64_t looked_usec;  /* monotonic: the last look for new files */
    struct azm_entry_times last_times; /* of the last entry read */
    bool last_was_young;               /* the last entry read: see advance */
    bool invalidated;                  /* files have come or gone since they were last looked over */
    uint64_t looked_over_usec;         /* monotonic: when that was */
    uint64_t taken_back_usec;          /* monotonic: when files were last taken back */
    unsigned settled_reads;            /* so many more entries were written long ago: see needs_place */
    uint64_t next_wait_usec;           /* monotonic: until then it is not waited long for fields that are missing */
    bool told_incomplete;              /* some were missing for good */
    unsigned incomplete;               /* in a row */
    struct azm_journal_root roots[AZM_JOURNAL_ROOTS]; /* those that the handle watches */

    struct azm_history history;
    struct azm_account account;
    struct azm_losses losses;
    uint64_t unreadable; /* entries since the last look at the numbers */
    struct azm_place first_unreadable, last_unreadable;
    struct azm_gaps gaps;
    struct azm_attribute gap_attributes[AZM_GAP_ATTRIBUTES];
    struct azm_journal_files files;
    bool closed; /* there is a file that must not be read by this user */
    struct azm_late late;
    struct azm_past past;
    struct azm_selected selected;
    struct azm_behind behind;

    /* The running boot's clock is behind that of an earlier one, so its entries would come before the position for
     * ever. Once the others are read, only this boot is looked at. */
    bool limit_to_boot; /* to be done */
    bool only_boot;     /* done; stands in the checkpoint */

    /* With selection: the journal's end, as it was before the selected entries were last drained. The position moves
     * there when nothing selected came after all, so that entries vacuumed later do not look like a gap. */
    char *tail;          /* NULL: none is known, or something was read since */
    uint64_t tail_usec;  /* monotonic: when it was taken */
    uint64_t tail_bytes; /* so large were the files then */
    bool caught_up;      /* all selected entries have been read once */
    bool tail_wanted;    /* since then something was read or has changed, so a new one is due */

    struct azm_place mark; /* for flush: what comes up to here is wanted */
    bool marked;
    char *acknowledged; /* cursor */
};

struct azm_journal *azm_journal_of(struct azm_source *s);

/* Writes "the journal: <what>: %m" and returns r. */
int azm_journal_error(struct azm_error *err, int r, const char *what);

/* Replaces s->cursor; NULL: the journal is to be asked. 0 or -ENOMEM. */
int azm_journal_set_cursor(struct azm_journal *s, const char *cursor, struct azm_error *err);

/* A new handle that selects as configured: 0 or -errno. */
int azm_journal_open_selecting(const struct azm_journal *s, sd_journal **ret, struct azm_error *err);

/* Puts a new handle into s->j, which selects as configured: 0 or -errno, and s->j is as before. */
int azm_journal_open_merged(struct azm_journal *s, struct azm_error *err);

/* Keeps the cursor of the last entry read: later it may be gone, with its file. */
void azm_journal_keep_cursor(struct azm_journal *s);

/* The place of the last entry read, whose cursor is kept: true, or false if it is not known. */
bool azm_journal_last_place(struct azm_journal *s, struct azm_place *ret);

/* A reader of what this configuration wants, which counts what it is told of losses: 0 or -errno. */
int azm_journal_new_reader(struct azm_journal *s, const struct azm_config *c, struct azm_entry_reader **ret,
                           struct azm_error *err);

/* --- journal_read.c --- */

/* Looks for new, changed and deleted files: an sd_journal event or -errno. */
int azm_journal_look_at_files(struct azm_journal *s, struct azm_error *err);

/* The next entry of the merged files: 1 and the record, 0, -errno. */
int azm_journal_next_merged(struct azm_journal *s, struct azm_record *rec, struct azm_error *err);

/* The times of the current entry: 0 or -errno. */
int azm_journal_read_times(sd_journal *j, struct azm_entry_times *ret);

/* --- journal_entry.c --- */

/* The current entry, which has these times, as a record. `p`: its place, by which it is seen whether all its fields are
 * there; NULL for an entry that was written long ago. 1, 0 if it is one to skip, -EBADMSG if it cannot be read, -errno.
 */
int azm_journal_read_entry(struct azm_journal *s, sd_journal *j, struct azm_entry_reader *reader,
                           const struct azm_entry_times *t, const struct azm_place *p, struct azm_record *rec);

/* --- journal_start.c --- */

/* Goes to where reading begins: after the checkpoint, or as configured (or, with `last`, before the last so many
 * entries), and checkpoints that place: 0 or -errno. */
int azm_journal_begin(struct azm_journal *s, size_t last, struct azm_error *err);

/* Feeds the uid state with the entries that come before the next one and have the same times, so that the next one gets
 * the uid that it has whoever reads it from wherever. The journal stands on the last of them, before and afterwards. 0
 * or -errno. */
int azm_journal_rebuild_uid_state(struct azm_journal *s, sd_journal *j, struct azm_entry_reader *reader);

/* libsystemd orders entries of two boots by the clock, where their seqnum ids differ. If the clock of the running boot
 * is behind the position, which is in another one, its entries would be passed over: sets s->limit_to_boot. 0 or
 * -errno. */
int azm_journal_compare_clocks(struct azm_journal *s, struct azm_error *err);

/* Makes s->j, a new handle, go on after s->cursor: 0; -EUCLEAN if that is no cursor; -errno. */
int azm_journal_go_on(struct azm_journal *s, struct azm_error *err);

/* --- journal_past.c --- */

static inline bool azm_journal_reads_past(const struct azm_journal *s)
{
    return s->past.until_usec > 0;
}

/* Was an entry with this time received in the stretch? Always true without one. */
bool azm_journal_in_past(const struct azm_journal *s, uint64_t realtime_usec);

/* Looks the stretch over and goes onto the entry before its first one: 1; 0 if there is none before, or the stretch is
 * empty; -errno. */
int azm_journal_find_past(struct azm_journal *s);

/* Goes onto the entry with this cursor, as reading came there: 1; 0 if it is not met; -errno. */
int azm_journal_walk_past(struct azm_journal *s, const char *cursor);

/* s->j has come to another entry: is it one to give? */
bool azm_journal_note_past(struct azm_journal *s);

/* A gap that was found: what of it lies in the stretch. False if nothing does. */
bool azm_journal_clip_gap(struct azm_journal *s, struct azm_gap *g);

/* Checkpoint lines (past=). print: 0 or -ENOMEM; parse: 1; 0 if the key is another; -EBADMSG. */
int azm_journal_print_past(const struct azm_journal *s, struct azm_buf *out);
int azm_journal_parse_past(struct azm_journal *s, const char *key, const char *value);

/* --- journal_gaps.c --- */

/* Looks whether sequence numbers are missing among the entries read since the last look: 0 or -errno. May set
 * s->read_again. */
int azm_journal_account(struct azm_journal *s, struct azm_error *err);

/* Makes the entry with this cursor the position again, from which a new handle is to read; uid state (taken over) and
 * losses are those of then. What was read since comes once more, with the same uids. 0 or -errno. */
int azm_journal_go_back(struct azm_journal *s, const char *cursor, struct azm_uid_state *uid_state,
                        const struct azm_losses *losses, struct azm_error *err);

/* Is everything given that is numbered by the counter of what is given? If not, missing numbers mean nothing. */
bool azm_journal_is_complete(const struct azm_journal *s);

/* The account begins anew at this cursor (NULL: at the next entry); `read` as in struct azm_account. 0 or -errno. */
int azm_journal_account_from(struct azm_journal *s, const char *cursor, int64_t read, struct azm_error *err);

/* Notes the current entry, which is there, as s->account.noting wants it: 0 or -ENOMEM. */
int azm_journal_note_read(struct azm_journal *s, const struct azm_place *p, struct azm_error *err);

/* The files were looked over: are entries to be noted from here on? */
void azm_journal_account_look(struct azm_journal *s);

/* Where not everything is given, after files have gone: was anything taken away before it was looked at? 0 or -errno.
 */
int azm_journal_check_overtaken(struct azm_journal *s, struct azm_error *err);

/* Logs, counts and queues a gap: 0 or -errno. */
int azm_journal_add_gap(struct azm_journal *s, struct azm_gap *g, struct azm_error *err);

/* The same for what azm_journal_resume gives, if anything was lost. */
int azm_journal_add_vacuumed(struct azm_journal *s, struct azm_gap *g, struct azm_error *err);

/* Reports what was found to be missing: 0 or -errno. */
struct stretch;
int azm_journal_report_holes(struct azm_journal *s, const struct stretch *w, struct azm_error *err);

/* --- journal_selected.c --- */

/* With a selection: the current entry, which is there (NULL: it is not known where), is read. 0 or -ENOMEM. */
int azm_journal_note_selected(struct azm_journal *s, const struct azm_place *p, struct azm_error *err);

/* Looks whether any were passed over among those read since the last look: 0 or -errno. May set s->read_again. */
int azm_journal_check_selected(struct azm_journal *s, struct azm_error *err);

/* Another handle reads, or what is selected is another thing. */
void azm_journal_forget_selected(struct azm_journal *s);

/* --- journal_behind.c --- */

/* Is it known of each seqnum id how far it was read (lasts, in history.h)? */
bool azm_journal_keeps_lasts(const struct azm_journal *s);

/* If so, and reading follows: is what comes behind the position read? */
bool azm_journal_looks_behind(const struct azm_journal *s);

/* If so: this entry was read, and all before it of its seqnum id was read or reported. note_unread: the file that
 * begins with it was found, and nothing of it was read. 0 or -errno. */
int azm_journal_note_last(struct azm_journal *s, const struct azm_place *p, struct azm_error *err);
int azm_journal_note_unread(struct azm_journal *s, const struct azm_place *head, struct azm_error *err);

/* All that the merged files give was read. Is there more in them? 1: reading is to go on; 0; -errno. Does nothing if
 * that was done just now; due_usec (monotonic) says when to come again, and wake whether it is time to. */
int azm_journal_look_behind(struct azm_journal *s, struct azm_error *err);
uint64_t azm_journal_behind_due_usec(const struct azm_journal *s);
bool azm_journal_behind_wake(struct azm_journal *s, uint64_t now);

/* Takes over the holes: what is in them is read from the files of each seqnum id alone, and what is not there either
 * will be reported; until then there is no position. 0 or -errno. */
int azm_journal_read_holes(struct azm_journal *s, struct stretch *w, struct azm_error *err);

/* The next entry of what the merged files do not give: 1 and the record, 0 if there is none, -errno. */
int azm_journal_next_behind(struct azm_journal *s, struct azm_record *rec, struct azm_error *err);

/* Is nothing missing in what was given of it, or was that reported? */
bool azm_journal_is_behind_told(const struct azm_journal *s);

/* Has the journal that this entry was read from lost its end since, or is nothing left of it? */
bool azm_journal_fell_back(struct azm_journal *s, const struct azm_place *p);

/* The configuration or the files are others: what is being read is opened anew. */
void azm_journal_behind_pause(struct azm_journal *s);
void azm_journal_behind_free(struct azm_journal *s);

/* --- journal_survey.c --- */

/* With selection, at most this often: takes the journal's end as s->tail: 1 if so, 0, -errno. */
#define AZM_JOURNAL_TAIL_USEC (5 * AZM_USEC_PER_SEC)
int azm_journal_take_tail(struct azm_journal *s, struct azm_error *err);

/* These are source operations: see source.h. */
int azm_journal_mark(struct azm_source *source, const char *message, unsigned n, struct azm_error *err);
bool azm_journal_passed(struct azm_source *source);
int azm_journal_get_status(struct azm_source *source, struct azm_source_status *ret, struct azm_error *err);

/* --- journal_late.c --- */

/* Looks over the files that came up: damaged ones are reported, those that came up late are queued. `first`: nothing is
 * known of the files yet, they count as seen. 0 or -errno. */
int azm_journal_look_over_files(struct azm_journal *s, bool first, struct azm_error *err);

/* The next entry of a late file: 1 and the record, 0 if there is none (any more), -errno. */
int azm_journal_next_late(struct azm_journal *s, struct azm_record *rec, struct azm_error *err);

/* How many entries of this counter (see azm_journal_files_counter) with numbers between these two are to come from late
 * files? 0 or -errno. */
int azm_journal_count_late(struct azm_journal *s, sd_id128_t counter, uint64_t above, uint64_t below, uint64_t *ret);
void azm_journal_late_free(struct azm_late *late);
