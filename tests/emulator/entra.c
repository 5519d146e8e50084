/* SPDX-License-Identifier: MIT */
/* Entra's token endpoint: learn.microsoft.com, "OAuth 2.0 client credentials flow on the Microsoft identity platform",
 * and "Microsoft Entra authentication and authorization error codes". */
#include "config.h"

#include "json.h"
#include "rfc3339.h"
#include "token_call.h"
#include "uuid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char behind_tenant[] = "/oauth2/v2.0/token";

/* A call with what is found in it on the way. */
struct entra_call {
    struct emu_token_call *call;
    char *tenant;
    const struct emu_identity *application;
    enum emu_credential credential;
    char *resource;
};

static bool owns(const char *path)
{
    return path[0] == '/' && path[1] != '/' && strcmp(strchrnul(path + 1, '/'), behind_tenant) == 0;
}

/* error_codes has the number that the message begins with, such as AADSTS7000215. */
static int error(struct emu_answer *answer, unsigned status, const char *code, const char *message)
{
    char trace[EMU_UUID_BYTES], correlation[EMU_UUID_BYTES], now_text[EMU_RFC3339_BYTES], description[1024];
    struct timespec now;
    int number;

    if (!emu_uuid(trace) || !emu_uuid(correlation))
        return -ENOMEM;
    clock_gettime(CLOCK_REALTIME, &now);
    emu_rfc3339_format(&now, now_text);
    snprintf(now_text + 19, 2, "Z"); /* without milliseconds, and with a blank: 2026-11-25 17:19:49Z */
    now_text[10] = ' ';
    snprintf(description, sizeof(description), "%s Trace ID: %s Correlation ID: %s Timestamp: %s", message, trace,
             correlation, now_text);
    json_t *numbers = sscanf(message, "AADSTS%d", &number) == 1 ? json_pack("[i]", number) : json_array();
    emu_answer_free(answer);
    return emu_answer_json(answer, status,
                           json_pack("{s:s, s:s, s:o, s:s, s:s, s:s}", "error", code, "error_description", description,
                                     "error_codes", numbers, "timestamp", now_text, "trace_id", trace, "correlation_id",
                                     correlation));
}

#define refuse(entra, ...) emu_call_refuse((entra)->call, __VA_ARGS__)

static int check_http(struct entra_call *entra)
{
    enum { LONGEST = 65536 };
    const struct emu_token_call *call = entra->call;
    const char *type = emu_call_header(call, "Content-Type");

    if (strcmp(call->method, "POST") != 0)
        return refuse(entra, 400, "invalid_request",
                      "AADSTS900561: The endpoint only accepts POST, OPTIONS requests. Received a %s request.",
                      call->method);
    if (emu_call_header(call, "Expect"))
        return refuse(entra, 417, "invalid_request", "The header 'Expect' is not supported");
    if (emu_call_header(call, "Transfer-Encoding") || !emu_call_header(call, "Content-Length"))
        return refuse(entra, 411, "invalid_request", "The header 'Content-Length' must be specified");
    if (emu_call_header(call, "Content-Encoding"))
        return refuse(entra, 415, "invalid_request", "There must be no Content-Encoding");
    if (!type || (strcasecmp(type, "application/x-www-form-urlencoded") != 0 &&
                  strcasecmp(type, "application/x-www-form-urlencoded;charset=utf-8") != 0)) /* MSAL Node */
        return refuse(entra, 415, "invalid_request",
                      "The Content-Type must be application/x-www-form-urlencoded, not '%s'", type ? type : "");
    if (call->wire_bytes > LONGEST)
        return refuse(entra, 413, "invalid_request", "The body is longer than %d bytes", LONGEST);
    return 0;
}

static int parse_form(struct entra_call *entra)
{
    struct emu_token_call *call = entra->call;
    struct emu_form *form = &entra->call->form;

    int r = emu_form_parse(form, call->body->data, call->body->length);
    if (r == -EINVAL)
        return refuse(entra, 400, "invalid_request", "AADSTS900144: The request body is not a form, properly escaped");
    if (r == -EEXIST)
        return refuse(entra, 400, "invalid_request",
                      "AADSTS9000411: The request is not properly formatted. The parameter '%s' is duplicated.",
                      form->fields[form->count - 1].name);
    call->asked.client_id = emu_form_get(form, "client_id");
    call->asked.scope = emu_form_get(form, "scope");
    return r;
}

static int check_tenant(struct entra_call *entra)
{
    const char *path = entra->call->path;
    entra->tenant = strndup(path + 1, strlen(path) - strlen(behind_tenant) - 1);
    if (!entra->tenant)
        return -ENOMEM;
    if (emu_identities_has_tenant(entra->call->desk->identities, entra->tenant))
        return 0;
    return refuse(entra, 400, "invalid_request",
                  "AADSTS90002: Tenant '%.100s' not found. Check to make sure you have the correct tenant ID and are "
                  "signing into the correct cloud.",
                  entra->tenant);
}

