/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "numbers.h"
#include "parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int emu_parser_fail(struct emu_parser *parser, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->error->problem, sizeof(parser->error->problem), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

const struct emu_word *emu_parser_peek(const struct emu_parser *parser)
{
    return parser->next < parser->words->count ? &parser->words->items[parser->next] : NULL;
}

bool emu_parser_accept(struct emu_parser *parser, const char *keyword)
{
    const struct emu_word *word = emu_parser_peek(parser);
    if (!word || word->quoted || strcmp(word->text, keyword) != 0)
        return false;
    parser->next++;
    return true;
}

int emu_parser_plain(struct emu_parser *parser, const char *what, const char **ret)
{
    const struct emu_word *word = emu_parser_peek(parser);
    if (!word || word->quoted)
        return emu_parser_fail(parser, "%s expected %s%s%s", what, word ? "instead of \"" : "at the end of the line",
                               word ? word->text : "", word ? "\"" : "");
    parser->next++;
    *ret = word->text;
    return 0;
}

int emu_parser_quoted(struct emu_parser *parser, const char *what, const struct emu_word **ret)
{
    const struct emu_word *word = emu_parser_peek(parser);
    if (!word || !word->quoted)
        return emu_parser_fail(parser, "%s expected in \"quotes\" %s%s", what,
                               word ? "instead of " : "at the end of the line", word ? word->text : "");
    parser->next++;
    *ret = word;
    return 0;
}

int emu_parser_duration(struct emu_parser *parser, unsigned *ret_msec)
{
    const char *text = "";
    int r = emu_parser_plain(parser, "a duration (250ms, 5s or 2min)", &text);
    if (r >= 0 && !emu_parse_duration(text, ret_msec))
        r = emu_parser_fail(parser, "\"%s\" is not a duration; write 250ms, 5s or 2min, at most a day", text);
    return r;
}

int emu_parser_status(struct emu_parser *parser, unsigned lowest, unsigned highest, unsigned *ret)
{
    const char *text;
    uint64_t status;

    int r = emu_parser_plain(parser, "an HTTP status", &text);
    if (r < 0)
        return r;
    const char *at = text;
    if (!emu_read_number(&at, highest, &status) || *at != '\0' || status < lowest)
        return emu_parser_fail(parser, "\"%s\" is not an HTTP status from %u to %u", text, lowest, highest);
    *ret = (unsigned)status;
    parser->label_end = parser->next;
    return 0;
}

int emu_parser_end(struct emu_parser *parser)
{
    const struct emu_word *word = emu_parser_peek(parser);
    return word ? emu_parser_fail(parser, "\"%s\" is too much; the rule was complete before it", word->text) : 0;
}
