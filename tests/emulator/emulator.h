/* SPDX-License-Identifier: MIT */
/* What every part of the emulator shares: its limits and the dialects it speaks. */
#pragma once

/* Azure's limit for one request. Microsoft documents 1 MB "both compressed and uncompressed", and the gateway's own
 * error message says 1048576; the emulator takes the documentation at its word and checks both. */
#define EMU_LIMIT_BYTES ((size_t)1048576)

/* One short English sentence about what is wrong with somebody's input. */
#define EMU_PROBLEM_BYTES 512

/* Who a path belongs to, and so how success and errors look on it. */
enum emu_dialect {
    EMU_PLAIN, /* /v1/logs: success is 200, errors are google.rpc.Status as protobuf */
    EMU_AZURE, /* /datacollectionRules/...: success is 204, errors are JSON and x-ms-error-code */
    EMU_TRACK, /* /v2.1/track, Application Insights: success and errors are JSON that counts items */
};

/* Calls function(&variable) when the variable leaves its scope. */
#define _cleanup_(function) __attribute__((cleanup(function)))
