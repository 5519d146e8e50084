/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/utf8.h"
#include "process/card.h"
#include "process/processor.h"
#include "tests/unit/record_help.h"

/* What each rule replaces, and what it leaves alone. */

#define HOSTILE_BYTES ((size_t)1 << 20)
#define NEEDED " @.:/;=-+_%'\"0abcdefghijklmnopqrstuvwxyz"

static struct azm_config config;
static struct azm_processor *processor;
static struct azm_record record;
static char told[4096]; /* what was explained, and what was logged */

static void tell(void *userdata, const struct azm_effect *e)
{
    static const char *const places[] = {"record", "body", "event", "key", "value"};
    size_t len = strlen(told);

    (void)userdata;
    ck_assert_str_eq(e->kind, "redact");
    snprintf(told + len, sizeof told - len, "%s %s %.*s%s%zu%s;", e->rule, places[e->place], (int)e->key.len, e->key.s,
             e->key.len > 0 ? " " : "", e->times, e->overflow ? "!" : "");
}

static void to_told(enum azm_log_level level, const char *name, const char *line)
{
    size_t len = strlen(told);

    (void)level;
    (void)name;
    snprintf(told + len, sizeof told - len, "log: %s;", line);
}

static void set(const char *key, const char *value)
{
    struct azm_error err;

    ck_assert_msg(azm_config_set(&config, "redact", key, value, "test", false, &err) == 0, "%s", err.words);
}

static void begin(const char *rules)
{
    struct azm_error err;

    azm_config_free(&config);
    ck_assert_int_eq(azm_config_init(&config), 0);
    set("rules", rules);
    azm_processor_free(processor);
    ck_assert_msg(azm_processor_configured(&config, NULL, NULL, &processor, &err) == 0, "%s", err.words);
}

static void begin_pattern(const char *pattern)
{
    struct azm_error err;

    azm_config_free(&config);
    ck_assert_int_eq(azm_config_init(&config), 0);
    set("pattern", pattern);
    azm_processor_free(processor);
    ck_assert_msg(azm_processor_configured(&config, NULL, NULL, &processor, &err) == 0, "%s", err.words);
}

static void run(void)
{
    *told = '\0';
    if (processor)
        azm_processor_explain(processor, (struct azm_listener){tell, NULL});
    ck_assert_int_eq(azm_processor_run(processor, &record), 1);
}

static struct azm_text redacted(struct azm_text body)
{
    record = (struct azm_record){.has_body = true, .body = body};
    run();
    return record.body;
}

static void assert_redacted(const char *body, const char *expected)
{
    struct azm_text t = redacted(azm_text_of(body));

    ck_assert_msg(azm_text_equal(t, azm_text_of(expected)), "%s\n became %.*s\n and not %s", body, (int)t.len, t.s,
                  expected);
}

/* --- the ready rules --- */

