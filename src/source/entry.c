/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/filter_rule.h"
#include "core/trace_context.h"
#include "parse/line.h"
#include "source/entry.h"

#define INT_DIGITS_MAX 19 /* of 64 bits; any so long fits into 64 without a sign */
#define FIELD_SLOTS 128   /* several times the rows of fields[] */

/* What the record needs besides attributes. */
struct special {
    struct azm_identity identity;
    struct azm_text message, priority, source_time, trace_id, span_id, trace_flags, syslog_pid;
    struct azm_text message_id, n_dropped, invocation, line_break, partial;
};

/* A field that a rule of [filter] asks for. */
struct wanted {
    struct azm_text rule_name; /* how the rule calls it; of the configuration's own list of rules: owned */
    struct azm_text field;     /* and the journal */
};

struct azm_entry_reader {
    const struct azm_config *config;
    struct azm_resources *resources;
    bool joined; /* they are another reader's */
    struct azm_uid_state uid;
    struct azm_own_process own; /* pid 0: skip nothing */
    char own_comm[16], own_pid[24], own_invocation[40];
    struct azm_losses *losses; /* NULL: not counted */
    struct wanted *wanted;
    size_t n_wanted;
    size_t keep_bytes;           /* of a value: one more than the encoder keeps, so that it sees what was cut */
    uint8_t row_of[FIELD_SLOTS]; /* by the name's hash: number of a row of fields[], from 1; 0: none */

    /* The entry in hand. */
    struct azm_arena arena;
    struct special special;
    XXH128_hash_t sum, hash;          /* of its fields, and of the last one */
    struct azm_attribute *attributes; /* malloc'ed, kept from entry to entry */
    size_t n_attributes, cap_attributes;
    size_t n_trusted; /* of them, which come first: what does not fit into a record is left out from the end */
    size_t sent_bytes, largest_bytes;
    uint32_t n_dropped;
    bool excluded;                /* by a field */
    struct azm_attribute *fields; /* those that are wanted; malloc'ed, kept from entry to entry */
    size_t n_fields, cap_fields;

    struct azm_line_parser line; /* its last one is the record's until the next entry */

    bool joins; /* entries are lines of streams, that may be joined; only then there is: */
    XXH128_hash_t stream, priority;
    struct azm_entry_line as_line;
};

#define STANDARD (AZM_FIELDS_STANDARD | AZM_FIELDS_FULL)
#define FULL AZM_FIELDS_FULL
#define NEVER 0
#define NOT_SPECIAL SIZE_MAX
#define SPECIAL(member) offsetof(struct special, member)

/* What becomes of each field that has a meaning of its own. (The identity is in the resource: service_name.c.) Others:
 * sent by the application (no leading underscore) -> an attribute, name in lower case; trusted (leading underscore) ->
 * "journald.<name>" with fields=full. */
