/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "export/remedy.h"
#include "tests/unit/test.h"

/* test_delivery_azure.c has all remedies that there are; test_exporter_token.c one with a token's principal. */

#define PRINCIPAL "0123abcd-4567-89ef-0123-456789abcdef"
#define RULE "dcr-0123456789abcdef0123456789abcdef"

START_TEST(facts_stand_in_their_places)
{
    static const struct {
        const char *remedy, *principal, *rule, *printed;
    } table[] = {
        {NULL, PRINCIPAL, RULE, ""},
        {"", PRINCIPAL, RULE, ""},
        {"plain words", PRINCIPAL, RULE, "plain words"},
        {"--id <principal> --of '<rule>'", "P", "R", "--id P --of 'R'"},
        {"<principal>", "P", "R", "P"},
        {"<rule><rule><principal>", "P", "R", "RRP"},
        {"--id <principal> --of <rule>", "", "R", "--id <principal> --of R"}, /* unknown: a person fills it in */
        {"--id <principal> --of <rule>", "P", "", "--id P --of <rule>"},
        {"<principal", "P", "R", "<principal"},
        {"<<rule>>", "P", "R", "<R>"},
        {"<resource id> <Rule>", "P", "R", "<resource id> <Rule>"},
        {"<rule>", "P", "<principal>", "<principal>"}, /* not once more */
        {"100 %s <rule>", "P", "%n", "100 %s %n"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const struct azm_remedy_facts facts = {.principal = table[i].principal, .rule = table[i].rule};
        char printed[AZM_REMEDY_MAX];

        azm_remedy_print(table[i].remedy, &facts, printed);
        ck_assert_str_eq(printed, table[i].printed);
    }
}
END_TEST

START_TEST(long_remedies_are_cut)
{
    char text[1000], expected[1000], *printed = malloc(AZM_REMEDY_MAX); /* so that ASan sees what is beyond */

    for (size_t n = AZM_REMEDY_MAX - 60; n < AZM_REMEDY_MAX + 20; n++) {
        const struct azm_remedy_facts facts = {.principal = text, .rule = RULE};

        memset(text, 'x', n);
        text[n] = '\0';
        azm_remedy_print(text, &facts, printed);
        ck_assert_uint_eq(strlen(printed), MIN(n, (size_t)AZM_REMEDY_MAX - 1));
        azm_remedy_print("<principal><principal>", &facts, printed); /* the fact alone fills it */
        ck_assert_uint_eq(strlen(printed), AZM_REMEDY_MAX - 1);

        strcpy(expected, text);
        strcpy(expected + n, RULE "; then");
        strcpy(text + n, "<rule>; then");
        expected[AZM_REMEDY_MAX - 1] = '\0';
        azm_remedy_print(text, &facts, printed); /* the fact stands at the edge */
        ck_assert_str_eq(printed, expected);
    }
    free(printed);
}
END_TEST

/* What the URL says; without tokens nobody knows the principal. */
START_TEST(rules_of_destinations)
{
    static const struct {
        const char *url, *printed;
    } table[] = {
        {"https://h.example/datacollectionRules/" RULE "/streams/Microsoft-OTLP-Logs/otlp/v1/logs",
         "<principal> of " RULE},
        {"https://h.example/v1/logs", "<principal> of <rule>"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        char printed[AZM_REMEDY_MAX];

        azm_remedy_print_for("<principal> of <rule>", AZM_LOGS, table[i].url, NULL, printed);
        ck_assert_str_eq(printed, table[i].printed);
    }
}
END_TEST

/* Each signal has its section, its stream, and where an endpoint takes it. */
START_TEST(words_of_signals)
{
    static const char remedy[] = "<section> endpoint= /streams/<stream> '[].<ingestion>.endpoint'";
    char printed[AZM_REMEDY_MAX];

    azm_remedy_print_for(remedy, AZM_LOGS, "", NULL, printed);
    ck_assert_str_eq(printed, "[destination] endpoint= /streams/Microsoft-OTLP-Logs/otlp/v1/logs "
                              "'[].logsIngestion.endpoint'");
    azm_remedy_print_for(remedy, AZM_METRICS, "", NULL, printed);
    ck_assert_str_eq(printed, "[metrics] endpoint= /streams/Custom-Metrics-Otel/otlp/v1/metrics "
                              "'[].metricsIngestion.endpoint'");
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "words_of_signals", words_of_signals);
    add_test(s, "facts_stand_in_their_places", facts_stand_in_their_places);
    add_test(s, "long_remedies_are_cut", long_remedies_are_cut);
    add_test(s, "rules_of_destinations", rules_of_destinations);
}

TEST_MAIN("remedy", add_tests)
