/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/sparkline.h"
#include "cli/watch_screen.h"
#include "core/timespan.h"
#include "core/utf8.h"
#include "tests/unit/prng.h"
#include "tests/unit/test.h"

#define NOW "2026-01-31T12:00:00.000000Z"

/* --- sparklines --- */

static void assert_spark(const double *values, size_t n, double max, bool utf8, const char *expected)
{
    _cleanup_(azm_buf_free) struct azm_buf line = {0};

    azm_put_sparkline(&line, values, n, max, utf8);
    ck_assert_str_eq((const char *)line.data, expected);
}

START_TEST(sparklines)
{
    const double values[] = {0, 0.001, 1, 3.5, 6.9, 7, NAN, 100, -1}, nothing[] = {0, 0};

    assert_spark(values, ELEMENTSOF(values), 7, true, "▁▂▂▅██ █▁");
    assert_spark(values, ELEMENTSOF(values), 7, false, "_..=## #_");
    assert_spark(nothing, 2, 0, true, "▁▁");
    assert_spark(values + 2, 1, 1, true, "█");
}
END_TEST

/* --- screens --- */

static struct watch_screen screen;

static void render(const char *statuses, const char *trend, size_t selected, unsigned width, unsigned height, bool utf8)
{
    json_t *all = json_loads(statuses, 0, NULL), *parsed = trend ? json_loads(trend, 0, NULL) : NULL;
    struct watch_view v = {
        .statuses = all, .selected = selected, .trend = parsed, .width = width, .height = height, .utf8 = utf8};

    ck_assert(all != NULL && (parsed != NULL || !trend));
    ck_assert_int_eq(azm_parse_time(NOW, 0, &v.now_usec), 0);
    watch_render(&v, &screen);
    json_decref(all);
    json_decref(parsed);
}

static const char *line(size_t i)
{
    static char text[2000];

    ck_assert_uint_lt(i, screen.n);
    snprintf(text, sizeof text, "%.*s", (int)screen.lines[i].text.len, (const char *)screen.lines[i].text.data);
    text[strcspn(text, "\n")] = '\0';
    while (*text && text[strlen(text) - 1] == ' ')
        text[strlen(text) - 1] = '\0';
    return text;
}

static void assert_lines(size_t first, const char *const *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_str_eq(line(first + i), expected[i]);
}

static unsigned columns(const struct azm_buf *text)
{
    unsigned n = 0;

    for (size_t i = 0; i < text->len; i++)
        n += (text->data[i] & 0xC0) != 0x80;
    return n;
}

#define HELD                                                                                                           \
    "{\"version\":\"1\",\"health\":{\"condition\":\"held\",\"since\":\"2026-01-31T11:50:00Z\",\"reason\":\"HTTP "      \
    "403\","                                                                                                           \
    "\"remedy\":\"the identity lacks its role on the data collection rule; this gives it, and may take 30 minutes: "   \
    "az role assignment create\"},\"destination\":\"http://x/v1/logs\",\"behind\":{\"records\":5,\"up_to\":false,"     \
    "\"seconds\":600},\"in_flight\":{\"batches\":1},\"error\":{\"next_try\":12.5},"                                    \
    "\"throttling\":{\"answers\":0,\"batch_delay\":0,\"window\":1,\"window_max\":4},"                                  \
    "\"answers\":[{\"status\":403,\"words\":\"HTTP "                                                                   \
    "403\",\"count\":3,\"last\":\"2026-01-31T11:59:50Z\",\"seconds\":0.02},"                                           \
    "{\"status\":204,\"words\":\"HTTP 204\",\"count\":1,\"last\":\"2026-01-31T11:49:00Z\",\"seconds\":1.5}],"          \
    "\"services\":[{\"service\":\"web\",\"records\":9,\"bytes\":9,\"per_second\":2,\"bytes_per_second\":3000},"        \
    "{\"service\":\"cron\",\"records\":9,\"bytes\":9,\"per_second\":0.5,\"bytes_per_second\":1000}]}"
