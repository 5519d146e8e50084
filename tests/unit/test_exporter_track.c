/* SPDX-License-Identifier: MIT */
#include "tests/unit/azure_exporter_help.h"
#include "tests/unit/quarantine_help.h"

/* The exporter and Azure's ways: ids, answers about single records, sizes, ages. */

#define TRACK AZM_PROFILE_APPINSIGHTS

static struct azm_quarantine *quarantine;
static int dir = -1;

static void begin(struct wish w)
{
    begin_servers(NULL);
    w.to = &a;
    wish(w);
}

static void begin_with_quarantine(struct wish w)
{
    dir = open_dir();
    quarantine = w.quarantine = open_quarantine(dir, 1 << 24);
    begin(w);
}

static void end_with_quarantine(void)
{
    end();
    azm_quarantine_free(quarantine);
    close(dir);
}

static void assert_delivered(uint64_t records, uint64_t quarantined, uint64_t rejected)
{
    struct azm_exporter_status s;

    let_thread_go_round();
    s = status();
    ck_assert_uint_eq(s.records, records);
    ck_assert_uint_eq(s.quarantined, quarantined);
    ck_assert_uint_eq(s.rejected, rejected);
    assert_no_failure_known();
}

/* --- ids --- */

static void ids(enum azm_profile profile, bool expected)
{
    begin((struct wish){.profile = profile});
    LOCKED(&a, a.status = 503);
    for (unsigned n = 1; n <= 3; n++) {
        if (n == 1)
            submit(1);
        else
            forward(HOUR);
        wait_for_failures(n);
    }
    LOCKED(&a, a.status = 200);
    forward(HOUR);
    collect_until(1);
    submit(2);
    collect_until(2);
    ck_assert_uint_eq(requests_at(&a), 5);
    for (size_t i = 0; i < 5; i++) {
        const struct seen seen = seen_at(&a, i);

        ck_assert_str_eq(seen.type, profile == TRACK ? "application/x-json-stream" : "application/x-protobuf");
        if (expected)
            assert_guid(seen.id);
        else
            ck_assert_str_eq(seen.id, "");
        for (size_t k = 0; k < i && expected; k++)
            ck_assert_str_ne(seen.id, seen_at(&a, k).id);
    }
    end();
}

START_TEST(a_new_id_for_each_attempt_at_azure)
{
    ids(AZM_PROFILE_AZURE, true);
}
END_TEST

START_TEST(a_new_id_for_each_attempt_at_application_insights)
{
    ids(TRACK, true);
}
END_TEST

START_TEST(no_id_for_others)
{
    ids(AZM_PROFILE_OTLP, false);
}
END_TEST

START_TEST(the_id_is_in_the_log)
{
    char words[128];

    keep_log();
    begin((struct wish){.profile = AZM_PROFILE_AZURE});
    LOCKED(&a, a.status = 403);
    submit(1);
    wait_for_state(AZM_EXPORTER_HELD);
    let_thread_go_round();
    snprintf(words, sizeof words, "HTTP 403 (x-ms-client-request-id %s)", last_seen(&a).id);
    ck_assert_uint_eq(count_in_log(words), 1);
    end();
}
END_TEST

/* --- 206 --- */

/* Of six records the first and the last are accepted, the second is refused, two are throttled, and one fails; any
 * other request is taken. */
static void answer_six(struct server *s, const struct seen *seen, struct reply *ret)
{
    static const char body[] = "{\"itemsReceived\":6,\"itemsAccepted\":2,\"errors\":["
                               "{\"index\":4,\"statusCode\":500,\"message\":\"broken\"},"
                               "{\"index\":1,\"statusCode\":400,\"message\":\"this one is odd\"},"
                               "{\"index\":2,\"statusCode\":429,\"message\":\"too many\"},"
                               "{\"index\":3,\"statusCode\":429,\"message\":\"too many\"}]}";

    (void)s;
    if (seen->n == 6)
        *ret = (struct reply){
            .status = 206, .type = "application/json", .request_id = "request-7", .body = body, .len = sizeof body - 1};
}

