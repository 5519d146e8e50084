/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/utf8.h"
#include "process/letters.h"
#include "process/ready_rules.h"
#include "process/redact.h"
#include "process/rules.h"

#define PATTERNS_MAX AZM_READY_PATTERNS_MAX
#define FIRST_OF_13_DIGITS INT64_C(1000000000000)
#define SPANS_MAX 4096 /* in one text; with more of them the text as a whole is replaced */

struct pattern {
    struct azm_pattern *pattern;
    uint64_t needs; /* of process/letters.h: what a text has that it matches */
};

/* As struct azm_ready_rule_table has it; lists end at NULL. */
struct azm_redaction {
    struct azm_rule rule;
    struct pattern patterns[PATTERNS_MAX + 1], names[PATTERNS_MAX + 1];
    bool (*check)(struct azm_text match);
    char *marker;
};

/* --- the rules --- */

static int compile(const struct azm_ready_pattern *p, struct pattern *ret, struct azm_error *err)
{
    char needs[2];
    int r = azm_pattern_new_utf8(p->words, &ret->pattern, err); /* texts are made so, names are so */

    if (r < 0)
        return r;
    ret->needs = azm_letters_of((struct azm_text){needs, azm_pattern_get_needs(ret->pattern, needs)}) |
                 azm_letters_of(azm_text_of(p->needs)) | azm_letters_many_digits(azm_text_of(p->needs));
    return 0;
}

static int compile_all(const struct azm_ready_pattern list[static PATTERNS_MAX],
                       struct pattern ret[static PATTERNS_MAX], struct azm_error *err)
{
    int r = 0;

    for (size_t i = 0; i < PATTERNS_MAX && list[i].words && r >= 0; i++)
        r = compile(&list[i], &ret[i], err);
    return r;
}

static int init(struct azm_redaction *x, const char *name, const struct azm_ready_rule_table *table,
                struct azm_error *err)
{
    int r = compile_all(table->patterns, x->patterns, err);

    if (r >= 0)
        r = compile_all(table->names, x->names, err);
    if (r < 0)
        return r;
    x->check = table->check;
    x->rule.kind = AZM_REDACT;
    x->rule.name = strdup(name);
    if (!x->rule.name || asprintf(&x->marker, "[redacted:%s]", name) < 0) {
        x->marker = NULL;
        return azm_error_set(err, ENOMEM, "out of memory");
    }
    return 0;
}

static bool has_key(const struct azm_key_values *list, const char *key)
{
    return azm_key_values_get(list, key) != NULL;
}

int azm_redactions_new(const struct azm_config *c, struct azm_redactions *ret, struct azm_error *err)
{
    struct azm_redactions all = {0};
    int r = 0;

    *ret = all;
    if (c->redact_rules.n + c->redact_patterns.n == 0)
        return 0;
    all.items = calloc(c->redact_rules.n + c->redact_patterns.n, sizeof *all.items);
    if (!all.items)
        return azm_error_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < AZM_READY_RULES && r >= 0; i++)
        if (has_key(&c->redact_rules, azm_ready_rule_names[i]))
            r = init(&all.items[all.n++], azm_ready_rule_names[i], &azm_ready_rules[i], err);
    for (size_t i = 0; i < c->redact_patterns.n && r >= 0; i++) {
        const struct azm_ready_rule_table table = {.patterns = {{c->redact_patterns.items[i].value, ""}}};

        r = init(&all.items[all.n++], c->redact_patterns.items[i].key, &table, err);
    }
    if (r < 0) {
        azm_redactions_free(&all);
        return r;
    }
    for (size_t i = 0; i < all.n; i++)
        for (const struct pattern *p = all.items[i].patterns; p->pattern; p++)
            all.wants_digits |= (p->needs & AZM_LETTERS_MANY_DIGITS) != 0;
    *ret = all;
    return 0;
}

void azm_redactions_free(struct azm_redactions *r)
{
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < PATTERNS_MAX; k++) {
            azm_pattern_free(r->items[i].patterns[k].pattern);
            azm_pattern_free(r->items[i].names[k].pattern);
        }
        free(r->items[i].rule.name);
        free(r->items[i].marker);
    }
    free(r->items);
    *r = (struct azm_redactions){0};
}

struct azm_rule *azm_redactions_rule(const struct azm_redactions *r, size_t i)
{
    return i < r->n ? &r->items[i].rule : NULL;
}

