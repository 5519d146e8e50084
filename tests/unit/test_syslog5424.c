/* SPDX-License-Identifier: MIT */
#include "tests/unit/syslog_help.h"
#include "tests/unit/test.h"

/* What becomes of each part of a line. */

#define BOM "\xEF\xBB\xBF"

/* The examples of RFC 5424, section 6.5, as the template writes them. */
START_TEST(examples_of_the_rfc)
{
    begin();
    read_line("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - " BOM "'su root' failed for lonvick\n");
    ck_assert_int_eq(message.record.severity, 2);
    ck_assert_int_eq(int_of("syslog.facility"), 4);
    ck_assert_uint_eq(message.record.time_unix_nano, 1065910455003000000);
    ck_assert_uint_eq(message.record.observed_time_unix_nano, NOW);
    assert_text(message.host, "mymachine.example.com");
    assert_text(message.app, "su");
    assert_text(text_of("syslog.msgid"), "ID47");
    assert_text(message.record.body, "'su root' failed for lonvick");
    ck_assert_uint_eq(message.record.n_attributes, 2);
    check_record();

    read_line("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.\n");
    ck_assert_int_eq(message.record.severity, 5);
    ck_assert_int_eq(int_of("syslog.facility"), 20);
    ck_assert_uint_eq(message.record.time_unix_nano, 1061727255000003000);
    assert_text(message.host, "192.0.2.1");
    assert_text(message.app, "myproc");
    assert_text(text_of("syslog.procid"), "8710");
    ck_assert_int_eq(int_of("process.pid"), 8710);
    assert_text(message.record.body, "%% It's time to make the do-nuts.");
    ck_assert_uint_eq(message.record.n_attributes, 3);

    read_line("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" "
              "eventSource=\"Application\" eventID=\"1011\"] " BOM "An application event log entry...\n");
    assert_text(text_of("syslog.exampleSDID@32473.iut"), "3");
    assert_text(text_of("syslog.exampleSDID@32473.eventSource"), "Application");
    assert_text(text_of("syslog.exampleSDID@32473.eventID"), "1011");
    assert_text(message.record.body, "An application event log entry...");
    ck_assert_uint_eq(message.record.n_attributes, 5);

    read_line("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" "
              "eventSource=\"Application\" eventID=\"1011\"][examplePriority@32473 class=\"high\"] \n");
    assert_text(text_of("syslog.exampleSDID@32473.eventID"), "1011");
    assert_text(text_of("syslog.examplePriority@32473.class"), "high");
    ck_assert(!message.record.has_body);
    check_record();
    end();
}
END_TEST

/* What rsyslog 8.2302 wrote through the template for messages that came in by UDP. */
START_TEST(as_rsyslog_renders_it)
{
    static const struct {
        const char *line, *host, *app, *procid, *body;
    } table[] = {
        {"<34>1 2026-10-11T22:14:15+00:00 mymachine su - - -  'su root' failed\n", "mymachine", "su", "(none)",
         "'su root' failed"},
        {"<34>1 2026-10-11T22:14:15+00:00 mymachine su 123 - -  hi\n", "mymachine", "su", "123", "hi"},
        {"<13>1 2026-11-25T17:51:45.829432+00:00 no pri - - -  at all\n", "no", "pri", "(none)", "at all"},
        {"<13>1 2026-11-25T17:51:45.849613+00:00 just text - - - \n", "just", "text", "(none)", ""},
        {"<13>1 2026-11-25T17:51:45.889929+00:00 localhost - - - - \n", "localhost", "", "(none)", ""},
        {"<13>1 2026-10-11T22:14:15+00:00 h app - - -  b]: x\n", "h", "app", "(none)", "b]: x"},
        {"<13>1 2026-10-11T22:14:15+00:00 h a - - -  b c#000d\xFF#012#012x\n", "h", "a", "(none)",
         "b c#000d\xFF#012#012x"},
        {"<34>1 2026-11-25T17:51:46.153507+00:00 2 2003-10-11T22 - - - 14:15.003Z v2 su - ID47 - two\n", "2",
         "2003-10-11T22", "(none)", "14:15.003Z v2 su - ID47 - two"},
        {"<34>1 2026-11-25T17:51:46.173655+00:00 localhost  - - - 2003-13-11T22:14:15.003Z v2 su - ID47 - x\n",
         "localhost", "", "(none)", "2003-13-11T22:14:15.003Z v2 su - ID47 - x"},
        {"<13>1 2026-11-25T17:51:46.335162+00:00 vm tag - - -  a#012b\n", "vm", "tag", "(none)", "a#012b"},
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        read_line(table[i].line);
        assert_text(message.host, table[i].host);
        assert_text(message.app, table[i].app);
        assert_text(text_of("syslog.procid"), table[i].procid);
        assert_text(message.record.body, table[i].body);
        ck_assert_int_eq(message.record.has_body, *table[i].body != '\0');
        ck_assert_ptr_null(attribute("syslog.malformed"));
        check_record();
    }
    /* The sender's PRI was 999 and 192: rsyslog calls it so. */
    read_line("<invld>1 2026-11-25T17:51:45.910094+00:00 localhost - - - - <999>Oct 11 22:14:15 h t: x\n");
    ck_assert_int_eq(message.record.severity, -1);
    ck_assert_uint_eq(message.record.time_unix_nano, 1795629105910094000);
    assert_text(message.record.body, "<999>Oct 11 22:14:15 h t: x");
    assert_text(message.host, "localhost");
    assert_text(text_of("syslog.pri"), "invld");
    assert_text(text_of("syslog.malformed"), "true");
    ck_assert_ptr_null(attribute("syslog.facility"));
    end();
}
END_TEST

