/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "managed.h"

#include <string.h>

int emu_managed_metadata(struct emu_token_call *call)
{
    const char *value = emu_call_header(call, "Metadata");
    if (value && strcmp(value, "true") == 0)
        return 0;
    return emu_call_refuse(call, 400, "invalid_request", "Required metadata header not specified");
}

int emu_managed_query(struct emu_token_call *call)
{
    struct emu_asked *asked = &call->asked;
    const struct emu_query known[] = {
        {"api-version", &asked->api_version}, {"resource", &asked->resource},      {"client_id", &asked->client_id},
        {"object_id", &asked->object_id},     {"msi_res_id", &asked->resource_id},
    };
    return emu_call_query(call, known, sizeof(known) / sizeof(known[0]));
}

int emu_managed_resource(struct emu_token_call *call)
{
    const char *resource = call->asked.resource;
    if (!resource)
        return emu_call_refuse(call, 400, "invalid_request", "Required query variable 'resource' is missing");
    if (!emu_tokens_know(call->desk->tokens, resource))
        return emu_call_refuse(call, 400, "invalid_resource",
                               "AADSTS500011: The resource principal named %s was not found in the tenant", resource);
    return 0;
}

int emu_managed_answer(struct emu_token_call *call, enum emu_credential credential)
{
    const struct emu_token_options *options = emu_tokens_options(call->desk->tokens);
    const struct emu_token *token = &call->token;
    const struct emu_identity *identity;

    int r = emu_call_managed(call, "Identity not found", &identity);
    if (r == 0)
        r = emu_call_issue(call, identity, credential, call->asked.resource);
    if (r != 0)
        return r;
    json_t *value =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s}", "access_token", token->text.data, "refresh_token", "",
                  "client_id", identity->client_id, "expires_in", emu_call_number(token->end - token->begin),
                  "expires_on", emu_call_number(token->end), "not_before", emu_call_number(token->begin), "resource",
                  call->asked.resource, "token_type", "Bearer");
    if (options->refresh_in_sec > 0)
        json_object_set_new(value, "refresh_in", emu_call_number(options->refresh_in_sec));
    return emu_call_answer(call, value);
}