#define TREND                                                                                                          \
    "{\"interval\":10,\"read\":[0,7,3.5],\"delivered\":[0,7,0],\"requests\":[0,0.1,0.2],\"failures\":[0,0,0.2],"       \
    "\"latency\":[null,1.5,0.02],\"behind\":[0,0,600]}"

START_TEST(held_80x24)
{
    static const char *const expected[] = {
        "HELD since 2026-01-31 11:50:00 UTC, 10min 0s ago          azmonlog  12:00:00 UTC",
        "Reason      HTTP 403",
        "What to do  the identity lacks its role on the data collection rule; this gives",
        "            it, and may take 30 minutes: az role assignment create",
        "Waiting     5 records, 10min 0s behind, 1 batch on the way; next try in 12s",
        "Window      1 of 4 requests at once",
        "",
        "                   now                                   the last 30s       most",
        "Read             3.5/s                                            ▁█▅      7.0/s",
        "Delivered        0.0/s                                            ▁█▁      7.0/s",
        "Behind        10min 0s                                            ▁▁█   10min 0s",
        "Latency          20 ms                                             █▂         1s",
        "Requests         0.2/s                                            ▁▅█      0.2/s",
        "Retries          0.2/s                                            ▁▁█      0.2/s",
        "",
        "Answers     11:59:50  HTTP 403, 3 times, the last in 20 ms",
        "            11:49:00  HTTP 204, in 1s",
        "To          http://x/v1/logs",
        "",
        "Service, in the last minute                        records         bytes   share",
        "web                                                  2.0/s     2.9 KiB/s    75 %",
        "cron                                                 0.5/s  1000 bytes/s    25 %",
        "",
        "q quits",
    };

    render("[" HELD "]", TREND, 0, 80, 24, true);
    ck_assert_uint_eq(screen.n, 24);
    assert_lines(0, expected, ELEMENTSOF(expected));
    ck_assert_int_eq(screen.lines[0].paint, WATCH_BAD);
    ck_assert_int_eq(screen.lines[2].paint, WATCH_STRONG);
}
END_TEST

/* A command to be copied is there in whole. */
START_TEST(a_long_remedy)
{
    static const char remedy[] =
        "the identity lacks its role on the data collection rule; this gives it, and may take 30 minutes: az role "
        "assignment create --assignee-object-id 00000000-0000-0000-0000-0000000000cc --assignee-principal-type "
        "ServicePrincipal --role 'Monitoring Metrics Publisher' --scope $(az monitor data-collection rule list --query "
        "\\\"[?immutableId=='dcr-00000000000000000000000000000000'].id\\\" -o tsv)";
    _cleanup_(azm_buf_free) struct azm_buf status = {0};

    azm_buf_printf(&status, "[{\"health\":{\"condition\":\"held\",\"reason\":\"HTTP 403\",\"remedy\":\"%s\"}}]",
                   remedy);
    render((const char *)status.data, TREND, 0, 80, 24, true);
    ck_assert_str_eq(line(2), "What to do  the identity lacks its role on the data collection rule; this gives");
    ck_assert_str_eq(line(8), "            -o tsv)");
    ck_assert_int_eq(screen.lines[8].paint, WATCH_STRONG);
    render((const char *)status.data, TREND, 0, 80, 23, true); /* where there is no room for it, that is to be seen */
    ck_assert_ptr_nonnull(strstr(line(3), "..."));
}
END_TEST

START_TEST(ascii)
{
    render("[" HELD "]", TREND, 0, 80, 24, false);
    ck_assert_str_eq(line(8), "Read             3.5/s                                            _#=      7.0/s");
    render("[{\"health\":{\"condition\":\"held\",\"reason\":\"b\xC3\xA4"
           "d\"}}]",
           NULL, 0, 80, 24, false);
    ck_assert_str_eq(line(1), "Reason      b?d");
}
END_TEST

