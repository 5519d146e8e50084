/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "export/destination.h"
#include "tests/unit/config_help.h"

/* The keys for Azure and for the spool. The secret in these tests is always "s3cret". */

#define METRICS_DCE "https://d-1.westeurope-1.metrics.ingest.monitor.azure.com"

/* --- values --- */

START_TEST(good_strings)
{
    static const struct {
        const char *key, *value;
        size_t offset;
    } table[] = {
        {"dce", DCE, STRING(dce)},
        {"dce", DCE "/", STRING(dce)},
        {"dce", "https://d.example:8443", STRING(dce)},
        {"dce", "http://127.0.0.1:4318", STRING(dce)},
        {"dce", "http://[::1]:4318/", STRING(dce)},
        {"dce", "d-1.westeurope-1.ingest.monitor.azure.com", STRING(dce)},
        {"dce", "d-1.westeurope-1", STRING(dce)},
        {"dcr", DCR, STRING(dcr)},
        {"dcr", DCR " dcr-ffffffffffffffffffffffffffffffff", STRING(dcr)},
        {"connection_string", CONNECTION ";IngestionEndpoint=https://x.example/", STRING(connection_string)},
        {"tenant_id", GUID, STRING(tenant_id)},
        {"tenant_id", "contoso.onmicrosoft.com", STRING(tenant_id)},
        {"client_id", GUID, STRING(client_id)},
        {"object_id", GUID, STRING(object_id)},
        {"resource_id", "/subscriptions/x/resourceGroups/y", STRING(resource_id)},
        {"client_secret_file", "/etc/azmonlog/secret", STRING(client_secret_file)}, /* may come later */
        {"client_secret_file", "secret", STRING(client_secret_file)},               /* systemd LoadCredential= */
        {"client_secret_file", "azmonlog.secret", STRING(client_secret_file)},
        {"client_certificate_file", "/etc/azmonlog/c.pem", STRING(client_certificate_file)},
        {"client_certificate_file", "c.pem", STRING(client_certificate_file)},
        {"federated_token_file", "/var/run/secrets/t", STRING(federated_token_file)},
        {"federated_token_file", "t", STRING(federated_token_file)},
        {"authority", "https://login.microsoftonline.us", STRING(authority)},
        {"authority", "https://login.microsoftonline.us/", STRING(authority)},
        {"authority", "http://localhost:8080", STRING(authority)},
        {"audience", "api://x", STRING(audience)},
        {"ingest_suffix", "ingest.monitor.azure.us", STRING(ingest_suffix)},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        CONFIG(c);

        ck_assert_int_eq(azm_config_init(&c), 0);
        ck_assert_str_eq(string_at(&c, table[i].offset), "");
        assert_set(&c, "destination", table[i].key, table[i].value);
        ck_assert_str_eq(string_at(&c, table[i].offset), table[i].value);
        assert_set(&c, "destination", table[i].key, "");
        ck_assert_str_eq(string_at(&c, table[i].offset), "");
    }
}
END_TEST

