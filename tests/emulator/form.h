/* SPDX-License-Identifier: MIT */
/* A body of the type application/x-www-form-urlencoded. */
#pragma once

#include <stddef.h>

struct emu_form_field {
    char *name, *value; /* NUL-terminated, in the form's own text */
};

enum { EMU_FORM_FIELDS = 32 };

/* Zero-initialise it; free it with emu_form_free. */
struct emu_form {
    char *text;
    struct emu_form_field fields[EMU_FORM_FIELDS];
    size_t count;
};

/* Takes a form apart. 0; -EINVAL when it is none: an escape that is none or stands for a NUL, a character that should
 * have been escaped, a field without '=', or too many; -EEXIST when a name is used twice, and then it is the last one;
 * -ENOMEM. */
int emu_form_parse(struct emu_form *form, const char *body, size_t length);

/* A value by name, or NULL. */
const char *emu_form_get(const struct emu_form *form, const char *name);

void emu_form_free(struct emu_form *form);
