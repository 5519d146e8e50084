/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "core/log.h"
#include "export/exporter_internal.h"

static void say_none(struct azm_exporter *x)
{
    struct azm_tokens_status s;
    char reason[sizeof s.failure.reason + 32];

    azm_tokens_get_status(x->route->tokens, &s);
    if (s.state != AZM_TOKENS_RETRYING && s.state != AZM_TOKENS_HELD)
        return; /* it is on its way */
    x->route->tokenless = true;
    snprintf(reason, sizeof reason, "no token: %s", s.failure.reason);
    azm_exporter_set_failing(x, s.state == AZM_TOKENS_HELD ? AZM_EXPORTER_HELD : AZM_EXPORTER_RETRYING, reason,
                             s.failure.remedy, "");
}

bool azm_exporter_take_token(struct azm_exporter *x)
{
    struct azm_route *route = x->route;

    x->token = azm_secret_unref(x->token);
    x->token_number = 0;
    if (!route->tokens)
        return true;
    if (azm_tokens_get(route->tokens, &x->token, &x->token_number) == 0) {
        say_none(x);
        return false;
    }
    if (route->tokenless) {
        route->tokenless = false;
        if (azm_exporter_set_well(x) > 0)
            azm_log(AZM_LOG_NOTICE, "there is a token again; delivery to %s goes on", route->destination);
    }
    return true;
}

bool azm_exporter_token_refused(struct azm_exporter *x, const struct azm_part *p)
{
    struct azm_route *route = x->route;
    bool soon;

    if (!route->tokens || p->token_number == 0)
        return false;
    soon = azm_tokens_refused(route->tokens, p->token_number);
    if (route->refused_token == 0)
        route->refused_token = p->token_number;
    return soon && p->token_number == route->refused_token; /* others that went along with it, too */
}
