/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>

#include "auth/credential_choice.h"
#include "tests/unit/credential_help.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/test.h"

/* Strings of `options` that are set; NULL: not. */
struct row {
    enum azm_auth auth;
    const char *tenant, *client, *secret, *secret_file, *certificate, *federated, *endpoint, *header, *thumbprint,
        *imds_endpoint;
    bool arc;
    const char *name;        /* of what is chosen; NULL: nothing */
    const char *passed_over; /* names, with ';' behind each one */
    const char *error;
};

#define T .tenant = "contoso.onmicrosoft.com"
#define C .client = GUID_1
#define SF .endpoint = "http://127.0.0.1:41/msi/token", .header = "h", .thumbprint = "ABC"
#define APP .endpoint = "http://127.0.0.1:41/msi/token", .header = "h"
#define VM "managed identity of the virtual machine"
#define ARC "managed identity of Azure Arc"
#define SERVICE "managed identity of App Service"
#define APPLICATIONS "client secret;client certificate;workload identity;"

static const struct row rows[] = {
    {AZM_AUTH_DEFAULT, .name = VM, .passed_over = APPLICATIONS SERVICE ";" ARC ";"},
    {AZM_AUTH_DEFAULT, C, .name = VM, .passed_over = APPLICATIONS SERVICE ";" ARC ";"},
    {AZM_AUTH_DEFAULT, T, C, .secret = "s", .name = "client secret", .passed_over = ""},
    {AZM_AUTH_DEFAULT, T, C, .secret_file = "/s", .certificate = "/c", .federated = "/f", APP, .name = "client secret",
     .passed_over = ""},
    {AZM_AUTH_DEFAULT, T, C, .certificate = "/c", .federated = "/f", APP, .name = "client certificate",
     .passed_over = "client secret;"},
    {AZM_AUTH_DEFAULT, T, C, .federated = "/f", APP, .name = "workload identity",
     .passed_over = "client secret;client certificate;"},
    {AZM_AUTH_DEFAULT, C, .federated = "/f", APP, .name = SERVICE, .passed_over = APPLICATIONS}, /* no tenant */
    {AZM_AUTH_DEFAULT, .tenant = "bad tenant", C, .secret = "s",
     .error = "client secret: [destination] tenant_id= or "
              "$AZURE_TENANT_ID"},
    {AZM_AUTH_DEFAULT, T, .client = "me", .secret = "s", .error = "client_id= or $AZURE_CLIENT_ID is not the id"},
    {AZM_AUTH_DEFAULT, APP, .arc = true, .name = SERVICE, .passed_over = APPLICATIONS},
    {AZM_AUTH_DEFAULT, .arc = true, .name = ARC, .passed_over = APPLICATIONS SERVICE ";"},
    {AZM_AUTH_DEFAULT, SF, .error = "Service Fabric"},
    {AZM_AUTH_MANAGED_IDENTITY, T, C, .secret = "s", .name = VM, .passed_over = SERVICE ";" ARC ";"},
    {AZM_AUTH_MANAGED_IDENTITY, APP, .name = SERVICE, .passed_over = ""},
    {AZM_AUTH_MANAGED_IDENTITY, .endpoint = "http://localhost:40342/x", .imds_endpoint = "http://localhost:40342",
     .name = ARC, .passed_over = SERVICE ";"},
    {AZM_AUTH_MANAGED_IDENTITY, .endpoint = "http://localhost:40342/x", .name = VM, .passed_over = SERVICE ";" ARC ";"},
    {AZM_AUTH_MANAGED_IDENTITY, .arc = true, .name = ARC, .passed_over = SERVICE ";"},
    {AZM_AUTH_MANAGED_IDENTITY, C, .arc = true, .error = "Azure Arc gives out the identity of the server only"},
    {AZM_AUTH_MANAGED_IDENTITY, SF, .error = "$IDENTITY_SERVER_THUMBPRINT) is not supported"},
    {AZM_AUTH_IMDS, APP, .arc = true, .name = VM, .passed_over = ""},
    {AZM_AUTH_IMDS, .client = "me", .error = VM ": [destination] client_id="},
    {AZM_AUTH_ARC, .name = ARC, .passed_over = ""},
    {AZM_AUTH_APP_SERVICE, APP, .name = SERVICE, .passed_over = ""},
    {AZM_AUTH_APP_SERVICE, .error = "$IDENTITY_ENDPOINT (an http URL) and $IDENTITY_HEADER"},
    {AZM_AUTH_APP_SERVICE, .endpoint = "http://h/", .error = "$IDENTITY_HEADER"},
    {AZM_AUTH_APP_SERVICE, .endpoint = "file:///etc/shadow", .header = "h", .error = "http URL"},
    {AZM_AUTH_APP_SERVICE, .endpoint = "http://u:p@h/", .header = "h", .error = "http URL"},
    {AZM_AUTH_APP_SERVICE, .endpoint = "http://h/", .header = "h\r\nX: y", .error = "$IDENTITY_HEADER is not as"},
    {AZM_AUTH_CLIENT_SECRET, T, C, .error = "neither client_secret_file= in [destination] nor $AZURE_CLIENT_SECRET"},
    {AZM_AUTH_CLIENT_SECRET, C, .secret = "s", .error = "neither tenant_id= in [destination] nor $AZURE_TENANT_ID"},
    {AZM_AUTH_CLIENT_SECRET, T, .secret = "s", .error = "neither client_id= in [destination] nor $AZURE_CLIENT_ID"},
    {AZM_AUTH_CLIENT_SECRET, .tenant = "../x", C, .secret = "s", .error = "tenant_id="},
    {AZM_AUTH_CLIENT_SECRET, .tenant = "..", C, .secret = "s", .error = "tenant_id="},
    {AZM_AUTH_CLIENT_SECRET, .tenant = "a/b", C, .secret = "s", .error = "tenant_id="},
    {AZM_AUTH_CLIENT_SECRET, T, C, .secret = "s", APP, .name = "client secret", .passed_over = ""},
    {AZM_AUTH_CLIENT_CERTIFICATE, T, C, .error = "$AZURE_CLIENT_CERTIFICATE_PATH"},
    {AZM_AUTH_CLIENT_CERTIFICATE, T, C, .certificate = "/c", .secret = "s", .name = "client certificate",
     .passed_over = ""},
    {AZM_AUTH_WORKLOAD_IDENTITY, T, C, .error = "$AZURE_FEDERATED_TOKEN_FILE"},
    {AZM_AUTH_WORKLOAD_IDENTITY, T, C, .federated = "/f", .secret = "s", .name = "workload identity",
     .passed_over = ""},
};

