/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/status_text.h"
#include "core/clock.h"
#include "core/timespan.h"
#include "tests/unit/test.h"

#define NOW "2026-01-31T12:00:00.000000Z"

/* What is printed for this answer; the caller frees it. */
static char *text_of(json_t *status)
{
    char *text = NULL;
    size_t len;
    uint64_t now;
    FILE *f = open_memstream(&text, &len);

    ck_assert_int_eq(azm_parse_time(NOW, 0, &now), 0);
    azm_status_print(f, status, now, &(struct azm_status_style){0});
    fclose(f);
    json_decref(status);
    return text;
}

static void assert_text(const char *status, const char *expected)
{
    json_t *parsed = json_loads(status, JSON_DECODE_ANY, NULL);
    _cleanup_free_ char *text = NULL;

    ck_assert_msg(parsed != NULL, "%s", status);
    text = text_of(parsed);
    ck_assert_str_eq(text, expected);
}

START_TEST(all_is_well)
{
    assert_text(
        "{\"version\":\"0.1.0\",\"pid\":1234,\"state\":\"delivering\",\"started\":\"2026-01-29T10:00:00.000000Z\","
        "\"destination\":\"http://127.0.0.1:4318/v1/logs\",\"journal\":\"the machine's\","
        "\"acknowledged\":{\"cursor\":\"s=1;i=2\",\"received\":\"2026-01-31T11:59:59.750000Z\"},"
        "\"lag\":{\"records\":0,\"up_to\":false,\"seconds\":0.0},"
        "\"read\":{\"records\":123,\"per_second\":1.5},"
        "\"delivered\":{\"records\":120,\"requests\":1,\"bytes\":9999,\"per_second\":1.4},"
        "\"in_flight\":{\"batches\":0},\"failures\":0,\"error\":null,"
        "\"losses\":{\"gaps\":0,\"gap_entries\":0,\"suppressed\":0,\"missed_kernel\":0,\"unreadable\":0,"
        "\"damaged_files\":0},\"config\":{\"reloads\":0,\"last_reload_error\":null}}",
        "State         well\n"
        "Destination   http://127.0.0.1:4318/v1/logs\n"
        "Waiting       nothing\n"
        "Acknowledged  what was logged up to 2026-01-31 11:59:59 UTC, 0.2s ago\n"
        "Position      s=1;i=2\n"
        "Journal       the machine's\n"
        "Read          123 records, 1.5/s\n"
        "Delivered     120 records, 1.4/s; 1 request, 9.8 KiB\n"
        "Losses        none seen\n"
        "Process       azmonlog 0.1.0, pid 1234, since 2026-01-29 10:00:00 UTC, 2d 2h ago\n");
}
END_TEST

START_TEST(something_holds_the_records)
{
    assert_text(
        "{\"state\":\"held\",\"acknowledged\":{\"cursor\":\"\",\"received\":null},"
        "\"lag\":{\"records\":12345,\"up_to\":true,\"seconds\":1901.25},"
        "\"delivered\":{\"records\":0,\"requests\":0,\"bytes\":0,\"per_second\":0},"
        "\"in_flight\":{\"batches\":1},\"failures\":31,"
        "\"error\":{\"reason\":\"HTTP 401\",\"remedy\":\"renew the token\",\"since\":\"2026-01-31T08:55:00.000000Z\"},"
        "\"losses\":{\"gaps\":2,\"gap_entries\":1,\"suppressed\":3,\"missed_kernel\":4,\"unreadable\":5,"
        "\"damaged_files\":1},\"config\":{\"reloads\":1,\"last_reload_error\":\"x.conf:7: unknown key\"}}",
        "State         HELD since 2026-01-31 08:55:00 UTC, 3h 5min ago\n"
        "Reason        HTTP 401\n"
        "What to do    renew the token\n"
        "Waiting       up to 12345 records, 31min 41s behind, 1 batch on the way\n"
        "Acknowledged  nothing yet\n"
        "Delivered     0 records, 0.0/s; 0 requests, 0 bytes; 31 failed attempts\n"
        "Losses        2 gaps in the journal, 1 entry missing in them, 3 messages over journald's rate limit, "
        "4 kernel messages overwritten, 5 unreadable entries, 1 damaged journal file\n"
        "Config        reloaded 1 time; THE LAST RELOAD FAILED: x.conf:7: unknown key\n");
    assert_text(
        "{\"spool\":{\"active\":true,\"records\":1501,\"bytes\":3145728,\"max_bytes\":1073741824,"
        "\"since\":\"2026-01-31T11:59:00Z\",\"full\":\"disk\",\"lost_batches\":1}}",
        "Spool         1501 records, 3.0 MiB of 1.0 GiB; since 2026-01-31 11:59:00 UTC, 1min 0s ago; FULL (disk): "
        "READING STOPS; 1 damaged batch lost\n");
    assert_text("{\"spool\":{\"active\":false,\"records\":0,\"full\":null}}", "");
    assert_text("{\"quarantine\":{\"records\":3,\"bytes\":2048,\"max_bytes\":67108864,\"truncated\":1}}",
                "Quarantine    3 records, 2.0 KiB of 64.0 MiB; azmonlog quarantine list; 1 record sent truncated\n");
    assert_text("{\"throttling\":{\"answers\":2,\"batch_delay\":4.0,\"window\":1,\"window_max\":4,\"since\":\"" NOW
                "\"}}",
                "Window        1 of 4 requests at once\n"
                "Throttled     2 answers 429; batches wait 4s; slowed down since 2026-01-31 12:00:00 UTC, 0s ago\n");
    assert_text("{\"state\":\"retrying\",\"error\":{\"reason\":\"no connection\",\"remedy\":null,\"next_try\":62.5}}",
                "State         BEHIND\nReason        no connection\nNext try      in 1min 2s\n");
    assert_text("{\"state\":\"delivering\",\"lag\":{\"records\":null,\"up_to\":false,\"seconds\":59.9}}",
                "State         well\nWaiting       number of records not known, 59s behind\n");
}
END_TEST

