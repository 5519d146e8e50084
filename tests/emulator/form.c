/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "form.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Replaces the escapes in place. */
static int unescape(char *text)
{
    static const char plain[] = "*-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz~";
    char *out = text;

    for (const char *at = text; *at; at++) {
        unsigned character = (unsigned char)*at;
        if (*at == '+') {
            character = ' ';
        } else if (*at == '%') {
            if (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
                return -EINVAL;
            sscanf(at + 1, "%2x", &character);
            at += 2;
            if (character == 0)
                return -EINVAL;
        } else if (!strchr(plain, *at)) {
            return -EINVAL;
        }
        *out++ = (char)character;
    }
    *out = '\0';
    return 0;
}

static int add_field(struct emu_form *form, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || form->count == EMU_FORM_FIELDS)
        return -EINVAL;
    *equals = '\0';
    if (unescape(text) < 0 || unescape(equals + 1) < 0)
        return -EINVAL;
    int r = emu_form_get(form, text) ? -EEXIST : 0;
    form->fields[form->count++] = (struct emu_form_field){text, equals + 1};
    return r;
}

int emu_form_parse(struct emu_form *form, const char *body, size_t length)
{
    form->text = strndup(length ? body : "", length);
    if (!form->text)
        return -ENOMEM;
    if (strlen(form->text) != length)
        return -EINVAL;
    int r = 0;
    char *rest = form->text, *field;
    while (r >= 0 && length > 0 && (field = strsep(&rest, "&")))
        r = add_field(form, field);
    return r;
}

const char *emu_form_get(const struct emu_form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->fields[i].name, name) == 0)
            return form->fields[i].value;
    return NULL;
}

void emu_form_free(struct emu_form *form)
{
    free(form->text);
    *form = (struct emu_form){0};
}
