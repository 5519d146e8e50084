/* SPDX-License-Identifier: MIT */
/* The fault script: which requests do not get the normal treatment. README.md has the grammar. */
#pragma once

#include "buf.h"
#include "emulator.h"
#include "numbers.h"

#include <stddef.h>
#include <stdint.h>

enum emu_action {
    EMU_ACTION_NORMAL, /* no fault: such a rule only delays, or shields requests from later rules */
    EMU_ACTION_STATUS, /* answer with `status`, `headers` and `body` as they are, store nothing */
    EMU_ACTION_REFUSE, /* answer with `status` in the dialect of the path, `code` and `body`, store nothing */
    EMU_ACTION_RESET,  /* break the connection with a TCP reset, store nothing */
    EMU_ACTION_CLOSE,  /* close the connection properly, but without an answer, store nothing */
    EMU_ACTION_STALL,  /* say nothing for pause_msec, then close, store nothing */
    EMU_ACTION_STORED_THEN_RESET, /* store as usual, then reset: the client cannot know */
    EMU_ACTION_PARTIAL_SUCCESS,   /* claim that `rejected` records were rejected, with `body` as the reason */
    EMU_ACTION_CLOSE_UNSAID,      /* treat normally, and close the connection behind the answer without a word */
    EMU_ACTION_ENDLESS,           /* store as usual; a 200 whose body never ends */
    EMU_ACTION_GZIP_BOMB,         /* store as usual; a 200 that unpacks to far too much */
    EMU_ACTION_TRUNCATED,         /* store as usual; a 200 that ends too early */
    EMU_ACTION_TRICKLE,           /* store as usual; the answer comes a byte at a time, every pause_msec */
    EMU_ACTION_GARBAGE,           /* send `body`, which is no HTTP, and close, store nothing */
    EMU_ACTION_REJECT_RECORDS,    /* reject the records with the bytes of `reject` in them, with `body` as the reason */
    EMU_ACTION_ITEMS, /* answer the items with `reject` in them with `status` and `body`, store the others */
};

struct emu_header {
    char *name;
    char *value;
};

struct emu_rule {
    struct emu_range numbers;   /* the requests it is about, counted from 1 */
    struct emu_buf *containing; /* only requests with one of these in their decompressed body; none = all */
    size_t containing_count;
    struct emu_range records, bytes, wire; /* only requests with so many of them; see struct emu_request_facts */
    unsigned delay_msec;                   /* to wait before the action */
    unsigned interim;                      /* a 1xx to send before the action; 0 = none */
    enum emu_action action;
    unsigned status;
    char *code;
    struct emu_header *headers;
    size_t header_count;
    struct emu_buf body; /* unless it is for STATUS a text, NUL-terminated behind its length */
    unsigned pause_msec; /* for STALL and TRICKLE */
    int64_t rejected;
    struct emu_buf reject;
    char *label; /* the fault in a few words, for the requests file */
};

enum emu_connection_action {
    EMU_CONNECTION_NORMAL,
    EMU_CONNECTION_RESET,     /* a TCP reset at once, before TLS and before any request */
    EMU_CONNECTION_SLOW_READ, /* read a KiB of a request's body every pause_msec */
};

struct emu_connection_rule {
    struct emu_range numbers; /* the connections it is about, counted from 1 */
    enum emu_connection_action action;
    unsigned pause_msec;
};

struct emu_rules {
    struct emu_rule *items;
    size_t count;
};

/* Never changes once it is parsed, so any number of threads may read it. */
struct emu_script {
    struct emu_rules requests; /* to the endpoints that take records */
    struct emu_rules identity; /* for tokens */
    struct emu_connection_rule *connection_rules;
    size_t connection_count;
};

struct emu_script_error {
    unsigned line; /* counted from 1; 0 when the error is not in a line */
    char problem[EMU_PROBLEM_BYTES];
};

/* 0; -EINVAL with the error filled in; -ENOMEM. Free the script with emu_script_free. */
int emu_script_parse(const char *text, size_t length, struct emu_script **ret, struct emu_script_error *error);

/* What the conditions of a rule are about. A request that was refused before its body was unpacked has neither bytes
 * nor records. */
struct emu_request_facts {
    const void *body; /* decompressed */
    size_t bytes;
    uint64_t wire_bytes; /* as sent */
    size_t records;
};

/* The first rule for the request with this number, or NULL. */
const struct emu_rule *emu_rules_find(const struct emu_rules *rules, uint64_t number,
                                      const struct emu_request_facts *facts);

/* The first rule for the connection with this number, or NULL. */
const struct emu_connection_rule *emu_script_find_connection(const struct emu_script *script, uint64_t number);

/* NULL is allowed. */
void emu_script_free(struct emu_script *script);
