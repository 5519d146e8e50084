/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "config/azure_env.h"
#include "tests/unit/config_help.h"

/* The environment variables of Azure's SDKs. The secret in these tests is always "s3cret". */

static const char *text_of(const struct azm_secret *s)
{
    return s ? azm_secret_text(s) : "";
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* What variables set, one beneath the other; only what is not preset. */
static const char *describe(const struct azm_config *c)
{
    static char text[2048];
    const char *const all[] = {
        "tenant_id",
        c->tenant_id,
        "client_id",
        c->client_id,
        "object_id",
        c->object_id,
        "certificate",
        c->client_certificate_file,
        "federated",
        c->federated_token_file,
        "authority",
        c->authority,
        "connection",
        c->connection_string,
        "secret",
        text_of(c->client_secret),
        "header",
        text_of(c->identity_header),
        "endpoint",
        or_empty(c->identity_endpoint),
        "imds_endpoint",
        or_empty(c->imds_endpoint),
        "thumbprint",
        or_empty(c->identity_server_thumbprint),
        "auth",
        c->auth == AZM_AUTH_AUTO ? "" : c->auth == AZM_AUTH_MANAGED_IDENTITY ? "managed_identity" : "other",
        "destination",
        c->endpoint,
    };

    *text = '\0';
    for (size_t i = 0; i < ELEMENTSOF(all); i += 2)
        if (*all[i + 1])
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s=%s\n", all[i], all[i + 1]);
    return text;
}

START_TEST(variables)
{
#define AAD "APPLICATIONINSIGHTS_AUTHENTICATION_STRING="
    static const struct {
        const char *env[4], *set;
    } table[] = {
        {{NULL}, ""},
        {{"AZURE_TENANT_ID=t"}, "tenant_id=t\n"},
        {{"AZURE_CLIENT_ID=c"}, "client_id=c\n"},
        {{"AZURE_CLIENT_SECRET=s3cret"}, "secret=s3cret\n"},
        {{"AZURE_CLIENT_CERTIFICATE_PATH=/c.pem"}, "certificate=/c.pem\n"},
        {{"AZURE_FEDERATED_TOKEN_FILE=/var/run/t"}, "federated=/var/run/t\n"},
        {{"AZURE_AUTHORITY_HOST=https://login.example/"}, "authority=https://login.example/\n"},
        {{"APPLICATIONINSIGHTS_CONNECTION_STRING=" CONNECTION}, "connection=" CONNECTION "\n"},
        {{"IDENTITY_ENDPOINT=http://127.0.0.1:41/msi"}, "endpoint=http://127.0.0.1:41/msi\n"},
        {{"IDENTITY_HEADER=s3cret"}, "header=s3cret\n"},
        {{"IMDS_ENDPOINT=http://127.0.0.1:40342"}, "imds_endpoint=http://127.0.0.1:40342\n"},
        {{"IDENTITY_SERVER_THUMBPRINT=ab"}, "thumbprint=ab\n"},
        /* empty is not set */
        {{"AZURE_TENANT_ID=", "AZURE_CLIENT_ID=", "AZURE_CLIENT_SECRET="}, ""},
        {{"AZURE_CLIENT_CERTIFICATE_PATH=", "AZURE_FEDERATED_TOKEN_FILE=", "AZURE_AUTHORITY_HOST="}, ""},
        {{"IDENTITY_ENDPOINT=", "IDENTITY_HEADER=", "IMDS_ENDPOINT="}, ""},
        {{"IDENTITY_SERVER_THUMBPRINT=", AAD, "APPLICATIONINSIGHTS_CONNECTION_STRING="}, ""},
        /* what is not read */
        {{"AZURE_USERNAME=u", "AZURE_PASSWORD=s3cret", "MSI_SECRET=s3cret"}, ""},
        {{"azure_tenant_id=t", "AZURE_TENANT_IDX=t"}, ""},
        /* how the authentication string is written */
        {{AAD "Authorization=AAD"}, "auth=managed_identity\n"},
        {{AAD "Authorization=AAD;ClientId=" GUID}, "client_id=" GUID "\nauth=managed_identity\n"},
        {{AAD "ClientId=" GUID ";Authorization=AAD"}, "client_id=" GUID "\nauth=managed_identity\n"},
        {{AAD "authorization=aad; clientid=x;"}, "client_id=x\nauth=managed_identity\n"},
        {{AAD "Authorization=AAD;ClientId="}, "auth=managed_identity\n"},
        {{AAD ";"}, ""},
        {{AAD "Authorization=AAD;ClientId=x", "AZURE_CLIENT_ID=y"}, "client_id=x\nauth=managed_identity\n"},
        {{AAD "Authorization=AAD", "AZURE_CLIENT_ID=y"}, "client_id=y\nauth=managed_identity\n"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err = {""};
        CONFIG(c);

        set_env(table[i].env);
        ck_assert_int_eq(azm_config_init(&c), 0);
        ck_assert_msg(azm_azure_env_apply(&c, &err) == 0, "%s: %s", table[i].env[0], err.words);
        ck_assert_str_eq(describe(&c), table[i].set);
        ck_assert_int_eq(azm_azure_env_apply(&c, &err), 0); /* again, as when it is read anew: replaces */
        ck_assert_str_eq(describe(&c), table[i].set);
    }
}
END_TEST

START_TEST(variables_go_before_the_file)
{
    static const char *const env[] = {"AZURE_TENANT_ID=t",
                                      "AZURE_CLIENT_ID=c",
                                      "AZURE_CLIENT_CERTIFICATE_PATH=/c.pem",
                                      "AZURE_FEDERATED_TOKEN_FILE=/t",
                                      "AZURE_AUTHORITY_HOST=https://login.example",
                                      AAD "Authorization=AAD",
                                      NULL};
    static const char *const none[] = {"AZURE_TENANT_ID=", "AZURE_CLIENT_ID=", AAD, NULL};
    static const char file[] = "tenant_id=file\nclient_id=file\ncertificate=/file\nfederated=/file\n"
                               "authority=https://file.example\nauth=other\n";
    struct azm_error err;
    CONFIG(c);

    ck_assert_int_eq(azm_config_init(&c), 0);
    assert_set(&c, "destination", "tenant_id", "file");
    assert_set(&c, "destination", "client_id", "file");
    assert_set(&c, "destination", "client_certificate_file", "/file");
    assert_set(&c, "destination", "federated_token_file", "/file");
    assert_set(&c, "destination", "authority", "https://file.example");
    assert_set(&c, "destination", "auth", "arc");
    ck_assert_str_eq(describe(&c), file);
    set_env(none);
    ck_assert_int_eq(azm_azure_env_apply(&c, &err), 0);
    ck_assert_str_eq(describe(&c), file);
    set_env(env);
    ck_assert_int_eq(azm_azure_env_apply(&c, &err), 0);
    ck_assert_str_eq(describe(&c), "tenant_id=t\nclient_id=c\ncertificate=/c.pem\nfederated=/t\n"
                                   "authority=https://login.example\nauth=managed_identity\n");
}
END_TEST

START_TEST(bad_variables)
{
    static const struct {
        const char *env[4], *start;
    } table[] = {
        {{"AZURE_AUTHORITY_HOST=login.example"}, "$AZURE_AUTHORITY_HOST: authority: 'login.example' is not https://"},
        {{"AZURE_AUTHORITY_HOST=https://user:s3cret@login.example"}, "$AZURE_AUTHORITY_HOST: authority: "},
        {{"AZURE_CLIENT_CERTIFICATE_PATH=./c.pem"}, "$AZURE_CLIENT_CERTIFICATE_PATH: client_certificate_file: "},
        {{"AZURE_FEDERATED_TOKEN_FILE=a/b"}, "$AZURE_FEDERATED_TOKEN_FILE: federated_token_file: "},
        {{AAD "Authorization=ikey"},
         "$APPLICATIONINSIGHTS_AUTHENTICATION_STRING: it is written as Authorization=AAD, or "
         "Authorization=AAD;ClientId=ID"},
        {{AAD "Authorization=AAD;Secret=s3cret"}, "$APPLICATIONINSIGHTS_AUTHENTICATION_STRING: it is written as "},
        {{AAD "s3cret"}, "$APPLICATIONINSIGHTS_AUTHENTICATION_STRING: it is written as "},
        {{"AZURE_CLIENT_SECRET=s3cret", "IDENTITY_HEADER=s3cret", "AZURE_AUTHORITY_HOST=x"},
         "$AZURE_AUTHORITY_HOST: authority: "},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_error err = {""};
        CONFIG(c);

        set_env(table[i].env);
        ck_assert_int_eq(azm_config_init(&c), 0);
        ck_assert_msg(azm_azure_env_apply(&c, &err) == -EINVAL, "%s was taken", table[i].env[0]);
        ck_assert_msg(strncmp(err.words, table[i].start, strlen(table[i].start)) == 0, "%s", err.words);
        ck_assert_msg(!strstr(err.words, "s3cret"), "%s", err.words);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "variables", variables);
    add_test(s, "variables_go_before_the_file", variables_go_before_the_file);
    add_test(s, "bad_variables", bad_variables);
}

TEST_MAIN("azure_env", add_tests)
