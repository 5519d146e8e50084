/* SPDX-License-Identifier: MIT */
/* Waiting that ends with the emulator. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* CLOCK_MONOTONIC. */
int64_t emu_now_msec(void);

/* Sleeps until the time is over (true), or until the emulator is to end (`stop_fd` is readable) or the client hangs up
 * (false). With fd -1 nobody looks whether the client is still there. */
bool emu_sleep(int stop_fd, int fd, unsigned msec);

/* Waits until the client has sent something or hangs up, until the time is over, or until the emulator is to end. */
void emu_wait_readable(int stop_fd, int fd, unsigned msec);

/* Waits until the client takes more bytes (true); false as above. */
bool emu_wait_writable(int stop_fd, int fd);
