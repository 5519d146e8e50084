/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <unistd.h>

#include "core/log.h"
#include "core/utf8.h"
#include "encode/otlp_json.h"
#include "encode/otlp_json_parse.h"
#include "proto/otlp_logs.pb-c.h"
#include "tests/fuzz/fuzz.h"

#define SEPARATOR 0x1E

/* --- targets --- */

static struct fuzz_target *targets;

void fuzz_register(struct fuzz_target *t)
{
    struct fuzz_target **at = &targets;

    while (*at && strcmp((*at)->name, t->name) < 0)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
}

struct fuzz_target *fuzz_targets(void)
{
    return targets;
}

/* --- the input in pieces --- */

static struct piece {
    struct piece *next;
    void *memory;
} * pieces;

void *fuzz_alloc(size_t size)
{
    struct piece *p = malloc(sizeof *p);

    require(p);
    *p = (struct piece){.next = pieces, .memory = calloc(1, size)};
    require(p->memory || size == 0);
    pieces = p;
    return p->memory;
}

static void free_pieces(void)
{
    while (pieces) {
        struct piece *p = pieces;

        pieces = p->next;
        free(p->memory);
        free(p);
    }
}

static struct azm_text take(struct fuzz_input *in, size_t len, size_t behind)
{
    char *s = fuzz_alloc(len);

    if (len > 0)
        memcpy(s, in->data, len);
    in->data += len + behind;
    in->size -= len + behind;
    return (struct azm_text){s, len};
}

struct azm_text fuzz_part(struct fuzz_input *in)
{
    const uint8_t *end = in->size > 0 ? memchr(in->data, SEPARATOR, in->size) : NULL;

    return take(in, end ? (size_t)(end - in->data) : in->size, end != NULL);
}

char *fuzz_string(struct fuzz_input *in)
{
    struct azm_text t = fuzz_part(in);
    size_t len = t.len > 0 ? strnlen(t.s, t.len) : 0;
    char *s = fuzz_alloc(len + 1);

    if (len > 0)
        memcpy(s, t.s, len);
    return s;
}

struct azm_text fuzz_rest(struct fuzz_input *in)
{
    return take(in, in->size, 0);
}

uint8_t fuzz_byte(struct fuzz_input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

/* --- what must hold --- */

bool fuzz_is_utf8(struct azm_text t)
{
    return azm_utf8_valid_prefix(t.s, t.len) == t.len;
}

bool fuzz_is_line(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

bool fuzz_is_word(const char *s)
{
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] == '\0';
}

void fuzz_require_headers(const struct azm_key_values *headers)
{
    for (size_t i = 0; i < headers->n; i++) {
        const char *name = headers->items[i].key, *value = headers->items[i].value;

        require(*name && fuzz_is_line(name) && !strpbrk(name, ": \t"));
        for (const char *s = value; *s; s++)
            require((unsigned char)*s >= 0x20 ? *s != 0x7f : *s == '\t');
        for (size_t k = 0; k < i; k++)
            require(strcasecmp(name, headers->items[k].key) != 0);
    }
}

json_t *fuzz_json(struct azm_text t)
{
    json_t *j = json_loadb(t.s, t.len, JSON_REJECT_DUPLICATES, NULL);

    require(j);
    require(fuzz_is_utf8(t));
    return j;
}

static void require_packs(const ProtobufCMessage *m, struct azm_text t)
{
    uint8_t *packed = fuzz_alloc(protobuf_c_message_get_packed_size(m));

    require(protobuf_c_message_get_packed_size(m) == t.len);
    require(protobuf_c_message_pack(m, packed) == t.len);
    require(t.len == 0 || memcmp(packed, t.s, t.len) == 0);
}

void fuzz_require_record(struct azm_text t)
{
    Otlp__LogRecord *m = otlp__log_record__unpack(NULL, t.len, (const uint8_t *)t.s);

    require(m);
    require_packs(&m->base, t);
    otlp__log_record__free_unpacked(m, NULL);
}

void fuzz_require_resource(struct azm_text t)
{
    Otlp__Resource *m = otlp__resource__unpack(NULL, t.len, (const uint8_t *)t.s);

    require(m);
    require_packs(&m->base, t);
    otlp__resource__free_unpacked(m, NULL);
}

void fuzz_require_json_line(struct azm_text resource, struct azm_text record)
{
    _cleanup_(azm_buf_free) struct azm_buf line = {0}, resource_again = {0}, record_again = {0}, bytes = {0};

    require(azm_buf_append(&bytes, record.s, record.len) == 0);
    require(azm_otlp_json_line(resource, &bytes, &line) == 0);
    require(line.len > 0 && memchr(line.data, '\n', line.len) == line.data + line.len - 1);
    json_decref(fuzz_json(fuzz_text(&line)));
    require(azm_otlp_json_parse_line(fuzz_text(&line), &resource_again, &record_again) == 0);
    require(azm_text_equal(fuzz_text(&resource_again), resource));
    require(azm_text_equal(fuzz_text(&record_again), record));
}

/* --- surroundings --- */

static uint64_t now(void *userdata)
{
    (void)userdata;
    return FUZZ_NOW_USEC;
}

const struct azm_clock fuzz_clock = {.monotonic_usec = now, .realtime_usec = now, .random = now};

static char dir[PATH_MAX];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_dir(void)
{
    if (getpid() == owner)
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_dir(void)
{
    const char *tmp = getenv("TMPDIR");

    if (!*dir) {
        snprintf(dir, sizeof dir, "%s/azmonlog-fuzz.XXXXXX", tmp && *tmp ? tmp : "/tmp");
        require(mkdtemp(dir));
        owner = getpid();
        require(atexit(remove_dir) == 0);
    }
    return dir;
}

int fuzz_dir_fd(void)
{
    static int fd = -1;

    if (fd < 0)
        fd = open(fuzz_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(fd >= 0);
    return fd;
}

const char *fuzz_path(const char *name)
{
    static char path[PATH_MAX + 256];

    snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
    return path;
}

void fuzz_write(const char *name, struct azm_text content)
{
    int fd = openat(fuzz_dir_fd(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    require(fd >= 0);
    require(content.len == 0 || write(fd, content.s, content.len) == (ssize_t)content.len);
    close(fd);
}

/* Whatever is said is one line. */
static void check_log(enum azm_log_level level, const char *name, const char *line)
{
    (void)level, (void)name;
    require(!strchr(line, '\n'));
}

void fuzz_run(const struct fuzz_target *t, const uint8_t *data, size_t size)
{
    azm_log_to(check_log);
    t->run((struct fuzz_input){data, size});
    free_pieces();
}