static const struct field {
    struct azm_text name;
    size_t special;            /* where the record needs it */
    struct azm_text attribute; /* len 0: none */
    unsigned profiles;         /* in which the attribute is sent */
    bool integer;
    bool stream; /* it tells whose lines these are, see add_to_stream */
} fields[] = {
    {AZM_TEXT("_PID"), SPECIAL(identity.pid), AZM_TEXT("process.pid"), STANDARD, true, true},
    {AZM_TEXT("_COMM"), SPECIAL(identity.comm), {0}, NEVER, false, false},
    {AZM_TEXT("MESSAGE"), SPECIAL(message), {0}, NEVER, false, false},
    {AZM_TEXT("SPAN_ID"), SPECIAL(span_id), {0}, NEVER, false, true},
    {AZM_TEXT("PRIORITY"), SPECIAL(priority), {0}, NEVER, false, false},
    {AZM_TEXT("TRACE_ID"), SPECIAL(trace_id), {0}, NEVER, false, true},
    {AZM_TEXT("_BOOT_ID"), NOT_SPECIAL, AZM_TEXT("journald.boot_id"), FULL, false, true},
    {AZM_TEXT("CODE_FILE"), NOT_SPECIAL, AZM_TEXT("code.file.path"), STANDARD, false, true},
    {AZM_TEXT("CODE_FUNC"), NOT_SPECIAL, AZM_TEXT("code.function.name"), STANDARD, false, true},
    {AZM_TEXT("N_DROPPED"), SPECIAL(n_dropped), AZM_TEXT("n_dropped"), STANDARD, false, true},
    {AZM_TEXT("CODE_LINE"), NOT_SPECIAL, AZM_TEXT("code.line.number"), STANDARD, true, true},
    {AZM_TEXT("_HOSTNAME"), SPECIAL(identity.host_name), {0}, NEVER, false, false},
    {AZM_TEXT("MESSAGE_ID"), SPECIAL(message_id), AZM_TEXT("journald.message_id"), STANDARD, false, true},
    {AZM_TEXT("SYSLOG_PID"), SPECIAL(syslog_pid), {0}, NEVER, false, true},
    {AZM_TEXT("SYSLOG_RAW"), NOT_SPECIAL, {0}, NEVER, false, false}, /* the datagram once more */
    {AZM_TEXT("_STREAM_ID"), NOT_SPECIAL, AZM_TEXT("journald.stream_id"), FULL, false, true},
    {AZM_TEXT("_LINE_BREAK"), SPECIAL(line_break), AZM_TEXT("journald.line_break"), FULL, false, false},
    {AZM_TEXT("_TRANSPORT"), SPECIAL(identity.transport), AZM_TEXT("journald.transport"), FULL, false, true},
    {AZM_TEXT("TRACE_FLAGS"), SPECIAL(trace_flags), {0}, NEVER, false, true},
    {AZM_TEXT("_MACHINE_ID"), SPECIAL(identity.machine_id), {0}, NEVER, false, false},
    {AZM_TEXT("SYSLOG_MSGID"), NOT_SPECIAL, AZM_TEXT("syslog.msgid"), STANDARD, false, true},
    {AZM_TEXT("_SYSTEMD_UNIT"), SPECIAL(identity.unit), {0}, NEVER, false, false},
    {AZM_TEXT("EXCEPTION_TYPE"), NOT_SPECIAL, AZM_TEXT("exception.type"), STANDARD, false, true},
    {AZM_TEXT("SYSLOG_FACILITY"), NOT_SPECIAL, AZM_TEXT("syslog.facility"), STANDARD, true, true},
    {AZM_TEXT("SYSLOG_TIMESTAMP"), NOT_SPECIAL, {0}, NEVER, false, false}, /* the record's time is better */
    {AZM_TEXT("EXCEPTION_MESSAGE"), NOT_SPECIAL, AZM_TEXT("exception.message"), STANDARD, false, true},
    {AZM_TEXT("OTEL_SERVICE_NAME"), SPECIAL(identity.otel_service_name), {0}, NEVER, false, true},
    {AZM_TEXT("SYSLOG_IDENTIFIER"), SPECIAL(identity.identifier), {0}, NEVER, false, true},
    {AZM_TEXT("_SYSTEMD_USER_UNIT"), SPECIAL(identity.user_unit), {0}, NEVER, false, false},
    {AZM_TEXT("EXCEPTION_STACKTRACE"), NOT_SPECIAL, AZM_TEXT("exception.stacktrace"), STANDARD, false, true},
    {AZM_TEXT("CONTAINER_PARTIAL_MESSAGE"), SPECIAL(partial), AZM_TEXT("container_partial_message"), STANDARD, false,
     false},
    {AZM_TEXT("_SYSTEMD_INVOCATION_ID"), SPECIAL(invocation), AZM_TEXT("journald.systemd_invocation_id"), FULL, false,
     false},
    {AZM_TEXT("_SOURCE_REALTIME_TIMESTAMP"), SPECIAL(source_time), {0}, NEVER, false, false},
};

/* Of `len` bytes, more than none. The third letter from the end is where names of equal length differ most. */
static size_t slot_of(const char *name, size_t len)
{
    return (len * 8 + (uint8_t)name[len < 3 ? 0 : len - 3]) % FIELD_SLOTS;
}

static const struct field *find_field(const struct azm_entry_reader *e, const char *name, size_t len)
{
    for (size_t i = slot_of(name, len); e->row_of[i] > 0; i = (i + 1) % FIELD_SLOTS) {
        const struct field *f = &fields[e->row_of[i] - 1];

        if (azm_text_equal(f->name, (struct azm_text){name, len}))
            return f;
    }
    return NULL;
}

static void index_fields(struct azm_entry_reader *e)
{
    for (size_t row = 0; row < ELEMENTSOF(fields); row++) {
        size_t i = slot_of(fields[row].name.s, fields[row].name.len);

        while (e->row_of[i] > 0)
            i = (i + 1) % FIELD_SLOTS;
        e->row_of[i] = (uint8_t)(row + 1);
    }
}

