/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "message.h"

#include <errno.h>
#include <stdlib.h>

struct block {
    size_t size;
    _Alignas(max_align_t) char data[];
};

static void *allocate(void *unused, size_t size)
{
    (void)unused;
    struct block *block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    block->size = size;
    return block->data; /* release finds the block again */
}

static struct block *block_of(const void *data)
{
    return (struct block *)((char *)data - offsetof(struct block, data));
}

static void release(void *unused, void *data)
{
    (void)unused;
    if (data)
        free(block_of(data));
}

static ProtobufCAllocator sized_blocks = {.alloc = allocate, .free = release};

int emu_message_unpack(const void *bytes, size_t length, Otlp__ExportLogsServiceRequest **ret)
{
    Otlp__ExportLogsServiceRequest *message = otlp__export_logs_service_request__unpack(&sized_blocks, length, bytes);
    if (!message)
        return -EBADMSG;
    *ret = message;
    return 0;
}

void emu_message_free(Otlp__ExportLogsServiceRequest *message)
{
    otlp__export_logs_service_request__free_unpacked(message, &sized_blocks);
}

int emu_message_unpack_metrics(const void *bytes, size_t length, Otlp__ExportMetricsServiceRequest **ret)
{
    Otlp__ExportMetricsServiceRequest *message =
        otlp__export_metrics_service_request__unpack(&sized_blocks, length, bytes);
    if (!message)
        return -EBADMSG;
    *ret = message;
    return 0;
}

void emu_message_free_metrics(Otlp__ExportMetricsServiceRequest *message)
{
    otlp__export_metrics_service_request__free_unpacked(message, &sized_blocks);
}

size_t emu_message_string_length(const char *string)
{
    /* An absent string points to protobuf-c's own constant, which is not in a block. */
    if (!string || string == protobuf_c_empty_string)
        return 0;
    return block_of(string)->size - 1;
}
