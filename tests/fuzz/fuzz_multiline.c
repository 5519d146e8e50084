/* SPDX-License-Identifier: MIT */
#include "parse/multiline.h"
#include "tests/fuzz/fuzz.h"

/* Lines of a program, of which some may be one message. Nothing goes on with a message that has not begun; a line that
 * does not go on leaves the state as it was; the same lines give the same messages. */

FUZZ_TARGET(multiline)
{
    enum azm_multiline kind = (enum azm_multiline)(fuzz_byte(&in) % (AZM_MULTILINE_AUTO + 1));
    azm_multiline_state state = 0;

    while (in.size > 0) {
        struct azm_text line = fuzz_part(&in);
        azm_multiline_state before = state, again = state;
        bool goes_on = azm_multiline_continue(&state, line);

        require(azm_multiline_continue(&again, line) == goes_on && again == state);
        if (goes_on) {
            require(before > 0 && state > 0);
            continue;
        }
        require(state == before);
        state = azm_multiline_begin(kind, line);
        require(azm_multiline_begin(kind, line) == state);
        if (kind <= AZM_MULTILINE_PIECES || line.len == 0)
            require(state == 0);
        if (kind > AZM_MULTILINE_PIECES && kind < AZM_MULTILINE_AUTO && kind != AZM_MULTILINE_INDENT && state > 0)
            require(azm_multiline_begin(AZM_MULTILINE_AUTO, line) > 0);
    }
}
