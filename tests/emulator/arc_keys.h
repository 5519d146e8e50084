/* SPDX-License-Identifier: MIT */
/* Arc's way to know a local administrator: it writes a key into a directory that only those can read, and whoever knows
 * it has proved that. Guards itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct emu_arc_keys;

/* The directory must be there. 0; -errno with an error printed. */
int emu_arc_keys_new(const char *directory, struct emu_arc_keys **ret);

/* Writes a new key into a file of its own (mode 0600) and gives its path, which is to be freed. The last 16 are good. 0
 * or -errno. */
int emu_arc_keys_write(struct emu_arc_keys *keys, char **ret_path);

/* Is this one of the keys? Unless it is only looked at, it is good no longer, and its file goes. */
bool emu_arc_keys_take(struct emu_arc_keys *keys, const char *key, bool only_look);

/* Removes the files that are left. NULL is allowed. */
void emu_arc_keys_free(struct emu_arc_keys *keys);
