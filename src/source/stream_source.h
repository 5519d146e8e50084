/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/clock.h"
#include "source/source.h"
#include "stream/stream.h"

/* A stream as a source, for a relay: gives the records that hosts have written to it, as they are encoded already. The
 * position is the number of the last message of which every record was given (stream/stream.h).
 *
 * With ONCE it waits where it would have to say that it does not know yet, so that "none now" means that the stream
 * is read to its end. 0 or -errno. */
enum azm_stream_use {
    AZM_STREAM_FOLLOW,
    AZM_STREAM_ONCE,
    AZM_STREAM_LOOK, /* take nothing and change nothing: for get_status alone, after `process` */
};

int azm_stream_source_open(const struct azm_config *config, enum azm_stream_use use, const struct azm_clock *clock,
                           struct azm_source **ret, struct azm_error *err);
