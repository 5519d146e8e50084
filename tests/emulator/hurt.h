/* SPDX-License-Identifier: MIT */
/* Answers that no decent server gives. They are sent past libmicrohttpd, which is to end the connection afterwards. */
#pragma once

#include "raw.h"
#include "reply.h"

/* Each sends until it is done, the client hangs up or the emulator is to end. 0 or -ENOMEM. */

/* 200 with a body that never ends. */
int emu_hurt_endless(const struct emu_raw *raw, const struct emu_reply *reply);

/* 200 with a body of a few hundred kilobytes that unpack to 256 MiB. */
int emu_hurt_gzip_bomb(const struct emu_raw *raw, const struct emu_reply *reply);

/* 200 and the first half of the body that its Content-Length announces. */
int emu_hurt_truncated(const struct emu_raw *raw, const struct emu_reply *reply);

/* The answer, one byte at a time, with a pause before each; without a pause in one piece. */
int emu_hurt_trickle(const struct emu_raw *raw, const struct emu_reply *reply, unsigned pause_msec);
