/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "auth/credential_choice.h"

static int pass_over(struct azm_buf *out, const struct azm_credential_kind *kind, const char *why)
{
    return azm_buf_printf(out, "%s: %s\n", kind->name, why);
}

static int choose_managed_identity(const struct azm_credential_options *o, bool arc_installed,
                                   const struct azm_credential_kind **ret, struct azm_buf *passed_over,
                                   struct azm_error *err)
{
    int r;

    if (*o->identity_endpoint && o->identity_header && *o->identity_server_thumbprint)
        return azm_error_set(
            err, EINVAL,
            "the managed identity of Service Fabric ($IDENTITY_SERVER_THUMBPRINT) is not supported; set "
            "auth= in [destination] to another credential");
    *ret = &azm_app_service;
    if (*o->identity_endpoint && o->identity_header)
        return 0;
    r = pass_over(passed_over, *ret, "$IDENTITY_ENDPOINT and $IDENTITY_HEADER are not set");
    if (r < 0)
        return r;
    *ret = &azm_arc;
    if ((*o->identity_endpoint && *o->imds_endpoint) || arc_installed)
        return 0;
    *ret = &azm_imds;
    return pass_over(passed_over, &azm_arc,
                     "$IDENTITY_ENDPOINT and $IMDS_ENDPOINT are not set, and its agent is not installed "
                     "(/var/opt/azcmagent/bin/himds)");
}

static int choose_default(const struct azm_credential_options *o, bool arc_installed,
                          const struct azm_credential_kind **ret, struct azm_buf *passed_over, struct azm_error *err)
{
    const struct {
        const struct azm_credential_kind *kind;
        bool wanted;
        const char *what;
    } of_applications[] = {
        {&azm_client_secret, o->client_secret || *o->client_secret_file,
         "neither client_secret_file= nor $AZURE_CLIENT_SECRET is set"},
        {&azm_client_certificate, *o->client_certificate_file,
         "neither client_certificate_file= nor $AZURE_CLIENT_CERTIFICATE_PATH is set"},
        {&azm_workload_identity, *o->federated_token_file,
         "neither federated_token_file= nor $AZURE_FEDERATED_TOKEN_FILE is set"},
    };

    for (size_t i = 0; i < ELEMENTSOF(of_applications); i++) {
        const char *why = of_applications[i].what;
        int r;

        *ret = of_applications[i].kind;
        if (of_applications[i].wanted && *o->tenant_id && *o->client_id)
            return 0;
        if (i == 0 && *o->client_secret_file) /* somebody has written it: another identity would surprise */
            return azm_error_set(err, EINVAL, "[destination] client_secret_file= is set, but %s= is not",
                                 *o->tenant_id ? "client_id" : "tenant_id");
        if (of_applications[i].wanted)
            why = *o->tenant_id ? "neither client_id= nor $AZURE_CLIENT_ID is set"
                                : "neither tenant_id= nor $AZURE_TENANT_ID is set";
        r = pass_over(passed_over, *ret, why);
        if (r < 0)
            return r;
    }
    return choose_managed_identity(o, arc_installed, ret, passed_over, err);
}

int azm_credential_choose(const struct azm_credential_options *o, bool arc_installed,
                          const struct azm_credential_kind **ret, struct azm_buf *passed_over, struct azm_error *err)
{
    static const struct azm_credential_kind *const kinds[] = {
        [AZM_AUTH_IMDS] = &azm_imds,
        [AZM_AUTH_ARC] = &azm_arc,
        [AZM_AUTH_APP_SERVICE] = &azm_app_service,
        [AZM_AUTH_CLIENT_SECRET] = &azm_client_secret,
        [AZM_AUTH_CLIENT_CERTIFICATE] = &azm_client_certificate,
        [AZM_AUTH_WORKLOAD_IDENTITY] = &azm_workload_identity,
    };
    struct azm_error why;
    int r = 0;

    why.words[0] = '\0';
    if (!*o->audience)
        return azm_error_set(err, EINVAL, "[destination] audience= is empty");
    if (o->auth == AZM_AUTH_DEFAULT)
        r = choose_default(o, arc_installed, ret, passed_over, &why);
    else if (o->auth == AZM_AUTH_MANAGED_IDENTITY)
        r = choose_managed_identity(o, arc_installed, ret, passed_over, &why);
    else
        *ret = kinds[o->auth];
    if (r == 0) {
        r = (*ret)->check(o, &why);
        if (r < 0)
            return azm_error_set(err, r, "%s: %s", (*ret)->name, why.words);
    }
    if (r < 0)
        azm_error_set(err, r, "%s", r == -ENOMEM ? "out of memory" : why.words);
    return r;
}