START_TEST(any_pri)
{
    static const char *const bad[] = {"192", "999", "1000", "", "-1", "x", "1x", "0x1", " 1", "invld", "0000"};
    char line[64];

    begin();
    for (int pri = 0; pri <= 191; pri++)
        for (int zeros = 0; zeros < 2; zeros++) {
            snprintf(line, sizeof line, zeros ? "<%03d>1 - - - - - - x\n" : "<%d>1 - - - - - - x\n", pri);
            read_line(line);
            ck_assert_int_eq(message.record.severity, pri % 8);
            ck_assert_int_eq(int_of("syslog.facility"), pri / 8);
            ck_assert_uint_eq(message.record.n_attributes, 1);
        }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) { /* all else is as good as ever */
        snprintf(line, sizeof line, "<%s>1 2003-10-11T22:14:15Z h a - - - x\n", bad[i]);
        read_line(line);
        ck_assert_int_eq(message.record.severity, -1);
        assert_text(text_of("syslog.pri"), bad[i]);
        assert_text(text_of("syslog.malformed"), "true");
        assert_text(message.record.body, "x");
        assert_text(message.host, "h");
        ck_assert_uint_eq(message.record.time_unix_nano, 1065910455000000000);
        ck_assert_uint_eq(message.record.n_attributes, 2);
    }
    end();
}
END_TEST

START_TEST(no_such_line_is_a_body)
{
    static const char *const table[] = {
        "x",
        " ",
        "<",
        "<34",
        "<34>",
        "<34>1",
        "<34>1 ",
        "<34>1 -",
        "<34>1 - - - - -",
        "hello world",
        "<34>2 - - - - - - x",
        "<34>1\t- - - - - - x",
        "<34>- - - - - - x",
        "34>1 - - - - - - x",
        " <34>1 - - - - - - x",
        "<a pri that has no end>1 - - - - - - x",
        "{\"message\":\"x\"}",
        "<34>Oct 11 22:14:15 mymachine su: x",
        "<34>10 - - - - - - x",
        BOM "x",
        "x\n",
        "\xFF\xFE",
    };
    char line[128];

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        snprintf(line, sizeof line, "%s\n", table[i]);
        read_line(line);
        assert_text(message.record.body, table[i]);
        ck_assert_int_eq(message.record.severity, -1);
        ck_assert_uint_eq(message.host.len + message.app.len, 0);
        assert_text(text_of("syslog.malformed"), "true");
        ck_assert_uint_eq(message.record.n_attributes, 1);
        ck_assert_uint_eq(message.record.time_unix_nano, NOW);
        ck_assert_uint_eq(message.record.observed_time_unix_nano, NOW);
        check_record();
    }
    read_line("\n");
    ck_assert(!message.record.has_body);
    read_line("");
    ck_assert(!message.record.has_body);
    check_record();
    end();
}
END_TEST

