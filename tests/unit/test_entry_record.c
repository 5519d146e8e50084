/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <unistd.h>

#include "encode/otlp.h"
#include "tests/unit/entry_help.h"
#include "tests/unit/test.h"

/* The parts of a record that are no attributes: severity, body, trace context, times, resource, uid. */

START_TEST(severity)
{
    static const char *const none[] = {"8", "9", "99", "-1", "", "07", "6 ", " 6", "info", "\xFF"};
    char field[32];

    begin(AZM_FIELDS_STANDARD);
    READ("MESSAGE=x");
    ck_assert_int_eq(record.severity, -1);
    ck_assert_uint_eq(record.n_attributes, 0);
    for (int i = 0; i <= 7; i++) {
        snprintf(field, sizeof field, "PRIORITY=%d", i);
        READ(field);
        ck_assert_int_eq(record.severity, i);
        ck_assert_uint_eq(record.n_attributes, 0);
    }
    for (size_t i = 0; i < ELEMENTSOF(none); i++) { /* no severity, but not lost either */
        snprintf(field, sizeof field, "PRIORITY=%s", none[i]);
        READ(field);
        ck_assert_int_eq(record.severity, -1);
        assert_text(text_of("priority"), none[i]);
    }
    end();
}
END_TEST

START_TEST(message)
{
    begin(AZM_FIELDS_STANDARD);
    READ("PRIORITY=6");
    ck_assert(!record.has_body);
    READ("MESSAGE=");
    ck_assert(record.has_body);
    ck_assert_uint_eq(record.body.len, 0);
    azm_entry_begin(reader);
    add_field("MESSAGE=a\0b\n\xFF=", 14);
    ck_assert_int_eq(finish(), 1);
    ck_assert(record.has_body);
    assert_text_equal(record.body, AZM_TEXT("a\0b\n\xFF="));
    ck_assert_uint_eq(record.n_attributes, 0);
    /* as Podman sends it: one end of the line is none of the text */
    READ("MESSAGE=packed\n\n");
    assert_text_equal(record.body, AZM_TEXT("packed\n"));
    READ("MESSAGE=\n");
    ck_assert(record.has_body);
    ck_assert_uint_eq(record.body.len, 0);
    end();
}
END_TEST

/* A value of any size costs no more memory than the limit, and the encoder still sees that it was longer. */
START_TEST(values_around_the_limit_and_of_10_mb)
{
    static const size_t more[] = {0, 1, 7, 8, 9, 100, (size_t)10 * 1024 * 1024};
    static const char *const names[] = {"MESSAGE=", "TEXT=", "TAG="};
    char *data = malloc(8 + ((size_t)11 << 20));

    begin(AZM_FIELDS_STANDARD);
    for (size_t i = 0; i < ELEMENTSOF(more); i++)
        for (size_t k = 0; k < ELEMENTSOF(names); k++) {
            size_t limit = config.max_body_bytes, name = strlen(names[k]), len = limit + more[i];
            struct azm_otlp_encoder encoder = {.limits = {limit, limit, limit * 4}};
            _cleanup_(otlp_free_record) Otlp__LogRecord *m = NULL;
            struct azm_buf out = {0};

            azm_entry_begin(reader);
            memset(data, 'x', name + len);
            memcpy(data, names[k], name);
            add_field(data, name + len);
            if (k == 2)
                add_field("TAG=second", 10);
            ck_assert_int_eq(finish(), 1);
            ck_assert_uint_le(record.body.len, limit + 64);
            if (k == 1)
                ck_assert_uint_le(text_of("text").len, limit + 64);
            ck_assert_int_eq(azm_otlp_encode_record(&encoder, &record, &out), 0);
            ck_assert_uint_gt(out.len, limit);
            ck_assert_uint_lt(out.len, limit + 200);
            m = otlp_decode_record(&out);
            ck_assert_msg((otlp_find(m->attributes, m->n_attributes, "azmonlog.truncated") != NULL) == (more[i] > 0),
                          "%s of %zu bytes, limit %zu", names[k], len, limit);
            azm_otlp_encoder_free(&encoder);
            azm_buf_free(&out);
        }
    free(data);
    end();
}
END_TEST

