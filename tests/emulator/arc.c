/* SPDX-License-Identifier: MIT */
/* The agent of a machine that Azure Arc knows: learn.microsoft.com, "Authenticate against Azure resources with Azure
 * Arc-enabled servers". */
#include "config.h"

#include "managed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool owns(const char *path)
{
    return strcmp(path, "/arc/metadata/identity/oauth2/token") == 0;
}

static int check_presence(struct emu_token_call *call)
{
    return call->desk->arc_keys
               ? 0
               : emu_call_refuse(call, 404, "not_found", "This machine is not connected: there is no --arc-directory");
}

static int check_version(struct emu_token_call *call)
{
    const char *version = call->asked.api_version;
    if (version && (strcmp(version, "2020-06-01") == 0 || strcmp(version, "2019-11-01") == 0))
        return 0;
    return emu_call_refuse(call, 400, "invalid_request", "The api-version must be 2020-06-01 or 2019-11-01, not '%s'",
                           version ? version : "");
}

/* 401 with a new key to be read. */
static int challenge(struct emu_token_call *call)
{
    char *path = NULL;
    if (call->played)
        return 1;
    int r = emu_arc_keys_write(call->desk->arc_keys, &path);
    if (r < 0)
        return emu_call_refuse(call, 500, "internal_error", "Cannot write the key: %s", strerror(-r));
    r = emu_oauth_error(&call->answer, 401, "unauthorized_client", "Missing Basic Authorization header");
    if (r >= 0 && asprintf(&call->answer.authenticate, "Basic realm=%s", path) < 0) {
        call->answer.authenticate = NULL;
        r = -ENOMEM;
    }
    free(path);
    return r < 0 ? r : 1;
}

static int check_key(struct emu_token_call *call)
{
    const char *authorization = emu_call_header(call, "Authorization");
    if (!authorization)
        return challenge(call);
    if (strncasecmp(authorization, "Basic ", 6) == 0 &&
        emu_arc_keys_take(call->desk->arc_keys, authorization + 6, call->played))
        return 0;
    snprintf(call->problem, sizeof(call->problem), "The key is wrong or has been used");
    return challenge(call);
}

static int answer(struct emu_token_call *call)
{
    return emu_managed_answer(call, EMU_ARC);
}

static int serve(struct emu_token_call *call)
{
    static const emu_call_step steps[] = {check_presence,    emu_call_get,  emu_managed_metadata,
                                          emu_managed_query, check_version, emu_managed_resource,
                                          check_key,         answer,        NULL};
    return emu_call_run(call, steps);
}

const struct emu_endpoint emu_endpoint_arc = {"arc", owns, serve, emu_oauth_error};