START_TEST(timestamp)
{
    static const struct {
        const char *text;
        uint64_t nsec; /* 0: not there */
        bool kept;     /* as an attribute */
        const char *host;
    } table[] = {
        {"-", 0, false, "h"},
        {"", 0, false, "h"},
        {"2003-10-11T22:14:15.003Z", 1065910455003000000, false, "h"},
        {"2003-10-11T22:14:15.123456789Z", 1065910455123456789, false, "h"},
        {"2003-10-11T22:14:15+02:00", 1065903255000000000, false, "h"},
        {"2003-10-11T22:14:60Z", 1065910500000000000, false, "h"},
        {"1970-01-01T00:00:00Z", 0, true, "h"},
        {"1969-01-01T00:00:00Z", 0, true, "h"},
        {"9999-01-01T00:00:00Z", 0, true, "h"},
        {"2003-02-30T00:00:00Z", 0, true, "h"},
        {"yesterday", 0, true, "h"},
        {"--", 0, true, "h"},
        /* The sender wrote .123456789Z: right to the second. */
        {"2003-10-11T22:14:15.\xB7"
         "89Z",
         1065910455000000000, false, "h"},
        {"2003-10-11T22:14:15.\xB7"
         "89-07:00",
         1065935655000000000, false, "h"},
        {"2003-10-11T22:14:15.\xB7+00:00", 1065910455000000000, false, "h"},
        {"2003-10-11T22:14:15. 89Z", 1065910455000000000, false, "h"},
        {"2003-10-11T22:14:15. 8-07:00", 1065935655000000000, false, "h"},
        {"2003-10-11T22:14:15. Z", 1065910455000000000, false, "h"},
        {"2003-10-11T22:14:15. 123Z", 0, true, "123Z"}, /* a host */
        {"2003-10-11T22:14:15. h89Z", 0, true, "h89Z"},
        {"2003-10-11T22:14:15. -", 0, true, ""},
        {"2003-10-11T22:14:15.", 0, true, "h"},
        {"2003-10-11T22:14:15.\xB7"
         "89",
         0, true, "h"},
        {"2003-10-11T22:14:15.x+0000", 0, true, "h"},
    };
    char line[128];

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        snprintf(line, sizeof line, "<14>1 %s h a - - - text\n", table[i].text);
        read_line(line);
        ck_assert_msg(message.record.time_unix_nano == (table[i].nsec ? table[i].nsec : NOW), "%s", table[i].text);
        ck_assert_msg((attribute("syslog.timestamp") != NULL) == table[i].kept, "%s", table[i].text);
        assert_text(message.host, table[i].host);
        ck_assert_uint_eq(message.record.observed_time_unix_nano, NOW);
        check_record();
    }
    end();
}
END_TEST

START_TEST(procid)
{
    static const struct {
        const char *procid;
        int64_t pid;
    } table[] = {
        {"0", 0},     {"1", 1},    {"4711", 4711}, {"00012", 12}, {"999999999999999999", 999999999999999999},
        {"-1", -1},   {"+1", -1},  {"1a", -1},     {"a", -1},     {"1000000000000000000000", -1},
        {"0x10", -1}, {"1.5", -1}, {"--", -1},
    };
    char line[128];

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        snprintf(line, sizeof line, "<14>1 - h a %s - - text\n", table[i].procid);
        read_line(line);
        assert_text(text_of("syslog.procid"), table[i].procid);
        ck_assert_int_eq(int_of("process.pid"), table[i].pid);
    }
    read_line("<14>1 - - - - - - text\n");
    ck_assert_uint_eq(message.record.n_attributes, 1);
    ck_assert_uint_eq(message.host.len + message.app.len, 0);
    end();
}
END_TEST

/* What is behind "- ", and the body. */
START_TEST(body)
{
    static const struct {
        struct azm_text rest, body;
    } table[] = {
        {AZM_TEXT(" x\n"), AZM_TEXT("x")},
        {AZM_TEXT(" x"), AZM_TEXT("x")},
        {AZM_TEXT(" x\n\n"), AZM_TEXT("x\n")},
        {AZM_TEXT(" x\ny\n"), AZM_TEXT("x\ny")},
        {AZM_TEXT(" x \n"), AZM_TEXT("x ")},
        {AZM_TEXT("  x\n"), AZM_TEXT("x")}, /* RFC 3164 */
        {AZM_TEXT("   x\n"), AZM_TEXT(" x")},
        {AZM_TEXT(" \tx\n"), AZM_TEXT("\tx")},
        {AZM_TEXT(" " BOM "x\n"), AZM_TEXT("x")},
        {AZM_TEXT("  " BOM "x\n"), AZM_TEXT("x")},
        {AZM_TEXT(" " BOM " x\n"), AZM_TEXT(" x")},
        {AZM_TEXT(" " BOM BOM "x\n"), AZM_TEXT(BOM "x")},
        {AZM_TEXT(" x" BOM "\n"), AZM_TEXT("x" BOM)},
        {AZM_TEXT(" " BOM "\n"), AZM_TEXT("")},
        {AZM_TEXT(" \xEF\xBB\n"), AZM_TEXT("\xEF\xBB")},
        {AZM_TEXT("\n"), AZM_TEXT("")},
        {AZM_TEXT(""), AZM_TEXT("")},
        {AZM_TEXT(" \n"), AZM_TEXT("")},
        {AZM_TEXT(" \n\n"), AZM_TEXT("\n")},
        {AZM_TEXT(" - x\n"), AZM_TEXT("- x")},
        {AZM_TEXT(" [a b=\"c\"] x\n"), AZM_TEXT("[a b=\"c\"] x")},
        {AZM_TEXT(" a\0b\0\n"), AZM_TEXT("a\0b\0")},
        {AZM_TEXT(" \xFF\xC3(\n"), AZM_TEXT("\xFF\xC3(")},
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        char line[64] = "<14>1 - h a - - -";
        size_t len = strlen(line);

        memcpy(line + len, table[i].rest.s, table[i].rest.len);
        read_texts((struct azm_text){line, len + table[i].rest.len}, (struct azm_text){0}, (struct azm_text){0});
        assert_text_equal(message.record.body, table[i].body);
        ck_assert_int_eq(message.record.has_body, table[i].body.len > 0);
        ck_assert_ptr_null(attribute("syslog.malformed"));
        check_record();
    }
    end();
}
END_TEST