/* Of each line what stands between « and » is replaced, and nothing else. */
static const struct {
    const char *rule, *line;
} lines[] = {
    {"authorization", "GET /x Authorization: «Bearer abcdefghijklmnop12345» status=200"},
    {"authorization", "{'headers': {'Authorization': '«Basic dXNlcjpwYXNz»'}}"},
    {"authorization", "log: \"{\\\"authorization\\\":\\\"«Token abc»\\\"}\" rest"},
    {"authorization", "Proxy-Authorization=«Digest username=\"Mufasa\", realm=\"x\", response=\"6629fae\"»"},
    {"authorization", "authorization: «AWS4-HMAC-SHA256 Credential=AK/2026, SignedHeaders=host, Signature=fe5f»\nnext"},
    {"authorization", "Authorization => «abc»"},
    {"authorization", "got bearer «mF_9.B5f-4.1JqM7» of"},
    {"authorization", "bearer of bad news; basic training; the authorization failed"},
    {"authorization", "with Basic «dXNlcjpwYXNzd29yZA==»."},
    {"authorization", "Set-Cookie: «session=38afes7a8; HttpOnly; Path=/»"},
    {"jwt", "id «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U» end"},
    {"jwt", "cut off: «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0»"},
    {"jwt", "eyJ is how they begin; eyJhbGciOiJIUzI1NiJ9 alone is none"},
    {"private_key", "a «-----BEGIN RSA PRIVATE KEY-----\nMIIabc-def+/=\n-----END RSA PRIVATE KEY-----»\nb"},
    {"private_key", "«-----BEGIN PRIVATE KEY-----\\nMIIabc\\n-----END PRIVATE KEY-----»\\n"},
    {"private_key", "cut off «-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk»"},
    {"private_key", "-----BEGIN CERTIFICATE-----\nMIIabc\n-----END CERTIFICATE-----"},
    {"private_key", "-----BEGIN PUBLIC KEY-----\nMIIabc\n-----END PUBLIC KEY-----"},
    {"private_key", "«AGE-SECRET-KEY-1QQQ» x"},
    {"connection_string", "Name=x;AccountKey=«abc+/def==»;EndpointSuffix=core.windows.net"},
    {"connection_string", "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=«abc=»;EntityPath=y"},
    {"connection_string", "Server=tcp:x;User ID=a;Password=«my secret»;Encrypt=True"},
    {"connection_string", "postgres://bob:«hunter2»@db:5432/x http://host:80/a@b redis://:«x»@h"},
    {"connection_string", "https://x.blob.core.windows.net/c?sv=2020&sig=«abc%2Fdef%3D»&se=2024"},
    {"connection_string", "sudo: alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls"},
    {"password", "password=«hunter2» user=bob"},
    {"password", "{\"password\":\"«hunter2 with \\\" quote»\",\"user\":\"bob\"}"},
    {"password", "{'passwd': '«hunter2»', 'n': 1}"},
    {"password", "\"{\\\"passphrase\\\": \\\"«hunter2»\\\",\\\"user\\\":\\\"bob\\\"}\""},
    {"password", "db_password => «x1» apiKey: «abcd» API_KEY=«xyz» client_secret=\"«a b»\""},
    {"password", "?access_token=«abc»&page=2 id_token=«def»;x refreshToken: «g»"},
    {"password", "mysql --password «hunter2» --host x; curl --api-key=«abc» --token «t»"},
    {"password", "Failed password for root from ::1; unexpected token: }; password: «hunter2»"},
    {"password", "password=«\\hunter2» token=«abc» \"token\":\"«abc»\" password=\"\""},
    {"password", "PWD=/home/alice pwd=«x» passwords are secret"},
    {"password", "password=\"«never ended»"},
    {"cloud_key", "«AKIAIOSFODNN7EXAMPLE» «ghp_abcdefghijklmnopqrstuvwxyz0123456789» x"},
    {"cloud_key", "«AIzaSyA1234567890abcdefghijklmnopqrstuv» «sk-proj-abcdefghijklmnopqrst» «xoxb-1234567890-abc»"},
    {"cloud_key", "«abc8Q~abcdefghijklmnopqrstuvwxyz0123456», «glpat-abcdefghijklmnopqrst»"},
    {"cloud_key", "(«Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==»)"},
    {"cloud_key", "task-sk-learn is no key; AKIA neither, and sk-short"},
    {"card", "4«» is none; «4111 1111 1111 1111», «4111111111111111» «5500-0000-0000-0004» «378282246310005»"},
    {"card", "«3782 822463 10005» 12 «4111 1111 1111 1111» 22 «4111.1111.1111.1111» \"n\":«5105105105105100»,"},
    {"card", "4111 1111 1111 1112 0.4111111111111111 1795662791829152123 550e8400-e29b-41d4-a716-446655440000"},
    {"card", "41111111111111110 14111111111111111 0000000000000000 4111  1111 1111 1111"},
    {"mail", "«bob@example.com», <«alice.o+x@sub.example.co.uk»>. «müller@exämple.de» «x%40y.com»"},
    {"mail",
     "user@1000.service getty@tty1.service root@host certbot@example.com.service @x.y a@b.c syslog.disk@32473.name"},
};

/* The line without « and », and with a marker in the place of what is between them. */
static void make_lines(const char *rule, const char *line, struct azm_buf *plain, struct azm_buf *expected)
{
    bool within = false;

    azm_buf_clear(plain);
    azm_buf_clear(expected);
    for (const char *c = line; *c; c++) {
        bool opens = strncmp(c, "«", 2) == 0, closes = strncmp(c, "»", 2) == 0;

        if (opens && strncmp(c + 2, "»", 2) != 0)
            azm_buf_printf(expected, "[redacted:%s]", rule);
        within = (within || opens) && !closes;
        if (opens || closes) {
            c++;
            continue;
        }
        azm_buf_append(plain, c, 1);
        if (!within)
            azm_buf_append(expected, c, 1);
    }
    azm_buf_append(plain, "", 1);
    azm_buf_append(expected, "", 1);
}

