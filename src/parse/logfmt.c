/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>

#include "parse/attributes.h"
#include "parse/logfmt.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the letters off that a name, or a value without quotes, may have. */
static struct azm_text take_word(struct azm_text *line)
{
    struct azm_text word = {line->s, 0};

    while (word.len < line->len && (unsigned char)word.s[word.len] > ' ' && word.s[word.len] != 0x7F &&
           word.s[word.len] != '=' && word.s[word.len] != '"')
        word.len++;
    line->s += word.len;
    line->len -= word.len;
    return word;
}

/* A text in quotes has JSON's escapes, so jansson reads it. NULL if it is none. */
static json_t *take_quoted(struct azm_text *line)
{
    size_t n = 1;
    json_t *text;

    while (n < line->len && line->s[n] != '"')
        n += line->s[n] == '\\' ? 2 : 1;
    if (n >= line->len)
        return NULL;
    text = json_loadb(line->s, ++n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    line->s += n;
    line->len -= n;
    return text;
}

static json_t *take_value(struct azm_text *line)
{
    struct azm_text word;

    if (line->len > 0 && *line->s == '"')
        return take_quoted(line);
    word = take_word(line);
    return json_stringn(word.s, word.len);
}

/* `name=value` and the blanks behind it: 1, 0 or -ENOMEM. */
static int take_pair(struct azm_text *line, json_t *object)
{
    struct azm_text word = take_word(line);
    char name[AZM_SENT_KEY_MAX + 1];
    json_t *value;

    if (word.len == 0 || word.len >= sizeof name || line->len == 0 || *line->s != '=')
        return 0;
    memcpy(name, word.s, word.len);
    name[word.len] = '\0';
    if (strchr(name, '\\') || json_object_get(object, name))
        return 0;
    line->s++;
    line->len--;
    value = take_value(line);
    if (!value)
        return 0;
    if (json_object_set_new(object, name, value) < 0)
        return -ENOMEM;
    if (line->len > 0 && !is_blank(*line->s))
        return 0;
    while (line->len > 0 && is_blank(*line->s))
        line->s++, line->len--;
    return 1;
}

int azm_logfmt_parse(struct azm_text line, json_t **ret)
{
    json_t *object = json_object();
    int r = object ? 0 : -ENOMEM;

    while (object && line.len > 0 && (r = take_pair(&line, object)) > 0)
        ;
    if (r > 0)
        *ret = object;
    else
        json_decref(object);
    return r;
}
