/* SPDX-License-Identifier: MIT */
#include "plugin/structured_data.h"
#include "tests/fuzz/fuzz.h"

/* STRUCTURED-DATA at the beginning of a text. What is read ends within it, at its own end: without what follows it is
 * the same, and each element that is left out is counted. */

FUZZ_TARGET(structured_data)
{
    static struct azm_attributes attributes, again;
    struct azm_record record = {0}, record_again = {0};
    struct azm_text t = fuzz_rest(&in);
    ssize_t len;

    azm_attributes_begin(&attributes);
    len = azm_structured_data_read(t, &attributes, &record);
    require(len >= 0 && (size_t)len <= t.len);
    if (len == 0)
        return;
    require(t.s[0] == '-' || (t.s[0] == '[' && t.s[len - 1] == ']'));
    for (size_t i = 0; i < attributes.n; i++) {
        require(fuzz_is_utf8(attributes.items[i].key));
        for (size_t k = 0; k < i; k++)
            require(!azm_text_equal(attributes.items[i].key, attributes.items[k].key));
    }
    in = (struct fuzz_input){(const uint8_t *)t.s, (size_t)len};
    azm_attributes_begin(&again);
    require(azm_structured_data_read(fuzz_rest(&in), &again, &record_again) == len);
    require(again.n == attributes.n && again.n_dropped == attributes.n_dropped);
    require(record.has_trace_id == record_again.has_trace_id);
}
