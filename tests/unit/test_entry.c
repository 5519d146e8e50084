/* SPDX-License-Identifier: MIT */
#include "tests/unit/entry_help.h"
#include "tests/unit/test.h"

/* What becomes of each field of an entry. test_entry_record.c has the parts of the record that are no attributes. */

enum { M = AZM_FIELDS_MINIMAL, S = AZM_FIELDS_STANDARD, F = AZM_FIELDS_FULL };

/* Every field that has a meaning of its own, and the two kinds of others: the attribute, and the profiles that send it.
 */
START_TEST(every_field_in_every_profile)
{
    static const struct {
        const char *field, *key, *value;
        unsigned profiles;
        bool integer;
    } table[] = {
        {"MESSAGE=hello", NULL, NULL, 0, false},
        {"PRIORITY=6", NULL, NULL, 0, false},
        {"TRACE_ID=5b8efff798038103d269b633813fc60c", NULL, NULL, 0, false},
        {"SPAN_ID=eee19b7ec3c1b174", NULL, NULL, 0, false},
        {"TRACE_FLAGS=01", NULL, NULL, 0, false},
        {"OTEL_SERVICE_NAME=shop", NULL, NULL, 0, false}, /* these are in the resource */
        {"_COMM=nginx", NULL, NULL, 0, false},
        {"SYSLOG_IDENTIFIER=sshd", NULL, NULL, 0, false},
        {"_SYSTEMD_UNIT=ssh.service", NULL, NULL, 0, false},
        {"_SYSTEMD_USER_UNIT=app.service", NULL, NULL, 0, false},
        {"_HOSTNAME=web1", NULL, NULL, 0, false},
        {"_MACHINE_ID=0123456789abcdef0123456789abcdef", NULL, NULL, 0, false},
        {"_SOURCE_REALTIME_TIMESTAMP=1699999999000000", NULL, NULL, 0, false},
        {"SYSLOG_RAW=<13>hello", NULL, NULL, 0, false},
        {"SYSLOG_TIMESTAMP=Nov 14 00:00:00 ", NULL, NULL, 0, false},
        {"_PID=4711", "process.pid", "4711", S | F, true},
        {"SYSLOG_FACILITY=10", "syslog.facility", "10", S | F, true},
        {"SYSLOG_PID=99", "syslog.procid", "99", S | F, false},
        {"SYSLOG_MSGID=ID47", "syslog.msgid", "ID47", S | F, false},
        {"CODE_FILE=main.c", "code.file.path", "main.c", S | F, false},
        {"CODE_LINE=42", "code.line.number", "42", S | F, true},
        {"CODE_FUNC=main", "code.function.name", "main", S | F, false},
        {"MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1", "journald.message_id", "fc2e22bc6ee647b6b90729ab34a250b1",
         S | F, false},
        {"EXCEPTION_TYPE=ValueError", "exception.type", "ValueError", S | F, false},
        {"EXCEPTION_MESSAGE=bad", "exception.message", "bad", S | F, false},
        {"EXCEPTION_STACKTRACE=main.c:42", "exception.stacktrace", "main.c:42", S | F, false},
        {"EXCEPTION_TEXT=bad", "exception_text", "bad", S | F, false},
        {"_BOOT_ID=01", "journald.boot_id", "01", F, false},
        {"_TRANSPORT=journal", "journald.transport", "journal", F, false},
        {"_SYSTEMD_INVOCATION_ID=ab", "journald.systemd_invocation_id", "ab", F, false},
        {"_CAP_EFFECTIVE=0", "journald.cap_effective", "0", F, false}, /* any trusted field */
        {"_EXE=/usr/sbin/sshd", "journald.exe", "/usr/sbin/sshd", F, false},
        {"ORDER_ID=A-17", "order_id", "A-17", S | F, false}, /* any field of the application */
        {"ERRNO=2", "errno", "2", S | F, false},
        {"X=", "x", "", S | F, false},
        {"MESSAGES=2", "messages", "2", S | F, false}, /* nearly one with a meaning */
        {"_PIDS=2", "journald.pids", "2", F, false},
        {"CODE_LINE=many", "code.line.number", "many", S | F, false}, /* no number: the text as it is */
        {"CODE_LINE=-1", "code.line.number", "-1", S | F, true},
        {"CODE_LINE=4.2", "code.line.number", "4.2", S | F, false},
        {"CODE_LINE= 42", "code.line.number", " 42", S | F, false},
        {"CODE_LINE=", "code.line.number", "", S | F, false},
        {"CODE_LINE=9223372036854775807", "code.line.number", "9223372036854775807", S | F, true},
        {"CODE_LINE=9223372036854775808", "code.line.number", "9223372036854775808", S | F, false},
        {"CODE_LINE=0000000000000000000000000000000000000042", "code.line.number",
         "0000000000000000000000000000000000000042", S | F, false},
    };
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD, AZM_FIELDS_FULL};

    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        begin(profiles[p]);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
            bool expected = table[i].profiles & profiles[p];

            READ(table[i].field);
            ck_assert_msg(record.n_attributes == expected, "%s has %zu attributes with fields=%d", table[i].field,
                          record.n_attributes, profiles[p]);
            if (!expected)
                continue;
            if (table[i].integer) {
                ck_assert_ptr_nonnull(attribute(table[i].key));
                ck_assert_int_eq(attribute(table[i].key)->type, AZM_VALUE_INT);
                ck_assert_int_eq(attribute(table[i].key)->integer, strtoll(table[i].value, NULL, 10));
            } else
                assert_text(text_of(table[i].key), table[i].value);
        }
        end();
    }
}
END_TEST