/* A field that makes no valid id stays an attribute; all zeros means "no id" (W3C Trace Context). */
START_TEST(trace_context)
{
    static const struct {
        const char *field, *attribute;
        bool good;
    } table[] = {
        {"TRACE_ID=5b8efff798038103d269b633813fc60c", "trace_id", true},
        {"TRACE_ID=5B8EFFF798038103D269B633813FC60C", "trace_id", true},
        {"TRACE_ID=5b8efff798038103d269b633813fc60", "trace_id", false},
        {"TRACE_ID=5b8efff798038103d269b633813fc60c0", "trace_id", false},
        {"TRACE_ID=5b8efff798038103d269b633813fc60g", "trace_id", false},
        {"TRACE_ID=5b8efff7-9803-8103-d269-b633813fc60c", "trace_id", false},
        {"TRACE_ID=00000000000000000000000000000000", "trace_id", false},
        {"TRACE_ID=", "trace_id", false},
        {"SPAN_ID=eee19b7ec3c1b174", "span_id", true},
        {"SPAN_ID=EEE19B7EC3C1B174", "span_id", true},
        {"SPAN_ID=eee19b7ec3c1b17", "span_id", false},
        {"SPAN_ID=eee19b7ec3c1b1740", "span_id", false},
        {"SPAN_ID=@@e19b7ec3c1b174", "span_id", false},
        {"SPAN_ID=0000000000000000", "span_id", false},
        {"TRACE_FLAGS=01", "trace_flags", true},
        {"TRACE_FLAGS=1", "trace_flags", false},
        {"TRACE_FLAGS=0x01", "trace_flags", false},
        {"TRACE_FLAGS=-1", "trace_flags", false},
    };
    static const uint8_t trace_id[] = {0x5B, 0x8E, 0xFF, 0xF7, 0x98, 0x03, 0x81, 0x03,
                                       0xD2, 0x69, 0xB6, 0x33, 0x81, 0x3F, 0xC6, 0x0C};
    static const uint8_t span_id[] = {0xEE, 0xE1, 0x9B, 0x7E, 0xC3, 0xC1, 0xB1, 0x74};

    begin(AZM_FIELDS_STANDARD);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const char *value = strchr(table[i].field, '=') + 1, name = table[i].attribute[0];

        READ(table[i].field);
        ck_assert_msg((record.n_attributes == 0) == table[i].good, "%s", table[i].field);
        ck_assert_int_eq(record.has_trace_id, table[i].good && strstr(table[i].field, "TRACE_ID"));
        ck_assert_int_eq(record.has_span_id, table[i].good && name == 's');
        ck_assert_uint_eq(record.trace_flags, table[i].good && strstr(table[i].field, "FLAGS"));
        if (!table[i].good)
            assert_text(text_of(table[i].attribute), value);
        if (record.has_trace_id)
            ck_assert_mem_eq(record.trace_id, trace_id, sizeof trace_id);
        if (record.has_span_id)
            ck_assert_mem_eq(record.span_id, span_id, sizeof span_id);
    }
    READ("TRACE_FLAGS=ff");
    ck_assert_uint_eq(record.trace_flags, 0xFF);
    READ("TRACE_FLAGS=00"); /* valid, and says nothing */
    ck_assert_uint_eq(record.trace_flags, 0);
    ck_assert_uint_eq(record.n_attributes, 0);
    end();
}
END_TEST

/* When it happened is the time in the program; when journald received it is the observed time. */
START_TEST(source_time_and_receive_time)
{
    static const struct {
        const char *field;
        uint64_t usec;
    } table[] = {
        {"MESSAGE=no source time", 1700000000000000},
        {"_SOURCE_REALTIME_TIMESTAMP=1699999999500000", 1699999999500000},
        {"_SOURCE_REALTIME_TIMESTAMP=1700000001000000", 1700000001000000},
        {"_SOURCE_REALTIME_TIMESTAMP=0", 1700000000000000},
        {"_SOURCE_REALTIME_TIMESTAMP=-5", 1700000000000000},
        {"_SOURCE_REALTIME_TIMESTAMP=", 1700000000000000},
        {"_SOURCE_REALTIME_TIMESTAMP=12x", 1700000000000000},
        {"_SOURCE_REALTIME_TIMESTAMP=99999999999999999", 1700000000000000}, /* more than nanoseconds hold */
        {"_SOURCE_REALTIME_TIMESTAMP=99999999999999999999999", 1700000000000000},
        {"_SOURCE_MONOTONIC_TIMESTAMP=77", 1700000000000000}, /* of the kernel */
    };

    begin(AZM_FIELDS_STANDARD);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        READ(table[i].field);
        ck_assert_msg(record.time_unix_nano == table[i].usec * 1000, "%s", table[i].field);
        ck_assert_uint_eq(record.observed_time_unix_nano, UINT64_C(1700000000000000000));
    }
    end();
}
END_TEST

/* syslog(3) sends the pid along, which journald knows better; another one is news. */
START_TEST(syslog_pid)
{
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};

    for (size_t i = 0; i < ELEMENTSOF(profiles); i++) {
        bool sent = profiles[i] != AZM_FIELDS_MINIMAL;

        begin(profiles[i]);
        READ("SYSLOG_PID=4711", "_PID=4711");
        ck_assert_ptr_null(attribute("syslog.procid"));
        READ("_PID=471", "SYSLOG_PID=4711");
        assert_text(text_of("syslog.procid"), sent ? "4711" : "(none)");
        READ("SYSLOG_PID=4711"); /* forwarded */
        assert_text(text_of("syslog.procid"), sent ? "4711" : "(none)");
        end();
    }
}
END_TEST

