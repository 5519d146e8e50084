/* SPDX-License-Identifier: MIT */
#pragma once

#include "store/spool.h"

/* A spool that several threads append to while one reads and acknowledges. Every function may be called from any
 * thread; each waits for the others, an append for as long as the disk needs. */
struct azm_spool_shared;

/* As azm_spool_open. */
int azm_spool_shared_open(const struct azm_spool_options *o, struct azm_spool_shared **ret,
                          struct azm_spool_damage *ret_damage, struct azm_error *err);
struct azm_spool_shared *azm_spool_shared_free(struct azm_spool_shared *s);

/* Readable (level-triggered) when something was appended since the last azm_spool_shared_seen. */
int azm_spool_shared_fd(const struct azm_spool_shared *s);
void azm_spool_shared_seen(struct azm_spool_shared *s);

/* As the functions of store/spool.h. */
int azm_spool_shared_append(struct azm_spool_shared *s, struct azm_spool_row *rows, size_t n, struct azm_error *err);
int azm_spool_shared_check_room(struct azm_spool_shared *s, size_t bytes, struct azm_error *err);
int azm_spool_shared_read(struct azm_spool_shared *s, uint64_t after, struct azm_spool_row *ret, uint64_t *lost_rows,
                          struct azm_error *err);
int azm_spool_shared_acknowledge(struct azm_spool_shared *s, uint64_t id, struct azm_error *err);
void azm_spool_shared_get_status(struct azm_spool_shared *s, struct azm_spool_status *ret);