START_TEST(an_action)
{
    assert_text("{\"action\":\"network\",\"state\":\"delivering\",\"journal\":\"/var/spool/azmonlog/network\"}",
                "State         well\n"
                "Action        network\n"
                "Spool in      /var/spool/azmonlog/network\n");
    assert_text("{\"action\":\"relay\",\"error\":\"not for you\"}", "State         DOWN\n"
                                                                    "Action        relay\n"
                                                                    "Reason        not for you\n");
}
END_TEST

START_TEST(what_is_missing_or_strange_is_left_away)
{
    assert_text("{}", "");
    assert_text("[]", "");
    assert_text("{\"state\":\"dreaming\",\"new\":{\"of\":[\"a newer version\"]}}", "State         well\n");
    assert_text("{\"pid\":1}", "Process       pid 1\n");
    assert_text("{\"version\":\"9\"}", "Process       azmonlog 9\n");
    assert_text("{\"started\":\"long ago\"}", "Process       since long ago\n");
    assert_text("{\"started\":\"2026-01-31T12:00:00\"}", "Process       since 2026-01-31T12:00:00\n");
    assert_text("{\"started\":\"2027-01-31T12:00:00Z\"}", "Process       since 2027-01-31 12:00:00 UTC, in 365d 0h\n");
    assert_text("{\"lag\":{}}", "Waiting       number of records not known\n");
    assert_text("{\"in_flight\":{\"batches\":2}}", "Waiting       2 batches on the way\n");
    assert_text("{\"acknowledged\":{\"cursor\":\"s=1\"}}",
                "Acknowledged  up to the position below\nPosition      s=1\n");
    assert_text("{\"losses\":{}}", "Losses        none seen\n");
    assert_text(
        "{\"rules\":[{\"kind\":\"exclude\",\"rule\":\"severity=debug\",\"times\":12,\"overflows\":0},"
        "{\"kind\":\"exclude\",\"rule\":\"_UID=7\",\"times\":0},{\"kind\":\"other\",\"rule\":\"x\",\"times\":1},"
        "{\"kind\":\"include\",\"rule\":\"(none matches)\",\"times\":2,\"overflows\":1},{},3,"
        "{\"kind\":\"sample\",\"rule\":\"debug 1%\",\"times\":3},{\"kind\":\"sample\",\"rule\":\"info "
        "10%\",\"times\":4},"
        "{\"kind\":\"exclude\",\"rule\":\"a=b\",\"times\":5},{\"kind\":\"exclude\",\"rule\":\"c=d\",\"times\":6},"
        "{\"kind\":\"rate_limit\",\"rule\":\"100\",\"times\":7}]}",
        "Left out      12 by exclude=severity=debug, 2 by include=(none matches), 3 by sample=debug 1%, 4 by "
        "sample=info 10%, 5 by exclude=a=b, 13 by other rules; 1 time a pattern did not count, because it would "
        "have taken too much\n");
    assert_text("{\"rules\":[{\"kind\":\"redact\",\"rule\":\"card\",\"times\":3,\"overflows\":0},"
                "{\"kind\":\"redact\",\"rule\":\"mail\",\"times\":0},{\"kind\":\"other\",\"rule\":\"x\",\"times\":1},"
                "{\"kind\":\"redact\",\"rule\":\"mine\",\"times\":2,\"overflows\":1},{},3]}",
                "Redacted      3 card, 2 mine; 1 text as a whole, because a pattern would have taken too much\n");
}
END_TEST

