/* SPDX-License-Identifier: MIT */
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

/* One key and its values, as rsyslog's parameters and the command line give them: which key, then the values, NUL
 * excepted; of [unit "NAME"] each with a name. An error names the place. Forgetting what was set, by an empty value,
 * brings the default back. */

static bool is_of_units(const char *section)
{
    return strchr(section, '"');
}

/* No unit is there twice, and each has a word. */
static void check_units(const struct azm_key_values *units)
{
    for (size_t i = 0; i < units->n; i++) {
        require(strchr(units->items[i].key, '.') && *units->items[i].value);
        for (size_t k = 0; k < i; k++)
            require(strcmp(units->items[i].key, units->items[k].key) != 0);
    }
}

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
        const char *name = strcmp(known.key, "*") == 0 ? fuzz_string(&in) : known.key, *section = known.section;
        struct azm_buf unit = {0};
        struct azm_error err = {""};

        if (is_of_units(section)) {
            require(azm_buf_printf(&unit, "unit \"%s\"%c", fuzz_string(&in), '\0') >= 0);
            section = (const char *)unit.data;
        }
        r = azm_config_set(&c, section, name, fuzz_string(&in), "action \"a\"", is_public, &err);
        require((r < 0) == (*err.words != '\0'));
        require(r == 0 || strncmp(err.words, "action \"a\"", 10) == 0);
        azm_buf_free(&unit);
    }
    fuzz_require_headers(&c.headers);
    check_units(&c.unit_parse);
    check_units(&c.unit_multiline);
    require(azm_config_forget_destination(&c) == 0 && !azm_config_has_destination(&c));
    azm_config_free(&c);
}