START_TEST(each_record_goes_its_way)
{
    a.answer = answer_six;
    begin_with_quarantine((struct wish){.profile = TRACK});
    submit_records(1, 6, 0);
    wait_for_state(AZM_EXPORTER_RETRYING);
    forward(2 * HOUR);
    collect_until(6);
    assert_delivered(5, 1, 0);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert_str_eq(numbers_at(&a, 0), "1 2 3 4 5 6");
    ck_assert_str_eq(numbers_at(&a, 1), "3 4 5"); /* in order, in one request, and nothing that was taken */
    ck_assert_uint_eq(status().throttled, 1);
    ck_assert_uint_eq(records_in(quarantine), 1);
    ck_assert_ptr_nonnull(strstr(read_text(FILE_NAME), "\"stringValue\":\"2\""));
    ck_assert_ptr_nonnull(strstr(read_text(FILE_NAME), "\"reason\":\"refused\",\"status\":400,"
                                                       "\"message\":\"this one is odd\","
                                                       "\"request_id\":\"request-7\""));
    end_with_quarantine();
}
END_TEST

/* Nothing but what was taken is through, until the rest is. */
START_TEST(what_is_sorted_is_not_acknowledged_early)
{
    a.answer = answer_six;
    begin_with_quarantine((struct wish){.profile = TRACK});
    submit_records(1, 6, 0);
    wait_for_state(AZM_EXPORTER_RETRYING);
    let_thread_go_round();
    collect();
    ck_assert_int_eq(collected, 0);
    ck_assert_uint_eq(status().records, 2);
    ck_assert_uint_eq(records_in(quarantine), 1);
    ck_assert_uint_eq(requests_at(&a), 1);
    ck_assert_ptr_nonnull(strstr(status().reason, "of the records in a request"));
    ck_assert_ptr_null(strstr(status().reason, "too many")); /* the server's words may repeat a record */
    LOCKED(&a, a.held = 1 << 3);
    forward(2 * HOUR);
    WAIT_UNTIL(&a, a.n_seen == 2);
    let_thread_go_round();
    ck_assert_uint_eq(requests_at(&a), 2); /* of one batch there is one request at a time */
    LOCKED(&a, a.held = 0);
    forward(2 * HOUR);
    collect_until(6);
    assert_delivered(5, 1, 0);
    end_with_quarantine();
}
END_TEST

/* Without a place to keep it what is refused is held; what was taken is not sent again for that. */
START_TEST(without_a_quarantine)
{
    a.answer = answer_six;
    begin((struct wish){.profile = TRACK});
    submit_records(1, 6, 0);
    wait_for_state(AZM_EXPORTER_RETRYING); /* for the throttled ones */
    for (int n = 0; n < 2; n++) {
        forward(2 * HOUR);
        let_thread_go_round();
    }
    WAIT_UNTIL(&a, a.n_answered >= 2);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert_int_eq(status().state, AZM_EXPORTER_HELD);
    ck_assert_uint_eq(status().records, 5);
    ck_assert_int_eq(collected, 0);
    ck_assert_str_eq(numbers_at(&a, 0), "1 2 3 4 5 6");
    ck_assert_str_eq(numbers_at(&a, 1), "3 4 5");
    end();
}
END_TEST

/* Retry-After goes for the records that are to come again. */
static void answer_later(struct server *s, const struct seen *seen, struct reply *ret)
{
    answer_six(s, seen, ret);
    if (ret->status)
        ret->retry_after = "1800";
}

START_TEST(a_206_with_retry_after)
{
    a.answer = answer_later;
    begin_with_quarantine((struct wish){.profile = TRACK, .delay_max_usec = 1});
    submit_records(1, 6, 0);
    wait_for_state(AZM_EXPORTER_RETRYING);
    let_thread_go_round();
    forward(1790 * AZM_USEC_PER_SEC);
    let_thread_go_round();
    ck_assert_uint_eq(requests_at(&a), 1);
    forward(HOUR);
    collect_until(6);
    assert_delivered(5, 1, 0);
    end_with_quarantine();
}
END_TEST

