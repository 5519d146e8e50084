/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "encode/otlp_json_parse.h"
#include "export/quarantine_edit.h"
#include "tests/fuzz/fuzz.h"

/* The file of the quarantine, as a crash or a person may have left it. Its whole lines are all there; a line with a new
 * note is the same record; and what is taken out and nothing else is gone after a commit. */

static void require_annotated(struct azm_quarantine_line *line)
{
    static struct azm_buf resource[2], record[2];
    const struct azm_quarantine_note note = {.reason = AZM_QUARANTINE_REFUSED,
                                             .status = 400,
                                             .code = "InvalidRecord",
                                             .message = AZM_TEXT("bad \xff words"),
                                             .request_id = ""};
    int r = azm_otlp_json_parse_line(line->text, &resource[0], &record[0]);

    require(azm_quarantine_line_annotate(line, &note, &fuzz_clock) == 0);
    json_decref(fuzz_json(fuzz_text(&line->replacement)));
    require(azm_otlp_json_parse_line(fuzz_text(&line->replacement), &resource[1], &record[1]) == r);
    require(azm_text_equal(fuzz_text(&resource[0]), fuzz_text(&resource[1])));
    require(azm_text_equal(fuzz_text(&record[0]), fuzz_text(&record[1])));
}

FUZZ_TARGET(quarantine)
{
    struct azm_quarantine_lines lines = {0}, again = {0};
    struct azm_error err;
    size_t kept = 0, newlines = 0;
    uint8_t choice = fuzz_byte(&in);
    struct azm_text file = fuzz_rest(&in);
    int lock = -1;

    fuzz_write("quarantine.jsonl", file);
    require(azm_quarantine_edit(fuzz_dir_fd(), &lock, &lines, &err) == 0);
    for (size_t i = 0; i < file.len; i++)
        newlines += file.s[i] == '\n';
    require(lines.n == newlines);
    for (size_t i = 0; i < lines.n; i++) {
        struct azm_quarantine_line *line = &lines.items[i];

        require(line->damaged || json_is_object(line->note));
        line->remove = choice >> (i % 8) & 1;
        if (!line->damaged && !line->remove)
            require_annotated(line);
        kept += !line->remove;
    }
    require(azm_quarantine_commit(fuzz_dir_fd(), lock, &lines, &err) == 0);
    require(azm_quarantine_read(fuzz_dir_fd(), &again, &err) == 0);
    require(again.n == kept);
    for (size_t i = 0, k = 0; i < lines.n; i++)
        if (!lines.items[i].remove) {
            require(again.items[k].damaged == lines.items[i].damaged);
            require(!again.items[k].damaged || azm_text_equal(again.items[k].text, lines.items[i].text));
            k++;
        }
    azm_quarantine_lines_free(&lines);
    azm_quarantine_lines_free(&again);
    close(lock);
}