/* "" is the preset; each key is set to another value before. */
START_TEST(good_choices_and_numbers)
{
    static const struct {
        const char *section, *key, *before, *value;
        size_t offset, size;
        uint64_t expected;
    } table[] = {
        {"destination", "auth", "none", "", NUMBER(auth), AZM_AUTH_AUTO},
        {"destination", "auth", "none", "auto", NUMBER(auth), AZM_AUTH_AUTO},
        {"destination", "auth", "", "none", NUMBER(auth), AZM_AUTH_NONE},
        {"destination", "auth", "", "default", NUMBER(auth), AZM_AUTH_DEFAULT},
        {"destination", "auth", "", "managed_identity", NUMBER(auth), AZM_AUTH_MANAGED_IDENTITY},
        {"destination", "auth", "", "imds", NUMBER(auth), AZM_AUTH_IMDS},
        {"destination", "auth", "", "arc", NUMBER(auth), AZM_AUTH_ARC},
        {"destination", "auth", "", "app_service", NUMBER(auth), AZM_AUTH_APP_SERVICE},
        {"destination", "auth", "", "client_secret", NUMBER(auth), AZM_AUTH_CLIENT_SECRET},
        {"destination", "auth", "", "client_certificate", NUMBER(auth), AZM_AUTH_CLIENT_CERTIFICATE},
        {"destination", "auth", "", "workload_identity", NUMBER(auth), AZM_AUTH_WORKLOAD_IDENTITY},
        {"destination", "cloud", "china", "", NUMBER(cloud), AZM_CLOUD_PUBLIC},
        {"destination", "cloud", "china", "public", NUMBER(cloud), AZM_CLOUD_PUBLIC},
        {"destination", "cloud", "", "usgov", NUMBER(cloud), AZM_CLOUD_USGOV},
        {"destination", "cloud", "", "china", NUMBER(cloud), AZM_CLOUD_CHINA},
        {"journal", "spool", "no", "", NUMBER(spool), true},
        {"journal", "spool", "no", "auto", NUMBER(spool), true},
        {"journal", "spool", "", "no", NUMBER(spool), false},
        {"state", "spool_after", "1s", "", NUMBER(spool_after_usec), 60 * S},
        {"state", "spool_after", "", "0", NUMBER(spool_after_usec), 0},
        {"state", "spool_after", "", "5min", NUMBER(spool_after_usec), 300 * S},
        {"state", "spool_after", "", "1d", NUMBER(spool_after_usec), 86400 * S},
        {"state", "spool_max_bytes", "4M", "", NUMBER(spool_max_bytes), UINT64_C(1) << 30},
        {"state", "spool_max_bytes", "", "4M", NUMBER(spool_max_bytes), UINT64_C(4) << 20},
        {"state", "spool_max_bytes", "", "1024G", NUMBER(spool_max_bytes), UINT64_C(1) << 40},
        {"state", "spool_min_free_percent", "0", "", NUMBER(spool_min_free_percent), 5},
        {"state", "spool_min_free_percent", "", "0", NUMBER(spool_min_free_percent), 0},
        {"state", "spool_min_free_percent", "", "50", NUMBER(spool_min_free_percent), 50},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        CONFIG(c);

        ck_assert_int_eq(azm_config_init(&c), 0);
        if (*table[i].value == '\0')
            ck_assert_uint_eq(number_at(&c, table[i].offset, table[i].size), table[i].expected);
        assert_set(&c, table[i].section, table[i].key, table[i].before);
        ck_assert_uint_ne(number_at(&c, table[i].offset, table[i].size), table[i].expected);
        assert_set(&c, table[i].section, table[i].key, table[i].value);
        ck_assert_msg(number_at(&c, table[i].offset, table[i].size) == table[i].expected, "%s=%s gave %llu",
                      table[i].key, table[i].value, (unsigned long long)number_at(&c, table[i].offset, table[i].size));
    }
}
END_TEST