START_TEST(meta)
{
    static const struct {
        const char *text;
        uint64_t nsec; /* 0: not there */
        const char *client, *input;
    } table[] = {
        {"1795629105.789124 127.0.0.1 imudp", 1795629105789124000, "127.0.0.1", "imudp"}, /* rsyslog 8.2302 */
        {"1795629105.789124 127.0.0.1 imudp\n", 1795629105789124000, "127.0.0.1", "imudp"},
        {"1795629105.0 ::1 imtcp", 1795629105000000000, "::1", "imtcp"},
        {"1795629105.003 h my input", 1795629105003000000, "h", "my"},
        {"1795629105.123456789 h i", 1795629105123456000, "h", "i"},
        {"1795629105. h i", 1795629105000000000, "h", "i"},
        {"1795629105 h i", 1795629105000000000, "h", "i"},
        {"1795629105.5  i", 1795629105500000000, "(none)", "i"},
        {"1795629105.5 h ", 1795629105500000000, "h", "(none)"},
        {"1795629105.5 - -", 1795629105500000000, "(none)", "(none)"},
        {"1795629105.5", 1795629105500000000, "(none)", "(none)"},
        {"0.0 h i", 0, "h", "i"},
        {"x h i", 0, "h", "i"},
        {".5 h i", 0, "h", "i"},
        {"1.5.5 h i", 0, "h", "i"},
        {"-1.5 h i", 0, "h", "i"},
        {"18446744073.709551 h i", 18446744073709551000u, "h", "i"},
        {"18446744073.709552 h i", 0, "h", "i"},
        {"99999999999.5 h i", 0, "h", "i"},
        {"999999999999 h i", 0, "h", "i"},
        {"  ", 0, "(none)", "(none)"},
        {"\n", 0, "(none)", "(none)"},
        {"", 0, "(none)", "(none)"},
    };

    begin();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        uint64_t expected = table[i].nsec ? table[i].nsec : NOW;

        read_texts(AZM_TEXT("<14>1 - h a - - - x\n"), azm_text_of(table[i].text), (struct azm_text){0});
        ck_assert_msg(message.record.observed_time_unix_nano == expected, "%s", table[i].text);
        ck_assert_uint_eq(message.record.time_unix_nano, expected);
        assert_text(text_of("client.address"), table[i].client);
        assert_text(text_of("syslog.input"), table[i].input);
        check_record();
    }
    read_texts(AZM_TEXT("no such line\n"), AZM_TEXT("1795629105.5 h i"), (struct azm_text){0});
    ck_assert_uint_eq(message.record.time_unix_nano, 1795629105500000000);
    assert_text(text_of("client.address"), "h");
    assert_text(text_of("syslog.malformed"), "true");
    end();
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "examples_of_the_rfc", examples_of_the_rfc);
    add_test(s, "as_rsyslog_renders_it", as_rsyslog_renders_it);
    add_test(s, "any_pri", any_pri);
    add_test(s, "no_such_line_is_a_body", no_such_line_is_a_body);
    add_test(s, "timestamp", timestamp);
    add_test(s, "procid", procid);
    add_test(s, "body", body);
    add_test(s, "meta", meta);
}

TEST_MAIN("syslog5424", add_tests)
