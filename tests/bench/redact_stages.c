/* SPDX-License-Identifier: MIT */
/* redact_stages DIRECTORY RECORDS ROUNDS: what each rule of [redact] costs a record, alone, and all of them; and
 * rules of [filter].
 *
 * The first RECORDS of the journal files in DIRECTORY are kept in memory, so that nothing but the processor is
 * measured: the CPU time of ROUNDS passes over them, as a line of JSON. "none" is a processor that there is not.
 */
#include "config/config_redact.h"
#include "core/arena.h"
#include "core/buf.h"
#include "process/processor.h"
#include "source/journal.h"
#include "tests/bench/stage.h"

struct bench {
    struct azm_arena arena;
    struct azm_record *records;
    size_t n, bytes, texts, rounds;
};

static void *checked(void *p)
{
    must(p ? 0 : -1, "memory", NULL);
    return p;
}

static struct azm_text keep_text(struct bench *b, struct azm_text t)
{
    b->bytes += t.len;
    b->texts++;
    return (struct azm_text){checked(azm_arena_copy(&b->arena, t.s, t.len)), t.len};
}

static void keep(struct bench *b, const struct azm_record *rec)
{
    struct azm_record *r = &b->records[b->n++];
    struct azm_attribute *a = checked(azm_arena_copy(&b->arena, rec->attributes, rec->n_attributes * sizeof *a));

    *r = *rec;
    r->resource = (struct azm_text){0};
    r->service = keep_text(b, r->service);
    r->attributes = a;
    if (r->has_body)
        r->body = keep_text(b, r->body);
    for (size_t i = 0; i < r->n_attributes; i++) {
        a[i].key = keep_text(b, a[i].key);
        if (a[i].type == AZM_VALUE_TEXT)
            a[i].text = keep_text(b, a[i].text);
        else if (a[i].type == AZM_VALUE_TEXTS) { /* so few that they do not count */
            a[i].type = AZM_VALUE_INT;
            a[i].integer = 0;
        }
    }
}

static void load(struct bench *b, const char *directory, size_t most)
{
    struct azm_config config;
    const struct azm_journal_options o = {.config = &config, .state_dir_fd = -1};
    struct azm_source *s;
    struct azm_record rec;
    struct azm_error err;
    int r = 1;

    must(azm_config_init(&config), "configuration", NULL);
    must(azm_config_set(&config, "journal", "directory", directory, "DIRECTORY", false, &err), "directory", &err);
    must(azm_config_set(&config, "journal", "start", "oldest", "start", false, &err), "start", &err);
    must(azm_journal_open(&o, &s, &err), "open", &err);
    b->records = checked(calloc(most, sizeof *b->records));
    while (b->n < most && (r = s->ops->next(s, &rec, &err)) > 0)
        keep(b, &rec);
    must(r, "next", &err);
    s->ops->free(s);
    azm_config_free(&config);
}

/* `key` NULL: nothing is configured. */
static uint64_t measure(const struct bench *b, const char *name, const char *section, const char *key,
                        const char *value)
{
    struct azm_config config;
    struct azm_processor *p;
    struct azm_rule_count count;
    struct azm_error err;
    uint64_t found = 0;

    must(azm_config_init(&config), "configuration", NULL);
    if (key)
        must(azm_config_set(&config, section, key, value, name, false, &err), name, &err);
    must(azm_processor_configured(&config, NULL, NULL, &p, &err), name, &err);
    stage_begin();
    for (size_t round = 0; round < b->rounds; round++)
        for (size_t i = 0; i < b->n; i++) {
            struct azm_record rec = b->records[i];

            must(azm_processor_run(p, &rec), name, NULL); /* 0: it is left out */
        }
    stage_end(name);
    for (size_t i = 0; azm_rules_get_count(azm_processor_rules(p), i, &count); i++)
        found += count.times / b->rounds;
    azm_processor_free(p);
    azm_config_free(&config);
    return found;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *pattern;
    } own[] = {
        {"own, a word", "x: \\bORD-\\d{6}\\b"},
        {"own, a letter class", "x: \\b[A-Z]{2}\\d{8}\\b"},
    };
    static const struct {
        const char *name, *key, *value;
    } filters[] = {
        {"filter, service.name=", "exclude", "service.name=nobody"},
        {"filter, an attribute=", "exclude", "http.route=/health"},
        {"filter, body^=", "exclude", "body^=GET /health"},
        {"filter, body~", "exclude", "body~^(cache|pool) (hit|miss)\\b"},
        {"filter, body~, anywhere", "exclude", "body~\\b(cache|pool) (hit|miss)\\b"},
        {"filter, sample=", "sample", "debug,info 50%"},
        {"filter, rate_limit=", "rate_limit", "1000000"},
    };
    struct bench b = {0};
    uint64_t found[AZM_READY_RULES + 1];

    if (argc != 4) {
        fprintf(stderr, "Usage: redact_stages DIRECTORY RECORDS ROUNDS\n");
        return 64;
    }
    load(&b, argv[1], strtoul(argv[2], NULL, 10));
    b.rounds = strtoul(argv[3], NULL, 10);
    stages_begin();
    (void)measure(&b, "none", NULL, NULL, NULL);
    for (size_t i = 0; i < AZM_READY_RULES; i++)
        found[i] = measure(&b, azm_ready_rule_names[i], "redact", "rules", azm_ready_rule_names[i]);
    found[AZM_READY_RULES] = measure(&b, "all", "redact", "rules", "all");
    for (size_t i = 0; i < ELEMENTSOF(own); i++)
        (void)measure(&b, own[i].name, "redact", "pattern", own[i].pattern);
    for (size_t i = 0; i < ELEMENTSOF(filters); i++)
        (void)measure(&b, filters[i].name, "filter", filters[i].key, filters[i].value);
    printf("},\"records\":%zu,\"rounds\":%zu,\"texts\":%zu,\"bytes\":%zu,\"found\":{", b.n, b.rounds, b.texts, b.bytes);
    for (size_t i = 0; i < AZM_READY_RULES; i++)
        printf("\"%s\":%llu,", azm_ready_rule_names[i], (unsigned long long)found[i]);
    printf("\"all\":%llu}}\n", (unsigned long long)found[AZM_READY_RULES]);
    azm_arena_free(&b.arena);
    free(b.records);
    return EXIT_SUCCESS;
}