START_TEST(bad_values)
{
    static const struct {
        const char *section, *key, *value, *words; /* all that stands behind place and key; or "...", and its end */
    } table[] = {
        {"destination", "auth", "msi",
         "'msi' is none of auto, none, default, managed_identity, imds, arc, app_service, client_secret, "
         "client_certificate, workload_identity"},
        {"destination", "auth", "Default", "... workload_identity"},
        {"destination", "auth", "imds ", "... workload_identity"},
        {"destination", "cloud", "germany", "'germany' is none of public, usgov, china"},
        {"destination", "cloud", "PUBLIC", "... usgov, china"},
        {"destination", "dce", "https://d.example/path",
         "'https://d.example/path' is not https://HOST[:PORT] (http:// only for this machine itself)"},
        {"destination", "dce", "http://d.example", "... (http:// only for this machine itself)"},
        {"destination", "dce", "https://d.example/?sig=s3cret",
         "'https://d.example/' is not https://HOST[:PORT] (http:// only for this machine itself)"},
        {"destination", "dce", "https://d.example/#s3cret", "... (http:// only for this machine itself)"},
        {"destination", "dce", "https://user:s3cret@d.example", "there must be no user name or password in it"},
        {"destination", "dce", "https://s3cret@d.example/", "there must be no user name or password in it"},
        {"destination", "dce", "ftp://d.example", "... (http:// only for this machine itself)"},
        {"destination", "dce", "d.example/",
         "'d.example/' is not the logs ingestion endpoint of a data collection endpoint "
         "(https://NAME-ID.REGION-1.ingest.monitor.azure.com)"},
        {"destination", "dce", "my endpoint", "... (https://NAME-ID.REGION-1.ingest.monitor.azure.com)"},
        {"destination", "dce", "user:s3cret@d.example", "there must be no user name or password in it"},
        {"destination", "dce", "/subscriptions/x/providers/Microsoft.Insights/dataCollectionEndpoints/d",
         "... (https://NAME-ID.REGION-1.ingest.monitor.azure.com)"},
        {"destination", "dcr", "my-rule",
         "'my-rule' is not the immutable id of a data collection rule (dcr- and 32 hexadecimal digits); az monitor "
         "data-collection rule show --query immutableId prints it"},
        {"destination", "dcr", "dcr-0123456789ABCDEF0123456789ABCDEF", "... --query immutableId prints it"},
        {"destination", "dcr", DCR "0", "... --query immutableId prints it"},
        {"destination", "dcr", DCR " my-rule", "... --query immutableId prints it"},
        {"destination", "dcr", DCR " " DCR, "numbers 1 and 2 of them are the same"},
        {"metrics", "dcr", DCR " dcr-ffffffffffffffffffffffffffffffff", "... --query immutableId prints it"},
        {"destination", "authority", "login.microsoftonline.com",
         "'login.microsoftonline.com' is not https://HOST[:PORT] (http:// only for this machine itself)"},
        {"destination", "authority", "https://login.microsoftonline.com/tenant", "... this machine itself)"},
        {"destination", "authority", "http://login.microsoftonline.com", "... this machine itself)"},
        {"destination", "authority", "https://user:s3cret@login.example",
         "there must be no user name or password in it"},
        {"destination", "authority", "https://login.example/?s3cret@x", "there must be no user name or password in it"},
        {"destination", "authority", "https://login.example/?s3cret", "... this machine itself)"},
        {"destination", "ingest_suffix", "https://ingest.monitor.azure.com",
         "'https://ingest.monitor.azure.com' is not the end of a host name (ingest.monitor.azure.com)"},
        {"destination", "ingest_suffix", "com", "... (ingest.monitor.azure.com)"}, /* would trust too many */
        {"destination", "ingest_suffix", ".ingest.monitor.azure.com", "... (ingest.monitor.azure.com)"},
        {"destination", "client_secret_file", "etc/secret",
         "this is neither an absolute path nor the name of a credential (systemd LoadCredential=)"},
        {"destination", "client_secret_file", ".s3cret~x", "... (systemd LoadCredential=)"}, /* a secret, pasted */
        {"destination", "client_secret_file", "s3cret/x", "... (systemd LoadCredential=)"},
        {"destination", "client_certificate_file", "./c.pem", "... (systemd LoadCredential=)"},
        {"destination", "client_certificate_file", "..", "... (systemd LoadCredential=)"},
        {"destination", "federated_token_file", "~/token", "... (systemd LoadCredential=)"},
        {"journal", "spool", "yes", "'yes' is neither auto nor no"},
        {"journal", "spool", "Auto", "'Auto' is neither auto nor no"},
        {"state", "spool_after", "soon", "... "},
        {"state", "spool_after", "25h", "'25h' is not between 0ms and 86400s"},
        {"state", "spool_max_bytes", "1M", "'1M' is not between 4194304 and 1099511627776"},
        {"state", "spool_max_bytes", "1025G", "'1025G' is not between 4194304 and 1099511627776"},
        {"state", "spool_max_bytes", "1T", "'1T' is not a number such as 8192 or 64K"},
        {"state", "spool_min_free_percent", "51", "'51' is not between 0 and 50"},
        {"state", "spool_min_free_percent", "5%", "'5%' is not a number such as 8192 or 64K"},
        {"state", "spool_min_free_percent", "-1", "'-1' is not a number such as 8192 or 64K"},
        {"journal", "spool_after", "1s", "... "},
        {"state", "spool", "no", "... "},
        {"destination", "client_secret", "s3cret", "... "}, /* no such key: files only */
        {"destination", "identity_header", "s3cret", "... "},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const char *words = table[i].words, *end;
        struct azm_error err = {""};
        char start[64];
        CONFIG(c);

        ck_assert_int_eq(azm_config_init(&c), 0);
        ck_assert_msg(azm_config_set(&c, table[i].section, table[i].key, table[i].value, WHERE, false, &err) < 0,
                      "%s=%s was taken", table[i].key, table[i].value);
        ck_assert_msg(!strstr(err.words, "s3cret"), "%s", err.words);
        ck_assert_msg(strncmp(err.words, WHERE ": ", strlen(WHERE) + 2) == 0, "%s", err.words);
        if (strcmp(words, "... ") == 0)
            continue;
        snprintf(start, sizeof start, WHERE ": %s: ", table[i].key);
        ck_assert_msg(strncmp(err.words, start, strlen(start)) == 0, "%s", err.words);
        if (strncmp(words, "... ", 4) == 0) {
            end = err.words + strlen(err.words) - MIN(strlen(err.words), strlen(words + 4));
            ck_assert_msg(strcmp(end, words + 4) == 0, "%s=%s: %s", table[i].key, table[i].value, err.words);
        } else
            ck_assert_str_eq(err.words + strlen(start), words);
    }
}
END_TEST

