/* SPDX-License-Identifier: MIT */
#include "auth/base64url.h"
#include "tests/fuzz/fuzz.h"

/* A part of a JSON Web Token: what is encoded comes back. */

FUZZ_TARGET(base64url)
{
    struct azm_text t = fuzz_rest(&in);
    struct azm_secret *decoded = NULL, *text = NULL, *again = NULL;

    require(azm_secret_new(t.len, &decoded) == 0 && azm_secret_new(AZM_BASE64URL_LEN(t.len), &text) == 0 &&
            azm_secret_new(t.len, &again) == 0);
    if (azm_base64url_decode(decoded, t.s, t.len) == 0)
        require(azm_secret_len(decoded) == t.len * 3 / 4);
    require(azm_base64url_append(text, t.s, t.len) == 0);
    require(azm_base64url_decode(again, azm_secret_text(text), azm_secret_len(text)) == 0);
    require(azm_text_equal((struct azm_text){azm_secret_text(again), azm_secret_len(again)}, t));
    azm_secret_unref(decoded);
    azm_secret_unref(text);
    azm_secret_unref(again);
}
