/* SPDX-License-Identifier: MIT */
#pragma once

/* What the answer of a destination says, be it a server's of HTTP or an engine's (stream/stream.h): the decision
 * follows from it (export/delivery.h). */
enum azm_meaning {
    AZM_TAKEN,
    AZM_TAKEN_PARTLY,
    AZM_UNREACHABLE,   /* no connection: the destination's or the network's fault */
    AZM_OVERLOADED,    /* 503: says itself that it is not about the data; one that sheds load refuses good data often */
    AZM_FAILED,        /* 5xx, reset, timeout: mostly the server's fault, now and then that of a record */
    AZM_THROTTLED,     /* 429 */
    AZM_UNAUTHORIZED,  /* 401 */
    AZM_MISCONFIGURED, /* 403, 404 and everything else that a person has to mend */
    AZM_REFUSED,       /* the server does not want this data, or a wrong proxy or path does not want any */
    AZM_TOO_LARGE,     /* 413 */
    AZM_REDIRECTED,    /* 307, 308 */
};