/* Names of the resource, and where they come from: docs/mapping.md. */
static struct azm_text source_of(struct azm_text name)
{
    static const struct {
        struct azm_text name, field;
    } names[] = {
        {AZM_TEXT("host.name"), AZM_TEXT("_HOSTNAME")},
        {AZM_TEXT("host.id"), AZM_TEXT("_MACHINE_ID")},
        {AZM_TEXT("systemd.unit"), AZM_TEXT("_SYSTEMD_UNIT")},
        {AZM_TEXT("systemd.user_unit"), AZM_TEXT("_SYSTEMD_USER_UNIT")},
        {AZM_TEXT("syslog.identifier"), AZM_TEXT("SYSLOG_IDENTIFIER")},
        {AZM_TEXT("process.executable.name"), AZM_TEXT("_COMM")},
    };

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (azm_text_equal(names[i].name, name))
            return names[i].field;
    return azm_filter_field_is_raw(name) ? name : (struct azm_text){0};
}

static int want_field(struct azm_entry_reader *e, struct azm_text name)
{
    struct azm_text field = source_of(name);
    struct wanted *w;
    char *copy;

    for (size_t i = 0; i < e->n_wanted; i++)
        if (azm_text_equal(e->wanted[i].rule_name, name))
            return 0;
    if (!field.s)
        return 0;
    w = reallocarray(e->wanted, e->n_wanted + 1, sizeof *w);
    if (!w)
        return -ENOMEM;
    e->wanted = w;
    copy = strndup(name.s, name.len);
    if (!copy)
        return -ENOMEM;
    w[e->n_wanted++] = (struct wanted){{copy, name.len}, field.s == name.s ? (struct azm_text){copy, name.len} : field};
    return 0;
}

static int want_fields(struct azm_entry_reader *e, const struct azm_key_values *rules)
{
    int r = 0;

    for (size_t i = 0; i < rules->n && r >= 0; i++) {
        struct azm_filter_rule rule;

        if (azm_filter_rule_parse(rules->items[i].key, &rule, NULL) < 0)
            continue; /* it does not count in the filter, either */
        for (size_t k = 0; k < rule.n && r >= 0; k++)
            r = want_field(e, azm_text_of(rule.conditions[k].field));
        azm_filter_rule_free(&rule);
    }
    return r;
}

