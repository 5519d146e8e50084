/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/quarantine.h"
#include "core/log.h"
#include "core/utf8.h"

#define UID_DIGITS_MIN ((size_t)8)
#define WIDTH_UNKNOWN SIZE_MAX /* no terminal: nothing is cut */

enum column { COLUMN_TIME, COLUMN_UID, COLUMN_REASON, COLUMN_ANSWER, COLUMN_SERVICE, COLUMN_WORDS, COLUMNS };

static const char *const titles[COLUMNS] = {"TIME (UTC)", "UID", "REASON", "ANSWER", "SERVICE", "THE SERVER'S WORDS"};
static const size_t widest[COLUMNS] = {19, SIZE_MAX, 12, 32, 24, SIZE_MAX};

/* --- text that moves no cursor and changes no colour, counted in characters --- */

/* One character at `s`, which is valid UTF-8: its length in bytes. */
static size_t char_len(const char *s)
{
    size_t n = 1;

    while (((unsigned char)s[n] & 0xC0) == 0x80)
        n++;
    return n;
}

/* Prints at most `max` characters; returns how many. */
static size_t print_text(const char *s, size_t max)
{
    size_t n = 0;

    for (; *s && n < max; n++, s += char_len(s)) {
        if (azm_utf8_control_len(s, strnlen(s, 2)) > 0)
            putchar(*s == '\n' || *s == '\t' ? ' ' : '?');
        else
            fwrite(s, 1, char_len(s), stdout);
    }
    return n;
}

static size_t text_width(const char *s)
{
    size_t n = 0;

    for (; *s; s += char_len(s))
        n++;
    return n;
}

/* --- the table --- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* So many digits tell all uids from each other. */
static size_t telling_digits(const struct azm_quarantine_lines *l)
{
    _cleanup_free_ const char **uids = calloc(l->n + 1, sizeof *uids);
    size_t digits = UID_DIGITS_MIN;

    if (!uids)
        return SIZE_MAX;
    for (size_t i = 0; i < l->n; i++)
        uids[i] = l->items[i].damaged ? "" : l->items[i].uid;
    qsort(uids, l->n, sizeof *uids, compare_texts);
    for (size_t i = 1; i < l->n; i++) {
        size_t same = 0;

        if (strcmp(uids[i - 1], uids[i]) == 0)
            continue;
        while (uids[i - 1][same] && uids[i - 1][same] == uids[i][same])
            same++;
        digits = MAX(digits, same + 1);
    }
    return digits;
}

/* The text of a cell, in `cell` or borrowed. */
static const char *cell_text(const struct azm_quarantine_line *l, enum column c, size_t digits, char cell[static 256])
{
    if (l->damaged)
        return c == COLUMN_REASON ? "(damaged)" : "";
    switch (c) {
    case COLUMN_TIME: /* to the second */
        snprintf(cell, 256, "%.19s", l->time);
        if (strlen(cell) > 10 && cell[10] == 'T')
            cell[10] = ' ';
        return cell;
    case COLUMN_UID:
        snprintf(cell, 256, "%.*s", (int)MIN(digits, (size_t)200), l->uid);
        return cell;
    case COLUMN_REASON:
        return l->reason;
    case COLUMN_ANSWER:
        if (l->status)
            snprintf(cell, 256, "%ld %.200s", l->status, l->code);
        else
            snprintf(cell, 256, "%.200s", l->code);
        return cell;
    case COLUMN_SERVICE:
        return l->service;
    default:
        return l->message;
    }
}

static void print_row(const char *const cells[COLUMNS], const size_t widths[COLUMNS], size_t width)
{
    size_t used = 0;
    int last = COLUMNS - 1;

    while (last > 0 && !*cells[last])
        last--;
    for (int c = 0; c <= last; c++) {
        size_t room = c == COLUMN_WORDS ? (width > used ? width - used : 0) : widths[c];
        size_t n = print_text(cells[c], room);

        if (c == last)
            break;
        for (; n < widths[c] + 2; n++)
            putchar(' ');
        used += widths[c] + 2;
    }
    putchar('\n');
}

/* How wide the output may be. */
static size_t output_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;

    if (n > 0)
        return n;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return WIDTH_UNKNOWN;
}

