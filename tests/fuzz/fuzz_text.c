/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"
#include "encode/json_text.h"
#include "tests/fuzz/fuzz.h"

/* Text of any bytes made valid, and written as JSON without a JSON library: jansson reads the same text. */

static size_t utf16_units(struct azm_text t)
{
    size_t n = 0;

    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.s[i];

        n += (c & 0xC0) != 0x80;
        n += c >= 0xF0;
    }
    return n;
}

/* The text that the escaped one stands for. */
static void require_means(const struct azm_buf *escaped, struct azm_text expected)
{
    static struct azm_buf quoted;
    json_t *j;

    azm_buf_clear(&quoted);
    require(azm_buf_append(&quoted, "[\"", 2) == 0 && azm_buf_append(&quoted, escaped->data, escaped->len) == 0 &&
            azm_buf_append(&quoted, "\"]", 2) == 0);
    j = fuzz_json(fuzz_text(&quoted));
    require(azm_text_equal(
        (struct azm_text){json_string_value(json_array_get(j, 0)), json_string_length(json_array_get(j, 0))},
        expected));
    json_decref(j);
}

FUZZ_TARGET(text)
{
    static struct azm_buf clean, again, escaped;
    size_t max_units = fuzz_byte(&in), max_bytes = fuzz_byte(&in);
    struct azm_text t = fuzz_rest(&in);
    struct azm_json_text fit;

    azm_buf_clear(&clean);
    azm_buf_clear(&again);
    azm_buf_clear(&escaped);
    require(azm_utf8_append_clean(&clean, t.s, t.len) == 0);
    require(fuzz_is_utf8(fuzz_text(&clean)));
    require(azm_utf8_append_clean(&again, (const char *)clean.data, clean.len) == 0);
    require(azm_text_equal(fuzz_text(&clean), fuzz_text(&again)));
    require(azm_utf8_valid_prefix(t.s, t.len) < t.len || azm_text_equal(fuzz_text(&clean), t));

    require(azm_json_append(&escaped, t) == 0);
    require_means(&escaped, fuzz_text(&clean));
    fit = azm_json_fit(t, max_units, max_bytes);
    require(fit.text.len <= t.len && fit.cut == (fit.text.len < t.len) && fit.json_bytes <= max_bytes);
    azm_buf_clear(&escaped);
    require(azm_json_append(&escaped, fit.text) == 0);
    require(escaped.len == fit.json_bytes);
    azm_buf_clear(&clean);
    require(azm_utf8_append_clean(&clean, fit.text.s, fit.text.len) == 0);
    require_means(&escaped, fuzz_text(&clean));
    require(utf16_units(fuzz_text(&clean)) <= max_units);
    if (clean.len > max_bytes)
        require(fuzz_is_utf8((struct azm_text){(const char *)clean.data, azm_utf8_cut((char *)clean.data, max_bytes)}));
}