static void set(const char **field, const char *value)
{
    if (value)
        *field = value;
}

static struct azm_credential_options options_of(const struct row *row)
{
    struct azm_credential_options o = no_options(row->auth);

    set(&o.tenant_id, row->tenant);
    set(&o.client_id, row->client);
    set(&o.client_secret_file, row->secret_file);
    set(&o.client_certificate_file, row->certificate);
    set(&o.federated_token_file, row->federated);
    set(&o.identity_endpoint, row->endpoint);
    set(&o.identity_server_thumbprint, row->thumbprint);
    set(&o.imds_endpoint, row->imds_endpoint);
    o.client_secret = row->secret ? make_secret(row->secret) : NULL;
    o.identity_header = row->header ? make_secret(row->header) : NULL;
    return o;
}

/* The names of the lines "NAME: why", with ';' behind each one. */
static void names_of(const struct azm_buf *lines, char ret[static 512])
{
    _cleanup_free_ char *text = strndup(lines->len ? (const char *)lines->data : "", lines->len);
    char *save = NULL;

    *ret = '\0';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *colon = strchr(line, ':');

        ck_assert(colon && colon[1] == ' ' && colon[2]);
        strncat(ret, line, (size_t)(colon - line));
        strcat(ret, ";");
    }
}

START_TEST(choices)
{
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct azm_credential_options o = options_of(rows + i);
        _cleanup_(azm_buf_free) struct azm_buf passed_over = {0};
        const struct azm_credential_kind *kind = NULL;
        struct azm_error err = {.words = ""};
        int r = azm_credential_choose(&o, rows[i].arc, &kind, &passed_over, &err);
        char names[512];

        if (rows[i].name) {
            ck_assert_msg(r == 0, "row %zu: %s", i, err.words);
            ck_assert_msg(strcmp(kind->name, rows[i].name) == 0, "row %zu: %s", i, kind->name);
            names_of(&passed_over, names);
            ck_assert_msg(strcmp(names, rows[i].passed_over) == 0, "row %zu: %s", i, names);
        } else {
            ck_assert_msg(r == -EINVAL, "row %zu: %d", i, r);
            ck_assert_msg(strstr(err.words, rows[i].error) != NULL, "row %zu: %s", i, err.words);
        }
        azm_secret_unref((struct azm_secret *)o.client_secret);
        azm_secret_unref((struct azm_secret *)o.identity_header);
    }
}
END_TEST

START_TEST(at_most_one_identity)
{
    for (unsigned set_ids = 0; set_ids < 8; set_ids++) {
        struct azm_credential_options o = no_options(AZM_AUTH_IMDS);
        struct azm_credential *c = NULL;
        struct azm_error err;
        int r;

        o.client_id = set_ids & 1 ? GUID_1 : "";
        o.object_id = set_ids & 2 ? GUID_2 : "";
        o.resource_id = set_ids & 4 ? "/subscriptions/x" : "";
        r = azm_credential_new(&o, &c, &err);
        ck_assert_int_eq(r, __builtin_popcount(set_ids) > 1 ? -EINVAL : 0);
        ck_assert(r == 0 || strstr(err.words, "at most one of client_id= ($AZURE_CLIENT_ID)"));
        azm_credential_free(c);
    }
}
END_TEST