/* Each field that names the service reaches service_name.c. */
START_TEST(resource)
{
    static const struct {
        const char *fields[6], *service;
    } table[] = {
        {{"_SYSTEMD_UNIT=nginx.service", "SYSLOG_IDENTIFIER=i", "_PID=7", "_HOSTNAME=web1", "_MACHINE_ID=aa"}, "nginx"},
        {{"_PID=7", "SYSLOG_IDENTIFIER=worker", "_HOSTNAME=web1", "_MACHINE_ID=aa"}, "nginx"}, /* it is dying */
        {{"SYSLOG_IDENTIFIER=sudo", "_COMM=c", "_HOSTNAME=web1", "_MACHINE_ID=aa"}, "sudo"},
        {{"_COMM=cron", "_HOSTNAME=web1", "_MACHINE_ID=aa"}, "cron"},
        {{"_TRANSPORT=kernel", "SYSLOG_IDENTIFIER=i", "_HOSTNAME=web1", "_MACHINE_ID=aa"}, "kernel"},
        {{"_SYSTEMD_UNIT=user@1000.service", "_SYSTEMD_USER_UNIT=app.service", "_HOSTNAME=web1", "_MACHINE_ID=aa"},
         "app"},
        {{"OTEL_SERVICE_NAME=shop", "_SYSTEMD_UNIT=x.service", "_HOSTNAME=web1", "_MACHINE_ID=aa"}, "shop"},
    };

    begin(AZM_FIELDS_MINIMAL);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(otlp_free_resource) Otlp__Resource *m = NULL;

        read_fields(table[i].fields);
        m = otlp_decode_resource(record.resource);
        assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, "service.name")), table[i].service);
        assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, "host.name")), "web1");
        assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, "host.id")), "aa");
    }
    { /* pid 7 was nginx's, but in another boot */
        const struct azm_entry_times other_boot = {.realtime_usec = 1700000000000000, .boot = {.bytes = {2}}};
        _cleanup_(otlp_free_resource) Otlp__Resource *m = NULL;

        azm_entry_begin(reader);
        add_field("_PID=7", 6);
        add_field("SYSLOG_IDENTIFIER=bash", 22);
        ck_assert_int_eq(azm_entry_finish(reader, &other_boot, &record), 1);
        m = otlp_decode_resource(record.resource);
        assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, "service.name")), "bash");
    }
    end();
}
END_TEST

/* Records of our own are of this program on this host, whatever was read before. */
START_TEST(own_resource)
{
    _cleanup_(otlp_free_resource) Otlp__Resource *m = NULL;
    _cleanup_free_ char *copy = NULL;
    char host[HOST_NAME_MAX + 1] = "";
    struct azm_text first, second;

    begin(AZM_FIELDS_STANDARD);
    ck_assert_int_eq(gethostname(host, sizeof host - 1), 0);
    ck_assert_int_eq(azm_entry_own_resource(reader, &first), 0);
    m = otlp_decode_resource(first);
    assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, "service.name")), "azmonlog");
    assert_text(otlp_string(otlp_find(m->attributes, m->n_attributes, "host.name")), host);
    copy = strndup(first.s, first.len);
    READ("SYSLOG_IDENTIFIER=other", "_HOSTNAME=elsewhere", "_SYSTEMD_UNIT=x.service");
    azm_entry_begin(reader);
    ck_assert_ptr_nonnull(azm_arena_copy(azm_entry_arena(reader), "x", 2));
    ck_assert_int_eq(azm_entry_own_resource(reader, &second), 0);
    ck_assert_uint_eq(second.len, first.len);
    ck_assert_mem_eq(second.s, copy, strlen(copy));
    end();
}
END_TEST

START_TEST(the_uid_state_moves)
{
    struct azm_entry_reader *other;
    uint8_t expected[16];

    begin(AZM_FIELDS_STANDARD);
    READ("MESSAGE=x");
    READ("MESSAGE=x");
    memcpy(expected, record.uid, 16);
    end();
    begin(AZM_FIELDS_STANDARD);
    ck_assert_int_eq(azm_entry_reader_new(&config, &other), 0);
    READ("MESSAGE=x");
    ck_assert_mem_ne(record.uid, expected, 16);
    azm_entry_move_uid_state(other, reader);
    ck_assert_uint_eq(azm_entry_uid_state(reader)->n_seen, 0);
    azm_entry_begin(other);
    ck_assert_int_eq(azm_entry_add_field(other, "MESSAGE=x", 9), 0);
    ck_assert_int_eq(azm_entry_finish(other, &times, &record), 1);
    ck_assert_mem_eq(record.uid, expected, 16); /* the second of two equal ones */
    azm_entry_reader_free(other);
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "severity", severity);
    add_test(s, "message", message);
    add_test(s, "values_around_the_limit_and_of_10_mb", values_around_the_limit_and_of_10_mb);
    add_test(s, "trace_context", trace_context);
    add_test(s, "source_time_and_receive_time", source_time_and_receive_time);
    add_test(s, "syslog_pid", syslog_pid);
    add_test(s, "resource", resource);
    add_test(s, "own_resource", own_resource);
    add_test(s, "the_uid_state_moves", the_uid_state_moves);
}

TEST_MAIN("entry_record", add_tests)
