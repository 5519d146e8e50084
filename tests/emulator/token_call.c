/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "json.h"
#include "token_call.h"
#include "utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int emu_call_run(struct emu_token_call *call, const emu_call_step *steps)
{
    int r = 0;
    while (r == 0 && *steps)
        r = (*steps++)(call);
    return r < 0 ? r : 0;
}

int emu_call_refuse(struct emu_token_call *call, unsigned status, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(call->problem, sizeof(call->problem), format, arguments);
    va_end(arguments);
    emu_utf8_repair(call->problem);
    int r = call->endpoint->error(&call->answer, status, code, call->problem);
    return r < 0 ? r : 1;
}

int emu_call_answer(struct emu_token_call *call, json_t *value)
{
    emu_answer_free(&call->answer);
    int r = emu_answer_json(&call->answer, 200, value);
    return r < 0 ? r : 1;
}

const char *emu_call_header(const struct emu_token_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

int emu_call_issue(struct emu_token_call *call, const struct emu_identity *identity, enum emu_credential credential,
                   const char *resource)
{
    call->known = identity;
    call->credential = credential;
    return emu_tokens_issue(call->desk->tokens, identity, credential, resource, &call->token);
}

struct query {
    const struct emu_query *known;
    size_t count;
    const char *unknown, *twice; /* the names of variables; NULL = none */
};

static enum MHD_Result take_variable(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct query *query = cls;

    (void)kind;
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(name, query->known[i].name) != 0)
            continue;
        if (*query->known[i].to)
            query->twice = name;
        *query->known[i].to = value ? value : "";
        return MHD_YES;
    }
    query->unknown = name;
    return MHD_YES;
}

int emu_call_query(struct emu_token_call *call, const struct emu_query *known, size_t count)
{
    struct query query = {.known = known, .count = count};
    MHD_get_connection_values(call->connection, MHD_GET_ARGUMENT_KIND, take_variable, &query);
    if (query.unknown)
        return emu_call_refuse(call, 400, "invalid_request", "Unknown query variable '%s'", query.unknown);
    if (query.twice)
        return emu_call_refuse(call, 400, "invalid_request", "Query variable '%s' occurs more than once", query.twice);
    return 0;
}

int emu_call_get(struct emu_token_call *call)
{
    if (strcmp(call->method, "GET") == 0)
        return 0;
    int r = emu_call_refuse(call, 405, "invalid_request", "The method must be GET, not %s", call->method);
    call->answer.allow = "GET";
    return r;
}

int emu_call_managed(struct emu_token_call *call, const char *missing, const struct emu_identity **ret)
{
    const struct emu_identities *identities = call->desk->identities;
    const char *const values[] = {
        [EMU_BY_CLIENT_ID] = call->asked.client_id,
        [EMU_BY_OBJECT_ID] = call->asked.object_id,
        [EMU_BY_RESOURCE_ID] = call->asked.resource_id,
    };
    unsigned named = 0;

    *ret = NULL;
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (values[i]) {
            *ret = emu_identities_managed(identities, i, values[i]);
            named++;
        }
    if (named > 1)
        return emu_call_refuse(call, 400, "invalid_request",
                               "At most one of the query variables that name an identity may be given");
    if (named == 0)
        *ret = emu_identities_default(identities);
    return *ret ? 0 : emu_call_refuse(call, 400, "invalid_request", "%s", missing);
}

json_t *emu_call_number(int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return json_string(text);
}

int emu_oauth_error(struct emu_answer *answer, unsigned status, const char *code, const char *message)
{
    emu_answer_free(answer);
    return emu_answer_json(answer, status, json_pack("{s:s, s:s}", "error", code, "error_description", message));
}

void emu_call_free(struct emu_token_call *call)
{
    emu_answer_free(&call->answer);
    emu_token_free(&call->token);
    emu_form_free(&call->form);
}