static void answer_silently(struct server *s, const struct seen *seen, struct reply *ret)
{
    (void)seen;
    if (requests_at(s) == 1)
        *ret = (struct reply){.status = 206, .type = "application/json", .body = "{}", .len = 2};
}

START_TEST(a_206_that_does_not_say)
{
    a.answer = answer_silently;
    begin((struct wish){.profile = TRACK});
    submit_records(1, 3, 0);
    wait_for_state(AZM_EXPORTER_RETRYING);
    ck_assert_str_eq(status().reason, "HTTP 206 without a word on which records were accepted");
    ck_assert_uint_eq(status().records, 0);
    forward(HOUR);
    collect_until(3);
    ck_assert_str_eq(numbers_at(&a, 1), "1 2 3");
    assert_delivered(3, 0, 0);
    end();
}
END_TEST

/* --- answers that are larger than what is kept of failures --- */

static size_t answer_bytes;

static void answer_at_length(struct server *s, const struct seen *seen, struct reply *ret)
{
    static char body[5000000];
    Otlp__ExportLogsServiceResponse m = OTLP__EXPORT_LOGS_SERVICE_RESPONSE__INIT;
    Otlp__ExportLogsPartialSuccess partial = OTLP__EXPORT_LOGS_PARTIAL_SUCCESS__INIT;
    char *words = malloc(answer_bytes + 1);
    bool lines = strcmp(seen->type, "application/x-json-stream") == 0;

    (void)s;
    memset(words, 'w', answer_bytes);
    words[answer_bytes] = '\0';
    partial.rejected_log_records = 1;
    partial.error_message = words;
    m.partial_success = &partial;
    *ret = (struct reply){
        .status = lines ? 206 : 200, .type = lines ? "application/json" : "application/x-protobuf", .body = body};
    if (lines)
        ret->len = (size_t)snprintf(body, sizeof body,
                                    "{\"itemsReceived\":3,\"itemsAccepted\":2,\"errors\":[{\"index\":1,"
                                    "\"statusCode\":400,\"message\":\"%s\"}]}",
                                    words);
    else
        ret->len = otlp__export_logs_service_response__pack(&m, (uint8_t *)body);
    free(words);
}

START_TEST(a_long_partial_success)
{
    answer_bytes = 200000;
    a.answer = answer_at_length;
    begin_with_quarantine((struct wish){.profile = AZM_PROFILE_OTLP});
    submit_records(1, 3, 0);
    collect_until(3);
    assert_delivered(2, 0, 1);
    ck_assert_uint_eq(records_in(quarantine), 3); /* it did not say which one */
    end_with_quarantine();
}
END_TEST

START_TEST(a_long_206)
{
    answer_bytes = 4000000;
    a.answer = answer_at_length;
    begin_with_quarantine((struct wish){.profile = TRACK});
    submit_records(1, 3, 0);
    collect_until(3);
    assert_delivered(2, 1, 0);
    ck_assert_uint_eq(records_in(quarantine), 1);
    ck_assert_uint_eq(requests_at(&a), 1);
    end_with_quarantine();
}
END_TEST

START_TEST(an_endless_success)
{
    answer_bytes = 4 * 1024 * 1024;
    a.answer = answer_at_length;
    begin_with_quarantine((struct wish){.profile = TRACK});
    submit_records(1, 3, 0);
    wait_for_state(AZM_EXPORTER_HELD);
    ck_assert_str_eq(status().reason, "HTTP 206 with an endless answer");
    ck_assert_uint_eq(status().records, 0);
    end_with_quarantine();
}
END_TEST

/* --- sizes and ages --- */

