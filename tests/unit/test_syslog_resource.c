/* SPDX-License-Identifier: MIT */
#include "plugin/syslog_resource.h"
#include "tests/unit/otlp_help.h"
#include "tests/unit/test.h"

static struct azm_key_values configured;
static struct azm_syslog_resources *resources;

/* [resource] with these keys and values, NULL at the end. */
static void begin(const char *const *kv)
{
    for (; kv && kv[0]; kv += 2)
        ck_assert_int_eq(azm_key_values_set(&configured, kv[0], kv[1]), 0);
    ck_assert_int_eq(azm_syslog_resources_new(&configured, &resources), 0);
}

static void end(void)
{
    resources = azm_syslog_resources_free(resources);
    for (size_t i = 0; i < configured.n; i++) {
        free(configured.items[i].key);
        free(configured.items[i].value);
    }
    free(configured.items);
    configured = (struct azm_key_values){0};
}

static struct azm_text get(struct azm_text host, struct azm_text app)
{
    struct azm_text t;

    ck_assert_int_eq(azm_syslog_resources_get(resources, host, app, &t), 0);
    return t;
}

static void check(struct azm_text host, struct azm_text app, const char *const *expected)
{
    _cleanup_(otlp_free_resource) Otlp__Resource *m = otlp_decode_resource(get(host, app));
    size_t n = 0;

    for (; expected[2 * n]; n++)
        assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, expected[2 * n])), expected[2 * n + 1]);
    ck_assert_uint_eq(m->n_attributes, n);
}

#define CHECK(host, app, ...) check(azm_text_of(host), azm_text_of(app), (const char *const[]){__VA_ARGS__, NULL, NULL})

START_TEST(names)
{
    begin(NULL);
    CHECK("h", "a", "service.name", "a", "service.instance.id", "h", "host.name", "h");
    CHECK("", "a", "service.name", "a");
    CHECK("h", "", "service.name", "unknown_service", "service.instance.id", "h", "host.name", "h");
    CHECK("", "", "service.name", "unknown_service");
    CHECK("\xFF", "a\xFF", "service.name", "a\xEF\xBF\xBD", "service.instance.id", "\xEF\xBF\xBD", "host.name",
          "\xEF\xBF\xBD");
    end();
}
END_TEST

START_TEST(configured_ones_win)
{
    begin((const char *const[]){"service.namespace", "shop", "service.name", "fixed", "host.name", "fixed-host", NULL});
    CHECK("h", "a", "service.name", "fixed", "service.namespace", "shop", "service.instance.id", "h", "host.name",
          "fixed-host", "syslog.identifier", "a"); /* else nothing would say which program it was */
    CHECK("", "", "service.name", "fixed", "service.namespace", "shop", "host.name", "fixed-host");
    end();
    begin((const char *const[]){"service.instance.id", "i", NULL});
    CHECK("h", "a", "service.name", "a", "service.instance.id", "i", "host.name", "h");
    end();
}
END_TEST

/* The same bytes whether they were kept or made anew; pairs that look alike when joined are two. */
START_TEST(many_pairs)
{
    char host[16], app[16], *first[1000];
    size_t len[1000];

    begin(NULL);
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < ELEMENTSOF(first); i++) {
            struct azm_text t;

            snprintf(host, sizeof host, "h%zu", i / 10);
            snprintf(app, sizeof app, "%zu", i % 10);
            t = get(azm_text_of(host), azm_text_of(app));
            if (round == 0) {
                first[i] = malloc(t.len);
                memcpy(first[i], t.s, t.len);
                len[i] = t.len;
            }
            ck_assert_uint_eq(t.len, len[i]);
            ck_assert_mem_eq(t.s, first[i], t.len);
        }
    for (size_t i = 0; i < ELEMENTSOF(first); i++)
        free(first[i]);
    CHECK("h1", "1", "service.name", "1", "service.instance.id", "h1", "host.name", "h1");
    CHECK("h11", "", "service.name", "unknown_service", "service.instance.id", "h11", "host.name", "h11");
    CHECK("h", "11", "service.name", "11", "service.instance.id", "h", "host.name", "h");
    end();
}
END_TEST

START_TEST(long_names_are_cut)
{
    static char host[300], app[300];
    struct azm_text a, b;

    memset(host, 'h', sizeof host);
    memset(app, 'a', sizeof app);
    begin(NULL);
    a = get((struct azm_text){host, 300}, (struct azm_text){app, 300});
    b = get((struct azm_text){host, 255}, (struct azm_text){app, 255});
    assert_text_equal(a, b);
    ck_assert_uint_lt(a.len, 1000);
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "names", names);
    add_test(s, "configured_ones_win", configured_ones_win);
    add_test(s, "many_pairs", many_pairs);
    add_test(s, "long_names_are_cut", long_names_are_cut);
}

TEST_MAIN("syslog_resource", add_tests)
