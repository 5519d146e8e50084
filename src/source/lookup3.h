/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Bob Jenkins' lookup3 with both initial values 0, as the journal uses it: the hash in an entry's cursor (x=) is that
 * of all its fields, "NAME=value", XORed. (systemd's documentation "Journal File Format", xor_hash: it is always this
 * hash, also in files with keyed ones.) */
uint64_t azm_lookup3(const void *data, size_t len);
