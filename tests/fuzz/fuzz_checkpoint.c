/* SPDX-License-Identifier: MIT */
#include "source/history.h"
#include "source/losses.h"
#include "source/uid.h"
#include "store/checkpoint.h"
#include "tests/fuzz/fuzz.h"

/* The file of a checkpoint. What is loaded is the same after it was saved; what its lines say is the same after it was
 * printed and read again. */

struct state {
    struct azm_uid_state uids;
    struct azm_history history;
    struct azm_losses losses;
};

static void read_lines(struct state *s, const struct azm_buf *lines)
{
    char *text = fuzz_alloc(lines->len + 1), *save = NULL;

    memcpy(text, lines->data, lines->len);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, '=');

        if (!value)
            continue;
        *value++ = '\0';
        if (azm_uid_state_parse(&s->uids, line, value) == 0 && azm_history_parse(&s->history, line, value) == 0)
            (void)azm_losses_parse(&s->losses, line, value);
    }
}

static void print(const struct state *s, struct azm_buf *out)
{
    azm_buf_clear(out);
    require(azm_uid_state_print(&s->uids, out) == 0 && azm_history_print(&s->history, out) == 0 &&
            azm_losses_print(&s->losses, out) == 0);
}

static void clear(struct state *s)
{
    azm_uid_state_free(&s->uids);
    azm_history_free(&s->history);
    *s = (struct state){0};
}

FUZZ_TARGET(checkpoint)
{
    static struct azm_buf lines, again, printed;
    struct azm_error err = {""};
    struct state s = {0}, t = {0};
    XXH128_hash_t fields = {1, 2};
    uint8_t uid[16];
    int r;

    fuzz_write("cursor", fuzz_rest(&in));
    r = azm_checkpoint_load(fuzz_dir_fd(), "cursor", &lines, &err);
    require(r == 1 || (r == -EBADMSG && *err.words));
    if (r < 0)
        return;
    require(azm_checkpoint_save(fuzz_dir_fd(), "cursor", lines.data, lines.len, &err) == 0);
    require(azm_checkpoint_load(fuzz_dir_fd(), "cursor", &again, &err) == 1);
    require(azm_text_equal(fuzz_text(&lines), fuzz_text(&again)));
    read_lines(&s, &lines);
    print(&s, &printed);
    read_lines(&t, &printed);
    print(&t, &again);
    require(printed.len == again.len); /* the order of equal hashes may be another one */
    require(azm_uid_next(&s.uids, s.uids.boot, s.uids.monotonic_usec, s.uids.realtime_usec, fields, uid) == 0);
    clear(&s);
    clear(&t);
}
