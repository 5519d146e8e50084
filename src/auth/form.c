/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <string.h>

#include "auth/form.h"

/* By hand: curl_easy_escape would grow a copy of the secret on the heap and leave its pieces there. */
static int append_encoded(struct azm_secret *form, const char *value, size_t len)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    int r = 0;

    for (size_t i = 0; r == 0 && i < len; i++)
        if (value[i] && strchr(plain, value[i]))
            r = azm_secret_append(form, value + i, 1);
        else
            r = azm_secret_printf(form, "%%%02X", (unsigned char)value[i]);
    return r;
}

int azm_form_add(struct azm_secret *form, const char *key, const char *value, size_t len)
{
    size_t n = azm_secret_len(form);
    bool first = n == 0 || azm_secret_text(form)[n - 1] == '?';
    int r = azm_secret_printf(form, "%s%s=", first ? "" : "&", key);

    return r < 0 ? r : append_encoded(form, value, len);
}
