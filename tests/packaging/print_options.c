/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* azmonlog in which getopt_long prints its table instead of going by it: `print_options COMMAND` prints a line for each
 * option, "--NAME", its letter or "-", and "ARGUMENT" or "-". Linked with all that azmonlog consists of. */

int __wrap_getopt_long(int argc, char *const argv[], const char *letters, const struct option *options, int *index);

int __wrap_getopt_long(int argc, char *const argv[], const char *letters, const struct option *options, int *index)
{
    (void)argc;
    (void)argv;
    (void)index;
    for (const struct option *o = options; o->name; o++) {
        const char *letter = o->val < 256 ? strchr(letters, o->val) : NULL;

        if ((o->val < 256 && !letter) || (letter && (letter[1] == ':') != (o->has_arg == required_argument))) {
            fprintf(stderr, "--%s and -%c do not agree\n", o->name, o->val);
            exit(1);
        }
        printf("--%s\t%.*s\t%s\n", o->name, 1, letter ? letter : "-",
               o->has_arg == required_argument ? "ARGUMENT" : "-");
    }
    for (const char *letter = letters; *letter; letter++) {
        const struct option *o = options;

        while (o->name && o->val != *letter)
            o++;
        if (*letter != ':' && !o->name) {
            fprintf(stderr, "-%c has no long name\n", *letter);
            exit(1);
        }
    }
    exit(fflush(stdout) == 0 ? 0 : 1);
}