static int check_presence(struct entra_call *entra)
{
    static const char *const needed[] = {"grant_type", "client_id", "scope"};
    const char *grant = emu_form_get(&entra->call->form, needed[0]);

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!emu_form_get(&entra->call->form, needed[i]))
            return refuse(entra, 400, "invalid_request",
                          "AADSTS900144: The request body must contain the following parameter: '%s'.", needed[i]);
    if (strcmp(grant, "client_credentials") != 0)
        return refuse(entra, 400, "unsupported_grant_type", "AADSTS70003: The grant type '%.60s' is not supported.",
                      grant);
    return 0;
}

static int check_application(struct entra_call *entra)
{
    const struct emu_token_call *call = entra->call;
    const char *client_id = call->asked.client_id;
    entra->application = emu_identities_application(call->desk->identities, entra->tenant, client_id);
    if (entra->application)
        return 0;
    return refuse(entra, 400, "unauthorized_client",
                  "AADSTS700016: Application with identifier '%.100s' was not found in the directory '%.100s'.",
                  client_id, entra->tenant);
}

static int check_secret(struct entra_call *entra, const char *secret)
{
    const struct emu_identity *application = entra->application;
    entra->credential = EMU_CLIENT_SECRET;
    if (application->secret && strcmp(secret, application->secret) == 0)
        return 0;
    return refuse(entra, 401, "invalid_client",
                  "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the "
                  "client secret value, not the client secret ID, for a secret added to app '%s'.",
                  application->client_id);
}

/* The URL of this endpoint as the client has spelled it. */
static int endpoint_url(const struct emu_token_call *call, char **ret)
{
    const union MHD_ConnectionInfo *tls = MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const char *host = emu_call_header(call, "Host");
    return asprintf(ret, "%s://%s%s", tls && tls->tls_session ? "https" : "http", host ? host : "", call->path) < 0
               ? -ENOMEM
               : 0;
}

static int check_assertion(struct entra_call *entra, const char *assertion)
{
    const struct emu_token_call *call = entra->call;
    const char *type = emu_form_get(&entra->call->form, "client_assertion_type");
    struct emu_assertion_problem problem;
    char *url;

    if (!type || strcmp(type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") != 0)
        return refuse(entra, 400, "invalid_request",
                      "AADSTS900144: The request body must contain the following parameter: 'client_assertion_type'. "
                      "Its value must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.");
    int r = endpoint_url(call, &url);
    if (r < 0)
        return r;
    r = emu_assertions_check(call->desk->assertions, entra->application, url, assertion, call->played,
                             &entra->credential, &problem);
    free(url);
    if (r != -EACCES)
        return r;
    return refuse(entra, problem.status, problem.error, "AADSTS%u: %s", problem.number, problem.text);
}

static int check_credential(struct entra_call *entra)
{
    const char *secret = emu_form_get(&entra->call->form, "client_secret");
    const char *assertion = emu_form_get(&entra->call->form, "client_assertion");

    if (!secret && !assertion)
        return refuse(entra, 401, "invalid_client",
                      "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or "
                      "'client_secret'.");
    if (secret && assertion)
        return refuse(entra, 400, "invalid_request",
                      "The request must not have both 'client_assertion' and 'client_secret'");
    return secret ? check_secret(entra, secret) : check_assertion(entra, assertion);
}

static int check_scope(struct entra_call *entra)
{
    static const char end[] = "/.default";
    const char *scope = entra->call->asked.scope;
    const size_t length = strlen(scope), end_length = sizeof(end) - 1;

    if (length <= end_length || strcmp(scope + length - end_length, end) != 0 || strchr(scope, ' '))
        return refuse(
            entra, 400, "invalid_scope",
            "AADSTS70011: The provided request must include a 'scope' input parameter. The provided value for "
            "the input parameter 'scope' is not valid. The scope %.100s is not valid.",
            scope);
    entra->resource = strndup(scope, length - end_length);
    if (!entra->resource)
        return -ENOMEM;
    if (!emu_tokens_know(entra->call->desk->tokens, entra->resource))
        return refuse(entra, 400, "invalid_resource",
                      "AADSTS500011: The resource principal named %.100s was not found in the tenant named %.100s.",
                      entra->resource, entra->tenant);
    return 0;
}

static int answer(struct entra_call *entra)
{
    struct emu_token_call *call = entra->call;
    const struct emu_token_options *options = emu_tokens_options(call->desk->tokens);
    const struct emu_token *token = &call->token;

    int r = emu_call_issue(call, entra->application, entra->credential, entra->resource);
    if (r < 0)
        return r;
    const int lifetime = (int)(token->end - token->begin);
    json_t *value = json_pack("{s:s, s:i, s:i, s:s}", "token_type", "Bearer", "expires_in", lifetime, "ext_expires_in",
                              lifetime, "access_token", token->text.data);
    if (options->refresh_in_sec > 0)
        json_object_set_new(value, "refresh_in", json_integer(options->refresh_in_sec));
    return emu_call_answer(call, value);
}

static int serve(struct emu_token_call *call)
{
    static int (*const steps[])(struct entra_call *) = {
        check_http, parse_form, check_tenant, check_presence, check_application, check_scope, check_credential, answer};
    struct entra_call entra = {.call = call};
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
        r = steps[i](&entra);
    free(entra.tenant);
    free(entra.resource);
    return r < 0 ? r : 0;
}

const struct emu_endpoint emu_endpoint_entra = {"entra", owns, serve, error};