int azm_redactor_init(struct azm_redactor *x, const struct azm_redactions *redactions, struct azm_matcher *matcher)
{
    *x = (struct azm_redactor){.redactions = redactions, .matcher = matcher};
    x->times = calloc(MAX(redactions->n, (size_t)1), sizeof *x->times);
    return x->times ? 0 : -ENOMEM;
}

void azm_redactor_free(struct azm_redactor *x)
{
    azm_arena_free(&x->arena);
    azm_buf_free(&x->clean);
    free(x->spans);
    free(x->times);
    *x = (struct azm_redactor){0};
}

/* --- what was done --- */

/* Counts and tells what a rule did in one place. */
static void note(const struct azm_redactor *x, size_t rule, const struct azm_effect *what)
{
    struct azm_rule *r = &x->redactions->items[rule].rule;
    struct azm_effect e = *what;

    azm_rule_count(&r->times, e.times);
    if (e.overflow)
        azm_rule_count(&r->overflows, 1);
    if (!x->listener.tell)
        return;
    e.kind = r->kind;
    e.rule = r->name;
    x->listener.tell(x->listener.userdata, &e);
}

static struct azm_text marker_of(const struct azm_redactor *x, size_t rule)
{
    return azm_text_of(x->redactions->items[rule].marker);
}

/* --- what is found in a text --- */

static int add_span(struct azm_redactor *x, size_t rule, size_t start, size_t end)
{
    if (x->n_spans == x->cap_spans) {
        size_t cap = MAX(x->cap_spans * 2, (size_t)16);
        struct azm_span *spans = reallocarray(x->spans, cap, sizeof *spans);

        if (!spans)
            return -ENOMEM;
        x->spans = spans;
        x->cap_spans = cap;
    }
    x->spans[x->n_spans++] = (struct azm_span){start, end, rule};
    return 0;
}

/* Everything that one pattern matches: 0, -EOVERFLOW, -ENOMEM. */
static int find(struct azm_redactor *x, size_t rule, const struct azm_pattern *p, struct azm_text t)
{
    const struct azm_redaction *redaction = &x->redactions->items[rule];
    size_t from = 0, start, end;
    int r;

    while ((r = azm_pattern_match(p, x->matcher, t, from, &start, &end)) > 0) {
        from = end;
        if (redaction->check) {
            from = start + 1; /* within it another one may begin; what it begins with is ASCII */
            if (!redaction->check((struct azm_text){t.s + start, end - start}))
                continue;
        }
        if (x->n_spans == SPANS_MAX)
            return -EOVERFLOW;
        if (add_span(x, rule, start, end) < 0)
            return -ENOMEM;
    }
    return r;
}

/* Everything that all rules match in a text with these letters: 0, -ENOMEM; -EOVERFLOW: *ret_rule could not tell. */
static int find_all(struct azm_redactor *x, struct azm_text t, uint64_t letters, size_t *ret_rule)
{
    x->n_spans = 0;
    for (size_t i = 0; i < x->redactions->n; i++)
        for (const struct pattern *p = x->redactions->items[i].patterns; p->pattern; p++) {
            int r = (p->needs & ~letters) == 0 ? find(x, i, p->pattern, t) : 0;

            if (r < 0) {
                *ret_rule = i;
                return r;
            }
        }
    return 0;
}