/* Every member in turn is something else than it should be: it may print anything, but nothing breaks. */
START_TEST(members_of_any_type)
{
    static const char *const members[] = {"version",   "pid",          "state",      "started",       "destination",
                                          "journal",   "acknowledged", "lag",        "read",          "delivered",
                                          "in_flight", "failures",     "error",      "losses",        "config",
                                          "spool",     "quarantine",   "throttling", "health",        "behind",
                                          "answers",   "services",     "token",      "journal_error", "rules"};
    static const char *const parts[] = {"cursor",     "received", "records", "up_to",    "seconds",
                                        "per_second", "requests", "bytes",   "batches",  "reason",
                                        "remedy",     "since",    "gaps",    "reloads",  "last_reload_error",
                                        "kind",       "rule",     "times",   "overflows"};
    static const char *const values[] = {
        "null", "true", "-1", "9223372036854775807", "1e308", "-0.5", "\"\"", "\"\\u0007\\u009b\"", "[]", "{}", "[{}]"};

    for (size_t v = 0; v < ELEMENTSOF(values); v++)
        for (size_t m = 0; m < ELEMENTSOF(members); m++) {
            json_t *flat = json_object(), *deep = json_object(), *list = json_object(), *inner = json_object();

            json_object_set_new(flat, members[m], json_loads(values[v], JSON_DECODE_ANY, NULL));
            free(text_of(flat));
            for (size_t p = 0; p < ELEMENTSOF(parts); p++)
                json_object_set_new(inner, parts[p], json_loads(values[v], JSON_DECODE_ANY, NULL));
            json_object_set(deep, members[m], inner);
            free(text_of(deep));
            json_object_set_new(list, members[m], json_pack("[o]", inner));
            free(text_of(list));
        }
}
END_TEST

START_TEST(control_characters)
{
    assert_text("{\"destination\":\"http://x/\\u001b[2J\\n\\r\\u007fä\"}", "Destination   http://x/?[2J???ä\n");
}
END_TEST

#define HEALTH(condition, reason)                                                                                      \
    "{\"version\":\"1\",\"health\":{\"condition\":\"" condition                                                        \
    "\",\"since\":\"2026-01-31T11:58:00Z\",\"reason\":" reason ",\"remedy\":null}}"

static char *all_of(const char *statuses, unsigned width, bool colour)
{
    json_t *all = json_loads(statuses, 0, NULL);
    char *text = NULL;
    size_t len;
    uint64_t now;
    FILE *f = open_memstream(&text, &len);

    ck_assert(all != NULL);
    ck_assert_int_eq(azm_parse_time(NOW, 0, &now), 0);
    azm_status_print_all(f, all, now, &(struct azm_status_style){.colour = colour, .width = width});
    fclose(f);
    json_decref(all);
    return text;
}

static void assert_all(const char *statuses, unsigned width, bool colour, const char *expected)
{
    _cleanup_free_ char *text = all_of(statuses, width, colour);

    ck_assert_str_eq(text, expected);
}

START_TEST(conditions)
{
    assert_text(HEALTH("throttled", "\"slower\""),
                "State         THROTTLED since 2026-01-31 11:58:00 UTC, 2min 0s ago\nReason        slower\n"
                "Process       azmonlog 1\n");
    assert_text(HEALTH("down", "\"killed\""),
                "State         DOWN, last seen 2026-01-31 11:58:00 UTC, 2min 0s ago\nReason        killed\n"
                "Process       azmonlog 1\n");
    assert_text("{\"health\":{\"condition\":\"well\"},\"state\":\"stopping\"}", "State         well; stopping\n");
}
END_TEST

/* The worst of several is in the first line, wherever it stands. */
START_TEST(several)
{
    assert_all("[" HEALTH("well", "null") ",{\"action\":\"relay\",\"health\":{\"condition\":\"held\"}}]", 0, false,
               "State         HELD: action relay\n\n"
               "State         well since 2026-01-31 11:58:00 UTC, 2min 0s ago\nProcess       azmonlog 1\n\n"
               "State         HELD\nAction        relay\n");
    assert_all("[{\"health\":{\"condition\":\"held\"}},{\"action\":\"a\",\"health\":{\"condition\":\"held\"}}]", 0,
               false, "State         HELD\n\nState         HELD\nAction        a\n");
    assert_all("[]", 0, false, "");
}
END_TEST

