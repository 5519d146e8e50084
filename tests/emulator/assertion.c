/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "assertion.h"
#include "jwt.h"
#include "uid_set.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { LONGEST_LIFE_SEC = 600, LEEWAY_SEC = 1 }; /* MSAL Node rounds its clock */

struct emu_assertions {
    pthread_mutex_t lock;
    struct emu_uid_set used; /* under the lock: their jti */
};

int emu_assertions_new(struct emu_assertions **ret)
{
    struct emu_assertions *assertions = calloc(1, sizeof(*assertions));
    if (!assertions)
        return -ENOMEM;
    pthread_mutex_init(&assertions->lock, NULL); /* cannot fail with default attributes */
    *ret = assertions;
    return 0;
}

static int refuse(struct emu_assertion_problem *problem, unsigned number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct emu_assertion_problem *problem, unsigned number, const char *format, ...)
{
    const bool malformed = number == 50027 || number == 70021;
    va_list arguments;

    problem->status = malformed ? 400 : 401;
    problem->error = malformed ? "invalid_request" : "invalid_client";
    problem->number = number;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
    return -EACCES;
}

/* Is it the present content of the application's file, but for the end of the line? */
static bool is_federated(const struct emu_identity *identity, const char *assertion)
{
    _cleanup_(emu_buf_free) struct emu_buf content = {0};
    if (!identity->federated_token_file || emu_buf_append_file(&content, identity->federated_token_file) < 0)
        return false;
    while (content.length > 0 && strchr("\r\n", content.data[content.length - 1]))
        content.length--;
    return content.length > 0 && strlen(assertion) == content.length &&
           memcmp(assertion, content.data, content.length) == 0;
}

static bool is_text(const char *text, const char *expected)
{
    return text && strcmp(text, expected) == 0;
}

static const char *header_text(const struct emu_jwt *jwt, const char *name)
{
    const char *text = json_string_value(json_object_get(jwt->header, name));
    return text ? text : "";
}

/* With or without base64's padding, as MSAL Python writes x5t. */
static bool is_thumbprint(const char *text, const char *expected)
{
    const size_t length = strlen(expected);
    return strncmp(text, expected, length) == 0 && strspn(text + length, "=") == strlen(text + length);
}

static int check_signature(const struct emu_identity *identity, const struct emu_jwt *jwt,
                           struct emu_assertion_problem *problem)
{
    static const char words[] = "Client assertion failed signature validation";
    const bool legacy = is_text(header_text(jwt, "alg"), "RS256"); /* azure-identity for Python signs so */
    const char *name = legacy ? "x5t" : "x5t#S256";

    if (!identity->certificate_key)
        return refuse(problem, 700027, "%s. The application has no certificate", words);
    if (!is_text(header_text(jwt, "typ"), "JWT") || (!legacy && !is_text(header_text(jwt, "alg"), "PS256")))
        return refuse(problem, 700027, "%s. The header must say typ JWT and alg PS256, not '%.40s' and '%.40s'", words,
                      header_text(jwt, "typ"), header_text(jwt, "alg"));
    if (legacy ? !is_thumbprint(header_text(jwt, name), identity->thumbprint_sha1.data)
               : !is_text(header_text(jwt, name), identity->thumbprint.data))
        return refuse(problem, 700027, "%s. %s '%.60s' is not the thumbprint of the certificate", words, name,
                      header_text(jwt, name));
    if (!(legacy ? emu_jwt_has_rs256 : emu_jwt_has_ps256)(jwt, identity->certificate_key))
        return refuse(problem, 700027, "%s. The signature is wrong", words);
    return 0;
}

static int check_claims(const struct emu_identity *identity, const char *url, const struct emu_jwt *jwt,
                        struct emu_assertion_problem *problem)
{
    const char *subject = emu_jwt_text(jwt, "sub"), *audience = emu_jwt_text(jwt, "aud");
    const json_int_t now = time(NULL), end = emu_jwt_number(jwt, "exp"), issued = emu_jwt_number(jwt, "iat");
    const json_int_t begin = json_object_get(jwt->claims, "nbf") ? emu_jwt_number(jwt, "nbf") : issued;

    if (!subject || strcasecmp(subject, identity->client_id) != 0)
        return refuse(problem, 700021, "Client assertion application identifier doesn't match 'client_id' parameter");
    if (!is_text(audience, url))
        return refuse(problem, 700023,
                      "Client assertion audience claim does not match Realm issuer: '%.150s' instead of '%.150s'",
                      audience ? audience : "", url);
    if (begin < 0 || begin > now + LEEWAY_SEC || issued < 0 || issued > now + LEEWAY_SEC || end <= now ||
        end - begin > LONGEST_LIFE_SEC)
        return refuse(problem, 700024,
                      "Client assertion is not within its valid time range: now %lld, nbf %lld, iat %lld, exp %lld, at "
                      "most %d seconds",
                      (long long)now, (long long)begin, (long long)issued, (long long)end, LONGEST_LIFE_SEC);
    return 0;
}

static int use(struct emu_assertions *assertions, const struct emu_jwt *jwt, bool only_look,
               struct emu_assertion_problem *problem)
{
    const char *id = emu_jwt_text(jwt, "jti");
    if (!id || !id[0])
        return refuse(problem, 50027, "Invalid JWT token. It has no jti");
    if (only_look)
        return 0;
    pthread_mutex_lock(&assertions->lock);
    int r = emu_uid_set_add(&assertions->used, id, strlen(id));
    pthread_mutex_unlock(&assertions->lock);
    return r == 0 ? refuse(problem, 700027, "Client assertion was used before: jti '%.60s'", id) : r;
}

int emu_assertions_check(struct emu_assertions *assertions, const struct emu_identity *identity, const char *url,
                         const char *assertion, bool only_look, enum emu_credential *ret,
                         struct emu_assertion_problem *problem)
{
    _cleanup_(emu_jwt_free) struct emu_jwt jwt = {0};

    *ret = EMU_FEDERATED;
    if (is_federated(identity, assertion))
        return 0;
    int r = emu_jwt_parse(&jwt, assertion, strlen(assertion));
    if (r == -EINVAL)
        return refuse(problem, 50027, "Invalid JWT token. It is not three parts in base64url, of which two are JSON");
    if (r < 0)
        return r;
    const char *issuer = emu_jwt_text(&jwt, "iss");
    if (!issuer || strcasecmp(issuer, identity->client_id) != 0)
        return refuse(
            problem, 70021,
            "No matching federated identity record found for presented assertion. Assertion Issuer: '%.100s'. "
            "Assertion Subject: '%.100s'. Assertion Audience: '%.100s'",
            issuer ? issuer : "", emu_jwt_text(&jwt, "sub") ? emu_jwt_text(&jwt, "sub") : "",
            emu_jwt_text(&jwt, "aud") ? emu_jwt_text(&jwt, "aud") : "");
    *ret = EMU_CLIENT_CERTIFICATE;
    r = check_signature(identity, &jwt, problem);
    if (r >= 0)
        r = check_claims(identity, url, &jwt, problem);
    if (r >= 0)
        r = use(assertions, &jwt, only_look, problem);
    return r < 0 ? r : 0;
}

void emu_assertions_free(struct emu_assertions *assertions)
{
    if (!assertions)
        return;
    emu_uid_set_clear(&assertions->used);
    pthread_mutex_destroy(&assertions->lock);
    free(assertions);
}
