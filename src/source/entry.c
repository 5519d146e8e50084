/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/trace_context.h"
#include "parse/line.h"
#include "source/entry.h"
#include "source/field.h"
#include "source/wanted.h"

#define INT_DIGITS_MAX 19 /* of 64 bits; any so long fits into 64 without a sign */

struct azm_entry_reader {
    const struct azm_config *config;
    struct azm_resources *resources;
    bool joined; /* they are another reader's */
    struct azm_uid_state uid;
    struct azm_own_process own; /* pid 0: skip nothing */
    char own_comm[16], own_pid[24], own_invocation[40];
    struct azm_losses *losses; /* NULL: not counted */
    struct azm_wanted wanted;
    bool looks_closer; /* there is something to ask of each field: see look_closer */
    size_t keep_bytes; /* of a value: one more than the encoder keeps, so that it sees what was cut */
    struct azm_field_index fields_by_name;

    /* The entry in hand. */
    struct azm_arena arena;
    struct azm_entry_special special;
    XXH128_hash_t sum, hash;          /* of its fields, and of the last one */
    struct azm_attribute *attributes; /* malloc'ed, kept from entry to entry */
    size_t n_attributes, cap_attributes;
    size_t n_trusted; /* of them, which come first: what does not fit into a record is left out from the end */
    size_t sent_bytes, largest_bytes;
    uint32_t n_dropped;
    bool excluded; /* by a field */

    struct azm_line_parser line; /* its last one is the record's until the next entry */

    bool joins; /* entries are lines of streams, that may be joined; only then there is: */
    XXH128_hash_t stream, priority;
    struct azm_entry_line as_line;
};

int azm_entry_reader_new(const struct azm_config *config, struct azm_entry_reader **ret)
{
    struct azm_entry_reader *e = calloc(1, sizeof *e);
    int r;

    if (!e)
        return -ENOMEM;
    e->config = config;
    e->keep_bytes = config->max_body_bytes + 8;
    e->joins = azm_config_joins(config);
    azm_field_index_init(&e->fields_by_name);
    r = azm_resources_new(config, &e->resources);
    if (r >= 0)
        r = azm_wanted_init(&e->wanted, config);
    e->looks_closer = e->wanted.n_fields > 0 || config->exclude_matches.n > 0;
    if (r < 0) {
        azm_entry_reader_free(e);
        return r;
    }
    *ret = e;
    return 0;
}

struct azm_entry_reader *azm_entry_reader_free(struct azm_entry_reader *e)
{
    if (!e)
        return NULL;
    if (!e->joined)
        azm_resources_free(e->resources);
    azm_uid_state_free(&e->uid);
    azm_line_parser_free(&e->line);
    azm_arena_free(&e->arena);
    azm_wanted_free(&e->wanted);
    free(e->attributes);
    free(e);
    return NULL;
}

void azm_entry_reader_join(struct azm_entry_reader *e, const struct azm_entry_reader *other)
{
    azm_resources_free(e->resources);
    e->resources = other->resources;
    e->joined = true;
}

void azm_entry_reader_skip_own(struct azm_entry_reader *e, const struct azm_own_process *own)
{
    e->own = *own;
    snprintf(e->own_comm, sizeof e->own_comm, "%s", own->comm);
    snprintf(e->own_pid, sizeof e->own_pid, "%ld", own->pid);
    snprintf(e->own_invocation, sizeof e->own_invocation, "%s", own->invocation);
}

void azm_entry_reader_count_losses(struct azm_entry_reader *e, struct azm_losses *losses)
{
    e->losses = losses;
}

static bool is_own(const struct azm_entry_reader *e, const struct azm_entry_times *t)
{
    const struct azm_identity *id = &e->special.identity;

    if (*e->own_invocation && azm_text_equal(e->special.invocation, azm_text_of(e->own_invocation)))
        return true;
    return e->own.pid > 0 && t->monotonic_usec >= e->own.started_usec && sd_id128_equal(t->boot, e->own.boot) &&
           azm_text_equal(id->pid, azm_text_of(e->own_pid)) && azm_text_equal(id->comm, azm_text_of(e->own_comm));
}

struct azm_uid_state *azm_entry_uid_state(struct azm_entry_reader *e)
{
    return &e->uid;
}

void azm_entry_move_uid_state(struct azm_entry_reader *to, struct azm_entry_reader *from)
{
    azm_uid_state_free(&to->uid);
    to->uid = from->uid;
    from->uid = (struct azm_uid_state){0};
}

struct azm_arena *azm_entry_arena(struct azm_entry_reader *e)
{
    return &e->arena;
}

