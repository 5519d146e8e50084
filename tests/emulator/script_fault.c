/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "numbers.h"
#include "script_fault.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The characters of an HTTP token (RFC 9110, 5.6.2), such as the name of a header. */
static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* Takes over both texts; NULL is a lack of memory. */
static int add_header(struct emu_rule *rule, char *name, char *value)
{
    struct emu_header *headers =
        name && value ? realloc(rule->headers, (rule->header_count + 1) * sizeof(*headers)) : NULL;
    if (!headers) {
        free(name);
        free(value);
        return -ENOMEM;
    }
    rule->headers = headers;
    headers[rule->header_count++] = (struct emu_header){name, value};
    return 0;
}

static int parse_header(struct emu_parser *parser, struct emu_rule *rule)
{
    const struct emu_word *word;
    int r = emu_parser_quoted(parser, "a header such as \"Retry-After: 2\"", &word);
    if (r < 0)
        return r;

    const char *text = word->text;
    size_t name_length = strspn(text, token);
    if (name_length == 0 || text[name_length] != ':' || strlen(text) != word->length || strpbrk(text, "\r\n"))
        return emu_parser_fail(parser, "\"%s\" is not a header of the form \"Name: value\"", text);
    if (strncasecmp(text, "Content-Length:", 15) == 0 || strncasecmp(text, "Transfer-Encoding:", 18) == 0)
        return emu_parser_fail(parser, "the emulator writes %.*s itself", (int)name_length, text);

    const char *value = text + name_length + 1;
    return add_header(rule, strndup(text, name_length), strdup(value + strspn(value, " \t")));
}

/* A header that is too long for most. */
static int parse_padding(struct emu_parser *parser, struct emu_rule *rule)
{
    enum { LONGEST = 100000 };
    const char *text = "";
    uint64_t length = 0;

    int r = emu_parser_plain(parser, "the length of a header", &text);
    if (r < 0)
        return r;
    const char *at = text;
    if (!emu_read_number(&at, LONGEST, &length) || *at != '\0')
        return emu_parser_fail(parser, "\"%s\" is no length of a header up to %d bytes", text, LONGEST);
    char *value = malloc(length + 1);
    if (!value)
        return -ENOMEM;
    memset(value, 'x', length);
    value[length] = '\0';
    return add_header(rule, strdup("X-Padding"), value);
}

static int parse_status(struct emu_parser *parser, struct emu_rule *rule)
{
    const struct emu_word *body;
    const char *path;

    int r = emu_parser_status(parser, 200, 599, &rule->status);
    while (r >= 0 && emu_parser_peek(parser)) {
        if (emu_parser_accept(parser, "header")) {
            r = parse_header(parser, rule);
        } else if (emu_parser_accept(parser, "padding")) {
            r = parse_padding(parser, rule);
        } else if (emu_parser_accept(parser, "body")) {
            r = emu_parser_quoted(parser, "the body of the answer", &body);
            if (r >= 0)
                r = emu_buf_set_text(&rule->body, body->text, body->length);
        } else if (emu_parser_accept(parser, "body-file")) {
            r = emu_parser_plain(parser, "the path of a file", &path);
            rule->body.length = 0;
            int read = r < 0 ? 0 : emu_buf_append_file(&rule->body, path);
            if (read < 0)
                r = emu_parser_fail(parser, "cannot read %s: %s", path, strerror(-read));
        } else {
            r = emu_parser_fail(parser, "unknown word \"%s\" behind the status; known: header padding body body-file",
                                emu_parser_peek(parser)->text);
        }
    }
    if (r >= 0 && rule->body.length > 0 && (rule->status == 204 || rule->status == 304))
        return emu_parser_fail(parser, "HTTP gives a %u no body", rule->status);
    return r;
}

static int parse_refuse(struct emu_parser *parser, struct emu_rule *rule)
{
    const struct emu_word *message = NULL;
    const char *code = "";

    int r = emu_parser_status(parser, 400, 599, &rule->status);
    if (r >= 0)
        r = emu_parser_plain(parser, "an error code such as OperationFailed", &code);
    if (r >= 0 && code[strspn(code, token)] != '\0')
        r = emu_parser_fail(parser, "\"%s\" is not an error code", code);
    if (r >= 0 && !(rule->code = strdup(code)))
        r = -ENOMEM;
    if (r >= 0)
        r = emu_parser_quoted(parser, "the error message", &message);
    if (r >= 0)
        r = emu_buf_set_text(&rule->body, message->text, message->length);
    while (r >= 0 && emu_parser_accept(parser, "header"))
        r = parse_header(parser, rule);
    return r;
}

static int parse_pause(struct emu_parser *parser, struct emu_rule *rule)
{
    return emu_parser_duration(parser, &rule->pause_msec);
}

static int parse_normal(struct emu_parser *parser, struct emu_rule *rule)
{
    if (emu_parser_accept(parser, "close-after"))
        return add_header(rule, strdup("Connection"), strdup("close"));
    if (emu_parser_accept(parser, "close-unsaid"))
        rule->action = EMU_ACTION_CLOSE_UNSAID;
    return 0;
}