static void print_table(const struct azm_quarantine_lines *l, const bool *chosen)
{
    size_t widths[COLUMNS], digits = telling_digits(l), width = output_width();
    char texts[COLUMNS][256];
    const char *cells[COLUMNS];

    for (int c = 0; c < COLUMNS; c++)
        widths[c] = strlen(titles[c]);
    for (size_t i = 0; i < l->n; i++)
        for (int c = 0; chosen[i] && c < COLUMN_WORDS; c++)
            widths[c] = MAX(widths[c], MIN(text_width(cell_text(&l->items[i], c, digits, texts[c])), widest[c]));
    print_row(titles, widths, width);
    for (size_t i = 0; i < l->n; i++) {
        for (int c = 0; chosen[i] && c < COLUMNS; c++)
            cells[c] = cell_text(&l->items[i], c, digits, texts[c]);
        if (chosen[i])
            print_row(cells, widths, width);
    }
}

/* --- the commands --- */

/* What the list says of a line: its note, and the service. NULL if memory is out. */
static json_t *entry_json(const struct azm_quarantine_line *l, size_t number)
{
    json_t *o;

    if (l->damaged)
        return json_pack("{s:b,s:I}", "damaged", 1, "line", (json_int_t)number);
    o = json_copy(l->note);
    if (o && *l->service && json_object_set_new(o, "service", json_string(l->service)) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static int print_json(const struct quarantine_call *call, const struct azm_quarantine_lines *l, const bool *chosen)
{
    json_t *records = json_array(), *o;

    for (size_t i = 0; i < l->n; i++)
        if (chosen[i] && json_array_append_new(records, entry_json(&l->items[i], i + 1)) < 0) {
            json_decref(records);
            azm_log(AZM_LOG_ERROR, "out of memory");
            return AZM_EXIT_FAILURE;
        }
    o = json_pack("{s:o,s:I,s:I}", "records", records, "bytes", (json_int_t)l->file.len, "max_bytes",
                  (json_int_t)call->config->quarantine_max_bytes);
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
    return AZM_EXIT_OK;
}

int quarantine_list(const struct quarantine_call *call)
{
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines l = {0};
    _cleanup_free_ bool *chosen = NULL;
    struct azm_error err = {0};
    size_t n = 0;
    int r;

    r = azm_quarantine_read(call->dir_fd, &l, &err);
    if (r < 0)
        return cli_fail(r, &err);
    r = quarantine_choose(call, &l, &chosen, &n);
    if (r != AZM_EXIT_OK)
        return r;
    if (call->json) {
        r = print_json(call, &l, chosen);
        return r != AZM_EXIT_OK ? r : quarantine_flush_output();
    }
    if (l.n == 0)
        printf("the quarantine is empty\n");
    else {
        if (n > 0)
            print_table(&l, chosen);
        if (n < l.n)
            printf("%zu of ", n);
        printf("%zu record%s, %zu of %zu bytes\n", l.n, l.n == 1 ? "" : "s", l.file.len,
               call->config->quarantine_max_bytes);
    }
    return quarantine_flush_output();
}

int quarantine_show(const struct quarantine_call *call)
{
    _cleanup_(azm_quarantine_lines_free) struct azm_quarantine_lines l = {0};
    _cleanup_free_ bool *chosen = NULL;
    struct azm_error err = {0};
    size_t n = 0;
    int r;

    r = azm_quarantine_read(call->dir_fd, &l, &err);
    if (r < 0)
        return cli_fail(r, &err);
    r = quarantine_choose(call, &l, &chosen, &n);
    if (r != AZM_EXIT_OK)
        return r;
    if (l.n == 0)
        azm_log(AZM_LOG_INFO, "the quarantine is empty");
    for (size_t i = 0; i < l.n; i++) {
        json_t *line = chosen[i] ? json_loadb(l.items[i].text.s, l.items[i].text.len, 0, NULL) : NULL;

        if (line) {
            json_dumpf(line, stdout, JSON_INDENT(2));
            putchar('\n');
        }
        json_decref(line);
        if (chosen[i] && l.items[i].damaged)
            azm_log(AZM_LOG_WARNING, "line %zu is damaged: it holds no record in OTLP/JSON", i + 1);
    }
    return quarantine_flush_output();
}