size_t azm_entry_largest_field(const struct azm_entry_reader *e)
{
    return e->largest_bytes;
}

int azm_entry_own_resource(struct azm_entry_reader *e, struct azm_text *ret)
{
    return azm_resources_get_own(e->resources, ret);
}

void azm_entry_begin(struct azm_entry_reader *e)
{
    azm_arena_reset(&e->arena);
    e->special = (struct azm_entry_special){0};
    e->sum = (XXH128_hash_t){0};
    if (e->joins)
        e->stream = e->priority = e->sum;
    azm_wanted_begin(&e->wanted);
    e->n_attributes = e->n_trusted = 0;
    e->sent_bytes = e->largest_bytes = 0;
    e->n_dropped = 0;
    e->excluded = false;
}

/* Whole decimal numbers of 64 bits only. */
static bool parse_int(struct azm_text t, int64_t *ret)
{
    bool minus = t.len > 0 && *t.s == '-';
    uint64_t n = 0;

    if (t.len == minus || t.len - minus > INT_DIGITS_MAX)
        return false;
    for (size_t i = minus; i < t.len; i++) {
        unsigned digit = (unsigned char)t.s[i] - '0';

        if (digit > 9)
            return false;
        n = n * 10 + digit;
    }
    *ret = (int64_t)(minus ? -n : n);
    return n <= (uint64_t)INT64_MAX + minus;
}

static int copy_text(struct azm_entry_reader *e, const char *s, size_t len, struct azm_text *ret)
{
    ret->len = MIN(len, e->keep_bytes);
    ret->s = azm_arena_copy(&e->arena, s, ret->len);
    return ret->s ? 0 : -ENOMEM;
}

/* A field may come several times: the attribute then becomes an array of all its values. */
static int add_value(struct azm_entry_reader *e, struct azm_attribute *a, struct azm_text value)
{
    size_t n = a->type == AZM_VALUE_TEXTS ? a->texts.n : 1;
    struct azm_text *items;

    if (a->type != AZM_VALUE_TEXTS) {
        struct azm_text first = a->text;

        if (a->type == AZM_VALUE_INT) {
            char digits[24];
            int len = snprintf(digits, sizeof digits, "%lld", (long long)a->integer);

            if (copy_text(e, digits, (size_t)len, &first) < 0)
                return -ENOMEM;
        }
        items = azm_arena_alloc(&e->arena, 2 * sizeof *items);
        if (!items)
            return -ENOMEM;
        items[0] = first;
        a->type = AZM_VALUE_TEXTS;
    } else if ((n & (n - 1)) == 0) { /* full: there is room for a power of two */
        items = azm_arena_alloc(&e->arena, 2 * n * sizeof *items);
        if (!items)
            return -ENOMEM;
        memcpy(items, a->texts.items, n * sizeof *items);
    } else
        items = (struct azm_text *)a->texts.items;
    items[n] = value;
    a->texts.items = items;
    a->texts.n = n + 1;
    return 0;
}

static int add_attribute(struct azm_entry_reader *e, struct azm_text key, struct azm_text value, bool integer)
{
    struct azm_attribute *a;
    int64_t number;

    for (size_t i = 0; i < e->n_attributes; i++)
        if (azm_text_equal(e->attributes[i].key, key))
            return add_value(e, &e->attributes[i], value);
    if (e->n_attributes == e->cap_attributes) {
        size_t cap = MAX(e->cap_attributes * 2, (size_t)32);

        a = reallocarray(e->attributes, cap, sizeof *a);
        if (!a)
            return -ENOMEM;
        e->attributes = a;
        e->cap_attributes = cap;
    }
    a = &e->attributes[e->n_attributes++];
    a->key = key;
    if (integer && parse_int(value, &number)) {
        a->type = AZM_VALUE_INT;
        a->integer = number;
    } else {
        a->type = AZM_VALUE_TEXT;
        a->text = value;
    }
    return 0;
}

/* Journald's names are A-Z0-9_; files need not come from journald. */
static char key_character(char c)
{
    unsigned letter = (unsigned)(c | 0x20) - 'a', digit = (unsigned)c - '0';

    return letter < 26 ? (char)(c | 0x20) : digit < 10 ? c : '_';
}