START_TEST(down)
{
    static const char *const expected[] = {
        "DOWN, last seen 2026-01-31 11:00:00 UTC, 1h 0min ago      azmonlog  12:00:00 UTC",
        "Reason      nobody listens",
        "Spool       3 records, 1.0 KiB",
    };

    render("[{\"health\":{\"condition\":\"down\",\"since\":\"2026-01-31T11:00:00Z\",\"reason\":\"nobody listens\"},"
           "\"spool\":{\"active\":true,\"records\":3,\"bytes\":1024}}]",
           NULL, 0, 80, 24, true);
    assert_lines(0, expected, ELEMENTSOF(expected));
    ck_assert_str_eq(line(23), "q quits");
}
END_TEST

START_TEST(several)
{
    static const char statuses[] = "[{\"health\":{\"condition\":\"well\"}},"
                                   "{\"action\":\"relay\",\"health\":{\"condition\":\"behind\",\"reason\":\"slow\"}}]";

    render(statuses, NULL, 0, 80, 24, true);
    ck_assert_str_eq(line(0), "BEHIND: relay                                             azmonlog  12:00:00 UTC");
    ck_assert_int_eq(screen.lines[0].paint, WATCH_DOUBTFUL);
    ck_assert_str_eq(line(1), "[azmonlog well]   relay BEHIND");
    ck_assert_str_eq(line(2), ""); /* what is shown is well */
    ck_assert_str_eq(line(23), "q quits   Tab: the next one");
    render(statuses, NULL, 1, 80, 24, true);
    ck_assert_str_eq(line(1), " azmonlog well   [relay BEHIND]");
    ck_assert_str_eq(line(2), "Reason      slow");
}
END_TEST

/* Whatever the size and whatever is said: no line is too long, none too many, and the keys are at the bottom. */
START_TEST(any_size)
{
    static const char odd[] =
        "[{\"health\":{\"condition\":\"held\",\"since\":3,\"reason\":\"\\u001b[2J\\u009b日本語日本語日本語 "
        "ää\"},\"services\":[{\"service\":\"日本語日本語日本語日本語日本語日本語日本語日本語\"},3],"
        "\"answers\":[{\"words\":7},[]],\"behind\":{}},{\"action\":\"日本語日本語日本語\"}]";
    static const char *const trends[] = {TREND, "{}", "{\"read\":{},\"interval\":\"x\",\"behind\":[\"x\",null]}", NULL};

    for (unsigned width = 0; width < 130; width += width < 20 ? 1 : 7)
        for (unsigned height = 0; height < 60; height += height < 30 ? 1 : 7)
            for (size_t i = 0; i < 2 * ELEMENTSOF(trends); i++) {
                render(i % 2 ? odd : "[" HELD "]", trends[i / 2], i % 2, width, height, i % 3);
                ck_assert_uint_eq(screen.n, height);
                for (size_t k = 0; k < screen.n; k++) {
                    const struct azm_buf *t = &screen.lines[k].text;

                    ck_assert_uint_le(columns(t), width);
                    for (size_t c = 0; c < t->len; c++)
                        ck_assert_uint_eq(azm_utf8_control_len((const char *)t->data + c, t->len - c), 0);
                }
                if (height > 0 && width > 7)
                    ck_assert(strncmp(line(height - 1), "q quits", 7) == 0);
            }
}
END_TEST

START_TEST(two_hundred_columns)
{
    render("[" HELD "]", TREND, 0, 200, 50, true);
    ck_assert_uint_eq(screen.n, 50);
    ck_assert_uint_eq(watch_graph_width(200), 165);
    ck_assert_uint_eq(columns(&screen.lines[6].text), 200); /* the head of the graphs */
    ck_assert_str_eq(line(49), "q quits");
    watch_screen_free(&screen);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "sparklines", sparklines);
    add_test(s, "held_80x24", held_80x24);
    add_test(s, "a_long_remedy", a_long_remedy);
    add_test(s, "ascii", ascii);
    add_test(s, "down", down);
    add_test(s, "several", several);
    add_test(s, "any_size", any_size);
    add_test(s, "two_hundred_columns", two_hundred_columns);
}

TEST_MAIN("watch_screen", add_tests)
