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

/* --- own entries and uids --- */

/* The process that `azm_entry_reader_skip_own` is told about here, as far as the entries of entry_help.h are concerned.
 */
static struct azm_own_process own_process(long pid)
{
    return (struct azm_own_process){
        .boot = times.boot, .started_usec = times.monotonic_usec, .pid = pid, .comm = "azmonlog", .invocation = ""};
}

/* Only this very process: not a child, not another one with this pid, not one before it, not one of another boot. */
START_TEST(own_entries_are_skipped)
{
    static const struct {
        const char *fields[4];
        int expected;
    } table[] = {
        {{"_PID=4711", "_COMM=azmonlog", "MESSAGE=x"}, 0},
        {{"_PID=471", "_COMM=azmonlog", "MESSAGE=x"}, 1},
        {{"_PID=4711", "_COMM=systemd", "MESSAGE=x"}, 1}, /* we are in a container, and it is not */
        {{"_COMM=azmonlog", "MESSAGE=x"}, 1},
        {{"_PID=4711", "MESSAGE=x"}, 1},
        {{"PID=4711", "COMM=azmonlog", "MESSAGE=x"}, 1},
    };
    struct azm_own_process own[] = {own_process(4711), own_process(4712), own_process(4711), own_process(4711)};

    own[2].started_usec++;
    own[3].boot.bytes[0] ^= 1;
    begin(AZM_FIELDS_STANDARD);
    READ("_PID=4711", "_COMM=azmonlog"); /* nothing is skipped unless asked */
    for (size_t round = 0; round < ELEMENTSOF(own); round++) {
        azm_entry_reader_skip_own(reader, &own[round]);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            azm_entry_begin(reader);
            for (const char *const *f = table[i].fields; f < table[i].fields + 4 && *f; f++)
                add_field(*f, strlen(*f));
            ck_assert_int_eq(finish(), round == 0 ? table[i].expected : 1);
        }
    }
    end();
}
END_TEST

/* As a service: all processes of this invocation, a child of another name included. */
START_TEST(own_invocation_is_skipped)
{
    static const struct {
        const char *fields[3];
        int expected;
    } table[] = {
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcdef", "_PID=1", "_COMM=sh"}, 0},
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcdef", NULL, NULL}, 0},
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcdee", "_PID=1", "_COMM=sh"}, 1},
        {{"_SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcde", "_PID=1", "_COMM=sh"}, 1},
        {{"_SYSTEMD_INVOCATION_ID=", "_PID=1", "_COMM=sh"}, 1},
        {{"INVOCATION_ID=0123456789abcdef0123456789abcdef", "_PID=1", "_COMM=sh"}, 1}, /* what anybody may write */
        {{"_PID=4711", "_COMM=azmonlog", NULL}, 0},                                    /* the process itself as ever */
    };
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};
    struct azm_own_process own = own_process(4711);
    char invocation[] = "0123456789abcdef0123456789abcdef";

    own.invocation = invocation;
    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        begin(profiles[p]);
        azm_entry_reader_skip_own(reader, &own);
        invocation[0] = 'x'; /* it has a copy */
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            azm_entry_begin(reader);
            for (const char *const *f = table[i].fields; f < table[i].fields + 3 && *f; f++)
                add_field(*f, strlen(*f));
            ck_assert_msg(finish() == table[i].expected, "%s", table[i].fields[0]);
        }
        invocation[0] = '0';
        end();
    }
}
END_TEST

static int finish_fields(const char *const *fields)
{
    azm_entry_begin(reader);
    for (; *fields; fields++)
        add_field(*fields, strlen(*fields));
    return finish();
}

#define FINISH(...) finish_fields((const char *const[]){__VA_ARGS__, NULL})

static void exclude(const char *key, const char *value)
{
    ck_assert_int_eq(azm_config_set(&config, "journal", key, value, "test", false, NULL), 0);
}

