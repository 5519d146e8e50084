/* SPDX-License-Identifier: MIT */
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

/* One key and its values, as rsyslog's parameters and the command line give them: which key, then the values, NUL
 * excepted. An error names the place. Forgetting what was set, by an empty value, brings the default back. */

FUZZ_TARGET(setting)
{
    static size_t n_keys;
    struct azm_config_key known;
    struct azm_config c;
    bool is_public;
    uint8_t which = fuzz_byte(&in);
    int r = 0;

    while (azm_config_key(n_keys, &known))
        n_keys++;
    require(azm_config_key(which % n_keys, &known));
    is_public = fuzz_byte(&in) & 1;
    require(azm_config_init(&c) == 0);
    while (in.size > 0 && r == 0) {
        const char *name = strcmp(known.key, "*") == 0 ? fuzz_string(&in) : known.key, *value = fuzz_string(&in);
        struct azm_error err = {""};

        r = azm_config_set(&c, known.section, name, value, "action \"a\"", is_public, &err);
        require((r < 0) == (*err.words != '\0'));
        require(r == 0 || strncmp(err.words, "action \"a\"", 10) == 0);
    }
    fuzz_require_headers(&c.headers);
    require(azm_config_forget_destination(&c) == 0 && !azm_config_has_destination(&c));
    azm_config_free(&c);
}
