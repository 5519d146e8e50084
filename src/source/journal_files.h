/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "config/config.h"
#include "source/place.h"

/* The files of the journal, one by one. libsystemd merges them and passes silently over those that it cannot read; this
 * tells them apart. */

/* What a file says of itself, at its beginning. */
struct azm_journal_header {
    bool online;   /* somebody writes into it, or was killed then */
    bool archived; /* nobody writes into it any more */
    sd_id128_t machine, seqnum_id;
    uint64_t n_entries;
    uint64_t first, last;           /* the numbers of its first entry and its last one */
    uint64_t first_usec, last_usec; /* realtime */
};

struct azm_journal_files {
    struct azm_journal_file {
        dev_t dev;
        ino_t ino;
        bool present;
        char *path;         /* as it was last seen */
        sd_id128_t id;      /* seqnum id of a good one, else its identity as in struct azm_file_news */
        sd_id128_t counter; /* of the numbers in it: its id, or what stands for a journald (see below) */
        bool good;
        struct azm_journal_header header; /* as it was at the last scan, or before the file was damaged */
        bool header_is_new;               /* it was read at the last scan */
        uint64_t looked_for, read_for;    /* its last numbers, when they were missed: journal_behind.c */
    } * items; /* those that have been looked at, by identity: a rotated file only changes its name */
    size_t n;
    bool young;    /* there is one that could not be judged yet */
    size_t n_open; /* into so many somebody may write */
};

enum azm_file_state {
    AZM_FILE_GOOD,
    AZM_FILE_EMPTY,   /* no entry yet, or too young to judge: looked at again the next time */
    AZM_FILE_DAMAGED, /* cannot be opened, or gives no entry although it says that it has some */
    AZM_FILE_CLOSED,  /* must not be read by this user */
};

struct azm_file_news {
    const char *path;
    enum azm_file_state state;
    struct azm_place head;                   /* of a good one: its first entry */
    const struct azm_journal_header *header; /* NULL: it has none */
    uint64_t modified_usec;                  /* realtime */
    sd_id128_t identity;                     /* of this very file, made from device and inode */
};

/* Calls `on_news` for each file that has not been looked at before, until that returns < 0: 0 or -errno. */
int azm_journal_files_scan(struct azm_journal_files *files, const struct azm_config *c,
                           int (*on_news)(void *userdata, const struct azm_file_news *news), void *userdata);

/* By which counter are entries with this seqnum id numbered? Before systemd 254 the system's file and those of users
 * have ids of their own, and journald has one counter for all that it writes. So files with journald's names that are
 * of one machine and in one folder share a counter, which is then not the id; any other file has its own. False: no
 * good file has this id. */
bool azm_journal_files_counter(const struct azm_journal_files *files, sd_id128_t seqnum_id, sd_id128_t *ret);

/* Is there more than one seqnum id, and more than one counter? */
bool azm_journal_files_have_ids(const struct azm_journal_files *files);
bool azm_journal_files_have_counters(const struct azm_journal_files *files);

/* Was another entry written after this one into its file by the time of the last scan? (Files may have one seqnum id in
 * common; then one process writes them, entry by entry.) */
bool azm_journal_files_has_later(const struct azm_journal_files *files, const struct azm_place *p);

/* At least so many entries that are read after this one have such a later one, too, whatever files they come from; that
 * is known where one file grows, with a number for each entry. */
uint64_t azm_journal_files_ahead(const struct azm_journal_files *files, const struct azm_place *p);

void azm_journal_files_free(struct azm_journal_files *files);

/* The folders in which the journal is kept, or those in which journald keeps the machine's, by identity. One that
 * appears later, or is put into the place of another, is not noticed by libsystemd. None for configured files. */
#define AZM_JOURNAL_ROOTS 2
struct azm_journal_root {
    bool possible;
    uint64_t ino; /* 0: it is not there */
    uint32_t dev[2];
    int64_t born[2]; /* ext4 gives the inode of a removed folder to the next one */
};
void azm_journal_find_roots(const struct azm_config *c, struct azm_journal_root ret[static AZM_JOURNAL_ROOTS]);
bool azm_journal_root_equal(const struct azm_journal_root *a, const struct azm_journal_root *b);
