/* SPDX-License-Identifier: MIT */
#include "auth/entra_error.h"
#include "tests/fuzz/fuzz.h"

/* A refusal of Microsoft Entra ID, or of a managed identity's endpoint: status, Retry-After, body. There are words for
 * people, on one line, and they repeat nothing of the body but words and numbers. */

static const struct azm_identity_rule rules[] = {{429, 429, false, NULL}, {0, 999, true, "look into it"}};
static const struct azm_identity_endpoint endpoint = {.who = "the endpoint", .rules = rules};

FUZZ_TARGET(identity_error)
{
    struct azm_identity_answer a = {.status = strtol(fuzz_string(&in), NULL, 10) % 1000};
    struct azm_token_failure f[2] = {0};
    struct azm_text body;
    struct azm_token token = {0};

    a.status = a.status < 0 ? 0 : a.status;
    snprintf(a.retry_after, sizeof a.retry_after, "%s", fuzz_string(&in));
    body = fuzz_rest(&in);
    require(azm_secret_new(body.len, &a.body) == 0 && azm_secret_append(a.body, body.s, body.len) == 0);
    require(azm_entra_failed(&a, &f[0]) == (f[0].permanent ? -EPERM : -EAGAIN));
    require(azm_status_failed(&a, &endpoint, &f[1]) == (f[1].permanent ? -EPERM : -EAGAIN));
    for (size_t i = 0; i < 2; i++) {
        require(*f[i].reason && fuzz_is_line(f[i].reason) && fuzz_is_line(f[i].remedy));
        require(fuzz_is_utf8(azm_text_of(f[i].reason)));
        require(f[i].retry_after_usec <= 3600 * AZM_USEC_PER_SEC);
    }
    if (azm_answer_taken(&a, &endpoint, &token, &f[1]) < 0)
        require(!f[1].permanent && fuzz_is_line(f[1].reason));
    azm_token_free(&token);
    azm_secret_unref(a.body);
}