/* A field without a row in the table. */
static int add_other(struct azm_entry_reader *e, const char *name, size_t name_len, struct azm_text value)
{
    static const char prefix[] = "journald.";
    bool trusted = name_len > 0 && *name == '_';
    size_t prefix_len = 0;
    char *key;

    if (e->config->fields == AZM_FIELDS_MINIMAL || (trusted && e->config->fields != AZM_FIELDS_FULL))
        return 0;
    if (trusted) {
        prefix_len = sizeof(prefix) - 1;
        while (name_len > 0 && *name == '_')
            name++, name_len--;
    }
    key = azm_arena_alloc(&e->arena, prefix_len + name_len);
    if (!key)
        return -ENOMEM;
    memcpy(key, prefix, prefix_len);
    for (size_t i = 0; i < name_len; i++)
        key[prefix_len + i] = key_character(name[i]);
    return add_attribute(e, (struct azm_text){key, prefix_len + name_len}, value, false);
}

/* Is this the first value of a field that the record needs besides attributes? */
static bool is_needed(const struct azm_entry_reader *e, const struct azm_field *f)
{
    return f && f->special != AZM_NOT_SPECIAL &&
           !((const struct azm_text *)((const char *)&e->special + f->special))->s;
}

static bool is_listed(const struct azm_key_values *list, struct azm_text t)
{
    for (size_t i = 0; i < list->n; i++)
        if (azm_text_equal(t, azm_text_of(list->items[i].key)))
            return true;
    return false;
}

/* Does it tell who wrote the entry, other than by the process id, of which there are too many? */
static bool is_of_identity(const struct azm_field *f)
{
    return f->special < sizeof(struct azm_identity) && f->special != offsetof(struct azm_entry_special, identity.pid);
}

/* The attribute added last is journald's. */
static void move_to_trusted(struct azm_entry_reader *e)
{
    struct azm_attribute *last = &e->attributes[e->n_attributes - 1], *to = &e->attributes[e->n_trusted++];
    struct azm_attribute a = *last;

    *last = *to;
    *to = a;
}

/* A stream is what one process writes to one place: a connection of stdout; else what it sends with equal fields. What
 * journald finds out about a process is not asked for: it knows less of it once it is dead. */
static __attribute__((noinline)) void add_to_stream(struct azm_entry_reader *e, const struct azm_field *f,
                                                    struct azm_text name)
{
    static const char partial[] = "CONTAINER_PARTIAL_"; /* Docker numbers the pieces of a line */

    if (f && f->special == offsetof(struct azm_entry_special, priority))
        azm_hash_add(&e->priority, e->hash);
    else if (f ? f->stream
               : *name.s != '_' && (name.len < sizeof partial || memcmp(name.s, partial, sizeof partial - 1) != 0))
        azm_hash_add(&e->stream, e->hash);
}

/* What is asked of a field only where the configuration says so. */
static __attribute__((noinline)) int look_closer(struct azm_entry_reader *e, struct azm_text field, size_t name_len)
{
    const struct azm_text name = {field.s, name_len}, value = {field.s + name_len + 1, field.len - name_len - 1};

    e->excluded |= is_listed(&e->config->exclude_matches, field);
    return azm_wanted_add(&e->wanted, name, value, e->keep_bytes, &e->arena);
}

/* Of what the application sent no more is kept than a request may have: journald takes a thousand fields of any length,
 * and a record has room for much less. */
int azm_entry_add_field(struct azm_entry_reader *e, const void *data, size_t len)
{
    const char *name = data, *equals = memchr(data, '=', len);
    const struct azm_field *f;
    struct azm_text value;
    size_t name_len, n;
    int k = 0;

    e->hash = azm_uid_add_field(&e->sum, data, len);
    e->largest_bytes = MAX(e->largest_bytes, len);
    if (!equals || equals == name)
        return 0; /* not a field, or one without a name; journald writes none such */
    name_len = (size_t)(equals - name);
    f = azm_field_find(&e->fields_by_name, name, name_len);
    if (e->joins)
        add_to_stream(e, f, (struct azm_text){name, name_len});
    if (e->looks_closer)
        k = look_closer(e, (struct azm_text){data, len}, name_len);
    if (k < 0)
        return k;
    if (f && f->special == AZM_NOT_SPECIAL && !(f->profiles & e->config->fields))
        return 0;
    if (!f && *name == '_' && e->config->fields != AZM_FIELDS_FULL)
        return 0;
    if (*name != '_' && !is_needed(e, f)) {
        e->sent_bytes += MIN(len - name_len - 1, e->keep_bytes);
        if (e->sent_bytes > e->config->max_request_bytes) {
            e->n_dropped++;
            return 0;
        }
    }
    if (copy_text(e, equals + 1, len - name_len - 1, &value) < 0)
        return -ENOMEM;
    if (f && f->special != AZM_NOT_SPECIAL) {
        struct azm_text *t = (struct azm_text *)((char *)&e->special + f->special);

        if (t->s && f->attribute.len == 0)
            return add_other(e, name, name_len, value); /* a second one: keep it as an attribute */
        if (!t->s) {
            *t = value;
            e->special.identity.hash += is_of_identity(f) ? e->hash.low64 : 0;
        }
    }
    n = e->n_attributes;
    if (!f)
        k = add_other(e, name, name_len, value);
    else if (f->attribute.len > 0 && (f->profiles & e->config->fields))
        k = add_attribute(e, f->attribute, value, f->integer);
    if (*name == '_' && e->n_attributes > n)
        move_to_trusted(e);
    return k;
}