/* Any one of the lists is enough; only the whole value counts, and only of the field that is meant. */
START_TEST(excluded_entries_are_skipped)
{
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};

    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        begin(profiles[p]);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=a.service", "SYSLOG_IDENTIFIER=id", "_EXE=/bin/x"), 1);
        exclude("exclude_units", "a b");
        exclude("exclude_identifiers", "an-id");
        exclude("exclude_match", "_EXE=/bin/x");
        exclude("exclude_match", "NOTE=");
        ck_assert_int_eq(FINISH("MESSAGE=x"), 1);
        ck_assert_int_eq(FINISH("MESSAGE=x", "_SYSTEMD_UNIT=a.service"), 0);
        ck_assert_int_eq(FINISH("MESSAGE=x"), 1); /* the next one is another matter */
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=b.service", "MESSAGE=x"), 0);
        ck_assert_int_eq(FINISH("_SYSTEMD_USER_UNIT=b.service", "_SYSTEMD_UNIT=user@1.service"), 0);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=aa.service"), 1);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT=a.servic"), 1);
        ck_assert_int_eq(FINISH("_SYSTEMD_UNIT="), 1);
        ck_assert_int_eq(FINISH("UNIT=a.service"), 1); /* what the manager says of it is its own */
        ck_assert_int_eq(FINISH("SYSLOG_IDENTIFIER=an-id"), 0);
        ck_assert_int_eq(FINISH("SYSLOG_IDENTIFIER=an"), 1);
        ck_assert_int_eq(FINISH("IDENTIFIER=an-id"), 1);
        ck_assert_int_eq(FINISH("_EXE=/bin/x"), 0);
        ck_assert_int_eq(FINISH("_EXE=/bin/y", "_EXE=/bin/x"), 0); /* any one of several */
        ck_assert_int_eq(FINISH("_EXE=/bin/x", "_EXE=/bin/y"), 0);
        ck_assert_int_eq(FINISH("_EXE=/bin/xx"), 1);
        ck_assert_int_eq(FINISH("_EXE=/bin/"), 1);
        ck_assert_int_eq(FINISH("EXE=/bin/x"), 1);
        ck_assert_int_eq(FINISH("NOTE="), 0);
        ck_assert_int_eq(FINISH("NOTE=x"), 1);
        end();
    }
}
END_TEST

/* An entry has its uid whatever the configuration leaves out: resuming with another one does not send it anew. */
START_TEST(excluded_entries_count_for_the_uid)
{
    uint8_t uid[2][16];

    for (size_t i = 0; i < 2; i++) {
        begin(AZM_FIELDS_STANDARD);
        if (i == 1)
            exclude("exclude_match", "MESSAGE=x");
        ck_assert_int_eq(FINISH("MESSAGE=x"), i == 0);
        ck_assert_int_eq(FINISH("MESSAGE=y"), 1);
        memcpy(uid[i], record.uid, 16);
        ck_assert_uint_eq(azm_entry_uid_state(reader)->n_seen, 2);
        end();
    }
    ck_assert_mem_eq(uid[0], uid[1], 16);
}
END_TEST

#define DROPPED "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"
#define MISSED "MESSAGE_ID=e9bf28e6e834481bb6f48f548ad13606"

