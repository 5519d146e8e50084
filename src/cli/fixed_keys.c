/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "cli/fixed_keys.h"

static bool same_text(const void *a, const void *b, size_t size)
{
    (void)size;
    return strcmp(*(char *const *)a, *(char *const *)b) == 0;
}

static bool same_list(const void *a, const void *b, size_t size)
{
    (void)size;
    return azm_key_values_equal(a, b);
}

static bool same_value(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

#define FIELD(name) offsetof(struct azm_config, name), sizeof(((struct azm_config *)NULL)->name)

static const struct fixed {
    const char *key;
    bool (*same)(const void *a, const void *b, size_t size);
    size_t offset, size;
} all[] = {
    {"[journal] directory=", same_text, FIELD(journal_directory)},
    {"[journal] namespace=", same_text, FIELD(journal_namespace)},
    {"[journal] file=", same_list, FIELD(journal_files)},
    {"[journal] scope=", same_value, FIELD(scope)},
    {"[relay] from=", same_text, FIELD(relay_from)},
    {"[relay] group=", same_text, FIELD(relay_group)},
    {"[relay] password_file=", same_text, FIELD(relay_password_file)},
    {"[relay] sasl_mechanism=", same_text, FIELD(relay_sasl_mechanism)},
    {"[relay] tls_ca_file=", same_text, FIELD(relay_tls_ca_file)},
    {"[relay] tls_cert_file=", same_text, FIELD(relay_tls_cert_file)},
    {"[relay] tls_key_file=", same_text, FIELD(relay_tls_key_file)},
    {"[relay] claim_after=", same_value, FIELD(relay_claim_after_usec)},
    {"[relay] trim=", same_value, FIELD(relay_trim)},
    {"[state] directory=", same_text, FIELD(state_directory)},
    {"[state] control=", same_text, FIELD(control)},
    {"[state] quarantine_max_bytes=", same_value, FIELD(quarantine_max_bytes)},
    {"[metrics] listen=", same_text, FIELD(metrics_listen)},
    {"[metrics] textfile=", same_text, FIELD(metrics_textfile)},
};

int cli_check_fixed_keys(const struct azm_config *old, const struct azm_config *new, struct azm_error *err)
{
    for (size_t i = 0; i < ELEMENTSOF(all); i++) {
        const struct fixed *f = &all[i];

        if (!f->same((const char *)old + f->offset, (const char *)new + f->offset, f->size))
            return azm_error_set(err, EINVAL, "%s cannot change while azmonlog runs; restart it", f->key);
    }
    return 0;
}
