/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

enum { EMU_UUID_BYTES = 37 };

/* A random UUID (version 4). */
bool emu_uuid(char text[static EMU_UUID_BYTES]);