static void sizes(enum azm_profile profile)
{
    unsigned next = 1;

    begin((struct wish){.profile = profile, .max_body_bytes = 3000, .connections = 1});
    submit_records(1, 9, 1000);
    submit_records(10, 1, 5000); /* one alone goes as it is */
    submit_records(11, 2, 10);
    collect_until(12);
    for (size_t i = 0; i < requests_at(&a); i++) {
        const struct seen seen = seen_at(&a, i);

        ck_assert_msg(seen.bytes <= 3000 || seen.n == 1, "%zu bytes", seen.bytes);
        ck_assert_uint_ge(seen.n, 1);
        for (size_t k = 0; k < seen.n; k++)
            ck_assert_uint_eq(seen.numbers[k], next++); /* in order */
    }
    ck_assert_uint_eq(next, 13);
    ck_assert_str_eq(numbers_at(&a, requests_at(&a) - 1), "11 12"); /* what fits is not split */
    ck_assert_uint_eq(status().failures, 0);
    assert_delivered(12, 0, 0);
    end();
}

START_TEST(lines_that_are_too_many_are_split)
{
    sizes(TRACK);
}
END_TEST

START_TEST(bytes_that_are_too_many_are_split)
{
    sizes(AZM_PROFILE_OTLP);
}
END_TEST

/* A request that has waited for so long is made anew: the record has grown old meanwhile. */
START_TEST(a_record_grows_old)
{
    struct azm_batch *batch;
    _cleanup_(azm_buf_free) struct azm_buf record = {0};
    Otlp__LogRecord m = OTLP__LOG_RECORD__INIT;

    begin((struct wish){.profile = AZM_PROFILE_AZURE});
    LOCKED(&a, a.status = 503);
    m.time_unix_nano = (azm_realtime_usec(&test_clock) - 46 * HOUR) * AZM_NSEC_PER_USEC;
    ck_assert_int_eq(azm_buf_reserve(&record, otlp__log_record__get_packed_size(&m)), 0);
    record.len = otlp__log_record__pack(&m, record.data);
    ck_assert_int_eq(azm_batch_new(&(struct azm_batch_limits){1, 10000}, &batch), 0);
    ck_assert_int_eq(azm_batch_add(batch, AZM_TEXT(""), azm_buf_text(&record)), 1);
    ck_assert_int_eq(azm_buf_printf(azm_batch_position(batch), "1"), 0);
    ck_assert_int_eq(azm_exporter_submit(x, batch), 0);
    wait_for_failures(1);
    LOCKED(&a, a.status = 200);
    forward(2 * HOUR);
    collect_until(1);
    ck_assert_uint_eq(requests_at(&a), 2);
    ck_assert(!seen_at(&a, 0).dated);
    ck_assert(seen_at(&a, 1).dated);
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "a_new_id_for_each_attempt_at_azure", a_new_id_for_each_attempt_at_azure);
    add_test(s, "a_new_id_for_each_attempt_at_application_insights", a_new_id_for_each_attempt_at_application_insights);
    add_test(s, "no_id_for_others", no_id_for_others);
    add_test_in_dir(s, "the_id_is_in_the_log", the_id_is_in_the_log);
    add_test_in_dir(s, "each_record_goes_its_way", each_record_goes_its_way);
    add_test_in_dir(s, "what_is_sorted_is_not_acknowledged_early", what_is_sorted_is_not_acknowledged_early);
    add_test(s, "without_a_quarantine", without_a_quarantine);
    add_test_in_dir(s, "a_206_with_retry_after", a_206_with_retry_after);
    add_test(s, "a_206_that_does_not_say", a_206_that_does_not_say);
    add_test_in_dir(s, "a_long_partial_success", a_long_partial_success);
    add_test_in_dir(s, "a_long_206", a_long_206);
    add_test_in_dir(s, "an_endless_success", an_endless_success);
    add_test(s, "lines_that_are_too_many_are_split", lines_that_are_too_many_are_split);
    add_test(s, "bytes_that_are_too_many_are_split", bytes_that_are_too_many_are_split);
    add_test(s, "a_record_grows_old", a_record_grows_old);
}

TEST_MAIN("exporter_track", add_tests)
