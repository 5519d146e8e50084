/* SPDX-License-Identifier: MIT */
/* Bounded decompression of a request body. */
#pragma once

#include "buf.h"

/* Appends to `plain` what the one gzip member in `packed` holds, never more than `limit` bytes. 0; -EFBIG when there
 * is more than the limit; -EBADMSG when it is not gzip, is damaged or cut short, or when anything follows the member;
 * -ENOMEM. */
int emu_gunzip(const void *packed, size_t length, size_t limit, struct emu_buf *plain);

/* The same with as little CPU as possible: by ISA-L, where it is there. */
int emu_gunzip_fast(const void *packed, size_t length, size_t limit, struct emu_buf *plain);
