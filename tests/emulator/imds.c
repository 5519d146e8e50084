/* SPDX-License-Identifier: MIT */
/* The metadata service of a virtual machine: learn.microsoft.com, "How to use managed identities for Azure resources on
 * an Azure VM to acquire an access token". */
#include "config.h"

#include "managed.h"

#include <string.h>

static bool owns(const char *path)
{
    static const char token[] = "/metadata/identity/oauth2/token";
    const size_t length = sizeof(token) - 1;
    return strncmp(path, token, length) == 0 && strcmp(path + length + (path[length] == '/'), "") == 0; /* MSAL Node */
}

static int check_version(struct emu_token_call *call)
{
    const char *version = call->asked.api_version;
    if (version && strcmp(version, "2018-02-01") == 0)
        return 0;
    return emu_call_refuse(call, 400, "invalid_request",
                           "Bad request. api-version is invalid or was not specified in the request: '%s'",
                           version ? version : "");
}

static int check_forwarding(struct emu_token_call *call)
{
    if (!emu_call_header(call, "X-Forwarded-For"))
        return 0;
    return emu_call_refuse(call, 400, "invalid_request", "Requests with an X-Forwarded-For header are not answered");
}

static int answer(struct emu_token_call *call)
{
    return emu_managed_answer(call, EMU_IMDS);
}

static int serve(struct emu_token_call *call)
{
    static const emu_call_step steps[] = {emu_call_get,  emu_managed_metadata, check_forwarding, emu_managed_query,
                                          check_version, emu_managed_resource, answer,           NULL};
    return emu_call_run(call, steps);
}

const struct emu_endpoint emu_endpoint_imds = {"imds", owns, serve, emu_oauth_error};
