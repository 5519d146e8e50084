/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/record.h"
#include "tests/unit/require.h"

/* Fuzz targets: each takes any bytes, feeds them to one parser of bytes from outside, and requires what must hold
 * whatever they are. `make fuzz` has libFuzzer invent them (libfuzzer.c); `make check` replays those that are kept in
 * seeds/ and regressions/ (replay.c). */

struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

struct fuzz_target {
    const char *name;
    void (*run)(struct fuzz_input in);
    struct fuzz_target *next;
};

void fuzz_register(struct fuzz_target *t);
struct fuzz_target *fuzz_targets(void); /* in alphabetical order */

/* Runs one input and frees what fuzz_part and its siblings have made. */
void fuzz_run(const struct fuzz_target *t, const uint8_t *data, size_t size);

/* FUZZ_TARGET(name) { the code, with `struct fuzz_input in` }; once in fuzz_<name>.c. */
#define FUZZ_TARGET(target)                                                                                            \
    static void run_##target(struct fuzz_input in);                                                                    \
    __attribute__((constructor)) static void register_##target(void)                                                   \
    {                                                                                                                  \
        static struct fuzz_target t = {.name = #target, .run = run_##target};                                          \
                                                                                                                       \
        fuzz_register(&t);                                                                                             \
    }                                                                                                                  \
    static void run_##target(struct fuzz_input in)

/* --- the input in pieces --- */

/* Memory that lives until the input is done; each piece is an allocation of its own of exactly this size, so that
 * AddressSanitizer sees who reads or writes behind it. */
void *fuzz_alloc(size_t size);

/* The bytes up to the next 0x1E, which is skipped; without one all that is left. */
struct azm_text fuzz_part(struct fuzz_input *in);

/* The same as a string, which ends at the first NUL. */
char *fuzz_string(struct fuzz_input *in);

/* All that is left. */
struct azm_text fuzz_rest(struct fuzz_input *in);

/* The next byte; 0 at the end. */
uint8_t fuzz_byte(struct fuzz_input *in);

/* --- what must hold of what comes out --- */

static inline struct azm_text fuzz_text(const struct azm_buf *b)
{
    return (struct azm_text){(const char *)b->data, b->len};
}

/* Valid UTF-8 without NUL. */
bool fuzz_is_utf8(struct azm_text t);

/* One line for a terminal or a log: no control characters. */
bool fuzz_is_line(const char *s);

/* Only the characters that Microsoft's ids and codes are made of. */
bool fuzz_is_word(const char *s);

/* Headers of a request: no name twice, and nothing that ends a line. */
void fuzz_require_headers(const struct azm_key_values *headers);

/* JSON that jansson takes, in UTF-8, no key twice; the caller releases it. */
json_t *fuzz_json(struct azm_text t);

/* OTLP as protobuf-c reads and writes it: what it packs again is what it was. */
void fuzz_require_record(struct azm_text record);
void fuzz_require_resource(struct azm_text resource);

/* The line of OTLP/JSON says the same as these bytes: parsed, it gives them back. */
void fuzz_require_json_line(struct azm_text resource, struct azm_text record);

/* --- surroundings --- */

extern const struct azm_clock fuzz_clock; /* stands still */
#define FUZZ_NOW_USEC UINT64_C(1795629105000000)

/* A directory of this process under $TMPDIR (or /tmp), which goes away with it; its path and its descriptor. */
const char *fuzz_dir(void);
int fuzz_dir_fd(void);
const char *fuzz_path(const char *name); /* valid until the next call */
void fuzz_write(const char *name, struct azm_text content);
