/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *at;
    const char *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads what follows a backslash. The character (0..255) or -1. */
static int read_escape(struct cursor *cursor)
{
    if (cursor->at == cursor->end)
        return -1;
    switch (*cursor->at++) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '"':
        return '"';
    case '\\':
        return '\\';
    case 'x': {
        int high = cursor->end - cursor->at >= 2 ? hex_digit(cursor->at[0]) : -1;
        int low = high >= 0 ? hex_digit(cursor->at[1]) : -1;
        cursor->at += 2 * (low >= 0);
        return low >= 0 ? high * 16 + low : -1;
    }
    default:
        return -1;
    }
}

static int read_quoted(struct cursor *cursor, struct emu_word *word, char *problem)
{
    word->quoted = true;
    cursor->at++;
    while (cursor->at < cursor->end) {
        int c = (unsigned char)*cursor->at++;
        if (c == '"') {
            if (cursor->at == cursor->end || is_blank(*cursor->at))
                return 0;
            snprintf(problem, EMU_PROBLEM_BYTES, "a blank is missing behind the closing quote");
            return -EINVAL;
        }
        if (c == '\\')
            c = read_escape(cursor);
        if (c < 0) {
            snprintf(problem, EMU_PROBLEM_BYTES, "unknown escape in a quoted text; known: \\n \\r \\t \\\" \\\\ \\xNN");
            return -EINVAL;
        }
        word->text[word->length++] = (char)c;
    }
    snprintf(problem, EMU_PROBLEM_BYTES, "a quoted text is not closed");
    return -EINVAL;
}

static int read_word(struct cursor *cursor, struct emu_word *word, char *problem)
{
    word->text = calloc(1, (size_t)(cursor->end - cursor->at) + 1); /* no word is longer than the rest */
    if (!word->text)
        return -ENOMEM;
    if (*cursor->at == '"')
        return read_quoted(cursor, word, problem);
    while (cursor->at < cursor->end && !is_blank(*cursor->at))
        word->text[word->length++] = *cursor->at++;
    return 0;
}

int emu_words_split(const char *line, size_t length, struct emu_words *words, char problem[static EMU_PROBLEM_BYTES])
{
    struct cursor cursor = {line, line + length};

    for (;;) {
        while (cursor.at < cursor.end && is_blank(*cursor.at))
            cursor.at++;
        if (cursor.at == cursor.end || *cursor.at == '#')
            return 0;

        struct emu_word *items = realloc(words->items, (words->count + 1) * sizeof(*items));
        if (!items)
            return -ENOMEM;
        words->items = items;
        items[words->count] = (struct emu_word){0};
        int r = read_word(&cursor, &items[words->count++], problem);
        if (r < 0)
            return r;
    }
}

void emu_words_free(struct emu_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i].text);
    free(words->items);
    *words = (struct emu_words){0};
}
