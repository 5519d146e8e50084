/* SPDX-License-Identifier: MIT */
#include "process/filter.h"
#include "process/limit.h"
#include "tests/fuzz/fuzz.h"

/* A rule of [filter], a ratio of sample=, and the lines of a rate limit in a checkpoint: any bytes. A rule that the
 * configuration takes can be used, and leaves out or keeps; lines that are taken are printed so that they are taken
 * again, and the same comes of them. */

static void try_rule(const char *words, struct azm_text value)
{
    const struct azm_attribute attributes[] = {{.key = AZM_TEXT("a"), .text = value}};
    const struct azm_record r = {.severity = 6,
                                 .has_body = true,
                                 .body = value,
                                 .service = value,
                                 .attributes = attributes,
                                 .n_attributes = 1,
                                 .fields = attributes,
                                 .n_fields = 1};
    static struct azm_matcher *matcher;
    struct azm_filter_verdict with, without;
    struct azm_filter exclude, include;
    struct azm_config config;
    struct azm_error err = {0};
    int k;

    require(matcher || azm_matcher_new(&matcher) == 0);
    require(azm_config_init(&config) == 0);
    k = azm_config_set(&config, "filter", "exclude", words, "fuzz", false, &err);
    require(k == 0 || (k == -EINVAL && *err.words));
    require(azm_filter_init(&exclude, &config, &err) == 0);
    require(azm_filter_judge(&exclude, &r, matcher, &with) == 0);
    require(k == 0 || (!with.by && !with.undecided));
    if (config.filter_exclude.n > 0) {
        azm_key_values_swap(&config.filter_exclude, &config.filter_include);
        require(azm_filter_init(&include, &config, &err) == 0);
        require(azm_filter_judge(&include, &r, matcher, &without) == 0);
        require(!with.undecided == !without.undecided);
        require(with.undecided ? !with.by && !without.by : !with.by != !without.by);
        azm_filter_free(&include);
    }
    azm_filter_free(&exclude);
    azm_config_free(&config);
}

static void try_sample(const char *words)
{
    struct azm_config config;
    struct azm_error err = {0};
    int k;

    require(azm_config_init(&config) == 0);
    k = azm_config_set(&config, "filter", "sample", words, "fuzz", false, &err);
    require(k == 0 || (k == -EINVAL && *err.words));
    azm_config_free(&config);
}

static struct azm_limiter *go_on(const struct azm_config *c, const struct azm_buf *lines)
{
    struct azm_limiter *l;

    require(azm_limiter_new(c, lines, &l) == 0);
    return l;
}

static void try_lines(struct azm_text lines)
{
    struct azm_buf given = {0}, once = {0}, twice = {0};
    struct azm_limit_interval i;
    struct azm_limiter *l;
    struct azm_config config;
    uint64_t told = 0;

    require(azm_config_init(&config) == 0);
    config.rate_limit = 1;
    require(azm_buf_append(&given, lines.s, lines.len) == 0);
    l = go_on(&config, &given);
    require(azm_limiter_print(l, &once) == 0);
    azm_limiter_free(l);
    l = go_on(&config, &once);
    require(azm_limiter_print(l, &twice) == 0);
    require(azm_text_equal(azm_buf_text(&once), azm_buf_text(&twice)));
    azm_limiter_end_intervals(l, UINT64_MAX);
    while (azm_limiter_take(l, &i) > 0) {
        require(i.held_back.records > 0 && i.len < sizeof i.service);
        told++;
    }
    require(told <= 1025);
    azm_limiter_free(l);
    azm_buf_free(&given);
    azm_buf_free(&once);
    azm_buf_free(&twice);
    azm_config_free(&config);
}

FUZZ_TARGET(filter)
{
    const char *rule = fuzz_string(&in), *sample = fuzz_string(&in);

    try_rule(rule, fuzz_part(&in));
    try_sample(sample);
    try_lines(fuzz_rest(&in));
}