START_TEST(ready_rules)
{
    struct azm_buf plain = {0}, expected = {0};

    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        make_lines(lines[i].rule, lines[i].line, &plain, &expected);
        begin(lines[i].rule);
        assert_redacted((const char *)plain.data, (const char *)expected.data);
        assert_redacted((const char *)expected.data, (const char *)expected.data); /* nothing is found twice */
        ck_assert_str_eq(told, "");
        begin("all"); /* another rule may have named it; what is secret goes all the same, and once */
        redacted(azm_text_of((const char *)plain.data));
        for (const char *c = strstr(lines[i].line, "«"); c; c = strstr(c, "«")) {
            char secret[512];

            c += 2;
            snprintf(secret, sizeof secret, "%.*s", (int)(strstr(c, "»") - c), c);
            if (strlen(secret) > 4)
                ck_assert_msg(!memmem(record.body.s, record.body.len, secret, strlen(secret)), "%s is in %.*s", secret,
                              (int)record.body.len, record.body.s);
        }
    }
    azm_buf_free(&plain);
    azm_buf_free(&expected);
}
END_TEST

/* Numbers that networks publish for tests, and one wrong digit in every place of them. */
START_TEST(cards)
{
    static const char *const numbers[] = {
        "4111111111111111", "4222222222222",    "5555555555554444", "2223003122003222", "378282246310005",
        "30569309025904",   "6011111111111117", "3530111333300000", "6200000000000005", "6759649826438453",
    };

    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        char digits[32];

        ck_assert_msg(azm_is_card(azm_text_of(numbers[i])), "%s", numbers[i]);
        for (size_t k = 0; k < strlen(numbers[i]); k++) {
            snprintf(digits, sizeof digits, "%s", numbers[i]);
            digits[k] = (char)('0' + (digits[k] - '0' + 1) % 10);
            ck_assert_msg(!azm_is_card(azm_text_of(digits)), "%s", digits);
        }
    }
    ck_assert(!azm_is_card(AZM_TEXT("")));
    ck_assert(!azm_is_card(AZM_TEXT("0000000000000000")));
    ck_assert(!azm_is_card(AZM_TEXT("41111111111111111111111111111111")));
}
END_TEST

/* --- bytes that are no UTF-8 --- */

