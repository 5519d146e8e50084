/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "tests/unit/config_help.h"
#include "tests/unit/temp_dir.h"

/* Which source of settings says where records go to: file, drop-ins, environment, command line. */

/* Each later source replaces the kind of destination, too; only within the files two are a mistake. */
START_TEST(the_last_source_says_where)
{
#define ENDPOINT_LINE "endpoint=http://file/v1/logs\n"
#define DCE_LINES "dce=" DCE "\ndcr=" DCR "\n"
#define CONNECTION_LINE "connection_string=" CONNECTION "\n"
#define CONNECTION_ENV "APPLICATIONINSIGHTS_CONNECTION_STRING=" CONNECTION ";Location=env"
#define OTEL_ENV "OTEL_EXPORTER_OTLP_ENDPOINT=http://env"
    static const struct {
        const char *file, *drop_in, *env[3], *option;
        const char *endpoint, *dce, *connection_string; /* what comes out; endpoint NULL: refused */
    } table[] = {
        {ENDPOINT_LINE, "", {NULL}, NULL, "http://file/v1/logs", "", ""},
        {DCE_LINES, "", {NULL}, NULL, "", DCE, ""},
        {CONNECTION_LINE, "", {NULL}, NULL, "", "", CONNECTION},
        /* a drop-in has to take the other one back */
        {ENDPOINT_LINE, DCE_LINES, {NULL}, NULL, NULL, NULL, NULL},
        {ENDPOINT_LINE, "endpoint=\n" DCE_LINES, {NULL}, NULL, "", DCE, ""},
        {ENDPOINT_LINE, "endpoint=\n" CONNECTION_LINE, {NULL}, NULL, "", "", CONNECTION},
        {DCE_LINES, "dce=\ndcr=\n" ENDPOINT_LINE, {NULL}, NULL, "http://file/v1/logs", "", ""},
        {DCE_LINES, "dce=\n" ENDPOINT_LINE, {NULL}, NULL, NULL, NULL, NULL}, /* the rule is still there */
        {CONNECTION_LINE, "connection_string=\n" ENDPOINT_LINE, {NULL}, NULL, "http://file/v1/logs", "", ""},
        {CONNECTION_LINE, ENDPOINT_LINE, {NULL}, NULL, NULL, NULL, NULL},
        {DCE_LINES, "dce=https://other.example\n", {NULL}, NULL, "", "https://other.example", ""},
        /* the environment goes before the file */
        {ENDPOINT_LINE, "", {CONNECTION_ENV}, NULL, "", "", CONNECTION ";Location=env"},
        {DCE_LINES, "", {CONNECTION_ENV}, NULL, "", "", CONNECTION ";Location=env"},
        {CONNECTION_LINE, "", {CONNECTION_ENV}, NULL, "", "", CONNECTION ";Location=env"},
        {DCE_LINES, "", {OTEL_ENV}, NULL, "http://env/v1/logs", "", ""},
        {CONNECTION_LINE, "", {OTEL_ENV}, NULL, "http://env/v1/logs", "", ""},
        {ENDPOINT_LINE, "", {OTEL_ENV}, NULL, "http://env/v1/logs", "", ""},
        {ENDPOINT_LINE, "", {OTEL_ENV, CONNECTION_ENV}, NULL, "http://env/v1/logs", "", ""},
        {ENDPOINT_LINE, "", {"APPLICATIONINSIGHTS_CONNECTION_STRING="}, NULL, "http://file/v1/logs", "", ""},
        {DCE_LINES, "", {"OTEL_EXPORTER_OTLP_ENDPOINT="}, NULL, "", DCE, ""},
        {ENDPOINT_LINE CONNECTION_LINE, "", {OTEL_ENV}, NULL, "http://env/v1/logs", "", ""},
        /* and the command line before both */
        {ENDPOINT_LINE, "", {NULL}, "http://option/x", "http://option/x", "", ""},
        {DCE_LINES, "", {NULL}, "http://option/x", "http://option/x", "", ""},
        {CONNECTION_LINE, "", {NULL}, "http://option/x", "http://option/x", "", ""},
        {"", "", {CONNECTION_ENV}, "http://option/x", "http://option/x", "", ""},
        {"", "", {OTEL_ENV}, "http://option/x", "http://option/x", "", ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct cli_overrides options = {0};
        struct azm_error err = {""};
        struct azm_config c;
        char text[512];
        int code;

        mkdir(temp_path("x.conf.d"), 0700);
        snprintf(text, sizeof text, "[destination]\n%s", table[i].file);
        write_text("x.conf", 0600, text);
        snprintf(text, sizeof text, "[destination]\n%s", table[i].drop_in);
        write_text("x.conf.d/1.conf", 0600, text);
        set_env(table[i].env);
        if (table[i].option)
            cli_override(&options, "destination", "endpoint", table[i].option, "--endpoint");
        code = cli_read_config(&c, temp_path("x.conf"), &options, &err);
        if (!table[i].endpoint) {
            ck_assert_int_eq(code, AZM_EXIT_CONFIG);
            ck_assert_ptr_nonnull(strstr(err.words, "use one of them"));
            continue;
        }
        ck_assert_msg(code == 0, "row %zu: %s", i, err.words);
        ck_assert_msg(strcmp(c.endpoint, table[i].endpoint) == 0, "row %zu: %s", i, c.endpoint);
        ck_assert_msg(strcmp(c.dce, table[i].dce) == 0, "row %zu: %s", i, c.dce);
        ck_assert_str_eq(c.dcr, *c.dce ? DCR : "");
        ck_assert_msg(strcmp(c.connection_string, table[i].connection_string) == 0, "row %zu: %s", i,
                      c.connection_string);
        azm_config_free(&c);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test_in_dir(s, "the_last_source_says_where", the_last_source_says_where);
}

TEST_MAIN("config_sources", add_tests)
