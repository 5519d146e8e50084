/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/journal_options.h"

/* A list on the command line replaces that of the configuration. */
static void add_to_list(struct cli_overrides *o, const char *key, const char *value, const char *option)
{
    bool first = true;

    for (size_t i = 0; i < o->n; i++)
        first &= strcmp(o->items[i].key, key) != 0;
    if (first)
        cli_override(o, "journal", key, "", option);
    cli_override(o, "journal", key, value, option);
}

bool cli_journal_option(struct cli_overrides *o, int option, const char *value)
{
    switch (option) {
    case CLI_OPT_DIRECTORY:
        cli_override(o, "journal", "directory", value, "--directory");
        return true;
    case CLI_OPT_NAMESPACE:
        cli_override(o, "journal", "namespace", value, "--namespace");
        return true;
    case CLI_OPT_FILE:
        add_to_list(o, "file", value, "--file");
        return true;
    case CLI_OPT_SYSTEM:
        cli_override(o, "journal", "scope", "system", "--system");
        return true;
    case CLI_OPT_USER:
        cli_override(o, "journal", "scope", "user", "--user");
        return true;
    case 'u':
        add_to_list(o, "units", value, "--unit");
        return true;
    case 't':
        add_to_list(o, "identifiers", value, "--identifier");
        return true;
    case 'p':
        cli_override(o, "journal", "priority", value, "--priority");
        return true;
    default:
        return false;
    }
}