/* A damaged byte becomes U+FFFD on the way; a secret does not end at it. */
START_TEST(malformed_text)
{
    static const struct {
        const char *rule;
        struct azm_text text;
        const char *expected;
    } table[] = {
        {"password", AZM_TEXT("password=hun\xffter2 x"), "password=[redacted:password] x"},
        {"password", AZM_TEXT("\xc3 password=hun\0ter2"), "\xef\xbf\xbd password=[redacted:password]"},
        {"authorization",
         AZM_TEXT("Authorization: Bearer abc\xe2\x82"
                  "def ok"),
         "Authorization: [redacted:authorization] ok"},
        {"jwt", AZM_TEXT("eyJhbGciOiJ\xff.eyJzdWIi\x80OiI.abc\xffxyz"), "[redacted:jwt]"},
        {"cloud_key", AZM_TEXT("ghp_abcdefghijklm\xffopqrstuvwxyz0123456789"), "[redacted:cloud_key]"},
        {"private_key", AZM_TEXT("-----BEGIN PRIVATE KEY-----\nMII\xff\xff\nabc"), "[redacted:private_key]"},
        {"connection_string", AZM_TEXT("x://u:pa\xffss@h"), "x://u:[redacted:connection_string]@h"},
        {"card",
         AZM_TEXT("\xff"
                  "4111111111111111\xff"),
         "\xef\xbf\xbd[redacted:card]\xef\xbf\xbd"},
        {"card",
         AZM_TEXT("4111\xff"
                  "1111\xff"
                  "1111\xff"
                  "1111"),
         "[redacted:card]"},
        {"mail", AZM_TEXT("b\xffob@exam\xffple.com"), "[redacted:mail]"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_text t;

        begin(table[i].rule);
        t = redacted(table[i].text);
        ck_assert_msg(azm_text_equal(t, azm_text_of(table[i].expected)), "%s: %.*s", table[i].rule, (int)t.len, t.s);
    }
    /* Where nothing is found the text stays as it was: the encoder makes it valid. */
    begin("password");
    ck_assert(azm_text_equal(redacted(AZM_TEXT("a\xff")), AZM_TEXT("a\xff")));
}
END_TEST

/* --- places --- */

START_TEST(attributes)
{
    static const struct azm_text texts[] = {AZM_TEXT("a"), AZM_TEXT("x@y.com"), AZM_TEXT("")};
    static const struct azm_attribute sent[] = {
        {.key = AZM_TEXT("process.pid"), .type = AZM_VALUE_INT, .integer = 4711},
        {.key = AZM_TEXT("note"), .text = AZM_TEXT("to x@y.com")},
        {.key = AZM_TEXT("list"), .type = AZM_VALUE_TEXTS, .texts = {texts, 3}},
        {.key = AZM_TEXT("number"), .type = AZM_VALUE_INT, .integer = INT64_C(4111111111111111)},
        {.key = AZM_TEXT("user.Password"), .text = AZM_TEXT("hunter2 and more")},
        {.key = AZM_TEXT("apiKey"), .type = AZM_VALUE_INT, .integer = 5},
        {.key = AZM_TEXT("tokens.token"), .type = AZM_VALUE_TEXTS, .texts = {texts, 3}},
        {.key = AZM_TEXT("http.request.header.authorization"), .text = AZM_TEXT("x")},
        {.key = AZM_TEXT("balance.a@b.com"), .text = AZM_TEXT("1")},
        {.key = AZM_TEXT("balance.c@b.com"), .text = AZM_TEXT("2")},
        {.key = AZM_TEXT("empty.secret"), .text = AZM_TEXT("")},
        {.key = AZM_TEXT("secretary"), .text = AZM_TEXT("Bob")},
    };

    begin("all");
    record = (struct azm_record){
        .event_name = AZM_TEXT("for x@y.com"), .attributes = sent, .n_attributes = ELEMENTSOF(sent), .uid = {1, 2, 3}};
    run();
    ck_assert(azm_text_equal(record.event_name, AZM_TEXT("for [redacted:mail]")));
    ck_assert_str_eq(attribute_of(&record, "process.pid"), "4711");
    ck_assert_str_eq(attribute_of(&record, "note"), "to [redacted:mail]");
    ck_assert_str_eq(attribute_of(&record, "number"), "[redacted:card]");
    ck_assert_str_eq(attribute_of(&record, "user.Password"), "[redacted:password]");
    ck_assert_str_eq(attribute_of(&record, "apiKey"), "[redacted:password]");
    ck_assert_str_eq(attribute_of(&record, "http.request.header.authorization"), "[redacted:authorization]");
    ck_assert_str_eq(attribute_of(&record, "[redacted:mail]"), "1"); /* the first one; names are unique */
    ck_assert_str_eq(attribute_of(&record, "empty.secret"), "");
    ck_assert_str_eq(attribute_of(&record, "secretary"), "Bob");
    ck_assert_uint_eq(record.n_attributes, ELEMENTSOF(sent) - 1);
    ck_assert_uint_eq(record.n_dropped, 1);
    ck_assert(azm_text_equal(record.attributes[2].texts.items[0], AZM_TEXT("a")));
    ck_assert(azm_text_equal(record.attributes[2].texts.items[1], AZM_TEXT("[redacted:mail]")));
    ck_assert(azm_text_equal(record.attributes[6].texts.items[0], AZM_TEXT("[redacted:password]")));
    ck_assert_uint_eq(record.attributes[6].texts.items[2].len, 0);
    ck_assert_int_eq(record.uid[0], 1);
    ck_assert_str_eq(told,
                     "mail event 1;mail value note 1;mail value list 1;card value number 1;password value "
                     "user.Password 1;password value apiKey 1;password value tokens.token 2;authorization value "
                     "http.request.header.authorization 1;mail key [redacted:mail] 1;mail key [redacted:mail] 1;");
    ck_assert(azm_text_equal(sent[1].text, AZM_TEXT("to x@y.com"))); /* the source's own are not touched */
    run();
    ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(nothing_to_do)
{
    static const struct azm_attribute sent[] = {{.key = AZM_TEXT("a"), .text = AZM_TEXT("b")}};
    struct azm_record before;

    begin("");
    ck_assert_ptr_null(processor); /* no rules, no processor */
    record = before = (struct azm_record){.has_body = true, .body = AZM_TEXT("x@y.com")};
    ck_assert_int_eq(azm_processor_run(processor, &record), 1);
    ck_assert(memcmp(&record, &before, sizeof record) == 0);
    begin("all");
    record = before =
        (struct azm_record){.has_body = true, .body = AZM_TEXT("quiet words"), .attributes = sent, .n_attributes = 1};
    run();
    ck_assert(memcmp(&record, &before, sizeof record) == 0);
    record = before = (struct azm_record){0};
    run();
    ck_assert(memcmp(&record, &before, sizeof record) == 0);
}
END_TEST

/* --- patterns of the user's own --- */

START_TEST(own_patterns)
{
    begin_pattern("order: \\bORD-\\K\\d+");
    assert_redacted("ORD-1, ORD-22 and ord-3", "ORD-[redacted:order], ORD-[redacted:order] and ord-3");
    ck_assert_str_eq(told, "order body 2;");
    begin_pattern("all_of_it: .*"); /* a match of nothing is none */
    assert_redacted("x", "[redacted:all_of_it]");
    assert_redacted("", "");
    assert_redacted("a\nb", "[redacted:all_of_it]\n[redacted:all_of_it]");
    begin_pattern("umlaut:ä");
    assert_redacted("ä, ö", "[redacted:umlaut], ö");
}
END_TEST

/* Rules see the text as it was; of what two of them match the first one's name remains, and both count. */
START_TEST(overlaps)
{
    begin("all");
    assert_redacted("password=bob@example.com", "password=[redacted:password]");
    ck_assert_str_eq(told, "password body 1;mail body 1;");
    begin_pattern("a: xy");
    set("pattern", "b: yz");
    azm_processor_free(processor);
    ck_assert_int_eq(azm_processor_configured(&config, NULL, NULL, &processor, NULL), 0);
    assert_redacted("wxyz", "w[redacted:a]");
    assert_redacted("yzxy", "[redacted:b][redacted:a]");
    assert_redacted("[redacted:a]", "[redacted:a]");
}
END_TEST

/* A pattern with no end of ways: the text goes as a whole, it is counted, and told once. */
START_TEST(too_much)
{
    static const struct azm_attribute sent[] = {{.key = AZM_TEXT("k"), .text = AZM_TEXT("fine")}};
    char as[5001];
    struct azm_rule_count count;

    memset(as, 'a', sizeof as - 1);
    as[sizeof as - 1] = '\0';
    begin_pattern("bad: (a|aa)+$(?<!a)");
    azm_log_to(to_told);
    record = (struct azm_record){.has_body = true, .body = azm_text_of(as), .attributes = sent, .n_attributes = 1};
    run();
    ck_assert(azm_text_equal(record.body, AZM_TEXT("[redacted:bad]")));
    ck_assert_str_eq(attribute_of(&record, "k"), "fine");
    ck_assert_str_eq(told,
                     "log: to look for bad in a text of 5000 bytes would have taken too much, so that all of it was "
                     "replaced; azmonlog status counts how often that happens;bad body 1!;");
    assert_redacted(as, "[redacted:bad]");
    ck_assert_str_eq(told, "bad body 1!;");
    ck_assert(azm_rules_get_count(azm_processor_rules(processor), 0, &count));
    ck_assert_str_eq(count.kind, "redact");
    ck_assert_str_eq(count.name, "bad");
    ck_assert_uint_eq(count.times, 2);
    ck_assert_uint_eq(count.overflows, 2);
    ck_assert(!azm_rules_get_count(azm_processor_rules(processor), 1, &count));
    /* no more places than there is room for */
    begin_pattern("letter: a");
    assert_redacted(as, "[redacted:letter]");
    ck_assert(strstr(told, "letter body 1!;"));
    azm_log_to(NULL);
}
END_TEST

/* A megabyte of what begins like a secret at every place. With a rule that looks through the rest of the text from each
 * of them this would take hours. */
START_TEST(hostile_texts)
{
    static const char *const units[] = {
        "eyJ",
        "eyJa.",
        "-",
        "--",
        "--a ",
        "-----BEGIN ",
        "-----BEGIN A ",
        "a",
        "a.",
        "a@",
        "a@b.",
        "syslog.a:",
        "@",
        "://",
        "://a:",
        ":",
        "=",
        "password",
        "password ",
        "password=\\",
        "\\",
        "secret\"",
        "token ",
        "authorization ",
        "bearer ",
        "basic a",
        "cookie",
        ";",
        "; ",
        ";pwd",
        "sig=",
        "key=",
        "apikey",
        "1",
        "1 ",
        "1111 ",
        "1111-",
        "4111 1111 ",
        "a/",
        "A",
        "AIza",
        "ghp_",
        "sk-",
        "SG.",
        "xoxb-",
        "\xff",
        "4\xff",
        "%40",
        "a%40",
        "\"",
        "' ",
        "&",
        "[redacted:",
    };
    char *text = malloc(HOSTILE_BYTES);

    begin("all");
    for (size_t i = 0; i < ELEMENTSOF(units); i++) {
        size_t len = strlen(units[i]);

        for (size_t k = 0; k < HOSTILE_BYTES; k++)
            text[k] = units[i][k % len];
        /* what some letters have to be there for, at its end */
        memcpy(text + HOSTILE_BYTES - strlen(NEEDED), NEEDED, strlen(NEEDED));
        (void)redacted((struct azm_text){text, HOSTILE_BYTES});
    }
    free(text);
}
END_TEST

/* A rule that is still there after a reload goes on counting. */
START_TEST(counts_over_a_reload)
{
    struct azm_processor *after;
    struct azm_rule_count count;

    begin("mail card");
    redacted(AZM_TEXT("x@y.com z@y.com"));
    set("rules", "");
    set("rules", "mail");
    set("pattern", "card2: x");
    ck_assert_int_eq(azm_processor_configured(&config, azm_processor_rules(processor), NULL, &after, NULL), 0);
    azm_processor_free(processor);
    processor = after;
    ck_assert(azm_rules_get_count(azm_processor_rules(after), 0, &count));
    ck_assert_str_eq(count.name, "mail");
    ck_assert_uint_eq(count.times, 2);
    ck_assert(azm_rules_get_count(azm_processor_rules(after), 1, &count));
    ck_assert_uint_eq(count.times, 0);
}
END_TEST

START_TEST(wrong_settings)
{
    static const struct {
        const char *key, *value, *words;
    } table[] = {
        {"rules", "mail,crads",
         "test: rules: there is no rule 'crads'; known are: all, private_key, authorization, jwt,"},
        {"pattern", "a: b(", "test: pattern: a: the pattern is wrong behind character 2, which is the end of 'b('"},
        {"pattern", "Big: x", "NAME: PATTERN, with a name of 1 to 32 lower-case letters"},
        {"pattern", "no name", "NAME: PATTERN"},
        {"pattern", ": x", "NAME: PATTERN"},
        {"pattern", "x:", "a pattern has 1 to 4096 bytes"},
        {"pattern", "card: x", "card is a ready rule, which rules= switches on"},
        {"pattern", "all: x", "ready rule"},
    };
    struct azm_error err;
    char pattern[16];

    begin("");
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_int_eq(azm_config_set(&config, "redact", table[i].key, table[i].value, "test", false, &err), -EINVAL);
        ck_assert_msg(strstr(err.words, table[i].words), "%s", err.words);
    }
    for (int i = 0; i < AZM_OWN_REDACTIONS_MAX; i++) {
        snprintf(pattern, sizeof pattern, "x%d: x", i);
        set("pattern", pattern);
    }
    ck_assert_int_eq(azm_config_set(&config, "redact", "pattern", "y: y", "test", false, &err), -EINVAL);
    ck_assert_msg(strstr(err.words, "there are 64 patterns already"), "%s", err.words);
    set("pattern", "x1: another one"); /* takes the place of the first */
    ck_assert_str_eq(azm_key_values_get(&config.redact_patterns, "x1"), "another one");
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "ready_rules", ready_rules);
    add_test(s, "cards", cards);
    add_test(s, "malformed_text", malformed_text);
    add_test(s, "attributes", attributes);
    add_test(s, "nothing_to_do", nothing_to_do);
    add_test(s, "own_patterns", own_patterns);
    add_test(s, "overlaps", overlaps);
    add_test(s, "too_much", too_much);
    add_test(s, "hostile_texts", hostile_texts);
    add_test(s, "counts_over_a_reload", counts_over_a_reload);
    add_test(s, "wrong_settings", wrong_settings);
}

TEST_MAIN("redact", add_tests)