/* What does not make a trace context stays an attribute, so that nothing is lost. */
static int take_trace_context(struct azm_entry_reader *e, struct azm_record *r)
{
    const struct azm_entry_special *s = &e->special;
    int k = 0;

    if (s->trace_id.s) {
        r->has_trace_id = azm_trace_parse_id(s->trace_id, r->trace_id, sizeof r->trace_id);
        if (!r->has_trace_id)
            k = add_other(e, "TRACE_ID", 8, s->trace_id);
    }
    if (s->span_id.s && k == 0) {
        r->has_span_id = azm_trace_parse_id(s->span_id, r->span_id, sizeof r->span_id);
        if (!r->has_span_id)
            k = add_other(e, "SPAN_ID", 7, s->span_id);
    }
    if (s->trace_flags.s && k == 0) {
        if (!azm_trace_parse_flags(s->trace_flags, &r->trace_flags))
            k = add_other(e, "TRACE_FLAGS", 11, s->trace_flags);
    }
    return k;
}

static int take_priority(struct azm_entry_reader *e, struct azm_record *r)
{
    struct azm_text p = e->special.priority;

    r->severity = -1;
    if (p.len == 1 && *p.s >= '0' && *p.s <= '7')
        r->severity = *p.s - '0';
    else if (p.s)
        return add_other(e, "PRIORITY", 8, p);
    return 0;
}

/* Names that are too long for the resource stay with the record. */
static int take_long_names(struct azm_entry_reader *e)
{
    const struct azm_identity *id = &e->special.identity;
    struct azm_attribute names[AZM_IDENTITY_NAMES];
    int k = 0;

    if (id->unit.len <= AZM_NAME_MAX_BYTES && id->user_unit.len <= AZM_NAME_MAX_BYTES &&
        id->comm.len <= AZM_NAME_MAX_BYTES && id->identifier.len <= AZM_NAME_MAX_BYTES)
        return 0;
    azm_identity_names(id, names);
    for (size_t i = 0; i < AZM_IDENTITY_NAMES && k == 0; i++)
        if (names[i].text.len > AZM_NAME_MAX_BYTES && (e->config->fields & AZM_FIELD_STANDARD))
            k = add_attribute(e, names[i].key, names[i].text, false);
    return k;
}

static void take_times(const struct azm_entry_reader *e, const struct azm_entry_times *t, struct azm_record *r)
{
    uint64_t usec = t->realtime_usec;
    int64_t source;

    if (parse_int(e->special.source_time, &source) && source > 0 && (uint64_t)source < UINT64_MAX / 1000)
        usec = (uint64_t)source;
    r->time_unix_nano = usec * 1000;
    r->observed_time_unix_nano = t->realtime_usec * 1000;
}

static bool is_excluded(const struct azm_entry_reader *e)
{
    const struct azm_identity *id = &e->special.identity;
    const struct azm_config *c = e->config;

    return e->excluded || is_listed(&c->exclude_units, id->unit) || is_listed(&c->exclude_units, id->user_unit) ||
           is_listed(&c->exclude_identifiers, id->identifier);
}

/* Journald's own words about what it lost before us: SD_MESSAGE_JOURNAL_DROPPED and SD_MESSAGE_JOURNAL_MISSED of
 * sd-messages.h. Its transport cannot be forged. */
static void count_losses(struct azm_entry_reader *e)
{
    const struct azm_entry_special *s = &e->special;
    unsigned long long missed;
    char words[64];
    int64_t n;

    if (!e->losses || s->message_id.len == 0 || !azm_text_equal(s->identity.transport, AZM_TEXT("driver")))
        return;
    if (azm_text_equal(s->message_id, AZM_TEXT("a596d6fe7bfa4994828e72309e95d61e"))) {
        if (parse_int(s->n_dropped, &n) && n > 0)
            e->losses->suppressed += (uint64_t)n;
    } else if (azm_text_equal(s->message_id, AZM_TEXT("e9bf28e6e834481bb6f48f548ad13606"))) {
        snprintf(words, sizeof words, "%.*s", (int)MIN(s->message.len, sizeof words - 1), s->message.s);
        if (sscanf(words, "Missed %llu kernel messages", &missed) == 1)
            e->losses->missed_kernel += missed;
    }
}