START_TEST(ids)
{
    static const char *const bad[] = {
        "x",
        "11111111-2222-3333-4444-55555555555",
        "11111111-2222-3333-4444-5555555555555",
        "11111111-2222-3333-4444-55555555555g",
        "{1111111-2222-3333-4444-555555555555",
        "11111111222233334444555555555555",
        "11111111-2222-3333-4444-555555555555\n",
    };

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        struct azm_credential_options o = no_options(AZM_AUTH_IMDS);
        struct azm_credential *c;
        struct azm_error err;

        o.client_id = bad[i];
        ck_assert_int_eq(azm_credential_new(&o, &c, &err), -EINVAL);
        o.client_id = "";
        o.object_id = bad[i];
        ck_assert_int_eq(azm_credential_new(&o, &c, &err), -EINVAL);
        o.object_id = "";
        o.resource_id = bad[i];
        ck_assert_int_eq(azm_credential_new(&o, &c, &err), -EINVAL);
    }
}
END_TEST

START_TEST(authorities)
{
    static const struct {
        const char *authority, *url; /* NULL: refused */
    } rows_of_authorities[] = {
        {"https://login.microsoftonline.com", "https://login.microsoftonline.com/ten.ant/oauth2/v2.0/token"},
        {"https://login.microsoftonline.us/", "https://login.microsoftonline.us/ten.ant/oauth2/v2.0/token"},
        {"HTTPS://login.chinacloudapi.cn//", "HTTPS://login.chinacloudapi.cn/ten.ant/oauth2/v2.0/token"},
        {"http://localhost:8080", "http://localhost:8080/ten.ant/oauth2/v2.0/token"},
        {"http://127.0.0.1:1", "http://127.0.0.1:1/ten.ant/oauth2/v2.0/token"},
        {"http://[::1]:1", "http://[::1]:1/ten.ant/oauth2/v2.0/token"},
        {"http://login.microsoftonline.com", NULL},
        {"http://127.0.0.1.example.com", NULL},
        {"http://localhost@example.com", NULL},
        {"https://user:password@login.microsoftonline.com", NULL},
        {"http://127.0.0.1:1@example.com", NULL},
        {"http://localhost.example.com", NULL},
        {"ftp://login.microsoftonline.com", NULL},
        {"login.microsoftonline.com", NULL},
        {"https://login.microsoftonline.com?x", NULL},
        {"https://login.microsoftonline.com#", NULL},
        {"https://", NULL},
        {"", NULL},
    };
    _cleanup_(azm_secret_unrefp) struct azm_secret *secret = make_secret("s");

    for (size_t i = 0; i < ELEMENTSOF(rows_of_authorities); i++) {
        struct azm_credential_options o = no_options(AZM_AUTH_CLIENT_SECRET);
        struct azm_credential *c = NULL;
        struct azm_error err;
        int r;

        o.tenant_id = "ten.ant";
        o.client_id = GUID_1;
        o.client_secret = secret;
        o.authority = rows_of_authorities[i].authority;
        r = azm_credential_new(&o, &c, &err);
        ck_assert_msg(r == (rows_of_authorities[i].url ? 0 : -EINVAL), "%s", o.authority);
        if (r == 0)
            ck_assert_str_eq(azm_credential_url(c), rows_of_authorities[i].url);
        else
            ck_assert_msg(strstr(err.words, "$AZURE_AUTHORITY_HOST"), "%s", err.words);
        ck_assert(r == 0 || !strstr(err.words, "password"));
        azm_credential_free(c);
    }
}
END_TEST

/* azm_credential_new keeps copies of all it is given. */
START_TEST(options_are_copied)
{
    struct azm_credential_options o = no_options(AZM_AUTH_DEFAULT);
    _cleanup_(azm_buf_free) struct azm_buf lines = {0};
    char root[PATH_MAX];
    struct azm_credential *c;

    snprintf(root, sizeof root, "%s", temp_dir);
    ck_assert_int_eq(mkdir(temp_path("bin"), 0700), 0);
    write_text("bin/himds", 0700, "");
    o.test_arc_root = root;
    c = make_credential(&o);
    memset(root, 'x', sizeof root);
    ck_assert_str_eq(azm_credential_name(c), ARC);
    ck_assert_str_eq(azm_credential_url(c), "http://localhost:40342/metadata/identity/oauth2/token");
    ck_assert_int_eq(azm_credential_passed_over(c, &lines), 0);
    ck_assert_uint_gt(lines.len, 0);
    azm_credential_free(c);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "choices", choices);
    add_test(s, "at_most_one_identity", at_most_one_identity);
    add_test(s, "ids", ids);
    add_test(s, "authorities", authorities);
    add_test_in_dir(s, "options_are_copied", options_are_copied);
}

TEST_MAIN("credential_choice", add_tests)