static int compare_spans(const void *a, const void *b)
{
    const struct azm_span *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

/* Sorts them, counts them by rule, and makes one of those that overlap. */
static void join_spans(struct azm_redactor *x)
{
    size_t n = 0;

    memset(x->times, 0, x->redactions->n * sizeof *x->times);
    qsort(x->spans, x->n_spans, sizeof *x->spans, compare_spans);
    for (size_t i = 0; i < x->n_spans; i++) {
        x->times[x->spans[i].rule]++;
        if (n > 0 && x->spans[i].start < x->spans[n - 1].end)
            x->spans[n - 1].end = MAX(x->spans[n - 1].end, x->spans[i].end);
        else
            x->spans[n++] = x->spans[i];
    }
    x->n_spans = n;
}

/* The text with markers in the place of the spans: 0 or -ENOMEM. */
static int replace_spans(struct azm_redactor *x, struct azm_text t, struct azm_text *ret)
{
    size_t len = t.len, at = 0;
    char *out;

    for (size_t i = 0; i < x->n_spans; i++)
        len += marker_of(x, x->spans[i].rule).len - (x->spans[i].end - x->spans[i].start);
    out = azm_arena_alloc(&x->arena, len);
    if (!out)
        return -ENOMEM;
    *ret = (struct azm_text){out, len};
    for (size_t i = 0; i < x->n_spans; i++) {
        const struct azm_span *s = &x->spans[i];
        const struct azm_text marker = marker_of(x, s->rule);

        out = mempcpy(out, t.s + at, s->start - at);
        out = mempcpy(out, marker.s, marker.len);
        at = s->end;
    }
    memcpy(out, t.s + at, t.len - at);
    return 0;
}

/* --- texts --- */

static void tell_overflow(struct azm_rule *r, size_t len)
{
    if (!__atomic_exchange_n(&r->told, true, __ATOMIC_RELAXED))
        azm_log(AZM_LOG_WARNING,
                "to look for %s in a text of %zu bytes would have taken too much, so that all of it was replaced; "
                "azmonlog status counts how often that happens",
                r->name, len);
}

/* A text that has these letters: 1, and `t` is another one; 0; -ENOMEM. */
static int redact_letters(struct azm_redactor *x, struct azm_text *t, uint64_t letters, struct azm_effect what)
{
    struct azm_text text = *t;
    size_t rule;
    int r;

    if ((letters & AZM_LETTERS_BEYOND_ASCII) && azm_utf8_valid_prefix(text.s, text.len) < text.len) {
        azm_buf_clear(&x->clean);
        if (azm_utf8_append_clean(&x->clean, text.s, text.len) < 0)
            return -ENOMEM;
        text = azm_buf_text(&x->clean);
    }
    r = find_all(x, text, letters, &rule);
    if (r == -EOVERFLOW) {
        tell_overflow(&x->redactions->items[rule].rule, text.len);
        *t = marker_of(x, rule);
        what.times = 1;
        what.overflow = true;
        what.key = what.place == AZM_PLACE_KEY ? *t : what.key;
        note(x, rule, &what);
        return 1;
    }
    if (r < 0 || x->n_spans == 0)
        return r;
    join_spans(x);
    if (replace_spans(x, text, t) < 0)
        return -ENOMEM;
    what.key = what.place == AZM_PLACE_KEY ? *t : what.key;
    for (size_t i = 0; i < x->redactions->n; i++) {
        what.times = x->times[i];
        if (what.times > 0)
            note(x, i, &what);
    }
    return 1;
}

static uint64_t letters_of(const struct azm_redactor *x, struct azm_text t)
{
    return azm_letters_of(t) | (x->redactions->wants_digits ? azm_letters_many_digits(t) : 0);
}

static int redact_text(struct azm_redactor *x, struct azm_text *t, struct azm_effect what)
{
    return redact_letters(x, t, letters_of(x, *t), what);
}

/* The same for each of several. */
static int redact_texts(struct azm_redactor *x, struct azm_attribute *a, struct azm_effect what)
{
    struct azm_text *items = NULL;

    for (size_t i = 0; i < a->texts.n; i++) {
        struct azm_text t = a->texts.items[i];
        int r = redact_text(x, &t, what);

        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (!items) {
            items = azm_arena_copy(&x->arena, a->texts.items, a->texts.n * sizeof *items);
            if (!items)
                return -ENOMEM;
        }
        items[i] = t;
    }
    if (!items)
        return 0;
    a->texts.items = items;
    return 1;
}

/* May anything be found in a text with these letters? */
static bool is_looked_for(const struct azm_redactor *x, uint64_t letters)
{
    for (size_t i = 0; i < x->redactions->n; i++)
        for (const struct pattern *p = x->redactions->items[i].patterns; p->pattern; p++)
            if ((p->needs & ~letters) == 0)
                return true;
    return false;
}

/* A number in which something is found becomes a text. */
static int redact_number(struct azm_redactor *x, struct azm_attribute *a, struct azm_effect what)
{
    const bool is_long = a->integer >= FIRST_OF_13_DIGITS || a->integer <= -FIRST_OF_13_DIGITS;
    const uint64_t letters = azm_letters_of(AZM_TEXT("-0")) | (is_long ? AZM_LETTERS_MANY_DIGITS : 0);
    char digits[24];
    struct azm_text t = {digits, 0};
    int r;

    if (!is_looked_for(x, letters)) /* most numbers are not worth to be printed */
        return 0;
    t.len = (size_t)snprintf(digits, sizeof digits, "%" PRId64, a->integer);
    r = redact_letters(x, &t, letters, what);
    if (r <= 0)
        return r;
    a->type = AZM_VALUE_TEXT;
    a->text = t;
    return 1;
}

/* --- attributes --- */

/* Does the name say that the value is secret? 1, and *ret is the rule that knows it; 0; -ENOMEM. */
static int find_name(const struct azm_redactor *x, struct azm_text key, uint64_t letters, size_t *ret)
{
    for (size_t i = 0; i < x->redactions->n; i++)
        for (const struct pattern *p = x->redactions->items[i].names; p->pattern; p++) {
            int r = (p->needs & ~letters) == 0 ? azm_pattern_match(p->pattern, x->matcher, key, 0, NULL, NULL) : 0;

            if (r == 0)
                continue;
            *ret = i;
            return r == -ENOMEM ? r : 1; /* or it cannot be told */
        }
    return 0;
}

/* Replaces all of a value: 1; 0 if there is nothing in it; -ENOMEM. */
static int replace_value(struct azm_redactor *x, size_t rule, struct azm_attribute *a, struct azm_effect what)
{
    const struct azm_text marker = marker_of(x, rule);
    struct azm_text *items;

    switch (a->type) {
    case AZM_VALUE_INT:
        a->type = AZM_VALUE_TEXT;
        a->text = (struct azm_text){0};
        what.times = 1;
        break;
    case AZM_VALUE_TEXT:
        what.times = a->text.len > 0 && !azm_text_equal(a->text, marker);
        break;
    case AZM_VALUE_TEXTS:
        items = azm_arena_alloc(&x->arena, a->texts.n * sizeof *items);
        if (!items)
            return -ENOMEM;
        for (size_t i = 0; i < a->texts.n; i++) {
            what.times += a->texts.items[i].len > 0 && !azm_text_equal(a->texts.items[i], marker);
            items[i] = a->texts.items[i].len > 0 ? marker : a->texts.items[i];
        }
        a->texts.items = items;
        break;
    }
    if (what.times == 0)
        return 0;
    if (a->type == AZM_VALUE_TEXT)
        a->text = marker;
    note(x, rule, &what);
    return 1;
}

/* 1, and it is another one; 0; -ENOMEM. */
static int redact_attribute(struct azm_redactor *x, struct azm_attribute *a)
{
    const struct azm_text name = a->key;
    const uint64_t letters = letters_of(x, name);
    size_t rule;
    int k = redact_letters(x, &a->key, letters, (struct azm_effect){.place = AZM_PLACE_KEY});
    int r = k < 0 ? k : find_name(x, name, letters, &rule);
    const struct azm_effect what = {.place = AZM_PLACE_VALUE, .key = a->key};

    if (r > 0)
        r = replace_value(x, rule, a, what);
    else if (r == 0 && a->type == AZM_VALUE_TEXT)
        r = redact_text(x, &a->text, what);
    else if (r == 0 && a->type == AZM_VALUE_TEXTS)
        r = redact_texts(x, a, what);
    else if (r == 0)
        r = redact_number(x, a, what);
    return r < 0 ? r : k + r > 0;
}

/* Where redaction has made two names equal, the first one has it. */
static bool has_name(const struct azm_attribute *items, size_t n, struct azm_text key)
{
    for (size_t i = 0; i < n; i++)
        if (azm_text_equal(items[i].key, key))
            return true;
    return false;
}

static void drop_equal_names(struct azm_attribute *items, struct azm_record *rec)
{
    size_t n = 0;

    for (size_t i = 0; i < rec->n_attributes; i++) {
        if (has_name(items, n, items[i].key))
            rec->n_dropped++;
        else
            items[n++] = items[i];
    }
    rec->n_attributes = n;
}

/* They are copied when the first one changes. */
static int redact_attributes(struct azm_redactor *x, struct azm_record *rec)
{
    struct azm_attribute *items = NULL;
    bool renamed = false;

    for (size_t i = 0; i < rec->n_attributes; i++) {
        struct azm_attribute a = rec->attributes[i];
        int r = redact_attribute(x, &a);

        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (!items) {
            items = azm_arena_copy(&x->arena, rec->attributes, rec->n_attributes * sizeof *items);
            if (!items)
                return -ENOMEM;
        }
        renamed |= a.key.s != rec->attributes[i].key.s;
        items[i] = a;
    }
    if (!items)
        return 0;
    if (renamed)
        drop_equal_names(items, rec);
    rec->attributes = items;
    return 0;
}

int azm_redactor_run(struct azm_redactor *x, struct azm_record *rec)
{
    int r = 0;

    azm_arena_reset(&x->arena);
    if (rec->has_body)
        r = redact_text(x, &rec->body, (struct azm_effect){.place = AZM_PLACE_BODY});
    if (r >= 0 && rec->event_name.len > 0)
        r = redact_text(x, &rec->event_name, (struct azm_effect){.place = AZM_PLACE_EVENT_NAME});
    return r < 0 ? r : redact_attributes(x, rec);
}
