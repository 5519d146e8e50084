/* SPDX-License-Identifier: MIT */
#include "stream/redis_command.h"

static int append_word(struct azm_buf *b, struct azm_text word)
{
    int r = azm_buf_printf(b, "$%zu\r\n", word.len);

    if (r >= 0)
        r = azm_buf_append(b, word.s, word.len);
    return r < 0 ? r : azm_buf_append(b, "\r\n", 2);
}

int redis_command_append(struct azm_buf *b, const struct azm_text *words, size_t n)
{
    size_t before = b->len, size = 32;
    int r;

    for (size_t i = 0; i < n; i++)
        size += words[i].len + 32;
    r = azm_buf_reserve(b, size);
    if (r >= 0)
        r = azm_buf_printf(b, "*%zu\r\n", n);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = append_word(b, words[i]);
    if (r < 0)
        b->len = before;
    return r;
}
