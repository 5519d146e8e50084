/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "core/cleanup.h"

/* A run of bytes that must not be seen: a token, a password, a private key. It has pages of its own, which are left out
 * of core dumps (MADV_DONTDUMP) and wiped when the last reference goes (explicit_bzero). Its size is fixed when it is
 * made, so that no copy stays behind where it has grown. Libraries that it is handed to (libcurl, OpenSSL, jansson)
 * make copies of their own.
 *
 * One thread fills it; after that it does not change and any number of threads may hold references. */
struct azm_secret;

/* An empty one for up to `max` bytes: 0 or -ENOMEM. */
int azm_secret_new(size_t max, struct azm_secret **ret);

struct azm_secret *azm_secret_ref(struct azm_secret *s);
struct azm_secret *azm_secret_unref(struct azm_secret *s); /* NULL is allowed; returns NULL */

/* Appends: 0, or -E2BIG if it does not fit (then it is unchanged). */
int azm_secret_append(struct azm_secret *s, const void *data, size_t len);

/* printf into it: 0, or -E2BIG if it does not fit (then it is unchanged). */
int azm_secret_printf(struct azm_secret *s, const char *format, ...) _printf_(2, 3);

/* Forgets the content, wiped. Only while nobody else holds it. */
void azm_secret_clear(struct azm_secret *s);

/* Shortens it to `len` bytes. */
void azm_secret_truncate(struct azm_secret *s, size_t len);

/* The content, with a NUL behind it. */
const char *azm_secret_text(const struct azm_secret *s);
size_t azm_secret_len(const struct azm_secret *s);

static inline void azm_secret_unrefp(struct azm_secret **s)
{
    azm_secret_unref(*s);
}
