/* SPDX-License-Identifier: MIT */
/* Forked workers log to the journal by its own library, with fields and the trace context that $TRACEPARENT has (W3C:
 * as in the header of a request). usage: journal [ORDERS]
 *
 *     cc -o journal journal.c $(pkg-config --cflags --libs libsystemd) */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static char trace_id[33], span_id[17];

static void pack(int order)
{
    for (int step = 1; step <= 20; step++) {
        /* a NULL ends the list: no trace context where there is none */
        sd_journal_send("MESSAGE=order %d step %d", order, step, "PRIORITY=%d", LOG_INFO, "SYSLOG_IDENTIFIER=shop-c",
                        "ORDER_ID=%d", order, trace_id[0] ? "TRACE_ID=%s" : NULL, trace_id, "SPAN_ID=%s", span_id,
                        NULL);
        usleep(5000);
    }
}

int main(int argc, char *argv[])
{
    int orders = argc > 1 ? atoi(argv[1]) : 20;
    const char *traceparent = getenv("TRACEPARENT");

    if (traceparent && sscanf(traceparent, "%*2[0-9a-f]-%32[0-9a-f]-%16[0-9a-f]", trace_id, span_id) != 2)
        trace_id[0] = '\0';
    for (int worker = 1; worker <= 4; worker++)
        if (fork() == 0) {
            for (int order = worker; order <= orders; order += 4)
                pack(order);
            _exit(0); /* nothing to flush */
        }
    while (wait(NULL) > 0)
        ;
    return 0;
}
