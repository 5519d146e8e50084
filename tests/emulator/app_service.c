/* SPDX-License-Identifier: MIT */
/* App Service, Functions and Container Apps: learn.microsoft.com, "Managed identities in App Service", REST endpoint
 * reference. */
#include "config.h"

#include "token_call.h"

#include <string.h>

static bool owns(const char *path)
{
    return strcmp(path, "/msi/token") == 0;
}

static int error(struct emu_answer *answer, unsigned status, const char *code, const char *message)
{
    (void)code;
    emu_answer_free(answer);
    return emu_answer_json(answer, status, json_pack("{s:i, s:s}", "statusCode", (int)status, "message", message));
}

static int check_secret(struct emu_token_call *call)
{
    const char *value = emu_call_header(call, "X-IDENTITY-HEADER");
    if (value && strcmp(value, call->desk->identity_header) == 0)
        return 0;
    return emu_call_refuse(call, 401, "Unauthorized", "The header X-IDENTITY-HEADER is %s",
                           value ? "wrong" : "missing");
}

static int take_query(struct emu_token_call *call)
{
    struct emu_asked *asked = &call->asked;
    const struct emu_query known[] = {
        {"api-version", &asked->api_version}, {"resource", &asked->resource},   {"client_id", &asked->client_id},
        {"principal_id", &asked->object_id},  {"object_id", &asked->object_id}, {"mi_res_id", &asked->resource_id},
    };
    return emu_call_query(call, known, sizeof(known) / sizeof(known[0]));
}

static int check_query(struct emu_token_call *call)
{
    const struct emu_asked *asked = &call->asked;
    if (!asked->api_version || strcmp(asked->api_version, "2019-08-01") != 0)
        return emu_call_refuse(call, 400, "BadRequest", "The api-version must be 2019-08-01, not '%s'",
                               asked->api_version ? asked->api_version : "");
    if (!asked->resource)
        return emu_call_refuse(call, 400, "BadRequest", "The query variable resource is missing");
    if (!emu_tokens_know(call->desk->tokens, asked->resource))
        return emu_call_refuse(call, 500, "InternalServerError", /* MSAL has seen this status */
                               "AADSTS500011: The resource principal named %s was not found in the tenant",
                               asked->resource);
    return 0;
}

static int answer(struct emu_token_call *call)
{
    const struct emu_token_options *options = emu_tokens_options(call->desk->tokens);
    const struct emu_identity *identity;

    int r = emu_call_managed(call,
                             "No User Assigned or Delegated Managed Identity found for specified "
                             "ClientId/ResourceId/PrincipalId.",
                             &identity);
    if (r == 0)
        r = emu_call_issue(call, identity, EMU_APP_SERVICE, call->asked.resource);
    if (r != 0)
        return r;
    json_t *value = json_pack("{s:s, s:s, s:o, s:s, s:s}", "access_token", call->token.text.data, "client_id",
                              identity->client_id, "expires_on", emu_call_number(call->token.end), "resource",
                              call->asked.resource, "token_type", "Bearer");
    if (options->refresh_in_sec > 0)
        json_object_set_new(value, "refresh_in", emu_call_number(options->refresh_in_sec));
    return emu_call_answer(call, value);
}

static int serve(struct emu_token_call *call)
{
    static const emu_call_step steps[] = {emu_call_get, check_secret, take_query, check_query, answer, NULL};
    return emu_call_run(call, steps);
}

const struct emu_endpoint emu_endpoint_app_service = {"app-service", owns, serve, error};