START_TEST(lines_are_broken_at_the_width_of_a_terminal)
{
    static const char status[] =
        "[{\"health\":{\"condition\":\"held\",\"reason\":\"the quick brown fox jumps over the lazy dog, ä ö\"},"
        "\"acknowledged\":{\"cursor\":\"s=0123456789012345678901234567890123456789\"}}]";

    assert_all(status, 40, false,
               "State         HELD\n"
               "Reason        the quick brown fox jumps\n"
               "              over the lazy dog, ä ö\n"
               "Acknowledged  up to the position below\n"
               "Position      s=0123456789012345678901234567890123456789\n");
    assert_all(status, 10, false,
               "State         HELD\nReason        the quick brown fox jumps over the lazy dog, ä ö\n"
               "Acknowledged  up to the position below\nPosition      s=0123456789012345678901234567890123456789\n");
}
END_TEST

START_TEST(colours)
{
    assert_all("[{\"health\":{\"condition\":\"well\"}}]", 0, true, "State         \033[32mwell\033[0m\n");
    assert_all("[{\"health\":{\"condition\":\"behind\"}}]", 0, true, "State         \033[33mBEHIND\033[0m\n");
    assert_all("[{\"health\":{\"condition\":\"held\",\"reason\":\"r\",\"remedy\":\"m\"}}]", 0, true,
               "State         \033[1;31mHELD\033[0m\nReason        r\nWhat to do    \033[1mm\033[0m\n");
}
END_TEST

START_TEST(answers_and_services)
{
    assert_text(
        "{\"answers\":[{\"status\":503,\"words\":\"HTTP 503\",\"count\":31,\"first\":\"2026-01-31T11:58:00Z\","
        "\"last\":\"2026-01-31T11:59:55Z\",\"seconds\":0.0123},"
        "{\"status\":204,\"words\":\"HTTP 204\",\"count\":1,\"last\":\"2026-01-31T11:57:00Z\",\"seconds\":2.5}],"
        "\"services\":[{\"service\":\"web\",\"records\":2000,\"bytes\":2048,\"per_second\":2,"
        "\"bytes_per_second\":1536},{\"service\":\"\",\"records\":1,\"bytes\":10,\"per_second\":0,"
        "\"bytes_per_second\":0}]}",
        "Answers       HTTP 503, 31 times, last 5s ago, in 12 ms\n"
        "              HTTP 204, 3min 0s ago, in 2s\n"
        "Services      web: 2000 records, 2.0/s; 2.0 KiB, 1.5 KiB/s\n"
        "              (without a name): 1 record, 0.0/s; 10 bytes, 0 bytes/s\n");
}
END_TEST

START_TEST(what_is_in_the_spool_waits_too)
{
    assert_text("{\"lag\":{\"records\":0},\"behind\":{\"records\":70,\"up_to\":false,\"seconds\":90},"
                "\"spool\":{\"active\":true,\"records\":70,\"bytes\":1024,\"max_bytes\":2048},"
                "\"acknowledged\":{\"cursor\":\"s=1\",\"received\":\"2026-01-31T11:59:59Z\"}}",
                "Waiting       70 records, 1min 30s behind\nSpool         70 records, 1.0 KiB of 2.0 KiB\n"
                "Safe          what was logged up to 2026-01-31 11:59:59 UTC, 1s ago\nPosition      s=1\n");
    /* of one that does not run */
    assert_text("{\"spool\":{\"active\":true,\"records\":null,\"bytes\":1024}}", "Spool         1.0 KiB\n");
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "all_is_well", all_is_well);
    add_test(s, "something_holds_the_records", something_holds_the_records);
    add_test(s, "an_action", an_action);
    add_test(s, "what_is_missing_or_strange_is_left_away", what_is_missing_or_strange_is_left_away);
    add_test(s, "members_of_any_type", members_of_any_type);
    add_test(s, "control_characters", control_characters);
    add_test(s, "conditions", conditions);
    add_test(s, "several", several);
    add_test(s, "lines_are_broken_at_the_width_of_a_terminal", lines_are_broken_at_the_width_of_a_terminal);
    add_test(s, "colours", colours);
    add_test(s, "answers_and_services", answers_and_services);
    add_test(s, "what_is_in_the_spool_waits_too", what_is_in_the_spool_waits_too);
}

TEST_MAIN("status_text", add_tests)
