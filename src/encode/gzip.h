/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/buf.h"

/* One gzip member (RFC 1952) for a request body or a spooled one. ISA-L where configure found it (about five times
 * zlib's speed at the same ratio; three times when unpacking), zlib elsewhere. One object serves one thread; it keeps
 * its tables. */
struct azm_gzip;

/* 0 or -ENOMEM. */
int azm_gzip_new(struct azm_gzip **ret);
struct azm_gzip *azm_gzip_free(struct azm_gzip *z);

/* Replaces the content of `out` by data[0..len) compressed: 0, -ENOMEM, -E2BIG (4 GiB), -EIO if the library fails. */
int azm_gzip_compress(struct azm_gzip *z, const void *data, size_t len, struct azm_buf *out);

/* Replaces the content of `out` by what one gzip member holds: 0, -EBADMSG if it is none, is damaged or more follows
 * it, -E2BIG if it is more than `max` bytes, -ENOMEM. */
int azm_gunzip(const void *data, size_t len, size_t max, struct azm_buf *out);
