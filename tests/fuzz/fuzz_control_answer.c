/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>
#include <unistd.h>

#include "cli/status_text.h"
#include "core/utf8.h"
#include "pipeline/unix_socket.h"
#include "tests/fuzz/fuzz.h"

/* What answers on the control socket: one line is received as it is; a status is printed in lines that neither move the
 * cursor nor change colours. */

static void check_receive(struct azm_text t)
{
    static struct azm_buf got;
    const char *end = t.len > 0 ? memchr(t.s, '\n', t.len) : NULL;
    int pair[2], r;

    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    require(azm_unix_send(pair[0], t.s, t.len, AZM_USEC_INFINITY) == 0);
    close(pair[0]);
    r = azm_unix_receive(pair[1], '\n', AZM_USEC_INFINITY, &got);
    require(r == (end ? 0 : -ECONNRESET));
    require(r < 0 || azm_text_equal(fuzz_text(&got), (struct azm_text){t.s, (size_t)(end - t.s)}));
    close(pair[1]);
}

static void check_printed(struct azm_text t)
{
    require(fuzz_is_utf8(t));
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.s[i];

        require(c == '\n' || (c >= 0x20 && c != 0x7f));
        require(c != 0xC2 || (unsigned char)t.s[i + 1] >= 0xA0); /* U+0080 to U+009F are controls as well */
    }
}

FUZZ_TARGET(control_answer)
{
    struct azm_text t = fuzz_rest(&in);
    json_t *status = json_loadb(t.s, t.len, 0, NULL);
    char *text = NULL;
    size_t len = 0;
    FILE *f;

    check_receive(t);
    if (json_is_object(status)) {
        f = open_memstream(&text, &len);
        require(f);
        azm_status_print(f, status, FUZZ_NOW_USEC, &(struct azm_status_style){.width = 80});
        require(fclose(f) == 0);
        check_printed((struct azm_text){text, len});
        free(text);
    }
    json_decref(status);
}
