/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"
#include "process/processor.h"
#include "tests/fuzz/fuzz.h"

/* A record of any texts, with all ready rules. What comes out is UTF-8 with unique names, and what is surely secret is
 * gone, whatever stands around it. Where one place is replaced another one may come to light that was hidden by it
 * (a@b.com4111111111111111: the domain ends at the marker), but no rule finds its marker again: after a few runs there
 * is nothing more. */
#define RUNS_MAX 8

static size_t n_effects;

static void tell(void *userdata, const struct azm_effect *e)
{
    (void)userdata;
    require(e->times > 0);
    n_effects++;
}

static struct azm_processor *all_rules(void)
{
    static struct azm_processor *p;
    struct azm_config config;

    if (p)
        return p;
    require(azm_config_init(&config) == 0);
    require(azm_config_set(&config, "redact", "rules", "all", "fuzz", false, NULL) == 0);
    require(azm_processor_configured(&config, NULL, NULL, &p, NULL) == 0);
    azm_config_free(&config);
    azm_processor_explain(p, (struct azm_listener){tell, NULL});
    return p;
}

static struct azm_text copy(struct azm_text t)
{
    char *s = fuzz_alloc(t.len);

    if (t.len > 0)
        memcpy(s, t.s, t.len);
    return (struct azm_text){s, t.len};
}

/* Everything in it, so that it outlives the processor's next call. */
static void copy_record(struct azm_record *r)
{
    struct azm_attribute *a = fuzz_alloc(r->n_attributes * sizeof *a);

    r->body = copy(r->body);
    for (size_t i = 0; i < r->n_attributes; i++) {
        a[i] = r->attributes[i];
        a[i].key = copy(a[i].key);
        require(fuzz_is_utf8(a[i].key));
        for (size_t k = 0; k < i; k++)
            require(!azm_text_equal(a[i].key, a[k].key));
        if (a[i].type == AZM_VALUE_TEXT)
            a[i].text = copy(a[i].text);
        else if (a[i].type == AZM_VALUE_TEXTS) {
            struct azm_text *items = fuzz_alloc(a[i].texts.n * sizeof *items);

            for (size_t k = 0; k < a[i].texts.n; k++)
                items[k] = copy(a[i].texts.items[k]);
            a[i].texts.items = items;
        }
    }
    r->attributes = a;
}

/* How many effects a run has. */
static size_t run(struct azm_record *r)
{
    n_effects = 0;
    require(azm_processor_run(all_rules(), r) == 1);
    return n_effects;
}

/* `line`, which is secret, in the middle of a text. */
static void plant(struct azm_text text, const char *line)
{
    struct azm_buf planted = {0};
    struct azm_record r = {.has_body = true};

    require(azm_buf_append(&planted, text.s, text.len / 2) == 0);
    require(azm_buf_append(&planted, line, strlen(line)) == 0);
    require(azm_buf_append(&planted, text.s + text.len / 2, text.len - text.len / 2) == 0);
    r.body = azm_buf_text(&planted);
    run(&r);
    require(!memmem(r.body.s, r.body.len, line, strlen(line)));
    azm_buf_free(&planted);
}

FUZZ_TARGET(redact)
{
    struct azm_buf key = {0};
    struct azm_attribute attributes[3] = {{.key = AZM_TEXT("n"), .type = AZM_VALUE_INT}, {.key = AZM_TEXT("m")}};
    struct azm_text items[2];
    struct azm_record r = {.has_body = true, .attributes = attributes, .n_attributes = 3};
    struct azm_text name = fuzz_part(&in), number = fuzz_part(&in);

    require(azm_utf8_append_clean(&key, name.s, name.len) == 0);
    memcpy(&attributes[0].integer, number.s, MIN(number.len, sizeof attributes[0].integer));
    attributes[1].text = fuzz_part(&in);
    items[0] = fuzz_part(&in);
    items[1] = fuzz_part(&in);
    attributes[2] = (struct azm_attribute){.key = azm_buf_text(&key), .type = AZM_VALUE_TEXTS, .texts = {items, 2}};
    r.n_attributes -=
        azm_text_equal(attributes[2].key, AZM_TEXT("n")) || azm_text_equal(attributes[2].key, AZM_TEXT("m"));
    r.body = fuzz_rest(&in);
    plant(r.body, "\n4111 1111 1111 1111\n");
    plant(r.body, "\nalice@example.com\n");
    plant(r.body, "\neyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N\n");
    for (int i = 0; run(&r) > 0; i++) {
        require(i < RUNS_MAX);
        copy_record(&r);
    }
    azm_buf_free(&key);
}
