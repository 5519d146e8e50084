/* SPDX-License-Identifier: MIT */
#include "core/pattern.h"
#include "core/utf8.h"
#include "process/processor.h"
#include "tests/fuzz/fuzz.h"

/* A pattern of [redact], as the configuration has it, and a text. A pattern that is taken finds the same places
 * compiled and interpreted, known to be UTF-8 or not; each has the bytes that the pattern is said to need; and
 * redaction leaves just what is not in one of them. */

#define TEXT_MAX 1024 /* what takes long with a long text takes long with this one */
#define PLACES_MAX 4096
#define MARKER "[redacted:x]"

static struct azm_matcher *matcher(void)
{
    static struct azm_matcher *m;

    require(m || azm_matcher_new(&m) == 0);
    return m;
}

/* All matches, each of which is replaced: 0; or -EOVERFLOW, and then as much as was found. */
static int replace(const struct azm_pattern *p, struct azm_text text, struct azm_buf *out)
{
    size_t at = 0, start, end, places = 0;
    char needs[2];
    size_t n_needs = azm_pattern_get_needs(p, needs);
    int r;

    require(n_needs <= 2);
    while ((r = azm_pattern_match(p, matcher(), text, at, &start, &end)) > 0) {
        require(at <= start && start < end && end <= text.len);
        for (size_t i = 0; i < n_needs; i++)
            require(memchr(text.s, needs[i], text.len) || memchr(text.s, needs[i] ^ 0x20, text.len));
        if (places++ == PLACES_MAX)
            return -EOVERFLOW;
        require(azm_buf_append(out, text.s + at, start - at) == 0);
        require(azm_buf_append(out, MARKER, strlen(MARKER)) == 0);
        at = end;
    }
    require(r == 0 || r == -EOVERFLOW);
    require(azm_buf_append(out, text.s + at, text.len - at) == 0);
    return r;
}

static void require_same(const char *words, int (*make)(const char *, struct azm_pattern **, struct azm_error *),
                         struct azm_text text, int shall, const struct azm_buf *all)
{
    struct azm_pattern *p;
    struct azm_buf out = {0};

    if (make(words, &p, NULL) < 0) /* too long now */
        return;
    if (replace(p, text, &out) == 0 && shall == 0)
        require(azm_text_equal(azm_buf_text(&out), azm_buf_text(all)));
    azm_pattern_free(p);
    azm_buf_free(&out);
}

/* A text that may be no UTF-8: there is an end to it, and to what is found. */
static void require_end(const char *words, struct azm_text text)
{
    struct azm_pattern *p;
    struct azm_buf out = {0};

    require(azm_pattern_new(words, &p, NULL) == 0);
    (void)replace(p, text, &out);
    azm_pattern_free(p);
    azm_buf_free(&out);
}

static void require_redacted(const struct azm_config *config, struct azm_text text, int shall,
                             const struct azm_buf *all)
{
    struct azm_record r = {.has_body = true, .body = text};
    struct azm_processor *p;

    require(azm_processor_configured(config, NULL, NULL, &p, NULL) == 0);
    require(azm_processor_run(p, &r) == 1);
    require(azm_text_equal(r.body, shall == 0 ? azm_buf_text(all) : AZM_TEXT(MARKER)));
    require(azm_utf8_valid_prefix(r.body.s, r.body.len) == r.body.len);
    azm_processor_free(p);
}

FUZZ_TARGET(pattern)
{
    struct azm_buf setting = {0}, interpreted = {0}, clean = {0}, all = {0};
    struct azm_text text;
    struct azm_pattern *p;
    struct azm_config config;
    struct azm_error err = {0};
    const char *words;
    int r;

    require(azm_config_init(&config) == 0);
    require(azm_buf_printf(&setting, "x: %s%c", fuzz_string(&in), '\0') >= 0);
    text = fuzz_rest(&in);
    text.len = MIN(text.len, (size_t)TEXT_MAX);
    require(azm_utf8_append_clean(&clean, text.s, text.len) == 0);
    r = azm_config_set(&config, "redact", "pattern", (const char *)setting.data, "fuzz", false, &err);
    require(r == 0 || (r == -EINVAL && *err.words));
    words = azm_key_values_get(&config.redact_patterns, "x");
    require((r == 0) == (words != NULL));
    if (words) {
        require(azm_buf_printf(&interpreted, "(*NO_JIT)%s%c", words, '\0') >= 0);
        require(azm_pattern_new_utf8(words, &p, NULL) == 0);
        r = replace(p, azm_buf_text(&clean), &all);
        azm_pattern_free(p);
        require_same((const char *)interpreted.data, azm_pattern_new_utf8, azm_buf_text(&clean), r, &all);
        require_same(words, azm_pattern_new, azm_buf_text(&clean), r, &all);
        require_end(words, text);
        require_redacted(&config, azm_buf_text(&clean), r, &all);
    }
    azm_config_free(&config);
    azm_buf_free(&setting);
    azm_buf_free(&interpreted);
    azm_buf_free(&clean);
    azm_buf_free(&all);
}
