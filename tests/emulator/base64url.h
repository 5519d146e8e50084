/* SPDX-License-Identifier: MIT */
/* base64url without padding (RFC 7515, section 2). */
#pragma once

#include "buf.h"

/* Appends the text. 0 or -ENOMEM. */
int emu_base64url_encode(struct emu_buf *text, const void *bytes, size_t length);

/* Appends the bytes. 0; -EINVAL when it is not what emu_base64url_encode writes; -ENOMEM. */
int emu_base64url_decode(struct emu_buf *bytes, const char *text, size_t length);
