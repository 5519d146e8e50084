/* SPDX-License-Identifier: MIT */
#include "cli/check.h"

static bool check_token(struct check *c, const struct azm_destination *d, struct azm_credential *credential)
{
    struct azm_token_failure failure;
    struct azm_token token = {0};
    char expires[AZM_TIME_TEXT_MAX];

    check_begin(c);
    if (azm_credential_acquire(credential, &token, &failure) < 0) {
        check_failed(c, CHECK_TOKEN, AZM_USEC_INFINITY, failure.reason, failure.remedy);
        return false;
    }
    azm_time_print(token.expires_realtime_usec, expires);
    check_ok(c, CHECK_TOKEN, AZM_USEC_INFINITY,
             "for %s; object id %s, application id %s, tenant %s; valid until %.19s UTC (%.0f min)",
             *token.audience ? token.audience : d->credential.audience, *token.object_id ? token.object_id : "not said",
             *token.app_id ? token.app_id : "not said", *token.tenant_id ? token.tenant_id : "not said", expires,
             (double)token.expires_in_usec / (60.0 * (double)AZM_USEC_PER_SEC));
    azm_token_free(&token);
    return true;
}

bool check_identity(struct check *c, const struct azm_destination *d)
{
    _cleanup_(azm_buf_free) struct azm_buf others = {0};
    struct azm_credential *credential;
    struct azm_error err;
    bool ok;

    if (!d->has_credential) {
        check_skipped(c, CHECK_CREDENTIAL,
                      d->ikey         ? "none: the instrumentation key says whose records they are"
                      : d->stream.url ? "none but the user of the stream, which is tried below"
                                      : "none: auth=none, or no https endpoint of Azure");
        check_skipped(c, CHECK_TOKEN, "none is needed");
        return true;
    }
    check_begin(c);
    if (azm_credential_new(&d->credential, &credential, &err) < 0) {
        check_failed(c, CHECK_CREDENTIAL, AZM_USEC_INFINITY, err.words, NULL);
        check_skipped(c, CHECK_TOKEN, "there is no credential to ask with");
        return false;
    }
    if (azm_credential_passed_over(credential, &others) < 0)
        azm_buf_clear(&others);
    check_ok(c, CHECK_CREDENTIAL, AZM_USEC_INFINITY, "%s, by %s%s%.*s", azm_credential_name(credential),
             azm_credential_url(credential), others.len > 0 ? "; passed over:\n" : "", (int)others.len,
             others.len > 0 ? (const char *)others.data : "");
    ok = check_token(c, d, credential);
    azm_credential_free(credential);
    return ok;
}