/* --- what does not fit together --- */

START_TEST(one_destination)
{
    static const char several[] = "[destination] endpoint=, dce= with dcr=, and connection_string= each name a "
                                  "destination; use one of them (an empty value takes one back)";
    static const struct {
        const char *endpoint, *dce, *dcr, *connection_string;
        bool has;
        const char *words; /* NULL: passes */
    } table[] = {
        {"", "", "", "", false, NULL},
        {"http://h/v1/logs", "", "", "", true, NULL},
        {"", DCE, DCR, "", true, NULL},
        {"", "", "", CONNECTION, true, NULL},
        {"", DCE, "", "", true, "[destination] dce= needs dcr=, the immutable id of the data collection rule"},
        {"", "", DCR, "", false, "[destination] dcr= needs dce=, the data collection endpoint"},
        {"http://h/v1/logs", DCE, DCR, "", true, several},
        {"http://h/v1/logs", "", DCR, "", true, several},
        {"http://h/v1/logs", DCE, "", "", true, several},
        {"http://h/v1/logs", "", "", CONNECTION, true, several},
        {"", DCE, DCR, CONNECTION, true, several},
        {"", "", DCR, CONNECTION, true, several},
        {"http://h/v1/logs", DCE, DCR, CONNECTION, true, several},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err = {""};
        CONFIG(c);
        int r;

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_set(&c, "destination", "endpoint", table[i].endpoint);
        assert_set(&c, "destination", "dce", table[i].dce);
        assert_set(&c, "destination", "dcr", table[i].dcr);
        assert_set(&c, "destination", "connection_string", table[i].connection_string);
        r = azm_config_check(&c, &err);
        ck_assert_msg(r == (table[i].words ? -EINVAL : 0), "row %zu: %s", i, err.words);
        ck_assert_str_eq(err.words, table[i].words ? table[i].words : "");
        ck_assert(azm_config_has_destination(&c) == table[i].has);
        ck_assert_int_eq(azm_config_forget_destination(&c), 0);
        ck_assert(!azm_config_has_destination(&c));
        ck_assert_int_eq(azm_config_check(&c, &err), 0);
    }
}
END_TEST

