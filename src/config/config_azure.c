/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/azure_endpoint.h"
#include "config/config_azure.h"
#include "config/config_url.h"

int azm_parse_auth(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const struct {
        const char *word;
        enum azm_auth auth;
    } words[] = {
        {"auto", AZM_AUTH_AUTO},
        {"none", AZM_AUTH_NONE},
        {"default", AZM_AUTH_DEFAULT},
        {"managed_identity", AZM_AUTH_MANAGED_IDENTITY},
        {"imds", AZM_AUTH_IMDS},
        {"arc", AZM_AUTH_ARC},
        {"app_service", AZM_AUTH_APP_SERVICE},
        {"client_secret", AZM_AUTH_CLIENT_SECRET},
        {"client_certificate", AZM_AUTH_CLIENT_CERTIFICATE},
        {"workload_identity", AZM_AUTH_WORKLOAD_IDENTITY},
    };

    (void)c;
    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (strcmp(a->value, words[i].word) == 0) {
            *(enum azm_auth *)field = words[i].auth;
            return 0;
        }
    return azm_error_set(err, EINVAL,
                         "'%s' is none of auto, none, default, managed_identity, imds, arc, app_service, "
                         "client_secret, client_certificate, workload_identity",
                         a->value);
}

int azm_parse_cloud(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    static const char *const words[] = {
        [AZM_CLOUD_PUBLIC] = "public", [AZM_CLOUD_USGOV] = "usgov", [AZM_CLOUD_CHINA] = "china"};

    (void)c;
    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (strcmp(a->value, words[i]) == 0) {
            *(enum azm_cloud *)field = (enum azm_cloud)i;
            return 0;
        }
    return azm_error_set(err, EINVAL, "'%s' is none of public, usgov, china", a->value);
}

/* A URL with a password must not get into an error, not even when it is wrong for another reason. */
static int check_no_user(const char *value, struct azm_error *err)
{
    return strchr(value, '@') ? azm_error_set(err, EINVAL, "there must be no user name or password in it") : 0;
}

/* Only the scheme, the host and the port: what is sent there needs TLS, except within this machine. */
int azm_parse_base_url(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (check_no_user(a->value, err) < 0)
        return -EINVAL;
    if (*a->value && !azm_url_is_base(a->value))
        return azm_error_set(err, EINVAL, "'%.*s' is not https://HOST[:PORT] (http:// only for this machine itself)",
                             (int)strcspn(a->value, "?#"), a->value);
    return azm_parse_string(c, field, a, err);
}

/* A host name may stand for a URL. */
static int parse_dce(struct azm_config *c, void *field, const struct azm_assignment *a, const char *signal,
                     const char *host, struct azm_error *err)
{
    if (strstr(a->value, "://"))
        return azm_parse_base_url(c, field, a, err);
    if (check_no_user(a->value, err) < 0)
        return -EINVAL;
    if (*a->value && !azm_is_host_name(a->value))
        return azm_error_set(err, EINVAL,
                             "'%s' is not the %s ingestion endpoint of a data collection endpoint "
                             "(https://NAME-ID.REGION-1.%singest.monitor.azure.com)",
                             a->value, signal, host);
    return azm_parse_string(c, field, a, err);
}

int azm_parse_dce(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    return parse_dce(c, field, a, "logs", "", err);
}

int azm_parse_metrics_dce(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    return parse_dce(c, field, a, "metrics", AZM_METRICS_HOST, err);
}

int azm_parse_dcr(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (*a->value && !azm_is_dcr_id(a->value))
        return azm_error_set(err, EINVAL,
                             "'%s' is not the immutable id of a data collection rule (dcr- and 32 hexadecimal digits); "
                             "az monitor data-collection rule show --query immutableId prints it",
                             a->value);
    return azm_parse_string(c, field, a, err);
}

int azm_parse_dcrs(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    return azm_parse_places(c, field, a, azm_parse_dcr, err);
}

int azm_parse_host_suffix(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (*a->value && (!azm_is_host_name(a->value) || !strchr(a->value, '.')))
        return azm_error_set(err, EINVAL, "'%s' is not the end of a host name (ingest.monitor.azure.com)", a->value);
    return azm_parse_string(c, field, a, err);
}

/* Read when it is needed, again and again. The value is not shown: it may be the secret itself, pasted. */
int azm_parse_credential_file(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    if (*a->value != '/' && (strchr(a->value, '/') || *a->value == '.'))
        return azm_error_set(err, EINVAL,
                             "this is neither an absolute path nor the name of a credential (systemd LoadCredential=)");
    return azm_parse_string(c, field, a, err);
}
