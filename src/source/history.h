/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"
#include "source/place.h"

/* What of the journal has been read, in few words: for each pair of seqnum id and boot the highest numbers and times.
 * It belongs into the checkpoint, where it stands for what has been acknowledged; when the journal was rolled back or
 * recreated it tells which entries were surely delivered.
 *
 * Places are noted now and then, not for each entry, so the history may lag behind (a few entries are then sent
 * twice), but never claims too much. */

#define AZM_HISTORY_PAIRS 64 /* those that were not noted for longest are forgotten */

struct azm_history {
    struct azm_place pairs[AZM_HISTORY_PAIRS]; /* in the order in which they were last noted */
    size_t n_pairs;
    sd_id128_t
        *seen; /* seqnum ids of the files that were there when reading passed by, and damaged files already told */
    size_t n_seen;
    /* The last entry read of each seqnum id, in the order in which they were noted; for a journal of several counters,
     * of which one tells nothing of another. Unlike the pairs they do not lag behind, or there are none. */
    struct azm_place *lasts;
    size_t n_lasts;
};

void azm_history_free(struct azm_history *h);

/* An entry was read; everything before it in reading order as well. */
void azm_history_note(struct azm_history *h, const struct azm_place *p);

/* Was this entry surely delivered? The sequence number alone does not prove it: after a power loss journald uses
 * numbers again. Nor does the clock, which may lie behind then. Within one boot the monotonic time decides; it also
 * does for another seqnum id, which a volatile journal gets when it is flushed to disk. Where the last entry of a
 * seqnum id is known that decides for its boot, too, as exactly as it can be. */
bool azm_history_delivered(const struct azm_history *h, const struct azm_place *p);

/* The set of ids seen. add: 0 or -ENOMEM. */
bool azm_history_has_seen(const struct azm_history *h, sd_id128_t id);
int azm_history_add_seen(struct azm_history *h, sd_id128_t id);

/* Has it to do with several seqnum ids, of files that were seen or entries that were read? */
bool azm_history_has_several_ids(const struct azm_history *h);

/* An entry was read, and is the last of its seqnum id: 0 or -ENOMEM. */
int azm_history_note_last(struct azm_history *h, const struct azm_place *p);
void azm_history_forget_lasts(struct azm_history *h);
void azm_history_forget_last(struct azm_history *h, sd_id128_t seqnum_id);

/* The last entry of this seqnum id; NULL: none is known. Valid until the next change. */
const struct azm_place *azm_history_last(const struct azm_history *h, sd_id128_t seqnum_id);

/* Forgets every seen id for which `keep` says false, and their last entries but for some: a file that comes later may
 * go on with their numbers. */
void azm_history_prune(struct azm_history *h, bool (*keep)(sd_id128_t id, void *userdata), void *userdata);

/* Appends the history as checkpoint lines (history=, seen=, last=): 0 or -ENOMEM. */
int azm_history_print(const struct azm_history *h, struct azm_buf *out);

/* Takes over one checkpoint line, key and value: 1; 0 if the key is none of ours; -EBADMSG; -ENOMEM. */
int azm_history_parse(struct azm_history *h, const char *key, const char *value);