/* What the sections of the entry's unit say, of which the last one in the configuration counts; NULL: nothing. */
static const char *unit_word(const struct azm_key_values *units, struct azm_text unit)
{
    char name[256];

    snprintf(name, sizeof name, "%.*s", (int)MIN(unit.len, sizeof name - 1), unit.s ? unit.s : "");
    for (size_t i = units->n; i-- > 0;)
        if (fnmatch(units->items[i].key, name, 0) == 0)
            return units->items[i].value;
    return NULL;
}

/* How the unit writes its lines. */
static enum azm_line_format line_format(const struct azm_entry_reader *e)
{
    const struct azm_key_values *units = &e->config->unit_parse;
    const char *word =
        units->n > 0 ? unit_word(units, azm_resources_find_unit(e->resources, &e->special.identity)) : NULL;

    return word ? (enum azm_line_format)azm_line_format_of(word) : e->config->parse;
}

/* How the unit's messages are told apart. What only this reader remembers does not count: after a crash the same
 * entries have to be joined. */
static enum azm_multiline multiline(const struct azm_entry_reader *e)
{
    const struct azm_key_values *units = &e->config->unit_multiline;
    const char *word = units->n > 0 ? unit_word(units, azm_identity_unit(&e->special.identity)) : NULL;

    return word ? (enum azm_multiline)azm_multiline_of(word) : e->config->multiline;
}

/* Stdout and stderr of a service are one stream, on which a line may have a priority in front and the next one none; of
 * others, such as conmon's, the priority tells them apart. What is sent with the native protocol may be a message of
 * several lines already. */
static const struct azm_entry_line *describe_line(struct azm_entry_reader *e, const struct azm_entry_times *t,
                                                  struct azm_text body)
{
    const struct azm_entry_special *s = &e->special;
    struct azm_entry_line *l = &e->as_line;

    *l = (struct azm_entry_line){.stream = e->stream, .times = *t, .multiline = multiline(e), .format = line_format(e)};
    if (!azm_text_equal(s->identity.transport, AZM_TEXT("stdout")))
        azm_hash_add(&l->stream, e->priority);
    l->joinable = l->multiline != AZM_MULTILINE_NO && s->identity.pid.len > 0 && body.s &&
                  (body.len == 0 || !memchr(body.s, '\n', body.len));
    l->unfinished = l->joinable && (azm_text_equal(s->line_break, AZM_TEXT("line-max")) ||
                                    azm_text_equal(s->partial, AZM_TEXT("true")));
    return l;
}

int azm_entry_finish(struct azm_entry_reader *e, const struct azm_entry_times *t, struct azm_record *ret)
{
    struct azm_entry_special *s = &e->special;
    struct azm_record r = {0};
    int k;

    k = azm_uid_next(&e->uid, t->boot, t->monotonic_usec, t->realtime_usec, e->sum, r.uid);
    if (k < 0)
        return k;
    count_losses(e);
    if (is_own(e, t) || is_excluded(e))
        return 0;

    s->identity.boot = t->boot;
    k = azm_resources_get(e->resources, &s->identity, &r.resource, &r.service);
    if (k == 0)
        k = take_trace_context(e, &r);
    if (k == 0)
        k = take_priority(e, &r);
    /* syslog(3) sends the pid along, which _PID says already; a forwarded message has its own. */
    if (k == 0 && s->syslog_pid.s && !azm_text_equal(s->syslog_pid, s->identity.pid) &&
        (e->config->fields & AZM_FIELD_STANDARD))
        k = add_attribute(e, AZM_TEXT("syslog.procid"), s->syslog_pid, false);
    if (k == 0)
        k = take_long_names(e);
    if (k < 0)
        return k;
    take_times(e, t, &r);
    r.has_body = s->message.s != NULL;
    r.body = s->message;
    /* Podman's conmon sends the end of the line along; journald itself takes it off where it reads lines. */
    if (r.body.len > 0 && r.body.s[r.body.len - 1] == '\n')
        r.body.len--;
    r.attributes = e->attributes;
    r.n_attributes = e->n_attributes;
    r.n_dropped = e->n_dropped;
    r.fields = e->wanted.found;
    r.n_fields = e->wanted.n_found;
    if (e->joins)
        r.line = describe_line(e, t, r.body); /* whole lines only are taken apart */
    else
        k = azm_line_parse(&e->line, line_format(e), &r);
    if (k < 0)
        return k;
    *ret = r;
    return 1;
}
