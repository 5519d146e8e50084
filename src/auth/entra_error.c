/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <limits.h>

#include "auth/entra_error.h"
#include "auth/token_answer.h"

static const struct entra_error {
    uint64_t aadsts;
    const char *words, *remedy;
} errors[] = {
    {7000215, "the client secret is wrong",
     "set the secret's value (not its Secret ID) in the file of client_secret_file= or in $AZURE_CLIENT_SECRET; a new "
     "one: az ad app credential reset --append --id CLIENT_ID"},
    {7000222, "the client secret has expired",
     "make a new one (az ad app credential reset --append --id CLIENT_ID) and put it into the file of "
     "client_secret_file= or "
     "into $AZURE_CLIENT_SECRET"},
    {7000218, "the application must prove who it is", "set client_secret_file= or client_certificate_file="},
    {7000112, "the application is disabled", "enable it in Microsoft Entra ID, Enterprise applications"},
    {700016, "no such application in this tenant",
     "check client_id= ($AZURE_CLIENT_ID) and tenant_id= ($AZURE_TENANT_ID) in [destination]"},
    {700027, "the application does not know this certificate",
     "upload the certificate of client_certificate_file= to the application (az ad app credential reset --id CLIENT_ID "
     "--cert @FILE --append)"},
    {700024, "the assertion is not valid at this time",
     "check the clock of this machine (timedatectl); with workload identity: is the token file renewed?"},
    {700023, "the assertion is for another authority", "check authority= ($AZURE_AUTHORITY_HOST) and tenant_id="},
    {70011, "the scope is wrong", "check audience= in [destination]"},
    {1002012, "the scope is wrong", "check audience= in [destination]"},
    {50027, "the assertion is no valid JWT",
     "check federated_token_file= ($AZURE_FEDERATED_TOKEN_FILE): it holds the pod's token and nothing else"},
    {500011, "there is no such audience in this tenant", "check audience= and tenant_id= in [destination]"},
    {70021, "no federated credential of the application fits this token",
     "add one with the token's issuer, subject and audience (az ad app federated-credential create), and wait some "
     "minutes"},
    {700211, "no federated credential of the application has this token's issuer",
     "the issuer in the federated credential must be the cluster's OIDC issuer, to the letter"},
    {700212, "no federated credential of the application has this token's audience",
     "the audience in the federated credential must be that of the token: api://AzureADTokenExchange"},
    {700213, "no federated credential of the application has this token's subject",
     "the subject in the federated credential must be system:serviceaccount:NAMESPACE:SERVICEACCOUNT"},
    {90002, "there is no such tenant", "check tenant_id= ($AZURE_TENANT_ID) and authority= in [destination]"},
    {900023, "there is no such tenant", "check tenant_id= ($AZURE_TENANT_ID) in [destination]"},
    {50034, "there is no such account in this tenant", "check tenant_id= and client_id= in [destination]"},
    {53003, "a conditional access policy forbids it",
     "the policy must let the application in from this network (Microsoft Entra ID, Conditional Access)"},
};

/* For what has no number in the table. */
static const struct azm_identity_rule rules[] = {
    {408, 408, false, NULL},
    {429, 429, false, NULL},
    {500, 599, false, NULL},
    {400, 401, true, "look the number up at https://login.microsoftonline.com/error"},
    {404, 404, true, "check authority= and tenant_id= in [destination]"},
    {407, 407, true, "the proxy wants credentials: check the proxy in the environment (https_proxy)"},
    {LONG_MIN, LONG_MAX, true, "check authority= in [destination], and whether a proxy answers instead"},
};

int azm_entra_failed(const struct azm_identity_answer *a, struct azm_token_failure *f)
{
    const struct azm_identity_rule *rule = rules;
    const char *words = "", *remedy;
    struct azm_token_error said;
    char number[32] = "";

    while (a->status < rule->first || a->status > rule->last)
        rule++;
    remedy = rule->remedy;
    azm_token_error_parse(a->body, &said);
    for (size_t i = 0; i < ELEMENTSOF(errors); i++)
        if (errors[i].aadsts == said.aadsts) {
            words = errors[i].words;
            remedy = rule->permanent ? errors[i].remedy : remedy;
        }
    if (said.aadsts)
        snprintf(number, sizeof number, " AADSTS%" PRIu64, said.aadsts);
    azm_keep_retry_after(a, f);
    return azm_token_fail(f, rule->permanent, remedy, "Microsoft Entra ID answers HTTP %ld%s%s%s%s%s%s%s%s", a->status,
                          number, *said.error ? " " : "", said.error, *words ? ": " : "", words,
                          *said.trace_id ? " (trace_id " : "", said.trace_id, *said.trace_id ? ")" : "");
}
