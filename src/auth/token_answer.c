/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base64url.h"
#include "auth/token_answer.h"
#include "core/clock.h"

#define TOKEN_MAX_BYTES 16384
#define BRACKETS_MAX 256 /* in an answer or in claims; jansson's recursion must fit on a small stack */

/* --- JSON --- */

/* jansson frees strings as they are. */
static void wipe_and_free(json_t **j)
{
    const char *key;
    json_t *value;

    json_object_foreach(*j, key, value) if (json_is_string(value))
        explicit_bzero((char *)json_string_value(value), json_string_length(value));
    json_decref(*j);
}

/* The object that a text is, or NULL. */
static json_t *load(const struct azm_secret *text)
{
    const char *s = azm_secret_text(text);
    size_t len = azm_secret_len(text), brackets = 0;
    json_t *j;

    for (size_t i = 0; i < len; i++)
        brackets += s[i] == '[' || s[i] == '{';
    if (brackets > BRACKETS_MAX)
        return NULL;
    /* As reals, since an integer beyond 64 bits would spoil all of it. */
    j = json_loadb(s, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    if (j && !json_is_object(j)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

/* A positive number, or text that is one: 0 if it is neither. */
static double to_number(const json_t *j)
{
    const char *s = json_string_value(j);
    double d = json_real_value(j);

    if (s) {
        char *end;

        d = strtod(s, &end);
        if (!isdigit((unsigned char)*s) || s[strspn(s, "0123456789.")] || *end)
            return 0;
    }
    return isfinite(d) && d > 0 ? d : 0;
}

static bool is_word(const char *s)
{
    return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] == '\0';
}

/* Copies a member that is a plain word and fits, else "". */
static void copy_word(const json_t *object, const char *key, char *ret, size_t size)
{
    const char *s = json_string_value(json_object_get(object, key));

    snprintf(ret, size, "%s", s && strlen(s) < size && is_word(s) ? s : "");
}

/* --- claims --- */

/* Reads what the token says of itself. Returns its end, in seconds since 1970, 0 if it is none that can be read. */
static double read_claims(const char *token, struct azm_token *ret)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *text = NULL;
    _cleanup_(wipe_and_free) json_t *claims = NULL;
    const char *payload = strchr(token, '.'), *end = payload ? strchr(payload + 1, '.') : NULL;
    const char *audience;

    if (!end || azm_secret_new(TOKEN_MAX_BYTES, &text) < 0 ||
        azm_base64url_decode(text, payload + 1, (size_t)(end - payload - 1)) < 0)
        return 0;
    claims = load(text);
    copy_word(claims, "oid", ret->object_id, sizeof ret->object_id);
    copy_word(claims, "tid", ret->tenant_id, sizeof ret->tenant_id);
    copy_word(claims, "appid", ret->app_id, sizeof ret->app_id);
    if (!*ret->app_id) /* its name in tokens of version 2 */
        copy_word(claims, "azp", ret->app_id, sizeof ret->app_id);
    audience = json_string_value(json_object_get(claims, "aud"));
    if (audience && strlen(audience) < sizeof ret->audience) {
        size_t n = 0;

        while (isgraph((unsigned char)audience[n]))
            n++;
        snprintf(ret->audience, sizeof ret->audience, "%s", audience[n] ? "" : audience);
    }
    return to_number(json_object_get(claims, "exp"));
}

/* --- answers --- */

static uint64_t to_usec(double seconds)
{
    return (uint64_t)(fmin(seconds, (double)(AZM_TOKEN_LIFETIME_MAX_USEC / AZM_USEC_PER_SEC)) * 1e6);
}

/* The token in "Authorization: Bearer ...": 0, -EINVAL or -ENOMEM. */
static int make_header(const char *token, struct azm_secret **ret)
{
    _cleanup_(azm_secret_unrefp) struct azm_secret *header = NULL;
    size_t len = 0;
    int r;

    while (isgraph((unsigned char)token[len]))
        len++;
    if (len == 0 || token[len] || len > TOKEN_MAX_BYTES)
        return -EINVAL;
    r = azm_secret_new(len + 32, &header);
    if (r == 0)
        r = azm_secret_printf(header, "Authorization: Bearer %s", token);
    if (r == 0)
        *ret = azm_secret_ref(header);
    return r;
}

int azm_token_answer_parse(const struct azm_secret *body, uint64_t now_realtime_usec, struct azm_token *ret,
                           const char **ret_why)
{
    _cleanup_(wipe_and_free) json_t *j = load(body);
    const char *token = json_string_value(json_object_get(j, "access_token"));
    double in, on, claimed;
    int r;

    memset(ret, 0, sizeof *ret);
    if (!j || !token) {
        *ret_why = j ? "no access_token in it" : "no JSON object";
        return -EINVAL;
    }
    r = make_header(token, &ret->header);
    if (r < 0) {
        *ret_why = "an access_token that is none";
        return r;
    }
    claimed = read_claims(token, ret);
    in = to_number(json_object_get(j, "expires_in"));
    on = to_number(json_object_get(j, "expires_on"));
    if (in == 0)
        in = (on > 0 ? on : claimed) - (double)now_realtime_usec / 1e6;
    ret->expires_in_usec = in > 0 ? to_usec(in) : AZM_TOKEN_LIFETIME_UNKNOWN_USEC;
    ret->expires_realtime_usec = now_realtime_usec + ret->expires_in_usec;
    ret->refresh_in_usec = to_usec(to_number(json_object_get(j, "refresh_in")));
    if (ret->refresh_in_usec >= ret->expires_in_usec)
        ret->refresh_in_usec = 0;
    return 0;
}

void azm_token_error_parse(const struct azm_secret *body, struct azm_token_error *ret)
{
    _cleanup_(wipe_and_free) json_t *j = load(body);
    const char *words = json_string_value(json_object_get(j, "error_description"));
    double code = to_number(json_array_get(json_object_get(j, "error_codes"), 0));

    memset(ret, 0, sizeof *ret);
    copy_word(j, "error", ret->error, sizeof ret->error);
    copy_word(j, "trace_id", ret->trace_id, sizeof ret->trace_id);
    words = code == 0 && words ? strstr(words, "AADSTS") : NULL;
    if (words)
        code = strtod(words + strlen("AADSTS"), NULL);
    if (code >= 1 && code < 1e9)
        ret->aadsts = (uint64_t)code;
}

void azm_token_free(struct azm_token *t)
{
    azm_secret_unref(t->header);
    memset(t, 0, sizeof *t);
}