START_TEST(one_place_for_metrics)
{
    static const struct {
        const char *endpoint, *dce, *dcr, *logs_dcr;
        bool sends;
        const char *words; /* in the error; NULL: passes */
    } table[] = {
        {"", "", "", DCR, false, NULL},
        {"http://h/v1/metrics", "", "", "", true, NULL},
        {"", METRICS_DCE, DCR, "", true, NULL},
        {"", METRICS_DCE, "", DCR, true, NULL}, /* that of logs */
        {"", "d-1.westeurope-1", DCR, "", true, NULL},
        {"", "http://127.0.0.1:4318", DCR, "", true, NULL},
        {"", METRICS_DCE, "", "", true, "dce= needs dcr="},
        {"", "", DCR, "", false, "dcr= needs dce="},
        {"http://h/v1/metrics", METRICS_DCE, DCR, "", true, "use one of them"},
        {"", DCE, DCR, "", true, "is where the endpoint takes logs"},
        {"", "D-1.westeurope-1.INGEST.monitor.azure.com", DCR, "", true, "--query metricsIngestion.endpoint"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err = {""};
        CONFIG(c);
        int r;

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_set(&c, "destination", "dce", *table[i].logs_dcr ? DCE : "");
        assert_set(&c, "destination", "dcr", table[i].logs_dcr);
        assert_set(&c, "metrics", "endpoint", table[i].endpoint);
        assert_set(&c, "metrics", "dce", table[i].dce);
        assert_set(&c, "metrics", "dcr", table[i].dcr);
        r = azm_config_check(&c, &err);
        ck_assert_msg(r == (table[i].words ? -EINVAL : 0), "row %zu: %s", i, err.words);
        ck_assert_msg(!table[i].words || strstr(err.words, table[i].words), "row %zu: %s", i, err.words);
        ck_assert(azm_config_sends_metrics(&c) == table[i].sends);
        /* logs go elsewhere: metrics stay where they were */
        ck_assert_int_eq(azm_config_forget_destination(&c), 0);
        ck_assert_int_eq(azm_config_check(&c, &err), r);
        ck_assert(azm_config_sends_metrics(&c) == table[i].sends);
    }
}
END_TEST

/* What would be a secret of logs does not go where metrics go, nor the other way round. */
START_TEST(where_metrics_go_and_as_whom)
{
#define METRICS_PATH "/dataCollectionRules/" DCR "/streams/Custom-Metrics-Otel/otlp/v1/metrics"
    static const struct {
        const char *auth, *header, *endpoint, *dce;
        const char *url;
        bool token, fails;
    } table[] = {
        {"auto", "", "", METRICS_DCE, METRICS_DCE METRICS_PATH, true, false},
        {"auto", "", "", "d-1.westeurope-1", METRICS_DCE METRICS_PATH, true, false},
        {"none", "", "", METRICS_DCE, METRICS_DCE METRICS_PATH, false, false},
        {"auto", "Authorization: x", "", METRICS_DCE, METRICS_DCE METRICS_PATH, false, false},
        {"imds", "Authorization: x", "", METRICS_DCE, METRICS_DCE METRICS_PATH, false, false},
        {"auto", "", "https://c.example/v1/metrics", "", "https://c.example/v1/metrics", false, false},
        {"imds", "", "https://c.example/v1/metrics", "", "https://c.example/v1/metrics", false, false},
        {"imds", "", "http://c.example/v1/metrics", "", "http://c.example/v1/metrics", false, false},
        {"imds", "", "http://c.example" METRICS_PATH, "", NULL, false, true}, /* a token over plain http */
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_destination_free) struct azm_destination d = {0};
        struct azm_error err = {""};
        CONFIG(c);

        ck_assert_int_eq(azm_config_init(&c), 0);
        assert_set(&c, "destination", "dce", DCE);
        assert_set(&c, "destination", "dcr", DCR);
        assert_set(&c, "destination", "header", "X-Logs: s3cret");
        assert_set(&c, "destination", "auth", table[i].auth);
        assert_set(&c, "metrics", "endpoint", table[i].endpoint);
        assert_set(&c, "metrics", "dce", table[i].dce);
        if (*table[i].header)
            assert_set(&c, "metrics", "header", table[i].header);
        ck_assert_int_eq(azm_destination_init(&d, &c, AZM_METRICS, &err), table[i].fails ? -EINVAL : 0);
        if (table[i].fails)
            continue;
        ck_assert_str_eq(d.url, table[i].url);
        ck_assert_msg(d.has_credential == table[i].token, "row %zu", i);
        ck_assert_str_eq(d.headers[0] ? d.headers[0] : "", table[i].header);
        ck_assert(!d.headers[0] || !d.headers[1]);
        azm_destination_free(&d);
        ck_assert_int_eq(azm_destination_init(&d, &c, AZM_LOGS, &err), 0);
        ck_assert_str_eq(d.headers[0], "X-Logs: s3cret");
        ck_assert_ptr_null(d.headers[1]);
    }
}
END_TEST

/* Of all keys; and a [resource] may have any. */
START_TEST(keys_of_a_destination)
{
    static const char *const expected[] = {"endpoint", "dce", "connection_string"};
    struct azm_config_key known;
    size_t found = 0;

    for (size_t i = 0; azm_config_key(i, &known); i++) {
        bool is = false;

        for (size_t k = 0; k < ELEMENTSOF(expected); k++)
            is |= strcmp(known.section, "destination") == 0 && strcmp(known.key, expected[k]) == 0;
        ck_assert_msg(azm_config_names_destination(known.section, known.key) == is, "[%s] %s", known.section,
                      known.key);
        found += is;
    }
    ck_assert_uint_eq(found, ELEMENTSOF(expected));
    ck_assert(!azm_config_names_destination("resource", "endpoint"));
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "good_strings", good_strings);
    add_test(s, "good_choices_and_numbers", good_choices_and_numbers);
    add_test(s, "bad_values", bad_values);
    add_test(s, "one_destination", one_destination);
    add_test(s, "one_place_for_metrics", one_place_for_metrics);
    add_test(s, "where_metrics_go_and_as_whom", where_metrics_go_and_as_whom);
    add_test(s, "keys_of_a_destination", keys_of_a_destination);
}

TEST_MAIN("config_azure", add_tests)
