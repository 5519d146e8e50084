/* SPDX-License-Identifier: MIT */
/* The fault script: which requests do not get the normal treatment. README.md has the grammar. */
#pragma once

#include "buf.h"
#include "emulator.h"

#include <stddef.h>
#include <stdint.h>

enum emu_action {
    EMU_ACTION_NORMAL, /* no fault: such a rule only delays, or shields requests from later rules */
    EMU_ACTION_STATUS, /* answer with `status`, `headers` and `body` as they are, store nothing */
    EMU_ACTION_REFUSE, /* answer with `status` in the dialect of the path, `code` and `body`, store nothing */
    EMU_ACTION_RESET,  /* break the connection with a TCP reset, store nothing */
    EMU_ACTION_CLOSE,  /* close the connection properly, but without an answer, store nothing */
    EMU_ACTION_STALL,  /* say nothing for stall_msec, then close, store nothing */
    EMU_ACTION_STORED_THEN_RESET, /* store as usual, then reset: the client cannot know */
    EMU_ACTION_PARTIAL_SUCCESS,   /* claim that `rejected` records were rejected, with `body` as the reason */
};

struct emu_header {
    char *name;
    char *value;
};

struct emu_rule {
    uint64_t first; /* the requests it is about, counted from 1, both ends included */
    uint64_t last;
    struct emu_buf containing; /* only requests with these bytes in their decompressed body; empty = all */
    unsigned delay_msec;       /* to wait before the action */
    enum emu_action action;
    unsigned status;
    char *code;
    struct emu_header *headers;
    size_t header_count;
    struct emu_buf body; /* for REFUSE and PARTIAL_SUCCESS a text, NUL-terminated behind its length */
    unsigned stall_msec;
    int64_t rejected;
    char *label; /* the fault in a few words, for the requests file */
};

/* Never changes once it is parsed, so any number of threads may read it. */
struct emu_script {
    struct emu_rule *rules;
    size_t count;
};

struct emu_script_error {
    unsigned line; /* counted from 1; 0 when the error is not in a line */
    char problem[EMU_PROBLEM_BYTES];
};

/* 0; -EINVAL with the error filled in; -ENOMEM. Free the script with emu_script_free. */
int emu_script_parse(const char *text, size_t length, struct emu_script **ret, struct emu_script_error *error);

/* The first rule for the request with this number and (decompressed) body, or NULL. */
const struct emu_rule *emu_script_find(const struct emu_script *script, uint64_t number, const void *body,
                                       size_t length);

/* NULL is allowed. */
void emu_script_free(struct emu_script *script);
