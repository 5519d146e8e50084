/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_list.h"
#include "config/config_unit.h"
#include "config/config_word.h"

/* Completed as systemctl and journalctl do. */
static int complete_unit(const char *word, char *ret, size_t size, struct azm_error *err)
{
    static const char *const suffixes[] = {".service", ".socket", ".device", ".mount", ".automount", ".swap",
                                           ".target",  ".path",   ".timer",  ".slice", ".scope"};
    size_t len = strlen(word);
    bool complete = false;

    if (len > 240)
        return azm_error_set(err, EINVAL, "'%.40s...' is too long for the name of a unit", word);
    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        size_t n = strlen(suffixes[i]);

        complete |= len > n && strcmp(word + len - n, suffixes[i]) == 0;
    }
    snprintf(ret, size, "%s%s", word, complete ? "" : ".service");
    return 0;
}

static int add_unit(void *list, const char *word, struct azm_error *err)
{
    char name[NAME_MAX + 1];
    int r;

    if (strpbrk(word, "*?["))
        return azm_error_set(err, EINVAL, "'%s' is a pattern; the journal finds units by their whole name only", word);
    r = complete_unit(word, name, sizeof name, err);
    return r < 0 ? r : azm_list_add(list, name, err);
}

int azm_parse_units(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    (void)c;
    return azm_for_each_word(field, a->value, add_unit, err);
}

static void remove_from_list(struct azm_key_values *list, const char *key)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].key, key) == 0) {
            free(list->items[i].key);
            free(list->items[i].value);
            list->n--;
            memmove(&list->items[i], &list->items[i + 1], (list->n - i) * sizeof *list->items);
            return;
        }
}

/* A word that has been checked, for the unit in whose section it stands: set again it stands last, as it does in the
 * configuration. */
static int set_of_unit(void *list, const struct azm_assignment *a, struct azm_error *err)
{
    char unit[NAME_MAX + 1];
    int r = complete_unit(a->key, unit, sizeof unit, err);

    if (r < 0)
        return r;
    remove_from_list(list, unit);
    if (*a->value && azm_key_values_set(list, unit, a->value) < 0)
        return azm_error_set(err, ENOMEM, "out of memory");
    return 0;
}

int azm_parse_unit_line_format(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    enum azm_line_format format;
    int r = *a->value ? azm_parse_line_format(c, &format, a, err) : 0;

    return r < 0 ? r : set_of_unit(field, a, err);
}

int azm_parse_unit_multiline(struct azm_config *c, void *field, const struct azm_assignment *a, struct azm_error *err)
{
    enum azm_multiline kind;
    int r = *a->value ? azm_parse_multiline(c, &kind, a, err) : 0;

    return r < 0 ? r : set_of_unit(field, a, err);
}
