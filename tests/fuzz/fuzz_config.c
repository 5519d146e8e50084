/* SPDX-License-Identifier: MIT */
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

/* A configuration file, public or not. It is taken, or refused in words that name it, with its secrets left out; what
 * is taken holds what config.h promises. */

static void check(const struct azm_config *c)
{
    const char *const strings[] = {c->endpoint,    c->dce,
                                   c->dcr,         c->connection_string,
                                   c->tls_ca_file, c->authority,
                                   c->audience,    c->state_directory,
                                   c->control,     c->journal_directory};

    for (size_t i = 0; i < ELEMENTSOF(strings); i++)
        require(strings[i]);
    require(c->concurrency > 0 && c->max_export_batch_size > 0 && c->max_request_bytes > 0 && c->timeout_usec > 0);
    require(c->priority >= -1 && c->priority <= 7);
    for (size_t i = 0; i < c->resource.n; i++)
        for (size_t k = 0; k < i; k++)
            require(strcmp(c->resource.items[i].key, c->resource.items[k].key) != 0);
    fuzz_require_headers(&c->headers);
}

FUZZ_TARGET(config)
{
    struct azm_config c;
    struct azm_error err = {""};
    int r;

    fuzz_write("azmonlog.conf", fuzz_rest(&in));
    require(azm_config_init(&c) == 0);
    r = azm_config_read(&c, fuzz_path("azmonlog.conf"), false, &err);
    require((r < 0) == (*err.words != '\0'));
    require(r == 0 || strstr(err.words, "azmonlog.conf:"));
    check(&c);
    if (r == 0) {
        r = azm_config_check(&c, &err);
        require((r < 0) == (*err.words != '\0'));
    }
    azm_config_free(&c);
}
