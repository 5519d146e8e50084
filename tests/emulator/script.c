/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "script.h"
#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The characters of an HTTP token (RFC 9110, 5.6.2), such as the name of a header. */
static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct parser {
    const struct emu_words *words;
    size_t next;
    size_t label_end; /* where the fault's label ends, if not with the rule */
    struct emu_script_error *error;
};

static int fail(struct parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct parser *parser, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->error->problem, sizeof(parser->error->problem), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

/* The next word, or NULL at the end of the line. */
static const struct emu_word *peek(const struct parser *parser)
{
    return parser->next < parser->words->count ? &parser->words->items[parser->next] : NULL;
}

static bool accept_keyword(struct parser *parser, const char *keyword)
{
    const struct emu_word *word = peek(parser);
    if (!word || word->quoted || strcmp(word->text, keyword) != 0)
        return false;
    parser->next++;
    return true;
}

static int expect_plain(struct parser *parser, const char *what, const char **ret)
{
    const struct emu_word *word = peek(parser);
    if (!word || word->quoted)
        return fail(parser, "%s expected %s%s%s", what, word ? "instead of \"" : "at the end of the line",
                    word ? word->text : "", word ? "\"" : "");
    parser->next++;
    *ret = word->text;
    return 0;
}

static int expect_quoted(struct parser *parser, const char *what, const struct emu_word **ret)
{
    const struct emu_word *word = peek(parser);
    if (!word || !word->quoted)
        return fail(parser, "%s expected in \"quotes\" %s%s", what, word ? "instead of " : "at the end of the line",
                    word ? word->text : "");
    parser->next++;
    *ret = word;
    return 0;
}

static int parse_numbers(struct parser *parser, const char *whose, struct emu_range *numbers)
{
    const char *text;
    int r = expect_plain(parser, "numbers (7, 1-5, 9- or *)", &text);
    if (r < 0)
        return r;
    if (!emu_parse_range(text, numbers) || (numbers->first == 0 && strcmp(text, "*") != 0))
        return fail(parser, "\"%s\" does not number %s; write 7, 1-5, 9- or *", text, whose);
    return 0;
}

static int parse_duration(struct parser *parser, unsigned *ret_msec)
{
    const char *text = "";
    int r = expect_plain(parser, "a duration (250ms, 5s or 2min)", &text);
    if (r >= 0 && !emu_parse_duration(text, ret_msec))
        r = fail(parser, "\"%s\" is not a duration; write 250ms, 5s or 2min, at most a day", text);
    return r;
}

static int parse_status_code(struct parser *parser, unsigned lowest, unsigned highest, unsigned *ret)
{
    const char *text;
    uint64_t status;

    int r = expect_plain(parser, "an HTTP status", &text);
    if (r < 0)
        return r;
    const char *at = text;
    if (!emu_read_number(&at, highest, &status) || *at != '\0' || status < lowest)
        return fail(parser, "\"%s\" is not an HTTP status from %u to %u", text, lowest, highest);
    *ret = (unsigned)status;
    parser->label_end = parser->next;
    return 0;
}

static int copy_text(struct emu_buf *buf, const char *text, size_t length)
{
    buf->length = 0;
    int r = emu_buf_append(buf, text, length + 1); /* with the NUL, which does not count */
    if (r >= 0)
        buf->length = length;
    return r;
}

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

static int parse_header(struct parser *parser, struct emu_rule *rule)
{
    const struct emu_word *word;
    int r = expect_quoted(parser, "a header such as \"Retry-After: 2\"", &word);
    if (r < 0)
        return r;

    const char *text = word->text;
    size_t name_length = strspn(text, token);
    if (name_length == 0 || text[name_length] != ':' || strlen(text) != word->length || strpbrk(text, "\r\n"))
        return fail(parser, "\"%s\" is not a header of the form \"Name: value\"", text);
    if (strncasecmp(text, "Content-Length:", 15) == 0 || strncasecmp(text, "Transfer-Encoding:", 18) == 0)
        return fail(parser, "the emulator writes %.*s itself", (int)name_length, text);

    const char *value = text + name_length + 1;
    return add_header(rule, strndup(text, name_length), strdup(value + strspn(value, " \t")));
}

/* A header that is too long for most. */
static int parse_padding(struct parser *parser, struct emu_rule *rule)
{
    enum { LONGEST = 100000 };
    const char *text = "";
    uint64_t length = 0;

    int r = expect_plain(parser, "the length of a header", &text);
    if (r < 0)
        return r;
    const char *at = text;
    if (!emu_read_number(&at, LONGEST, &length) || *at != '\0')
        return fail(parser, "\"%s\" is no length of a header up to %d bytes", text, LONGEST);
    char *value = malloc(length + 1);
    if (!value)
        return -ENOMEM;
    memset(value, 'x', length);
    value[length] = '\0';
    return add_header(rule, strdup("X-Padding"), value);
}

static int parse_status(struct parser *parser, struct emu_rule *rule)
{
    const struct emu_word *body;
    const char *path;

    int r = parse_status_code(parser, 200, 599, &rule->status);
    while (r >= 0 && peek(parser)) {
        if (accept_keyword(parser, "header")) {
            r = parse_header(parser, rule);
        } else if (accept_keyword(parser, "padding")) {
            r = parse_padding(parser, rule);
        } else if (accept_keyword(parser, "body")) {
            r = expect_quoted(parser, "the body of the answer", &body);
            if (r >= 0)
                r = copy_text(&rule->body, body->text, body->length);
        } else if (accept_keyword(parser, "body-file")) {
            r = expect_plain(parser, "the path of a file", &path);
            rule->body.length = 0;
            int read = r < 0 ? 0 : emu_buf_append_file(&rule->body, path);
            if (read < 0)
                r = fail(parser, "cannot read %s: %s", path, strerror(-read));
        } else {
            r = fail(parser, "unknown word \"%s\" behind the status; known: header padding body body-file",
                     peek(parser)->text);
        }
    }
    if (r >= 0 && rule->body.length > 0 && (rule->status == 204 || rule->status == 304))
        return fail(parser, "HTTP gives a %u no body", rule->status);
    return r;
}

static int parse_refuse(struct parser *parser, struct emu_rule *rule)
{
    const struct emu_word *message = NULL;
    const char *code = "";

    int r = parse_status_code(parser, 400, 599, &rule->status);
    if (r >= 0)
        r = expect_plain(parser, "an error code such as OperationFailed", &code);
    if (r >= 0 && code[strspn(code, token)] != '\0')
        r = fail(parser, "\"%s\" is not an error code", code);
    if (r >= 0 && !(rule->code = strdup(code)))
        r = -ENOMEM;
    if (r >= 0)
        r = expect_quoted(parser, "the error message", &message);
    if (r >= 0)
        r = copy_text(&rule->body, message->text, message->length);
    while (r >= 0 && accept_keyword(parser, "header"))
        r = parse_header(parser, rule);
    return r;
}

static int parse_pause(struct parser *parser, struct emu_rule *rule)
{
    return parse_duration(parser, &rule->pause_msec);
}

static int parse_normal(struct parser *parser, struct emu_rule *rule)
{
    if (accept_keyword(parser, "close-after"))
        return add_header(rule, strdup("Connection"), strdup("close"));
    if (accept_keyword(parser, "close-unsaid"))
        rule->action = EMU_ACTION_CLOSE_UNSAID;
    return 0;
}

static int parse_garbage(struct parser *parser, struct emu_rule *rule)
{
    const struct emu_word usual = {.text = (char *)"\x16\x03\x01 no HTTP\n", .length = 12};
    const struct emu_word *garbage = &usual;
    int r = peek(parser) ? expect_quoted(parser, "what to send", &garbage) : 0;
    return r < 0 ? r : copy_text(&rule->body, garbage->text, garbage->length);
}

static int parse_partial_success(struct parser *parser, struct emu_rule *rule)
{
    const struct emu_word nothing = {.text = (char *)"", .length = 0};
    const struct emu_word *message = &nothing;
    const char *text;
    uint64_t rejected = 0;

    int r = expect_plain(parser, "the number of rejected records", &text);
    if (r < 0)
        return r;
    const char *at = text;
    if (!emu_read_number(&at, INT64_MAX, &rejected) || *at != '\0')
        return fail(parser, "\"%s\" is not a number of records", text);
    rule->rejected = (int64_t)rejected;
    if (peek(parser))
        r = expect_quoted(parser, "the error message", &message);
    return r < 0 ? r : copy_text(&rule->body, message->text, message->length);
}

static int parse_reject_records(struct parser *parser, struct emu_rule *rule)
{
    const struct emu_word nothing = {.text = (char *)"", .length = 0};
    const struct emu_word *needle, *message = &nothing;

    int r = expect_quoted(parser, "the text of the records to reject", &needle);
    if (r >= 0)
        r = copy_text(&rule->reject, needle->text, needle->length);
    if (r >= 0 && peek(parser))
        r = expect_quoted(parser, "the error message", &message);
    return r < 0 ? r : copy_text(&rule->body, message->text, message->length);
}

static int parse_nothing(struct parser *parser, struct emu_rule *rule)
{
    (void)parser;
    (void)rule;
    return 0;
}

/* A new fault is one row here, one case in treat.c and one row in README.md. */
static const struct {
    const char *word;
    enum emu_action action;
    int (*parse)(struct parser *, struct emu_rule *); /* what follows the word */
} actions[] = {
    {"normal", EMU_ACTION_NORMAL, parse_normal},
    {"status", EMU_ACTION_STATUS, parse_status},
    {"refuse", EMU_ACTION_REFUSE, parse_refuse},
    {"reset", EMU_ACTION_RESET, parse_nothing},
    {"close", EMU_ACTION_CLOSE, parse_nothing},
    {"stall", EMU_ACTION_STALL, parse_pause},
    {"stored-then-reset", EMU_ACTION_STORED_THEN_RESET, parse_nothing},
    {"partial-success", EMU_ACTION_PARTIAL_SUCCESS, parse_partial_success},
    {"reject-records", EMU_ACTION_REJECT_RECORDS, parse_reject_records},
    {"endless", EMU_ACTION_ENDLESS, parse_nothing},
    {"gzip-bomb", EMU_ACTION_GZIP_BOMB, parse_nothing},
    {"truncated", EMU_ACTION_TRUNCATED, parse_nothing},
    {"trickle", EMU_ACTION_TRICKLE, parse_pause},
    {"garbage", EMU_ACTION_GARBAGE, parse_garbage},
};

static int parse_containing(struct parser *parser, struct emu_rule *rule)
{
    const struct emu_word *needle;
    int r;

    do {
        r = expect_quoted(parser, "the text that the request must contain", &needle);
        if (r < 0)
            return r;
        struct emu_buf *texts = realloc(rule->containing, (rule->containing_count + 1) * sizeof(*texts));
        if (!texts)
            return -ENOMEM;
        rule->containing = texts;
        texts[rule->containing_count] = (struct emu_buf){0};
        r = copy_text(&texts[rule->containing_count++], needle->text, needle->length);
    } while (r >= 0 && peek(parser) && peek(parser)->quoted);
    return r;
}

static int parse_amount(struct parser *parser, const char *what, struct emu_range *range)
{
    const char *text = "";
    int r = expect_plain(parser, "an amount (7, 1-5 or 9-)", &text);
    if (r >= 0 && !emu_parse_range(text, range))
        r = fail(parser, "\"%s\" is no amount of %s; write 7, 1-5 or 9-", text, what);
    return r;
}

static int parse_records(struct parser *parser, struct emu_rule *rule)
{
    return parse_amount(parser, "records", &rule->records);
}

static int parse_bytes(struct parser *parser, struct emu_rule *rule)
{
    return parse_amount(parser, "bytes", &rule->bytes);
}

static int parse_wire(struct parser *parser, struct emu_rule *rule)
{
    return parse_amount(parser, "bytes", &rule->wire);
}

/* What a request must be for the rule to be about it. */
static const struct condition {
    const char *word;
    int (*parse)(struct parser *, struct emu_rule *);
} conditions[] = {
    {"containing", parse_containing},
    {"records", parse_records},
    {"bytes", parse_bytes},
    {"wire", parse_wire},
};

static const struct condition *accept_condition(struct parser *parser)
{
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (accept_keyword(parser, conditions[i].word))
            return &conditions[i];
    return NULL;
}

static int parse_conditions(struct parser *parser, struct emu_rule *rule)
{
    const struct condition *condition;
    int r = 0;

    rule->records = rule->bytes = rule->wire = EMU_ANY_NUMBER;
    while (r >= 0 && (condition = accept_condition(parser)))
        r = condition->parse(parser, rule);
    return r;
}

static void list_word(char *list, const char *word)
{
    strcat(list, " ");
    strcat(list, word);
}

static int unknown_action(struct parser *parser, const char *word)
{
    char known[EMU_PROBLEM_BYTES / 2] = "";
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        list_word(known, conditions[i].word);
    list_word(known, "delay interim");
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        list_word(known, actions[i].word);
    return fail(parser, "unknown word \"%.100s\"; known:%s", word, known);
}

/* The label repeats the words of the fault without its texts: "delay 250ms status 503". */
static int set_label(const struct parser *parser, size_t start, struct emu_rule *rule)
{
    size_t end = parser->label_end ? parser->label_end : parser->next;
    struct emu_buf text = {0};
    int r = 0;
    for (size_t i = start; r >= 0 && i < end && !parser->words->items[i].quoted; i++) {
        r = text.length ? emu_buf_append(&text, " ", 1) : 0;
        if (r >= 0)
            r = emu_buf_append(&text, parser->words->items[i].text, parser->words->items[i].length);
    }
    if (r >= 0)
        r = emu_buf_append(&text, "", 1);
    rule->label = text.data;
    return r;
}

static int parse_action(struct parser *parser, struct emu_rule *rule)
{
    const char *word;
    int r = expect_plain(parser, "what to do with the request", &word);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(word, actions[i].word) == 0) {
            rule->action = actions[i].action;
            return actions[i].parse(parser, rule);
        }
    return unknown_action(parser, word);
}