START_TEST(what_journald_lost_is_counted)
{
    static const struct {
        const char *fields[4];
        uint64_t suppressed, missed;
    } table[] = {
        {{DROPPED, "N_DROPPED=162500", "_TRANSPORT=driver"}, 162500, 0},
        {{"_TRANSPORT=driver", "N_DROPPED=1", DROPPED}, 1, 0},
        {{DROPPED, "N_DROPPED=5", "_TRANSPORT=journal"}, 0, 0}, /* forged */
        {{DROPPED, "N_DROPPED=5"}, 0, 0},
        {{DROPPED, "N_DROPPED=5", "TRANSPORT=driver"}, 0, 0},
        {{"N_DROPPED=5", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=-5", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=5x", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=99999999999999999999", "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "MESSAGE=Missed 17 kernel messages", "_TRANSPORT=driver"}, 0, 17},
        {{MISSED, "MESSAGE=Missed 17 kernel messages", "_TRANSPORT=kernel"}, 0, 0},
        {{MISSED, "MESSAGE=Missed kernel messages", "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "MESSAGE=", "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "_TRANSPORT=driver"}, 0, 0},
        {{MISSED, "N_DROPPED=5", "_TRANSPORT=driver"}, 0, 0},
        {{"MESSAGE=Missed 17 kernel messages", "_TRANSPORT=driver"}, 0, 0},
        {{DROPPED, "N_DROPPED=7", "_TRANSPORT=driver", "LEAVE=out"}, 7, 0}, /* lost all the same */
    };
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};

    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        struct azm_losses losses = {.suppressed = 100, .missed_kernel = 200}, sum = losses;

        begin(profiles[p]);
        exclude("exclude_match", "LEAVE=out");
        FINISH(DROPPED, "N_DROPPED=1", "_TRANSPORT=driver"); /* nobody counts */
        azm_entry_reader_count_losses(reader, &losses);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            azm_entry_begin(reader);
            for (const char *const *f = table[i].fields; f < table[i].fields + 4 && *f; f++)
                add_field(*f, strlen(*f));
            finish();
            sum.suppressed += table[i].suppressed;
            sum.missed_kernel += table[i].missed;
            ck_assert_msg(losses.suppressed == sum.suppressed && losses.missed_kernel == sum.missed_kernel,
                          "entry %zu is counted wrongly", i);
        }
        ck_assert_uint_eq(losses.gaps + losses.gap_entries + losses.unreadable + losses.damaged_files, 0);
        end();
    }
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

/* All fields count for the uid, in any profile, whether they are sent or not; an entry that is skipped counts as well.
 */
START_TEST(the_uid_is_of_the_whole_entry)
{
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};
    const struct azm_own_process own = own_process(7);
    uint8_t first[16], second[16];

    for (size_t i = 0; i < ELEMENTSOF(profiles); i++) {
        begin(profiles[i]);
        if (i > 0)
            azm_entry_reader_skip_own(reader, &own);
        READ("MESSAGE=x", "_EXE=/bin/a");
        if (i == 0)
            memcpy(first, record.uid, 16);
        ck_assert_mem_eq(record.uid, first, 16);
        READ("MESSAGE=x", "_EXE=/bin/b");
        ck_assert_mem_ne(record.uid, first, 16);

        azm_entry_begin(reader);
        add_field("_COMM=azmonlog", 14);
        add_field("_PID=7", 6);
        ck_assert_int_eq(finish(), i == 0);
        READ("_EXE=/bin/a", "MESSAGE=x");
        if (i == 0)
            memcpy(second, record.uid, 16);
        ck_assert_mem_eq(record.uid, second, 16);
        ck_assert_mem_ne(first, second, 16);
        ck_assert_uint_eq(azm_entry_uid_state(reader)->n_seen, 3);
        end();
    }
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
    add_test(s, "own_entries_are_skipped", own_entries_are_skipped);
    add_test(s, "own_invocation_is_skipped", own_invocation_is_skipped);
    add_test(s, "excluded_entries_are_skipped", excluded_entries_are_skipped);
    add_test(s, "excluded_entries_count_for_the_uid", excluded_entries_count_for_the_uid);
    add_test(s, "what_journald_lost_is_counted", what_journald_lost_is_counted);
    add_test(s, "own_resource", own_resource);
    add_test(s, "the_uid_state_moves", the_uid_state_moves);
    add_test(s, "the_uid_is_of_the_whole_entry", the_uid_is_of_the_whole_entry);
}

TEST_MAIN("entry_record", add_tests)
