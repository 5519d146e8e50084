/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "pipeline/metrics.h"
#include "tests/unit/test.h"

static struct azm_figures figures;
static struct azm_metrics metrics;
static struct azm_buf text;

static void print(bool openmetrics)
{
    azm_metrics_collect(&figures, &metrics);
    ck_assert_int_eq(azm_metrics_print(&metrics, openmetrics, &text), 0);
    ck_assert_int_eq(azm_buf_append(&text, "", 1), 0);
}

static void begin(void)
{
    figures = (struct azm_figures){.started_usec = UINT64_C(1700000000000001)};
    print(false);
}

static void end(void)
{
    azm_buf_free(&text);
}

static void assert_has(const char *words)
{
    ck_assert_msg(strstr((const char *)text.data, words) != NULL, "'%s' is not in:\n%s", words,
                  (const char *)text.data);
}

static void assert_has_not(const char *words)
{
    ck_assert_msg(strstr((const char *)text.data, words) == NULL, "'%s' is in:\n%s", words, (const char *)text.data);
}

START_TEST(values)
{
    begin();
    figures.read = UINT64_C(9007199254740992); /* 2^53 */
    figures.behind_usec = 1500000;
    print(false);
    assert_has("\nazmonlog_records_read_total 9007199254740992\n");
    assert_has("\nazmonlog_behind_seconds 1.5\n");
    assert_has("\nazmonlog_start_time_seconds 1700000000.000001\n");
    end();
}
END_TEST

/* A counter's name above its values, and what else differs. */
START_TEST(two_formats)
{
    begin();
    assert_has("# TYPE azmonlog_sent_bytes_total counter\nazmonlog_sent_bytes_total 0\n");
    assert_has_not("# UNIT");
    assert_has_not("# EOF");
    print(true);
    assert_has("# TYPE azmonlog_sent_bytes counter\n# UNIT azmonlog_sent_bytes bytes\nazmonlog_sent_bytes_total 0\n");
    ck_assert_str_eq((const char *)text.data + text.len - 1 - strlen("\n# EOF\n"), "\n# EOF\n");
    end();
}
END_TEST

/* Buckets are cumulative here, and each for itself in the figures. */
START_TEST(a_histogram)
{
    begin();
    azm_latency_add(&figures.exporter.latency, 1000);
    azm_latency_add(&figures.exporter.latency, 5000);
    azm_latency_add(&figures.exporter.latency, 7000);
    azm_latency_add(&figures.exporter.latency, 60 * AZM_USEC_PER_SEC);
    print(false);
    assert_has("_bucket{le=\"0.005\"} 2\nazmonlog_request_duration_seconds_bucket{le=\"0.01\"} 3\n");
    assert_has("_bucket{le=\"10\"} 3\nazmonlog_request_duration_seconds_bucket{le=\"+Inf\"} 4\n"
               "azmonlog_request_duration_seconds_sum 60.013\nazmonlog_request_duration_seconds_count 4\n");
    end();
}
END_TEST

/* A service may have any name. */
START_TEST(labels)
{
    begin();
    figures.volumes[0] = (struct azm_volume_rate){.service = "a\"b\\c\nd\xC3\xA9", .records = 7, .bytes = 700};
    figures.volumes[1] = (struct azm_volume_rate){.service = "", .records = 1, .bytes = 1};
    figures.n_volumes = 2;
    print(false);
    assert_has("# TYPE azmonlog_service_records_total counter\n"
               "azmonlog_service_records_total{service=\"a\\\"b\\\\c\\nd\xC3\xA9\"} 7\n"
               "azmonlog_service_records_total{service=\"\"} 1\n# HELP azmonlog_service_bytes_total");
    end();
}
END_TEST

START_TEST(conditions)
{
    begin();
    figures.health.condition = AZM_IS_THROTTLED;
    print(false);
    assert_has("{condition=\"well\"} 0\nazmonlog_condition{condition=\"behind\"} 0\n"
               "azmonlog_condition{condition=\"throttled\"} 1\nazmonlog_condition{condition=\"held\"} 0\n");
    end();
}
END_TEST

/* What is not known is left out, not told as 0. */
START_TEST(unknown)
{
    static const char *const names[] = {"azmonlog_behind_records ",   "azmonlog_lag_records ",
                                        "azmonlog_quarantine_bytes ", "azmonlog_token_expiry_timestamp_seconds ",
                                        "azmonlog_tokens_acquired_",  "azmonlog_acknowledged_timestamp_seconds "};

    begin();
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        assert_has_not(names[i]);
    figures.source.lag_known = figures.quarantine_known = figures.has_tokens = true;
    figures.tokens.expires_realtime_usec = figures.source.acknowledged_usec = UINT64_C(1700000000000000);
    print(false);
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        assert_has(names[i]);
    assert_has("azmonlog_token_expiry_timestamp_seconds 1700000000\n");
    end();
}
END_TEST

/* All that there can be has room. */
START_TEST(the_most)
{
    struct azm_config config;
    struct azm_rules *rules;

    begin();
    figures.n_volumes = AZM_VOLUMES_MAX;
    for (size_t i = 0; i < AZM_VOLUMES_MAX; i++)
        figures.volumes[i].service = "x";
    figures.source.lag_known = figures.quarantine_known = figures.has_tokens = figures.outbox.spooling = true;
    ck_assert_int_eq(azm_config_init(&config), 0);
    ck_assert_int_eq(azm_config_set(&config, "redact", "rules", "all", "test", false, NULL), 0);
    for (int i = 0; i < AZM_OWN_REDACTIONS_MAX; i++) {
        char pattern[16];

        snprintf(pattern, sizeof pattern, "x%d: x", i);
        ck_assert_int_eq(azm_config_set(&config, "redact", "pattern", pattern, "test", false, NULL), 0);
    }
    ck_assert_int_eq(azm_rules_new(&config, NULL, NULL, &rules, NULL), 0);
    figures.rules = rules;
    figures.tokens.expires_realtime_usec = figures.source.acknowledged_usec = figures.health.since_usec = 1;
    print(false);
    ck_assert_uint_le(metrics.n, AZM_METRIC_POINTS_MAX);
    assert_has("\nazmonlog_records_left_out_total{kind=\"exclude\"} 0\n");
    assert_has("\nazmonlog_records_left_out_total{kind=\"rate_limit\"} 0\n");
    assert_has("\nazmonlog_filter_undecided_total 0\n");
    assert_has("\nazmonlog_redacted_total{rule=\"card\"} 0\n");
    assert_has("\nazmonlog_redact_overflows_total{rule=\"x63\"} 0\n");
    azm_rules_unref(rules);
    azm_config_free(&config);
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "values", values);
    add_test(s, "two_formats", two_formats);
    add_test(s, "a_histogram", a_histogram);
    add_test(s, "labels", labels);
    add_test(s, "conditions", conditions);
    add_test(s, "unknown", unknown);
    add_test(s, "the_most", the_most);
}

TEST_MAIN("metrics", add_tests)