int azm_entry_reader_new(const struct azm_config *config, struct azm_entry_reader **ret)
{
    struct azm_entry_reader *e = calloc(1, sizeof *e);
    int r;

    if (!e)
        return -ENOMEM;
    e->config = config;
    e->keep_bytes = config->max_body_bytes + 8;
    e->joins = azm_config_joins(config);
    index_fields(e);
    r = azm_resources_new(config, &e->resources);
    if (r >= 0)
        r = want_fields(e, &config->filter_exclude);
    if (r >= 0)
        r = want_fields(e, &config->filter_include);
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
    for (size_t i = 0; i < e->n_wanted; i++)
        free((char *)e->wanted[i].rule_name.s);
    free(e->wanted);
    free(e->fields);
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
    e->special = (struct special){0};
    e->sum = (XXH128_hash_t){0};
    if (e->joins)
        e->stream = e->priority = e->sum;
    e->n_attributes = e->n_trusted = e->n_fields = 0;
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
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
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
static bool is_needed(const struct azm_entry_reader *e, const struct field *f)
{
    return f && f->special != NOT_SPECIAL && !((const struct azm_text *)((const char *)&e->special + f->special))->s;
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
static __attribute__((noinline)) void add_to_stream(struct azm_entry_reader *e, const struct field *f,
                                                    struct azm_text name)
{
    static const char partial[] = "CONTAINER_PARTIAL_"; /* Docker numbers the pieces of a line */

    if (f && f->special == SPECIAL(priority))
        azm_hash_add(&e->priority, e->hash);
    else if (f ? f->stream
               : *name.s != '_' && (name.len < sizeof partial || memcmp(name.s, partial, sizeof partial - 1) != 0))
        azm_hash_add(&e->stream, e->hash);
}

/* A field that rules ask for, by each of its names there. */
static int keep_wanted(struct azm_entry_reader *e, struct azm_text name, struct azm_text value)
{
    for (size_t i = 0; i < e->n_wanted; i++) {
        struct azm_attribute *a;

        if (!azm_text_equal(e->wanted[i].field, name))
            continue;
        if (e->n_fields == e->cap_fields) {
            size_t cap = MAX(e->cap_fields * 2, (size_t)8);

            a = reallocarray(e->fields, cap, sizeof *a);
            if (!a)
                return -ENOMEM;
            e->fields = a;
            e->cap_fields = cap;
        }
        a = &e->fields[e->n_fields++];
        *a = (struct azm_attribute){.key = e->wanted[i].rule_name, .type = AZM_VALUE_TEXT};
        if (copy_text(e, value.s, value.len, &a->text) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Of what the application sent no more is kept than a request may have: journald takes a thousand fields of any length,
 * and a record has room for much less. */
int azm_entry_add_field(struct azm_entry_reader *e, const void *data, size_t len)
{
    const char *name = data, *equals = memchr(data, '=', len);
    const struct field *f;
    struct azm_text value;
    size_t name_len, n;
    int k = 0;

    e->hash = azm_uid_add_field(&e->sum, data, len);
    e->largest_bytes = MAX(e->largest_bytes, len);
    for (size_t i = 0; i < e->config->exclude_matches.n; i++)
        e->excluded |=
            azm_text_equal((struct azm_text){data, len}, azm_text_of(e->config->exclude_matches.items[i].key));
    if (!equals || equals == name)
        return 0; /* not a field, or one without a name; journald writes none such */
    name_len = (size_t)(equals - name);
    if (e->n_wanted > 0)
        k = keep_wanted(e, (struct azm_text){name, name_len}, (struct azm_text){equals + 1, len - name_len - 1});
    if (k < 0)
        return k;
    f = find_field(e, name, name_len);
    if (e->joins)
        add_to_stream(e, f, (struct azm_text){name, name_len});
    if (f && f->special == NOT_SPECIAL && !(f->profiles & e->config->fields))
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
    if (f && f->special != NOT_SPECIAL) {
        struct azm_text *t = (struct azm_text *)((char *)&e->special + f->special);

        if (t->s && f->attribute.len == 0)
            return add_other(e, name, name_len, value); /* a second one: keep it as an attribute */
        if (!t->s)
            *t = value;
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
    const struct special *s = &e->special;
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
        if (names[i].text.len > AZM_NAME_MAX_BYTES && (e->config->fields & STANDARD))
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

static bool is_listed(const struct azm_key_values *list, struct azm_text t)
{
    for (size_t i = 0; i < list->n; i++)
        if (azm_text_equal(t, azm_text_of(list->items[i].key)))
            return true;
    return false;
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
    const struct special *s = &e->special;
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
static const char *unit_word(const struct azm_entry_reader *e, const struct azm_key_values *units)
{
    const struct azm_text unit = azm_resources_find_unit(e->resources, &e->special.identity);
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
    const char *word = e->config->unit_parse.n > 0 ? unit_word(e, &e->config->unit_parse) : NULL;

    return word ? (enum azm_line_format)azm_line_format_of(word) : e->config->parse;
}

static enum azm_multiline multiline(const struct azm_entry_reader *e)
{
    const char *word = e->config->unit_multiline.n > 0 ? unit_word(e, &e->config->unit_multiline) : NULL;

    return word ? (enum azm_multiline)azm_multiline_of(word) : e->config->multiline;
}

/* Stdout and stderr of a service are one stream, on which a line may have a priority in front and the next one none; of
 * others, such as conmon's, the priority tells them apart. What is sent with the native protocol may be a message of
 * several lines already. */
static const struct azm_entry_line *describe_line(struct azm_entry_reader *e, const struct azm_entry_times *t,
                                                  struct azm_text body)
{
    const struct special *s = &e->special;
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
    struct special *s = &e->special;
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
    if (k == 0 && s->syslog_pid.s && !azm_text_equal(s->syslog_pid, s->identity.pid) && (e->config->fields & STANDARD))
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
    r.fields = e->fields;
    r.n_fields = e->n_fields;
    if (e->joins)
        r.line = describe_line(e, t, r.body); /* whole lines only are taken apart */
    else
        k = azm_line_parse(&e->line, line_format(e), &r);
    if (k < 0)
        return k;
    *ret = r;
    return 1;
}