/* journald's names are A-Z, 0-9 and _; a damaged or foreign journal file may hold others. An attribute's key is a
 * protobuf string: one that is no UTF-8 makes receivers refuse the whole request, again and again. Nor may a field pass
 * for an attribute of ours. */
START_TEST(keys_are_plain_whatever_the_name)
{
    static const struct {
        const char *field, *key;
    } table[] = {
        {"\xFF"
         "A=v",
         "_a"},
        {"A\xC3\xA9=v", "a__"},
        {"A\xF0\x9F=v", "a__"},
        {"_\xFF=v", "journald._"},
        {"lower=v", "lower"},
        {"TWO WORDS\n=v", "two_words_"},
        {"LOG.RECORD.UID=v", "log_record_uid"},
        {"azmonlog.truncated=v", "azmonlog_truncated"},
    };

    begin(AZM_FIELDS_FULL);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        READ(table[i].field);
        ck_assert_uint_eq(record.n_attributes, 1);
        assert_text(record.attributes[0].key, table[i].key);
        assert_text(record.attributes[0].text, "v");
    }
    end();
}
END_TEST

/* Several fields of one name become an array: all values are kept. (Their order in a journal is not the one in which
 * they were sent.) */
START_TEST(a_field_that_comes_several_times)
{
    static const struct {
        const char *name, *key;
    } names[] = {{"TAG", "tag"}, {"CODE_LINE", "code.line.number"}, {"SYSLOG_MSGID", "syslog.msgid"}};
    char field[64];

    begin(AZM_FIELDS_STANDARD);
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        for (size_t n = 2; n <= 20; n++) {
            const struct azm_attribute *a;

            azm_entry_begin(reader);
            for (size_t k = 0; k < n; k++) {
                snprintf(field, sizeof field, "%s=%zu", names[i].name, 100 + k);
                add_field(field, strlen(field));
                add_field("OTHER=x", 7);
            }
            ck_assert_int_eq(finish(), 1);
            ck_assert_uint_eq(record.n_attributes, 2);
            a = attribute(names[i].key);
            ck_assert_ptr_nonnull(a);
            ck_assert_int_eq(a->type, AZM_VALUE_TEXTS);
            ck_assert_uint_eq(a->texts.n, n);
            for (size_t k = 0; k < n; k++) {
                snprintf(field, sizeof field, "%zu", 100 + k);
                assert_text(a->texts.items[k], field);
            }
        }

    READ("MESSAGE=first", "MESSAGE=second", "PRIORITY=3", "PRIORITY=5"); /* the record has room for one only */
    assert_text(record.body, "first");
    ck_assert_int_eq(record.severity, 3);
    assert_text(text_of("message"), "second");
    assert_text(text_of("priority"), "5");
    ck_assert_uint_eq(record.n_attributes, 2);
    READ("SYSLOG_IDENTIFIER=first", "SYSLOG_IDENTIFIER=second"); /* so has the resource */
    ck_assert_uint_eq(record.n_attributes, 1);
    assert_text(text_of("syslog_identifier"), "second");
    READ("_HOSTNAME=web1", "_HOSTNAME=web2"); /* trusted fields go with fields=full only */
    ck_assert_uint_eq(record.n_attributes, 0);
    end();
    begin(AZM_FIELDS_FULL);
    READ("_HOSTNAME=web1", "_HOSTNAME=web2");
    assert_text(text_of("journald.hostname"), "web2");
    end();
}
END_TEST

START_TEST(as_many_fields_as_journald_allows)
{
    char field[32], key[32];

    begin(AZM_FIELDS_STANDARD);
    for (int round = 0; round < 2; round++) {
        azm_entry_begin(reader);
        for (unsigned i = 0; i < 1024; i++) {
            snprintf(field, sizeof field, "FIELD_%u=value %u", i, i);
            add_field(field, strlen(field));
        }
        ck_assert_int_eq(finish(), 1);
        ck_assert_uint_eq(record.n_attributes, 1024);
        for (unsigned i = 0; i < 1024; i++) {
            snprintf(key, sizeof key, "field_%u", i);
            snprintf(field, sizeof field, "value %u", i);
            assert_text(text_of(key), field);
        }
    }
    READ("MESSAGE=next"); /* nothing is left of it */
    ck_assert_uint_eq(record.n_attributes, 0);
    end();
}
END_TEST