static int expect_end(struct parser *parser)
{
    const struct emu_word *word = peek(parser);
    return word ? fail(parser, "\"%s\" is too much; the rule was complete before it", word->text) : 0;
}

static int parse_connection_rule(struct parser *parser, struct emu_connection_rule *rule)
{
    int r = parse_numbers(parser, "connections", &rule->numbers);
    if (r >= 0 && accept_keyword(parser, "reset")) {
        rule->action = EMU_CONNECTION_RESET;
    } else if (r >= 0 && accept_keyword(parser, "slow-read")) {
        rule->action = EMU_CONNECTION_SLOW_READ;
        r = parse_duration(parser, &rule->pause_msec);
    } else if (r >= 0 && !accept_keyword(parser, "normal")) {
        r = fail(parser, "what becomes of a connection is: normal, reset or slow-read");
    }
    return r < 0 ? r : expect_end(parser);
}

/* What follows "request". */
static int parse_rule(struct parser *parser, struct emu_rule *rule)
{
    int r = parse_numbers(parser, "requests", &rule->numbers);
    if (r >= 0)
        r = parse_conditions(parser, rule);
    if (r < 0)
        return r;

    size_t fault = parser->next;
    if (accept_keyword(parser, "delay"))
        r = parse_duration(parser, &rule->delay_msec);
    if (r >= 0 && accept_keyword(parser, "interim"))
        r = parse_status_code(parser, 100, 199, &rule->interim);
    parser->label_end = 0;
    if (r >= 0 && (peek(parser) || parser->next == fault)) /* those two alone are followed by the normal treatment */
        r = parse_action(parser, rule);
    if (r >= 0)
        r = expect_end(parser);
    return r < 0 ? r : set_label(parser, fault, rule);
}

