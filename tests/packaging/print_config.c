/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "config/config.h"

/* What the configuration's table says, for those who must not say anything else.
 *
 *   print_config       packaging/azmonlog.conf: every key with its default, behind a #
 *   print_config keys  SECTION KEY DEFAULT, with tabs between; DEFAULT is "*" for a list */

static const char head[] = "# SPDX-License-Identifier: MIT\n"
                           "# The configuration of azmonlog; azmonlog.conf(5) says more about each key.\n"
                           "#\n"
                           "# Every key is here, with its default. To change one, take the # from its line, or\n"
                           "# write section and key into a drop-in, azmonlog.conf.d/NAME.conf beside this file.\n"
                           "# \"azmonlog check\" tells whether it is right.\n";

static void print_section(const struct azm_config_key *k)
{
    printf("\n[%s]\n", k->section);
    if (strcmp(k->section, "destination") == 0)
        printf("# One of these has to be set: endpoint=, dce= with dcr=, or connection_string=.\n\n");
}

int main(int argc, char **argv)
{
    bool keys = argc == 2 && strcmp(argv[1], "keys") == 0;
    const char *section = "";
    struct azm_config_key k;

    if (argc > 1 && !keys)
        return 64;
    if (!keys)
        fputs(head, stdout);
    for (size_t i = 0; azm_config_key(i, &k); i++) {
        if (keys) {
            printf("%s\t%s\t%s\n", k.section, k.key, k.preset ? k.preset : "*");
            continue;
        }
        if (strcmp(k.section, section) != 0)
            print_section(&k);
        section = k.section;
        printf("# %s\n", k.words);
        if (strcmp(k.key, "*") != 0)
            printf("#%s=%s\n", k.key, k.preset ? k.preset : "");
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
