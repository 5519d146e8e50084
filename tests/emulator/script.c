/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "parser.h"
#include "script.h"
#include "script_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_numbers(struct emu_parser *parser, const char *whose, struct emu_range *numbers)
{
    const char *text;
    int r = emu_parser_plain(parser, "numbers (7, 1-5, 9- or *)", &text);
    if (r < 0)
        return r;
    if (!emu_parse_range(text, numbers) || (numbers->first == 0 && strcmp(text, "*") != 0))
        return emu_parser_fail(parser, "\"%s\" does not number %s; write 7, 1-5, 9- or *", text, whose);
    return 0;
}

static int parse_containing(struct emu_parser *parser, struct emu_rule *rule)
{
    const struct emu_word *needle;
    int r;

    do {
        r = emu_parser_quoted(parser, "the text that the request must contain", &needle);
        if (r < 0)
            return r;
        struct emu_buf *texts = realloc(rule->containing, (rule->containing_count + 1) * sizeof(*texts));
        if (!texts)
            return -ENOMEM;
        rule->containing = texts;
        texts[rule->containing_count] = (struct emu_buf){0};
        r = emu_buf_set_text(&texts[rule->containing_count++], needle->text, needle->length);
    } while (r >= 0 && emu_parser_peek(parser) && emu_parser_peek(parser)->quoted);
    return r;
}

static int parse_amount(struct emu_parser *parser, const char *what, struct emu_range *range)
{
    const char *text = "";
    int r = emu_parser_plain(parser, "an amount (7, 1-5 or 9-)", &text);
    if (r >= 0 && !emu_parse_range(text, range))
        r = emu_parser_fail(parser, "\"%s\" is no amount of %s; write 7, 1-5 or 9-", text, what);
    return r;
}

static int parse_records(struct emu_parser *parser, struct emu_rule *rule)
{
    return parse_amount(parser, "records", &rule->records);
}

static int parse_bytes(struct emu_parser *parser, struct emu_rule *rule)
{
    return parse_amount(parser, "bytes", &rule->bytes);
}

static int parse_wire(struct emu_parser *parser, struct emu_rule *rule)
{
    return parse_amount(parser, "bytes", &rule->wire);
}

/* What a request must be for the rule to be about it. */
static const struct condition {
    const char *word;
    int (*parse)(struct emu_parser *, struct emu_rule *);
} conditions[] = {
    {"containing", parse_containing},
    {"records", parse_records},
    {"bytes", parse_bytes},
    {"wire", parse_wire},
};

/* What may stand before a fault: these, and what parse_rule knows. */
static const char words_before_fault[] = "containing records bytes wire delay interim";

static const struct condition *accept_condition(struct emu_parser *parser)
{
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (emu_parser_accept(parser, conditions[i].word))
            return &conditions[i];
    return NULL;
}

static int parse_conditions(struct emu_parser *parser, struct emu_rule *rule)
{
    const struct condition *condition;
    int r = 0;

    while (r >= 0 && (condition = accept_condition(parser)))
        r = condition->parse(parser, rule);
    return r;
}

/* The label repeats the words of the fault without its texts: "delay 250ms status 503". */
static int set_label(const struct emu_parser *parser, size_t start, struct emu_rule *rule)
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

static int parse_connection_rule(struct emu_parser *parser, struct emu_connection_rule *rule)
{
    int r = parse_numbers(parser, "connections", &rule->numbers);
    if (r >= 0 && emu_parser_accept(parser, "reset")) {
        rule->action = EMU_CONNECTION_RESET;
    } else if (r >= 0 && emu_parser_accept(parser, "slow-read")) {
        rule->action = EMU_CONNECTION_SLOW_READ;
        r = emu_parser_duration(parser, &rule->pause_msec);
    } else if (r >= 0 && !emu_parser_accept(parser, "normal")) {
        r = emu_parser_fail(parser, "what becomes of a connection is: normal, reset or slow-read");
    }
    return r < 0 ? r : emu_parser_end(parser);
}

/* What follows "request" or "identity". */
static int parse_rule(struct emu_parser *parser, enum emu_rule_subject subject, struct emu_rule *rule)
{
    const char *words_before = "delay interim";
    int r = parse_numbers(parser, "requests", &rule->numbers);
    rule->records = rule->bytes = rule->wire = EMU_ANY_NUMBER;
    if (r >= 0 && subject == EMU_ABOUT_RECORDS) {
        words_before = words_before_fault;
        r = parse_conditions(parser, rule);
    }
    if (r < 0)
        return r;

    size_t fault = parser->next;
    if (emu_parser_accept(parser, "delay"))
        r = emu_parser_duration(parser, &rule->delay_msec);
    if (r >= 0 && emu_parser_accept(parser, "interim"))
        r = emu_parser_status(parser, 100, 199, &rule->interim);
    parser->label_end = 0;
    /* those two alone are followed by the normal treatment */
    if (r >= 0 && (emu_parser_peek(parser) || parser->next == fault))
        r = emu_script_fault_parse(parser, subject, words_before, rule);
    if (r >= 0)
        r = emu_parser_end(parser);
    return r < 0 ? r : set_label(parser, fault, rule);
}

static int add_rule(struct emu_parser *parser, enum emu_rule_subject subject, struct emu_rules *rules)
{
    struct emu_rule *items = reallocarray(rules->items, rules->count + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    rules->items = items;
    items[rules->count] = (struct emu_rule){0};
    return parse_rule(parser, subject, &items[rules->count++]);
}

static int parse_line(struct emu_script *script, const char *line, size_t length, struct emu_script_error *error)
{
    _cleanup_(emu_words_free) struct emu_words words = {0};
    struct emu_parser parser = {.words = &words, .error = error};

    int r = emu_words_split(line, length, &words, error->problem);
    if (r < 0 || words.count == 0)
        return r;

    if (emu_parser_accept(&parser, "request"))
        return add_rule(&parser, EMU_ABOUT_RECORDS, &script->requests);
    if (emu_parser_accept(&parser, "identity"))
        return add_rule(&parser, EMU_ABOUT_IDENTITY, &script->identity);
    if (emu_parser_accept(&parser, "connection")) {
        struct emu_connection_rule *rules =
            reallocarray(script->connection_rules, script->connection_count + 1, sizeof(*rules));
        if (!rules)
            return -ENOMEM;
        script->connection_rules = rules;
        rules[script->connection_count] = (struct emu_connection_rule){0};
        return parse_connection_rule(&parser, &rules[script->connection_count++]);
    }
    return emu_parser_fail(&parser, "unknown word \"%s\"; a rule begins with: request, connection, identity",
                           words.items[0].text);
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

const struct emu_rule *emu_rules_find(const struct emu_rules *rules, uint64_t number,
                                      const struct emu_request_facts *facts)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct emu_rule *rule = &rules->items[i];
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

static void free_rules(struct emu_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        free_rule(&rules->items[i]);
    free(rules->items);
}

void emu_script_free(struct emu_script *script)
{
    if (!script)
        return;
    free_rules(&script->requests);
    free_rules(&script->identity);
    free(script->connection_rules);
    free(script);
}