static int parse_line(struct emu_script *script, const char *line, size_t length, struct emu_script_error *error)
{
    _cleanup_(emu_words_free) struct emu_words words = {0};
    struct parser parser = {.words = &words, .error = error};

    int r = emu_words_split(line, length, &words, error->problem);
    if (r < 0 || words.count == 0)
        return r;

    if (accept_keyword(&parser, "request")) {
        struct emu_rule *rules = reallocarray(script->rules, script->count + 1, sizeof(*rules));
        if (!rules)
            return -ENOMEM;
        script->rules = rules;
        rules[script->count] = (struct emu_rule){0};
        return parse_rule(&parser, &rules[script->count++]);
    }
    if (accept_keyword(&parser, "connection")) {
        struct emu_connection_rule *rules =
            reallocarray(script->connection_rules, script->connection_count + 1, sizeof(*rules));
        if (!rules)
            return -ENOMEM;
        script->connection_rules = rules;
        rules[script->connection_count] = (struct emu_connection_rule){0};
        return parse_connection_rule(&parser, &rules[script->connection_count++]);
    }
    return fail(&parser, "unknown word \"%s\"; a rule begins with: request, connection", words.items[0].text);
}

int emu_script_parse(const char *text, size_t length, struct emu_script **ret, struct emu_script_error *error)
{
    *error = (struct emu_script_error){0};
    struct emu_script *script = calloc(1, sizeof(*script));
    if (!script)
        return -ENOMEM;

    const char *end = text + length;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline ? newline : end;
        error->line++;
        int r = parse_line(script, line, (size_t)(line_end - line), error);
        if (r < 0) {
            emu_script_free(script);
            return r;
        }
        line = newline ? newline + 1 : end;
    }
    *ret = script;
    return 0;
}

