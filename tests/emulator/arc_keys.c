/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "arc_keys.h"
#include "uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GOOD_KEYS = 16 };

struct key {
    char *path; /* NULL = none */
    char text[2 * EMU_UUID_BYTES];
};

struct emu_arc_keys {
    char *directory;
    pthread_mutex_t lock;
    struct key keys[GOOD_KEYS]; /* under the lock */
    size_t next;                /* under the lock: the oldest */
};

int emu_arc_keys_new(const char *directory, struct emu_arc_keys **ret)
{
    struct emu_arc_keys *keys = calloc(1, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    pthread_mutex_init(&keys->lock, NULL); /* cannot fail with default attributes */
    keys->directory = realpath(directory, NULL);
    if (!keys->directory) {
        int r = -errno;
        fprintf(stderr, "azmonlog-emulator: cannot use %s: %s\n", directory, strerror(-r));
        emu_arc_keys_free(keys);
        return r;
    }
    *ret = keys;
    return 0;
}

static void drop(struct key *key)
{
    if (key->path)
        unlink(key->path);
    free(key->path);
    *key = (struct key){0};
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    const size_t length = strlen(text);
    int r = write(fd, text, length) == (ssize_t)length ? 0 : -EIO;
    if (close(fd) < 0)
        r = -errno;
    return r;
}

int emu_arc_keys_write(struct emu_arc_keys *keys, char **ret_path)
{
    char name[EMU_UUID_BYTES], secret[EMU_UUID_BYTES], more[EMU_UUID_BYTES];
    struct key key = {0};

    if (!emu_uuid(name) || !emu_uuid(secret) || !emu_uuid(more))
        return -EIO;
    snprintf(key.text, sizeof(key.text), "%s-%s", secret, more);
    if (asprintf(&key.path, "%s/%s.key", keys->directory, name) < 0)
        return -ENOMEM;
    *ret_path = strdup(key.path);
    int r = *ret_path ? write_file(key.path, key.text) : -ENOMEM;
    if (r < 0) {
        free(*ret_path);
        drop(&key);
        return r;
    }
    pthread_mutex_lock(&keys->lock);
    drop(&keys->keys[keys->next]);
    keys->keys[keys->next] = key;
    keys->next = (keys->next + 1) % GOOD_KEYS;
    pthread_mutex_unlock(&keys->lock);
    return 0;
}

bool emu_arc_keys_take(struct emu_arc_keys *keys, const char *key, bool only_look)
{
    bool found = false;

    pthread_mutex_lock(&keys->lock);
    for (size_t i = 0; !found && i < GOOD_KEYS; i++) {
        found = keys->keys[i].path && strcmp(keys->keys[i].text, key) == 0;
        if (found && !only_look)
            drop(&keys->keys[i]);
    }
    pthread_mutex_unlock(&keys->lock);
    return found;
}

void emu_arc_keys_free(struct emu_arc_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < GOOD_KEYS; i++)
        drop(&keys->keys[i]);
    free(keys->directory);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}