/* A thousand long ones: no more is kept than a request may have, and the rest is counted. */
START_TEST(many_long_fields)
{
    size_t len, kept = 0;
    char *field;

    begin(AZM_FIELDS_STANDARD);
    len = config.max_body_bytes + 100;
    field = malloc(len);
    azm_entry_begin(reader);
    for (unsigned i = 0; i < 1024; i++) {
        memset(field, 'x', len);
        snprintf(field, len, "FIELD_%u=", i);
        field[strlen(field)] = 'x';
        add_field(field, len);
    }
    add_field("_SYSTEMD_UNIT=sshd.service", 26); /* new in its file, so it comes last */
    add_field("_PID=4711", 9);
    add_field("MESSAGE=hello", 13);
    ck_assert_int_eq(finish(), 1);
    ck_assert_uint_eq(azm_entry_largest_field(reader), len);
    assert_text(record.body, "hello");
    ck_assert_uint_gt(record.n_dropped, 1000);
    ck_assert_uint_eq(record.n_attributes + record.n_dropped, 1024 + 1);
    for (size_t i = 1; i < record.n_attributes; i++)
        kept += record.attributes[i].text.len;
    ck_assert_uint_le(kept, config.max_request_bytes);
    ck_assert_uint_ge(kept, config.max_request_bytes - 2 * len);
    /* what journald says of the sender is first (or in the resource), so that nothing can push it out of the record */
    assert_text(record.attributes[0].key, "process.pid");
    READ("MESSAGE=next");
    ck_assert_uint_eq(record.n_dropped, 0);
    free(field);
    end();
}
END_TEST

/* A name of the sender that is too long for the resource is not lost. */
START_TEST(names_too_long_for_the_resource)
{
    static const struct {
        const char *field, *key;
    } names[] = {{"_SYSTEMD_UNIT=", "systemd.unit"},
                 {"_SYSTEMD_USER_UNIT=", "systemd.user_unit"},
                 {"_COMM=", "process.executable.name"},
                 {"SYSLOG_IDENTIFIER=", "syslog.identifier"}};
    static const enum azm_fields profiles[] = {AZM_FIELDS_MINIMAL, AZM_FIELDS_STANDARD};
    char field[512];

    for (size_t p = 0; p < ELEMENTSOF(profiles); p++) {
        begin(profiles[p]);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
            for (size_t len = AZM_NAME_MAX_BYTES; len <= AZM_NAME_MAX_BYTES + 1; len++) {
                size_t start = strlen(names[i].field);
                bool stays = len > AZM_NAME_MAX_BYTES && profiles[p] != AZM_FIELDS_MINIMAL;
                _cleanup_(otlp_free_resource) Otlp__Resource *m = NULL;

                memcpy(field, names[i].field, start);
                memset(field + start, 'n', len);
                field[start + len] = '\0';
                READ(field);
                m = otlp_decode_resource(record.resource);
                ck_assert_uint_eq(record.n_attributes, stays);
                if (stays)
                    assert_text(text_of(names[i].key), field + start);
                ck_assert_int_eq(otlp_find(m->attributes, m->n_attributes, names[i].key) != NULL,
                                 len <= AZM_NAME_MAX_BYTES && profiles[p] != AZM_FIELDS_MINIMAL);
            }
        end();
    }
}
END_TEST

START_TEST(odd_fields)
{
    static const char name[] = "A23456789_123456789_123456789_123456789_123456789_123456789_1234_67890";
    char field[sizeof name + 2], key[sizeof name];

    begin(AZM_FIELDS_STANDARD);
    for (size_t len = 1; len < sizeof name; len++) { /* names up to journald's limit and above */
        snprintf(field, sizeof field, "%.*s=v", (int)len, name);
        snprintf(key, sizeof key, "a%.*s", (int)len - 1, name + 1);
        READ(field);
        ck_assert_uint_eq(record.n_attributes, 1);
        assert_text(text_of(key), "v");
    }
    READ("no equals sign", "");
    ck_assert_uint_eq(record.n_attributes, 0);
    READ("A=b=c==");
    assert_text(text_of("a"), "b=c==");
    azm_entry_begin(reader);
    add_field("BINARY=\0\xFF\n=\0", 12);
    ck_assert_int_eq(finish(), 1);
    assert_text_equal(text_of("binary"), AZM_TEXT("\0\xFF\n=\0"));
    azm_entry_begin(reader);
    add_field("CODE_LINE=42\0x", 14); /* no number, though it begins like one */
    ck_assert_int_eq(finish(), 1);
    assert_text_equal(text_of("code.line.number"), AZM_TEXT("42\0x"));
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "every_field_in_every_profile", every_field_in_every_profile);
    add_test(s, "keys_are_plain_whatever_the_name", keys_are_plain_whatever_the_name);
    add_test(s, "a_field_that_comes_several_times", a_field_that_comes_several_times);
    add_test(s, "as_many_fields_as_journald_allows", as_many_fields_as_journald_allows);
    add_test(s, "many_long_fields", many_long_fields);
    add_test(s, "names_too_long_for_the_resource", names_too_long_for_the_resource);
    add_test(s, "odd_fields", odd_fields);
}

TEST_MAIN("entry", add_tests)