static bool contains_any(const struct emu_request_facts *facts, const struct emu_buf *texts, size_t count)
{
    bool found = count == 0;
    for (size_t i = 0; !found && facts->body && i < count; i++)
        found = memmem(facts->body, facts->bytes, texts[i].data, texts[i].length) != NULL;
    return found;
}

const struct emu_rule *emu_script_find(const struct emu_script *script, uint64_t number,
                                       const struct emu_request_facts *facts)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct emu_rule *rule = &script->rules[i];
        if (emu_range_has(rule->numbers, number) && emu_range_has(rule->records, facts->records) &&
            emu_range_has(rule->bytes, facts->bytes) && emu_range_has(rule->wire, facts->wire_bytes) &&
            contains_any(facts, rule->containing, rule->containing_count))
            return rule;
    }
    return NULL;
}

const struct emu_connection_rule *emu_script_find_connection(const struct emu_script *script, uint64_t number)
{
    for (size_t i = 0; i < script->connection_count; i++)
        if (emu_range_has(script->connection_rules[i].numbers, number))
            return &script->connection_rules[i];
    return NULL;
}

static void free_rule(struct emu_rule *rule)
{
    for (size_t i = 0; i < rule->containing_count; i++)
        emu_buf_free(&rule->containing[i]);
    free(rule->containing);
    emu_buf_free(&rule->body);
    emu_buf_free(&rule->reject);
    free(rule->code);
    free(rule->label);
    for (size_t i = 0; i < rule->header_count; i++) {
        free(rule->headers[i].name);
        free(rule->headers[i].value);
    }
    free(rule->headers);
}

void emu_script_free(struct emu_script *script)
{
    if (!script)
        return;
    for (size_t i = 0; i < script->count; i++)
        free_rule(&script->rules[i]);
    free(script->rules);
    free(script->connection_rules);
    free(script);
}
