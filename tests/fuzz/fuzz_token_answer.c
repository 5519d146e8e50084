/* SPDX-License-Identifier: MIT */
#include "auth/token_answer.h"
#include "tests/fuzz/fuzz.h"

/* What an identity endpoint answers. A token becomes one header line and lives for a sensible time; an error says
 * nothing but words. */

FUZZ_TARGET(token_answer)
{
    struct azm_text body = fuzz_rest(&in);
    struct azm_secret *secret = NULL;
    struct azm_token_error error;
    struct azm_token token;
    const char *why = NULL;
    int r;

    require(azm_secret_new(body.len, &secret) == 0 && azm_secret_append(secret, body.s, body.len) == 0);
    r = azm_token_answer_parse(secret, FUZZ_NOW_USEC, &token, &why);
    require(r == 0 || (r == -EINVAL && why && !token.header));
    if (r == 0) {
        const char *header = azm_secret_text(token.header);

        require(strncmp(header, "Authorization: Bearer ", 22) == 0 && header[22]);
        require(strlen(header) == azm_secret_len(token.header) && fuzz_is_line(header) && !strchr(header + 22, ' '));
        require(token.expires_in_usec > 0 && token.expires_in_usec <= AZM_TOKEN_LIFETIME_MAX_USEC);
        require(token.refresh_in_usec < token.expires_in_usec);
        require(token.expires_realtime_usec == FUZZ_NOW_USEC + token.expires_in_usec);
        require(fuzz_is_word(token.object_id) && fuzz_is_word(token.app_id) && fuzz_is_word(token.tenant_id));
        require(fuzz_is_line(token.audience));
    }
    azm_token_free(&token);
    azm_token_error_parse(secret, &error);
    require(fuzz_is_word(error.error) && fuzz_is_word(error.trace_id) && error.aadsts < 1000000000);
    azm_secret_unref(secret);
}