static int parse_garbage(struct emu_parser *parser, struct emu_rule *rule)
{
    const struct emu_word usual = {.text = (char *)"\x16\x03\x01 no HTTP\n", .length = 12};
    const struct emu_word *garbage = &usual;
    int r = emu_parser_peek(parser) ? emu_parser_quoted(parser, "what to send", &garbage) : 0;
    return r < 0 ? r : emu_buf_set_text(&rule->body, garbage->text, garbage->length);
}

static int parse_partial_success(struct emu_parser *parser, struct emu_rule *rule)
{
    const struct emu_word nothing = {.text = (char *)"", .length = 0};
    const struct emu_word *message = &nothing;
    const char *text;
    uint64_t rejected = 0;

    int r = emu_parser_plain(parser, "the number of rejected records", &text);
    if (r < 0)
        return r;
    const char *at = text;
    if (!emu_read_number(&at, INT64_MAX, &rejected) || *at != '\0')
        return emu_parser_fail(parser, "\"%s\" is not a number of records", text);
    rule->rejected = (int64_t)rejected;
    if (emu_parser_peek(parser))
        r = emu_parser_quoted(parser, "the error message", &message);
    return r < 0 ? r : emu_buf_set_text(&rule->body, message->text, message->length);
}

/* TEXT of the records, or items, that a rule is about, and perhaps the message that goes with it. */
static int parse_text_and_message(struct emu_parser *parser, const char *what, struct emu_rule *rule)
{
    const struct emu_word nothing = {.text = (char *)"", .length = 0};
    const struct emu_word *needle, *message = &nothing;

    int r = emu_parser_quoted(parser, what, &needle);
    if (r >= 0)
        r = emu_buf_set_text(&rule->reject, needle->text, needle->length);
    if (r >= 0 && emu_parser_peek(parser))
        r = emu_parser_quoted(parser, "the error message", &message);
    return r < 0 ? r : emu_buf_set_text(&rule->body, message->text, message->length);
}

static int parse_reject_records(struct emu_parser *parser, struct emu_rule *rule)
{
    return parse_text_and_message(parser, "the text of the records to reject", rule);
}

static int parse_items(struct emu_parser *parser, struct emu_rule *rule)
{
    int r = emu_parser_status(parser, 400, 599, &rule->status);
    return r < 0 ? r : parse_text_and_message(parser, "the text of the items to reject", rule);
}

/* A new fault is one row here, one case in treat.c (and in identity.c, unless it is about records) and one row in
 * README.md. */
static const struct action {
    const char *word;
    enum emu_action action;
    bool about_records;
    int (*parse)(struct emu_parser *, struct emu_rule *); /* what follows the word; NULL = nothing */
} actions[] = {
    {"normal", EMU_ACTION_NORMAL, false, parse_normal},
    {"status", EMU_ACTION_STATUS, false, parse_status},
    {"refuse", EMU_ACTION_REFUSE, false, parse_refuse},
    {"reset", EMU_ACTION_RESET, false, NULL},
    {"close", EMU_ACTION_CLOSE, false, NULL},
    {"stall", EMU_ACTION_STALL, false, parse_pause},
    {"stored-then-reset", EMU_ACTION_STORED_THEN_RESET, true, NULL},
    {"partial-success", EMU_ACTION_PARTIAL_SUCCESS, true, parse_partial_success},
    {"reject-records", EMU_ACTION_REJECT_RECORDS, true, parse_reject_records},
    {"items", EMU_ACTION_ITEMS, true, parse_items},
    {"endless", EMU_ACTION_ENDLESS, false, NULL},
    {"gzip-bomb", EMU_ACTION_GZIP_BOMB, false, NULL},
    {"truncated", EMU_ACTION_TRUNCATED, false, NULL},
    {"trickle", EMU_ACTION_TRICKLE, false, parse_pause},
    {"garbage", EMU_ACTION_GARBAGE, false, parse_garbage},
};

static int unknown_action(struct emu_parser *parser, enum emu_rule_subject subject, const char *words_before,
                          const char *word)
{
    char known[EMU_PROBLEM_BYTES / 2] = "";
    size_t length = 0;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (length < sizeof known && (subject == EMU_ABOUT_RECORDS || !actions[i].about_records))
            length += (size_t)snprintf(known + length, sizeof known - length, " %s", actions[i].word);
    return emu_parser_fail(parser, "unknown word \"%.100s\"; known: %s%s", word, words_before, known);
}

int emu_script_fault_parse(struct emu_parser *parser, enum emu_rule_subject subject, const char *words_before,
                           struct emu_rule *rule)
{
    const char *word;
    int r = emu_parser_plain(parser, "what to do with the request", &word);
    if (r < 0)
        return r;
    for (const struct action *action = actions; action < actions + sizeof(actions) / sizeof(actions[0]); action++) {
        if (strcmp(word, action->word) != 0)
            continue;
        if (action->about_records && subject == EMU_ABOUT_IDENTITY)
            return emu_parser_fail(parser, "%s makes no sense here: a request for a token brings no records", word);
        rule->action = action->action;
        return action->parse ? action->parse(parser, rule) : 0;
    }
    return unknown_action(parser, subject, words_before, word);
}
